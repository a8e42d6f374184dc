"""Evaluating a model on a task: likelihoods by hand, BOS, room in the context, what is told."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers.processors import TemplateProcessing

from metasynth.errors import ModelCallError, RequestError, RunInterruptedError
from metasynth.eval.tasks.catalogue.tasks import TASKS
from metasynth.eval.tasks.data_sets import load_task_rows
from metasynth.eval.tasks.estimates import task_gain
from metasynth.eval.tasks.result import TaskResult
from metasynth.eval.tasks.running.evaluation import evaluate_task
from metasynth.eval.tasks.running.few_shot import Examples
from metasynth.eval.tasks.running.models import ModelReply
from metasynth.eval.tasks.running.prefix import shared_prefix
from metasynth.eval.tasks.running.prompts import PromptEncoder
from metasynth.eval.tasks.settings import TaskSettings
from metasynth.eval.tasks.spec import TaskSource
from metasynth.lm.load import LoadedLM, wrap_lm
from tests.eval.test_task_formats import ROWS
from tests.raising import raises
from tests.tiny_lm import ROLES, tiny_llama, tiny_tokenizer

BOOLQ: list[dict[str, Any]] = [
    {"id": f"b{n}", "passage": f"Passage {n}.", "question": f"is it {n}", "answer": n % 2 == 0}
    for n in range(8)
]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def lm() -> LoadedLM:
    tokenizer = tiny_tokenizer()
    return wrap_lm(tiny_llama(tokenizer), tokenizer, name="tiny")


def with_bos(*, adds_it: bool) -> LoadedLM:
    """A model whose tokenizer has a BOS token, and puts it before a text or not."""
    tokenizer = tiny_tokenizer()
    tokenizer.bos_token = ROLES[-1]
    if adds_it:
        start = (ROLES[-1], tokenizer.bos_token_id)
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{ROLES[-1]} $A", special_tokens=[start]
        )
    return wrap_lm(tiny_llama(tokenizer), tokenizer, name="tiny with BOS")


def narrow(context: int) -> LoadedLM:
    tokenizer = tiny_tokenizer()
    model = tiny_llama(tokenizer, max_position_embeddings=context)
    return wrap_lm(model, tokenizer, name="narrow")


def log_likelihood(
    lm: LoadedLM, prompt: str, choice: str, *, bos: bool = False
) -> tuple[float, int]:
    """By hand: the sum of the log-probabilities of a choice's tokens, one text at a time."""
    tokenizer: Any = lm.tokenizer
    start = [tokenizer.bos_token_id] if bos else []
    before = start + tokenizer(prompt, add_special_tokens=False).input_ids
    ids = before + tokenizer(choice, add_special_tokens=False).input_ids
    with torch.no_grad():
        logs = lm.model(torch.tensor([ids])).logits[0].log_softmax(-1)
    places = range(len(before), len(ids))
    return sum(float(logs[place - 1, ids[place]]) for place in places), len(places)


class TestLikelihood:
    @pytest.mark.parametrize("shots", [0, 2])
    def test_choices_have_the_likelihood_computed_by_hand(self, lm: LoadedLM, shots: int) -> None:
        result = evaluate_task(lm, "boolq", BOOLQ, shots=shots, seed=3)
        spec = TASKS["boolq"]
        for row, item in zip(BOOLQ, result.items, strict=True):
            question = spec.read(row).question
            if not shots:
                expected = [log_likelihood(lm, question, f" {word}") for word in ("yes", "no")]
                assert [total for total, _ in item.likelihoods] == pytest.approx(
                    [total for total, _ in expected], abs=1e-4
                )
                assert [count for _, count in item.likelihoods] == [n for _, n in expected]
            means = [total / count for total, count in item.likelihoods]
            assert item.found == ("yes", "no")[means.index(max(means))]
            assert item.correct == (item.found == item.expected)
        assert result.correct == sum(one.correct is True for one in result.items)

    def test_choices_of_one_token_are_read_off_one_pass_alike(self, lm: LoadedLM) -> None:
        rows = [{**ROWS["medqa"], "id": str(n), "question": f"Which {n}?"} for n in range(5)]
        result = evaluate_task(lm, "medqa", rows, shots=0)
        for row, item in zip(rows, result.items, strict=True):
            question = TASKS["medqa"].read(row).question
            assert [count for _, count in item.likelihoods] == [2, 2] or [
                count for _, count in item.likelihoods
            ] == [1, 1]
            expected = [log_likelihood(lm, question, f" {letter}") for letter in "AB"]
            difference = item.likelihoods[0][0] - item.likelihoods[1][0]
            assert difference == pytest.approx(expected[0][0] - expected[1][0], abs=1e-4)

    def test_both_ways_of_comparing_are_told_and_one_decides(self, lm: LoadedLM) -> None:
        rows = [
            {
                "id": n,
                "input": f"Text {n}\nAnswer:",
                "options": ["a", "a long one"],
                "gold_index": 1,
            }
            for n in range(6)
        ]
        results = {
            way: evaluate_task(lm, "mqp", rows, settings=TaskSettings(normalise=way))
            for way in ("per_token", "raw")
        }
        for way, result in results.items():
            assert result.main == result.estimates[f"accuracy_{way}"]
        raw = results["raw"].estimates
        assert raw["accuracy_raw"].value == 0  # the shorter is likelier in all
        assert results["per_token"].estimates["accuracy_raw"] == raw["accuracy_raw"]

    def test_company_changes_nothing(self, lm: LoadedLM) -> None:
        alone = [evaluate_task(lm, "boolq", [row], shots=0).items[0] for row in BOOLQ]
        together = evaluate_task(lm, "boolq", BOOLQ, shots=0).items
        for one, other in zip(alone, together, strict=True):
            assert one.likelihoods[0][0] == pytest.approx(other.likelihoods[0][0], abs=1e-4)


class TestBOS:
    def test_it_stands_before_the_prompt_where_it_is_asked_for(self) -> None:
        lm = with_bos(adds_it=False)
        question = TASKS["boolq"].read(BOOLQ[0]).question
        for bos in (False, True):
            settings = TaskSettings(bos=bos)
            result = evaluate_task(lm, "boolq", BOOLQ[:1], shots=0, settings=settings)
            expected, _ = log_likelihood(lm, question, " yes", bos=bos)
            assert result.items[0].likelihoods[0][0] == pytest.approx(expected, abs=1e-4)
            assert result.settings["bos"] is bos

    @pytest.mark.parametrize("adds_it", [False, True])
    def test_by_itself_it_is_as_the_tokenizer_has_it(self, adds_it: bool) -> None:
        result = evaluate_task(with_bos(adds_it=adds_it), "boolq", BOOLQ[:1], shots=0)
        assert result.settings["bos"] is adds_it

    def test_a_model_without_one_cannot_be_asked_with_it(self, lm: LoadedLM) -> None:
        with raises(RequestError, "no_bos"):
            evaluate_task(lm, "boolq", BOOLQ, settings=TaskSettings(bos=True))


class TestRoom:
    def test_examples_that_do_not_fit_are_left_out_and_counted(self) -> None:
        result = evaluate_task(narrow(160), "boolq", BOOLQ, shots=7)
        assert result.scored == result.fewer_shots == 8
        assert {one.shots for one in result.items} <= set(range(1, 6))

    def test_a_question_that_is_too_long_is_named_and_in_no_number(self) -> None:
        rows = [*BOOLQ[:3], {**BOOLQ[3], "passage": "long " * 100}]
        result = evaluate_task(narrow(100), "boolq", rows, shots=0)
        assert (result.rows, result.scored, result.main.n) == (4, 3, 3)
        assert result.unscored == {"longer than the model's context of 100 tokens": 1}
        assert result.items[3].correct is None

    @pytest.mark.parametrize("task", ["usmle", "adaptllm_convfinqa"])
    def test_a_row_that_brings_its_examples_loses_its_beginning(self, task: str) -> None:
        rows = [{**ROWS[task], "input": "some words " * 100 + "\nAnswer:"}]
        result = evaluate_task(narrow(140), task, rows)
        assert (result.scored, result.cut) == (1, 1)

    def test_a_short_rest_of_the_context_is_used_for_an_answer(self) -> None:
        result = evaluate_task(narrow(100), "gsm8k", [ROWS["gsm8k"]], shots=0)
        assert result.scored == 1
        assert len(result.items[0].answer or "") < 100


class TestAnswers:
    def test_an_answer_without_anything_to_judge_is_wrong_and_counted(self, lm: LoadedLM) -> None:
        settings = TaskSettings(scoring="parsed", max_new_tokens=4)
        result = evaluate_task(lm, "boolq", BOOLQ, shots=0, settings=settings)
        assert result.scored == 8
        assert result.unanswered == sum(one.found is None for one in result.items) > 0
        assert all(one.correct is False for one in result.items if one.found is None)

    def test_answers_repeat_and_do_not_depend_on_their_number(self, lm: LoadedLM) -> None:
        settings = TaskSettings(max_new_tokens=8, temperature=1.0, max_batch=3)
        rows = [{**ROWS["gsm8k"], "id": str(n), "question": f"What is {n}?"} for n in range(5)]
        first, again = (
            evaluate_task(lm, "gsm8k", rows, shots=0, seed=5, settings=settings) for _ in range(2)
        )
        assert [one.answer for one in first.items] == [one.answer for one in again.items]

    def test_examples_are_read_once_for_all_and_answers_stay_the_same(self, lm: LoadedLM) -> None:
        rows = [{**ROWS["gsm8k"], "id": str(n), "question": f"What is {n}?"} for n in range(9)]
        settings = TaskSettings(max_new_tokens=8)
        spec = TASKS["gsm8k"]
        examples = Examples([spec.read(row) for row in rows[6:]], seed=0, joint=spec.joint)
        encoder = PromptEncoder(lm, spec, examples, bos=None, chat=False)
        prompts = [encoder.question(spec.read(row), 3, 8).ids for row in rows]
        shared = shared_prefix(lm, prompts)
        assert shared is not None
        assert sum(tuple(ids[: len(shared.ids)]) == shared.ids for ids in prompts) >= 5
        together = evaluate_task(
            lm, "gsm8k", rows, examples=rows[6:], shots=3, settings=settings
        ).items
        for row, one in zip(rows, together, strict=True):
            alone = evaluate_task(lm, "gsm8k", [row], examples=rows[6:], shots=3, settings=settings)
            assert alone.items[0].answer == one.answer

    def test_few_or_different_prompts_share_nothing(self, lm: LoadedLM) -> None:
        assert shared_prefix(lm, [range(50)] * 3) is None
        assert shared_prefix(lm, [[n, *range(50)] for n in range(8)]) is None
        assert shared_prefix(lm, [range(20)] * 8) is None
        found = shared_prefix(lm, [range(50)] * 8)
        assert found is not None
        assert len(found.ids) == 49

    def test_a_chat_template_is_used_where_it_is_asked_for(self, lm: LoadedLM) -> None:
        settings = TaskSettings(chat=True, max_new_tokens=4)
        result = evaluate_task(lm, "boolq", BOOLQ[:2], shots=0, settings=settings)
        assert result.settings["chat"] is True
        assert result.settings["scoring"] == "parsed"

    def test_code_is_run_only_where_that_is_allowed(self, lm: LoadedLM) -> None:
        with raises(RequestError, "code_not_allowed"):
            evaluate_task(lm, "mbpp", [ROWS["mbpp"]], shots=0)
        settings = TaskSettings(allow_code=True, max_new_tokens=4)
        result = evaluate_task(lm, "mbpp", [ROWS["mbpp"]], shots=0, settings=settings)
        assert (result.scored, result.correct) == (1, 0)
        assert result.settings["seconds"] == 5


class TestEndpoint:
    @staticmethod
    def asked(reply: str, asked: list[str] | None = None, *, shots: int = 2) -> TaskResult:
        async def ask(prompt: str, *, step: str, max_tokens: int) -> str:
            if asked is not None:
                asked.append(prompt)
            assert max_tokens == 512
            return reply

        return evaluate_task(ask, "boolq", BOOLQ, shots=shots, name="openai:x")

    def test_it_is_told_what_to_do_and_its_answers_are_parsed(self) -> None:
        prompts: list[str] = []
        result = self.asked("The answer is yes.", prompts)
        assert (result.correct, result.scored, result.model) == (4, 8, "openai:x")
        assert result.settings["scoring"] == "parsed"
        assert all(prompt.startswith("Answer the question about") for prompt in prompts)
        assert all(prompt.count("Passage") == 3 for prompt in prompts)

    def test_a_call_that_fails_leaves_its_row_out(self) -> None:
        async def ask(prompt: str, *, step: str, max_tokens: int) -> str:
            if "Passage 3." in prompt:
                raise ModelCallError("refused")
            return "no"

        result = evaluate_task(ask, "boolq", BOOLQ, shots=0)
        assert result.unscored == {"no answer: refused": 1}
        assert (result.scored, result.correct) == (7, 3)

    def test_an_answer_that_is_known_to_be_cut_is_counted(self) -> None:
        async def ask(prompt: str, *, step: str, max_tokens: int) -> ModelReply:
            return ModelReply("yes, bec", cut="Passage 1." in prompt)

        assert evaluate_task(ask, "boolq", BOOLQ, shots=0).cut == 1

    def test_an_endpoint_that_answers_nothing_ends_it(self) -> None:
        calls = 0

        async def ask(prompt: str, *, step: str, max_tokens: int) -> str:
            nonlocal calls
            calls += 1
            raise ModelCallError("no route", code="unreachable")

        with raises(ModelCallError, "unreachable"):
            evaluate_task(ask, "boolq", BOOLQ, settings=TaskSettings(concurrency=1))
        assert calls == 3

    def test_it_tells_no_likelihoods(self) -> None:
        async def ask(prompt: str, *, step: str, max_tokens: int) -> str:
            return ""

        with raises(RequestError, "no_likelihoods"):
            evaluate_task(ask, "boolq", BOOLQ, settings=TaskSettings(scoring="likelihood"))


class TestGain:
    @staticmethod
    def of(*said: str) -> TaskResult:
        """A model that says these things to the rows, one after the other."""
        left = list(said)

        async def ask(prompt: str, *, step: str, max_tokens: int) -> str:
            return left.pop(0)

        settings = TaskSettings(concurrency=1)
        return evaluate_task(ask, "boolq", BOOLQ[: len(said)], shots=0, settings=settings)

    def test_it_is_the_mean_difference_of_the_rows(self) -> None:
        before, after = self.of("no", "yes", "no", "no"), self.of("yes", "no", "yes", "no")
        gain = task_gain(before, after)
        assert gain.value == (after.main.value or 0) - (before.main.value or 0) == 0.75
        assert gain.low is not None
        assert 0 <= gain.low < 0.75 < (gain.high or 0) <= 1
        assert task_gain(after, before).value == -0.75
        assert task_gain(before, before).value == 0

    def test_other_rows_or_another_task_are_no_pair(self) -> None:
        with raises(RequestError, "other_rows"):
            task_gain(self.of("yes"), self.of("yes", "no"))
        other = replace(self.of("yes"), task="other")
        with raises(RequestError, "other_task"):
            task_gain(self.of("yes"), other)


class TestTask:
    def test_rows_that_cannot_be_read_are_named_by_number_and_reason(self, lm: LoadedLM) -> None:
        rows = [BOOLQ[0], {"passage": "x"}, BOOLQ[1]]
        result = evaluate_task(lm, "boolq", rows, shots=1)
        assert [one.row for one in result.items] == [1, 2, 3]
        assert result.items[1].correct is None
        assert "answer" in result.items[1].reason
        assert result.main.n == 2

    def test_no_rows_give_no_number_but_a_reason(self, lm: LoadedLM) -> None:
        result = evaluate_task(lm, "boolq", [])
        assert (result.main.value, result.main.reason) == (None, "no item was scored")

    def test_a_limit_draws_rows_by_the_seed(self, lm: LoadedLM) -> None:
        drawn = [
            [
                one.id
                for one in evaluate_task(
                    lm, "boolq", BOOLQ, shots=0, seed=seed, settings=TaskSettings(limit=3)
                ).items
            ]
            for seed in (0, 0, 1)
        ]
        assert drawn[0] == drawn[1] != drawn[2]
        assert drawn[0] == sorted(drawn[0])

    def test_examples_come_from_where_they_are_said_to(self) -> None:
        prompts: list[str] = []

        async def ask(prompt: str, *, step: str, max_tokens: int) -> str:
            prompts.append(prompt)
            return "yes"

        others = [{**row, "passage": f"Other {n}."} for n, row in enumerate(BOOLQ)]
        evaluate_task(ask, "boolq", BOOLQ[:2], examples=others, shots=3)
        assert all(prompt.count("Other") == 3 for prompt in prompts)
        assert all(prompt.count("Passage") == 1 for prompt in prompts)

    @pytest.mark.parametrize(
        ("task", "shots", "settings", "code"),
        [
            ("nothing", 0, TaskSettings(), "unknown_task"),
            ("usmle", 1, TaskSettings(), "too_many_shots"),
            ("boolq", 65, TaskSettings(), "too_many_shots"),
            ("boolq", -1, TaskSettings(), "out_of_range"),
            ("boolq", 0, TaskSettings(limit=0), "out_of_range"),
            ("gsm8k", 0, TaskSettings(scoring="likelihood"), "no_choices"),
            ("boolq", 0, TaskSettings(bos=True, chat=True), "bos_and_chat"),
        ],
    )
    def test_what_cannot_be_asked_is_refused_at_once(
        self, lm: LoadedLM, task: str, shots: int, settings: TaskSettings, code: str
    ) -> None:
        rows = [ROWS.get(task, BOOLQ[0])]
        with raises(RequestError, code):
            evaluate_task(lm, task, rows, shots=shots, settings=settings)

    def test_progress_is_told_and_may_end_it(self, lm: LoadedLM) -> None:
        told: list[tuple[int, int]] = []

        def note(done: int, total: int) -> None:
            told.append((done, total))
            if done == 3:
                raise RunInterruptedError("enough")

        with pytest.raises(RunInterruptedError):
            evaluate_task(lm, "boolq", BOOLQ, shots=0, on_progress=note)
        assert told == [(1, 8), (2, 8), (3, 8)]

    @pytest.mark.parametrize("task", ["fpb", "headline", "chemprot", "adaptllm_ner"])
    def test_each_metric_is_told_with_its_interval(self, lm: LoadedLM, task: str) -> None:
        rows = [{**ROWS.get(task, ROWS["fpb"]), "id": n} for n in range(3)]
        settings = TaskSettings(max_new_tokens=4)
        result = evaluate_task(lm, task, rows, settings=settings)
        assert result.metric == TASKS[task].metric != "accuracy"
        assert result.main.value is not None
        assert result.main.low is not None

    def test_the_result_is_plain_data(self, lm: LoadedLM) -> None:
        result = evaluate_task(lm, "boolq", BOOLQ, shots=1)
        told = json.loads(json.dumps(result.as_json(items=True), allow_nan=False))
        assert told["estimates"]["accuracy"]["method"] == "wilson"
        assert len(told["items"]) == told["rows"] == 8
        assert "items" not in result.as_json()

    def test_rows_of_a_hub_are_loaded_by_its_library(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
        folder = tmp_path / "boolq"
        folder.mkdir()
        lines = [json.dumps({**row, "part": f"{n % 2}"}) for n, row in enumerate(BOOLQ)]
        (folder / "test.jsonl").write_text("\n".join(lines))
        source = TaskSource("boolq/dev", (str(folder), None, "test"), where=("part", "1"))
        rows = load_task_rows(source, folder=None)
        assert [row["id"] for row in rows] == ["b1", "b3", "b5", "b7"]
        missing = TaskSource("x", (str(tmp_path / "none"), None, "test"))
        with raises(RequestError, "hub_failed"):
            load_task_rows(missing, folder=None)

    def test_a_task_of_ones_own_is_a_specification(self, lm: LoadedLM) -> None:
        own = replace(TASKS["boolq"], name="mine", shots=0)
        assert evaluate_task(lm, own, BOOLQ[:2]).task == "mine"
