"""Every score on a model computed by hand, and what holds for all of them."""

import asyncio
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForSequenceClassification

from metasynth.config.student import ScoringConfig
from metasynth.errors import ModelCallError, RequestError
from metasynth.lm.load import LoadedLM, wrap_lm
from metasynth.records.record import CheckerResult
from metasynth.student.rows import BadRow, StudentRow, make_row
from metasynth.student.scoring.checking import check_exact
from metasynth.student.scoring.criterion import CRITERIA
from metasynth.student.scoring.measures import Scored
from metasynth.student.scoring.reward import RewardModel
from metasynth.student.scoring.scores import score_rows
from tests.raising import raises
from tests.tiny_lm import tiny_llama, tiny_tokenizer
from tests.toy_student import bigram_lm, toy_tokenizer

# What follows a word: <end>, <start>, a, b, c, d. Greedily "a b" is answered by "c d <end>".
P = torch.tensor(
    [
        [0.50, 0.10, 0.10, 0.10, 0.10, 0.10],
        [0.05, 0.05, 0.30, 0.30, 0.20, 0.10],
        [0.10, 0.10, 0.10, 0.50, 0.10, 0.10],
        [0.10, 0.05, 0.05, 0.10, 0.50, 0.20],
        [0.20, 0.05, 0.05, 0.05, 0.05, 0.60],
        [0.70, 0.10, 0.05, 0.05, 0.05, 0.05],
    ]
)
OWN = (3, 4, 5)  # the words before each token of the own answer: b, c, d
ROW = make_row({"id": "row", "prompt": "a b", "completion": "d"})
TINY = tiny_tokenizer()


def toy(**options: Any) -> LoadedLM:
    return bigram_lm(P.log(), **options)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tiny() -> LoadedLM:
    return wrap_lm(tiny_llama(TINY), TINY, name="tiny")


def scores(
    lm: LoadedLM, rows: Any, criterion: str, *, options: Any = None, **needs: Any
) -> list[Scored]:
    config = ScoringConfig(criterion=criterion, **{"max_new_tokens": 8, **(options or {})})

    async def collected() -> list[Scored]:
        return [one async for one in score_rows(lm, rows, config, **needs)]

    return asyncio.run(collected())


def one(criterion: str, row: StudentRow = ROW, **options: Any) -> Scored:
    (found,) = scores(toy(**options.pop("lm", {})), [row], criterion, options=options)
    return found


def entropy_after(word: int) -> float:
    return sum(-p * math.log(p) for p in map(float, P[word]))


def test_loss_self_is_the_mean_loss_of_the_students_own_answer_with_its_end() -> None:
    found = one("loss_self")
    assert found.answer == "c d"
    assert found.score == pytest.approx(-(math.log(0.5) + math.log(0.6) + math.log(0.7)) / 3)
    assert found.detail["sum"] == pytest.approx(-math.log(0.5 * 0.6 * 0.7))
    assert (found.detail["tokens"], found.detail["ended"]) == (3, 1)


def test_an_own_answer_that_was_cut_has_no_end_to_count() -> None:
    found = one("loss_self", max_new_tokens=2)
    assert found.score == pytest.approx(-(math.log(0.5) + math.log(0.6)) / 2)
    assert (found.detail["tokens"], found.detail["ended"]) == (2, 0)


def test_an_own_answer_that_is_empty_has_its_end_alone() -> None:
    found = one("loss_self", make_row({"prompt": "a d"}))
    assert (found.answer, found.detail["tokens"]) == ("", 1)
    assert found.score == pytest.approx(-math.log(0.7))


def test_loss_gold_is_the_mean_loss_of_the_given_answer_prompt_excluded() -> None:
    expected = -(math.log(0.2) + math.log(0.7)) / 2  # d after b, <end> after d
    assert one("loss_gold").score == pytest.approx(expected)
    assert one("perplexity").score == pytest.approx(math.exp(expected))
    longer = make_row({"prompt": "c c c c a b", "completion": "d"})
    assert one("loss_gold", longer).score == pytest.approx(expected)


def test_uncertainties_are_taken_along_the_own_answer() -> None:
    entropies = [entropy_after(word) for word in OWN]
    assert one("entropy").score == pytest.approx(sum(entropies) / 3)
    assert one("max_entropy").score == pytest.approx(max(entropies))
    margins = (0.5 - 0.2, 0.6 - 0.2, 0.7 - 0.1)
    assert one("margin").detail["margin"] == pytest.approx(sum(margins) / 3)
    assert one("margin").score == pytest.approx(-sum(margins) / 3)
    assert one("min_margin").score == pytest.approx(-0.3)
    least = one("least_confidence")
    assert least.score == pytest.approx(1 - (0.5 + 0.6 + 0.7) / 3)
    assert least.detail["sequence"] == pytest.approx(1 - 0.5 * 0.6 * 0.7)


def test_of_a_text_they_are_taken_along_the_text() -> None:
    row = make_row({"text": "b d"})
    expected = (entropy_after(3) + entropy_after(5)) / 2
    found = one("entropy", row)
    assert found.score == pytest.approx(expected)
    assert found.answer is None
    loss = -(math.log(0.2) + math.log(0.7)) / 2
    assert one("loss_gold", row).score == pytest.approx(loss)
    with_start = -(math.log(0.3) + math.log(0.2) + math.log(0.7)) / 3
    assert one("loss_gold", row, lm={"bos": "<start>"}).score == pytest.approx(with_start)
    assert one("loss_self", row).reason == "no prompt that the student could answer"


def test_el2n_is_the_mean_distance_to_what_stands_there() -> None:
    def distance(word: int, target: int) -> float:
        hot = [float(n == target) for n in range(6)]
        return math.dist(P[word].tolist(), hot)

    assert one("el2n").score == pytest.approx((distance(3, 5) + distance(5, 0)) / 2)


@pytest.mark.parametrize(("logit", "expected"), [(60.0, 0.0), (-60.0, math.sqrt(2))])
def test_el2n_goes_from_zero_to_the_root_of_two(logit: float, expected: float) -> None:
    table = torch.full((6, 6), -100.0)
    table[:, 4] = 0.0  # all is bet on c, unless the target's own logit is above that
    table[3, 5] = table[5, 0] = logit
    (found,) = scores(bigram_lm(table), [ROW], "el2n")
    assert found.score == pytest.approx(expected, abs=1e-6)


def test_ifd_is_a_ratio_of_mean_losses_over_the_same_tokens() -> None:
    given = -(math.log(0.2) + math.log(0.7)) / 2
    alone = -(math.log(0.1) + math.log(0.7)) / 2  # d after <start>
    found = one("ifd", lm={"bos": "<start>"})
    assert found.score == pytest.approx(given / alone)
    assert found.detail["loss"] == pytest.approx(given)
    assert found.detail["loss_alone"] == pytest.approx(alone)
    # without a start token the first token counts in neither, and a bigram sees no more than that
    assert one("ifd").score == pytest.approx(1.0)


def test_an_ifd_above_one_is_no_score() -> None:
    found = one("ifd", make_row({"prompt": "a d", "completion": "c"}), lm={"bos": "<start>"})
    assert found.score is None
    assert found.detail["ifd"] > 1
    assert found.reason.startswith("the prompt does not help")
    assert one("ifd", make_row({"text": "a b"})).reason == "no prompt, but a text alone"


def test_random_is_a_number_of_the_seed_and_the_id_alone() -> None:
    rows = [make_row({"id": str(n), "prompt": "a"}) for n in range(200)]
    first = {found.row_id: found.score for found in scores(toy(), rows, "random")}
    again = {found.row_id: found.score for found in scores(toy(), rows[::-1], "random")}
    other = {found.row_id: found.score for found in scores(toy(), rows, "random", seed=1)}
    assert first == again
    assert first != other
    values = [score for score in first.values() if score is not None]
    assert all(0 <= value < 1 for value in values)
    assert 0.4 < sum(values) / 200 < 0.6


def test_wrong_is_what_the_checker_says() -> None:
    right = make_row({"prompt": "a b", "completion": "C d"})
    found = scores(toy(), [ROW, right], "wrong", checker=check_exact)
    assert [each.score for each in found] == [1.0, 0.0]
    silent = scores(toy(), [ROW], "wrong", checker=lambda *_: CheckerResult(detail="no idea"))
    assert (silent[0].score, silent[0].reason) == (None, "not checkable: no idea")


def reward_model(pad: int | None) -> RewardModel:
    """The reward is the width's first coordinate at the last token that is read: 2 for an a, …"""
    size = 6
    source: Any = bigram_lm(torch.zeros(6, 6)).model
    config = {**source.config.to_dict(), "num_labels": 1, "pad_token_id": pad}
    model: Any = LlamaForSequenceClassification(LlamaConfig(**config))  # type: ignore[no-untyped-call]
    model.model.load_state_dict(source.model.state_dict())
    with torch.no_grad():
        model.score.weight.copy_(torch.tensor([[5.0, 1.0, 2.0, 3.0, 4.0, 7.0]]) / size**0.5)
    tokenizer = toy_tokenizer()
    tokenizer.eos_token = None
    return RewardModel(wrap_lm(model, tokenizer, name="reward"))


@pytest.mark.parametrize("pad", [None, 1])
def test_reward_is_low_where_it_is_hard(pad: int | None) -> None:
    cut = make_row({"prompt": "d d a b"})
    rows = [cut, make_row({"prompt": "c"}), make_row({"prompt": "b c d a"})]
    found = scores(toy(), rows, "reward", options={"max_new_tokens": 1}, reward=reward_model(pad))
    # answered by c, d and b; the reward model, which has no end token, reads that last
    assert [each.answer for each in found] == ["c", "d", "b"]
    ends = [each.detail["reward"] for each in found]
    assert ends == pytest.approx([4.0, 7.0, 3.0], abs=1e-4)
    assert [each.score for each in found] == [-one for one in ends]


class Judge:
    """Says what it is told to, and keeps what it was asked."""

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.asked: list[tuple[str, str, float]] = []

    async def __call__(self, prompt: str, *, step: str, temperature: float) -> str:
        self.asked.append((prompt, step, temperature))
        return self.replies.pop(0)


def test_a_judges_grade_is_low_where_it_is_hard() -> None:
    judge = Judge("Fine.\nGrade: 7")
    (found,) = scores(toy(), [ROW], "judge", ask=judge)
    assert (found.score, found.answer) == (-7.0, "c d")
    assert found.detail == {"judge": 7.0, "ended": 1.0}
    prompt, step, temperature = judge.asked[0]
    assert all(part in prompt for part in ("a b", "c d", "reference"))
    assert (step, temperature) == ("judge row 0", 0.2)


def test_a_reply_without_a_grade_is_asked_for_again_and_then_counted_as_such() -> None:
    (found,) = scores(toy(), [ROW], "judge", ask=Judge("Grade: 11", "Grade: 3.5"))
    assert found.score == -3.5
    (found,) = scores(toy(), [ROW], "judge", ask=Judge("Grade: 9\nNo, I cannot.", "What?"))
    assert found.score is None
    assert found.reason == "no grade in the judge's reply, asked 2 times"
    assert found.answer == "c d"


def test_lion_is_the_gap_of_two_runs_with_places_swapped() -> None:
    judge = Judge("Scores: 8 3", "Scores: 5, 6")
    (found,) = scores(toy(), [ROW], "lion", ask=judge)
    assert (found.detail["teacher"], found.detail["student"]) == (7.0, 4.0)
    assert (found.score, found.detail["hard"]) == (3.0, 1.0)
    first, second = (prompt for prompt, *_ in judge.asked)
    assert first.index("\nd\n") < first.index("\nc d\n")
    assert second.index("\nc d\n") < second.index("\nd\n")


def test_lions_threshold_is_one_and_a_missing_answer_is_asked_of_the_teacher() -> None:
    judge = Judge("d d d", "Scores: 6 5", "Scores: 5 6")
    (found,) = scores(toy(), [make_row({"prompt": "a b"})], "lion", ask=judge)
    assert (found.score, found.detail["hard"]) == (1.0, 1.0)
    assert judge.asked[0][0] == "a b"
    assert "d d d" in judge.asked[1][0]
    (found,) = scores(toy(), [ROW], "lion", ask=Judge("Scores: 6 5.5", "Scores: 5 6"))
    assert (found.score, found.detail["hard"]) == (0.75, 0.0)


def test_a_judge_that_fails_ends_the_scoring_with_its_own_error() -> None:
    async def ask(prompt: str, *, step: str, temperature: float) -> str:
        raise ModelCallError("the endpoint is gone", code="unreachable")

    with raises(ModelCallError, "unreachable"):
        scores(toy(), [ROW] * 5, "judge", ask=ask)


@pytest.mark.parametrize("criterion", ["judge", "lion", "wrong", "reward"])
def test_what_a_criterion_needs_is_asked_for_first(criterion: str) -> None:
    with raises(RequestError, "missing_helper"):
        scores(toy(), [ROW], criterion)


def test_the_end_that_was_said_is_the_likeliest_of_several() -> None:
    table = P.log().clone()
    lm = replace(bigram_lm(table), end_token_ids=frozenset({0, 4}))  # c ends an answer, too
    (found,) = scores(lm, [ROW], "loss_self")
    assert (found.answer, found.detail["tokens"]) == ("", 1)
    assert found.score == pytest.approx(-math.log(0.5))  # c after b, not <end>
    (gold,) = scores(lm, [ROW], "loss_gold")
    assert gold.score == pytest.approx(-(math.log(0.2) + math.log(0.7)) / 2)


def test_no_number_is_no_score() -> None:
    lm = toy()
    model: Any = lm.model
    model.model.embed_tokens.weight[5] = math.nan
    fine = make_row({"prompt": "a", "completion": "b c"})
    found = scores(lm, [ROW, fine], "loss_gold")
    assert found[0].score is None
    assert "no finite number" in found[0].reason
    assert found[1].score is not None


def mixed() -> Iterator[StudentRow | BadRow]:
    yield make_row({"prompt": "a b", "completion": "c"}, line=1)
    yield BadRow(2, "not JSON")
    yield make_row({"prompt": "a b", "completion": " "}, line=3)
    yield make_row({"prompt": "a b " * 20, "completion": "c"}, line=4)
    yield make_row({"text": "a b c"}, line=5)
    yield make_row({"prompt": "a b"}, line=6)


def test_bad_rows_keep_their_place_and_are_never_scored() -> None:
    found = scores(toy(), mixed(), "loss_gold")
    assert [each.line for each in found] == [1, 2, 3, 4, 5, 6]
    assert [each.line for each in found if each.score is not None] == [1, 5]
    assert [each.reason for each in found if each.score is None] == [
        "not JSON",
        "empty answer",
        "longer than the context: 42 tokens, the model reads 32",
        "no answer: neither a completion nor a last turn of the assistant",
    ]
    found = scores(toy(), mixed(), "loss_self")
    assert [each.line for each in found if each.score is not None] == [1, 3, 6]
    assert all(each.reason for each in found if each.score is None)


def some_rows(count: int) -> list[StudentRow]:
    return [
        make_row({"prompt": f"{n} and {n * 7}?" * (1 + n % 4), "completion": "so " * (1 + n % 5)})
        for n in range(count)
    ]


@pytest.mark.parametrize(
    "criterion", ["loss_self", "loss_gold", "margin", "max_entropy", "el2n", "ifd"]
)
def test_no_score_depends_on_company_order_or_window(tiny: LoadedLM, criterion: str) -> None:
    rows = some_rows(16)
    together = scores(tiny, rows, criterion)
    backwards = scores(tiny, rows[::-1], criterion, options={"tokens_per_batch": 64})[::-1]
    alone = [scores(tiny, [row], criterion)[0] for row in rows[:4]]
    pairs = [*zip(together, backwards, strict=True), *zip(together[:4], alone, strict=True)]
    for each, other in pairs:
        assert each.row_id == other.row_id
        assert each.answer == other.answer
        assert (each.score is None) == (other.score is None)
        if each.score is not None:
            assert each.score == pytest.approx(other.score, abs=1e-5)


def test_sampled_answers_are_seeded_by_row(tiny: LoadedLM) -> None:
    rows = some_rows(12)
    warm = {"temperature": 1.0}
    first = [each.answer for each in scores(tiny, rows, "loss_self", options=warm)]
    again = [each.answer for each in scores(tiny, rows[::-1], "loss_self", options=warm)][::-1]
    other = [each.answer for each in scores(tiny, rows, "loss_self", options=warm, seed=5)]
    assert first == again != other


def test_rows_are_read_as_they_are_needed() -> None:
    taken = 0

    def endless() -> Iterator[StudentRow]:
        nonlocal taken
        while True:
            taken += 1
            yield make_row({"prompt": "a b", "completion": "c"})

    async def few() -> int:
        config = ScoringConfig(criterion="loss_gold", tokens_per_batch=64)
        found = score_rows(toy(), endless(), config)
        for _ in range(50):
            await anext(found)
        await found.aclose()
        return taken

    assert asyncio.run(few()) < 200


def test_giving_up_ends_the_computing(tiny: LoadedLM) -> None:
    batches = 0

    async def given_up() -> None:
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        def told(_: int) -> None:
            nonlocal batches
            batches += 1
            loop.call_soon_threadsafe(begun.set)

        config = ScoringConfig(criterion="loss_gold", tokens_per_batch=64)
        found = score_rows(tiny, some_rows(2000), config, on_batch=told)
        waiting = asyncio.ensure_future(anext(found))
        await begun.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(given_up())  # which waits for the thread
    assert batches < 100


def test_every_criterion_is_described_and_all_scores_can_be_written() -> None:
    for name in CRITERIA.builtin():
        part = CRITERIA[name]
        assert part.formula and part.cost and part.source, name
    for criterion in ("margin", "loss_self", "entropy"):
        json.dumps(one(criterion).detail)


def test_high_is_hard_for_every_criterion_that_looks_at_tokens() -> None:
    sure, unsure = torch.full((6, 6), -4.0), torch.full((6, 6), -0.2)
    for before, after in pairwise([2, 3, 4, 5, 0]):
        sure[before, after] = unsure[before, after] = 0.0
    row = make_row({"prompt": "a b", "completion": "c d"})
    for criterion in (
        "loss_self",
        "loss_gold",
        "entropy",
        "margin",
        "least_confidence",
        "min_margin",
        "max_entropy",
        "perplexity",
        "el2n",
    ):
        (easy,) = scores(bigram_lm(sure), [row], criterion)
        (hard,) = scores(bigram_lm(unsure), [row], criterion)
        assert easy.score is not None and hard.score is not None
        assert hard.score > easy.score
