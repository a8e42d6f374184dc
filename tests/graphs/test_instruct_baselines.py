"""Self-Instruct, Evol-Instruct and the template: what they ask, what they keep."""

import hashlib
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from metasynth.graphs.admission.likeness import InstructionPool
from metasynth.graphs.baselines.instruct_prompts import BASELINES
from metasynth.records.record import Message, Record
from tests.instruct_runs import InstructTeacher, Run, question, title_of
from tests.openai_answers import Reply
from tests.prose import prose

EASY = {"gate__min_distance": 0, "gate__max_ngram_overlap": 1, "gate__max_same_opening": 99}
SEEDS = [question(random.Random(number)) for number in range(10)]


class BaselineTeacher:
    """Answers the prompts of the baselines; everything else as `InstructTeacher` does.

    Args:
        made: What it writes where another instruction is asked for.
    """

    def __init__(self, made: str = "", said: str = "Different.") -> None:
        self._made, self._said = made, said
        self._experts = InstructTeacher()

    def __call__(self, request: dict[str, Any]) -> "Reply | str":
        if title_of(request):
            return self._experts(request)
        asked = str(request["messages"][-1]["content"])
        seen = json.dumps([request["messages"], request.get("seed")], sort_keys=True)
        rng = random.Random(hashlib.sha256(seen.encode()).hexdigest())
        if "Do they ask for the same" in asked:
            return self._said
        if "Answer: ..." in asked:
            return f"**Question:** {question(rng)}\n\n**Answer:** {prose([], 20, rng)}"
        return self._made or question(rng)


@pytest.mark.parametrize("way", BASELINES)
async def test_each_writes_instructions(tmp_path: Path, way: str) -> None:
    with Run(tmp_path, BaselineTeacher(), SEEDS) as run:
        accepted, rejected, stopped = await run(graph=way, **EASY)
    assert len(accepted) == 6, [record.reason for record in rejected]
    assert stopped == "budget.records: all records are written"
    for record in accepted:
        assert record.kind == "instruction"
        assert record.messages is not None
        assert [message.role for message in record.messages] == ["user", "assistant"]
        assert record.source == way
        assert record.experts[0] == way
        assert record.parent_ids
        assert "Question" not in record.messages[0].content
    calls = {"self_instruct": 2, "evol_instruct": 3, "template_qa": 1}
    assert {record.generation.calls for record in accepted} == {calls[way]}


async def test_self_instruct_shows_eight_and_takes_two_of_its_own(tmp_path: Path) -> None:
    with Run(tmp_path, BaselineTeacher(), SEEDS) as run:
        accepted, _, _ = await run(graph="self_instruct", concurrency=1, **EASY)
    shown = [
        re.findall(r"^\d\. (.*)$", str(request["messages"][0]["content"]), re.MULTILINE)
        for request in run.server.requests
        if not title_of(request)
    ]
    assert [len(texts) for texts in shown] == [8] * 6
    own = {record.question for record in accepted}
    assert [len(own & set(texts)) for texts in shown] == [0, 1, 2, 2, 2, 2]
    assert len(accepted[-1].parent_ids) == 8


async def test_self_instruct_keeps_nothing_like_the_pool(tmp_path: Path) -> None:
    copied = SEEDS[3].replace("clerk", "guard")
    with Run(tmp_path, BaselineTeacher(copied), SEEDS) as run:
        accepted, rejected, _ = await run(graph="self_instruct", budget__stall_after=2, **EASY)
    assert not accepted
    assert {code for record in rejected for code in record.refusals} == {"too_close"}


@pytest.mark.parametrize(
    ("made", "said", "why"),
    [
        (SEEDS[0] + " And why?", "Equal.", "it asks for the same as before"),
        ("Rewrite the given prompt so that it is longer.", "Different.", "it speaks of the prompt"),
    ],
)
async def test_evolutions_that_failed_are_eliminated(
    tmp_path: Path, made: str, said: str, why: str
) -> None:
    with Run(tmp_path, BaselineTeacher(made, said), SEEDS) as run:
        accepted, rejected, _ = await run(graph="evol_instruct", budget__stall_after=1, **EASY)
    assert not accepted
    assert all(f"eliminated: {why}" in (record.reason or "") for record in rejected)
    assert {record.genre for record in rejected} <= {
        *("constraints", "deepen", "concretise", "reasoning", "complicate", "breadth")
    }


async def test_a_reply_without_its_answer_is_no_record(tmp_path: Path) -> None:
    with Run(tmp_path, lambda _: "Question: What is it that the clerk weighs?") as run:
        _, rejected, _ = await run(graph="template_qa", budget__stall_after=1)
    assert {record.refusals[0] for record in rejected} == {"unparsed"}


def test_the_pool_draws_the_same_again_and_fills_up_with_seeds() -> None:
    pool = InstructionPool({f"s{n}": f"seed number {n}" for n in range(9)}, 0.7)
    first = pool.draw(random.Random(1), seeds=6, made=2)
    assert first == pool.draw(random.Random(1), seeds=6, made=2)
    assert len({id_ for id_, _ in first}) == 8
    messages = [Message(role="user", content="something of its own")]
    pool.learn(Record(id="r1", kind="instruction", messages=messages))
    assert ("r1", "something of its own") in pool.draw(random.Random(1), seeds=6, made=2)
    match = pool.most_similar("", "something of their own")
    assert match is not None
    assert (match.id, match.share) == ("r1", 0.75)
    assert InstructionPool({"a": "same"}, 2.0).most_similar("", "same") is None
