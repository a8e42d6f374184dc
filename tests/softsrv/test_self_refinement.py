"""PT_SR: critique and rewrite until the word Stop, within bounded rounds."""

import pytest

from metasynth.softsrv.baselines.self_refinement import (
    RefinementTally,
    refine,
    refined_questions,
    says_stop,
)
from metasynth.softsrv.baselines.task_templates import load_templates
from metasynth.softsrv.sampling.samples import Sample

TASK = load_templates("mathematics")
SAMPLE = Sample("How many?", "target-1", 4, 99, stopped=True, tokens=0)


class Critic:
    """Gives these replies to the refine prompt, one after the other, then Stop."""

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, prompt: str, *, step: str, temperature: float) -> str:
        self.asked.append((step, prompt))
        if step.endswith("critique"):
            return " Too easy. "
        return self.replies.pop(0) if self.replies else "Stop"


@pytest.mark.parametrize(
    "reply", ["Stop", "stop.", " 'Stop' ", "**STOP**", '"Stop."\n\nThe problem is excellent.']
)
def test_stop_is_read_whatever_stands_around_it(reply: str) -> None:
    assert says_stop(reply)


@pytest.mark.parametrize(
    "reply", ["Stop signs are red. How many?", "The bus stop", "", "Do not stop", "Nonstop"]
)
def test_a_question_is_not_taken_for_stop(reply: str) -> None:
    assert not says_stop(reply)


async def test_it_rewrites_until_stop() -> None:
    critic = Critic(
        "Refined problem: How many lamps?", "**Question:** How many red lamps? Answer: 3"
    )
    tally = RefinementTally()
    better = await refine(critic, SAMPLE, TASK, rounds=5, tally=tally)
    assert better == Sample("How many red lamps?", "target-1", 4, 99, stopped=True, tokens=0)
    assert [step for step, _ in critic.asked] == [
        f"refinement/4/{number}/{part}" for number in range(3) for part in ("critique", "refine")
    ]
    assert "How many lamps?" in critic.asked[2][1]
    assert "Criticism:\nToo easy.\n" in critic.asked[3][1]
    assert (tally.calls, tally.rewritten, tally.stopped, tally.capped) == (6, 2, 1, 0)


async def test_rounds_are_capped() -> None:
    tally = RefinementTally()
    critic = Critic(*(f"How many of {number}?" for number in range(9)))
    better = await refine(critic, SAMPLE, TASK, rounds=2, tally=tally)
    assert better.text == "How many of 1?"
    assert len(critic.asked) == 4
    assert (tally.capped, tally.stopped) == (1, 0)


async def test_a_reply_without_a_question_keeps_the_last_one() -> None:
    tally = RefinementTally()
    better = await refine(Critic("How many now?", "  "), SAMPLE, TASK, tally=tally)
    assert better.text == "How many now?"
    assert tally.failed == 1


async def test_many_are_refined_in_order() -> None:
    async def samples() -> object:
        for number in range(8):
            yield Sample(f"How many of {number}?", "c", number, 0, stopped=True, tokens=0)

    made = refined_questions(Critic(), samples(), TASK, concurrency=3)  # type: ignore[arg-type]
    assert [sample.number async for sample in made] == list(range(8))
