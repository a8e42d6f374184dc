"""Rows of each task's format, made by hand: what is asked, and how answers to it are judged."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.eval.tasks.catalogue.tasks import TASKS
from metasynth.eval.tasks.data_sets import load_task_rows, read_task_rows
from metasynth.eval.tasks.judging.expressions import value_and_numbers
from metasynth.eval.tasks.judging.programs import code_in
from metasynth.eval.tasks.readers.puzzles import solution
from metasynth.eval.tasks.spec import BadItemError, TaskItem
from tests.shared_data import data_file

ROWS: dict[str, dict[str, Any]] = {
    "gsm8k": {
        "id": "q1",
        "question": "Ann has 2 bags of 1,000 beads. How many beads?",
        "answer": "2 bags hold 2*1000=<<2*1000=2000>>2,000 beads.\n#### 2,000",
    },
    "svamp": {"id": "s1", "body": "Each pack costs 76", "question": "And two?", "answer": 152.0},
    "mbpp": {
        "task_id": 601,
        "text": "Write a function to double a number.",
        "code": "def double(x):\r\n    return 2 * x",
        "test_list": ["assert double(2) == 4", "assert double(0) == 0"],
        "test_setup_code": "",
    },
    "boolq": {
        "passage": "Persian is spoken in Iran.",
        "question": "is persian spoken in iran",
        "answer": True,
    },
    "pubmedqa": {
        "pmid": "1",
        "question": "Does it help?",
        "contexts": ["We asked 45 people.", "Most of them said so."],
        "final_decision": "maybe",
    },
    "finqa": {
        "id": "V/1",
        "pre_text": ["sales rose ."],
        "post_text": ["they fell ."],
        "table": [["year", "sales"], ["2008", "50"]],
        "question": "by how much did sales rise?",
        "answer": "7.87%",
        "exe_ans": 0.07879,
    },
    "convfinqa": {
        "id": "c1",
        "questions": ["what were sales?", "and by 2?"],
        "answer": 10.82621,
        "text": "sales were 21.65242",
        "table": "year | sales",
    },
    "prontoqa": {
        "id": "p1",
        "context": "Each wumpus is blue. Wren is a wumpus.",
        "question": "Is the following statement true or false? Wren is not blue.",
        "answer": "B",
    },
    "game24": {"rank": 1, "puzzle": [1, 1, 4, 6]},
    "medqa": {
        "id": "m1",
        "question": "Which one?",
        "options": {"A": "this", "B": "that"},
        "answer_idx": "B",
    },
    "fpb": {
        "id": 0,
        "input": "Sales rose.\nQuestion: what is the sentiment?",
        "options": ["Negative", "Positive", "Neutral"],
        "gold_index": 1,
    },
    "headline": {
        "id": 0,
        "input": "Gold rises.\nQuestion: up?",
        "options": ["No", "Yes"],
        "gold_index": 1,
        "class_id": 3,
    },
    "adaptllm_ner": {"id": 0, "input": "Find entities.", "label": ["Bank (ORG), Ann (PER)"]},
    "adaptllm_convfinqa": {"id": 0, "input": "What is it?", "label": "56.25"},
}
ROWS["usmle"] = {**ROWS["fpb"], "id": 7}

# task, answer, right?, found?
ANSWERS: list[tuple[str, str, bool, bool]] = [
    ("gsm8k", "2 * 1000 = 2000\n#### 2000", True, True),
    ("gsm8k", "#### $2,000.00 in all", True, True),
    ("gsm8k", "#### -2000", False, True),
    ("gsm8k", "#### 2000\n\nQuestion: 5?\n#### 5", True, True),
    ("gsm8k", "It is many", False, False),
    ("svamp", "#### 152", True, True),
    ("svamp", "They cost $152.", True, True),
    ("boolq", " yes", True, True),
    ("boolq", "True", True, True),
    ("boolq", "No, it is not", False, True),
    ("boolq", "who knows", False, False),
    ("pubmedqa", "Maybe.", True, True),
    ("pubmedqa", "yes", False, True),
    ("finqa", "The answer is 7.88%", True, True),
    ("finqa", "7.87%", True, True),
    ("finqa", "0.0788", True, True),
    ("finqa", "7.9", False, True),
    ("finqa", "-7.87%", False, True),
    ("finqa", "it rose", False, False),
    ("convfinqa", "10.8", True, True),
    ("convfinqa", "11", False, True),
    ("prontoqa", "Wren is blue. The answer is False", True, True),
    ("prontoqa", "B) False", True, True),
    ("prontoqa", "A wumpus is blue, so: False", True, True),
    ("prontoqa", "True", False, True),
    ("game24", "Answer: (4 + 1 - 1) * 6 = 24", True, True),
    ("game24", "4 + 1 = 5\n5 − 1 = 4\nAnswer: (4 + 1 − 1) × 6 = 24", True, True),
    ("game24", "Answer: 4 x 6 x 1 x 1", True, True),
    ("game24", "Answer: 4 * 6 = 24", False, True),
    ("game24", "Answer: 4 * 6 * 1 * 1 * 1 = 24", False, True),
    ("game24", "Answer: 4 * 6 + 11 - 11", False, True),
    ("game24", "Answer: (4 + 1 + 1) * 6 = 24", False, True),
    ("game24", "Answer: 6 / (1 - 1) * 4", False, True),
    ("game24", "Answer: 4 ** 6 - 1 * 1", False, True),
    ("game24", "there is none", False, False),
    ("medqa", "The answer is B.", True, True),
    ("medqa", "A", False, True),
    ("medqa", "neither", False, False),
    ("fpb", " Positive", True, True),
    ("fpb", "negative", False, True),
    ("adaptllm_convfinqa", "It is 56.25 or 3", True, True),
    ("adaptllm_convfinqa", "5625%", True, True),
    ("adaptllm_convfinqa", "57\n56.25", False, True),
    ("adaptllm_convfinqa", "nothing", False, False),
    ("adaptllm_ner", "Ann (PER), Bank (ORG)", True, True),
]


def item_of(task: str, changes: Mapping[str, Any] | None = None) -> TaskItem:
    return TASKS[task].read({**ROWS[task], **(changes or {})})


@pytest.mark.parametrize(("task", "answer", "is_right", "is_found"), ANSWERS)
def test_an_answer_is_judged(task: str, answer: str, is_right: bool, is_found: bool) -> None:
    verdict = TASKS[task].judge(item_of(task), answer)
    assert verdict.correct is is_right, verdict
    assert (verdict.found is not None) is is_found, verdict


@pytest.mark.parametrize("task", ROWS)
def test_the_reference_answers_its_own_question(task: str) -> None:
    item = item_of(task)
    spec = TASKS[task]
    assert item.answer
    assert item.answer not in item.question or task in ("adaptllm_ner", "game24", "medqa")
    assert spec.judge(item, spec.joint + item.answer).correct is True


def test_a_calculators_marks_are_not_taught() -> None:
    assert "<<" not in item_of("gsm8k").answer


def test_a_boolean_question_ends_with_one_question_mark() -> None:
    assert "is persian spoken in iran?\n" in item_of("boolq").question
    assert item_of("boolq", {"question": "is it?"}).question.count("?") == 1


def test_rows_as_a_hub_has_them_are_read_too() -> None:
    nested = {"contexts": None, "context": {"contexts": ["One."], "labels": ["A"]}, "pubid": 5}
    assert "Abstract: One." in item_of("pubmedqa", nested).question
    assert item_of("game24", {"puzzle": "1 1 4 6"}).target == (1, 1, 4, 6)
    assert item_of("boolq", {"answer": 0}).answer == "no"
    assert item_of("svamp", {"answer": "152.0"}).target == 152


@pytest.mark.parametrize(
    ("task", "changes", "reason"),
    [
        ("gsm8k", {"answer": "2000"}, "####"),
        ("gsm8k", {"question": " "}, "question"),
        ("svamp", {"answer": "many"}, "number"),
        ("mbpp", {"test_list": []}, "test_list"),
        ("boolq", {"answer": "yes"}, "answer"),
        ("pubmedqa", {"final_decision": "perhaps"}, "none of yes, no, maybe"),
        ("pubmedqa", {"contexts": "text"}, "contexts"),
        ("finqa", {"answer": "", "exe_ans": None}, "reference"),
        ("convfinqa", {"answer": "much"}, "reference"),
        ("convfinqa", {"questions": []}, "questions"),
        ("prontoqa", {"answer": "C"}, "none of True, False"),
        ("game24", {"puzzle": [1, 1, 4]}, "four"),
        ("game24", {"puzzle": [1, 1, 1, 1]}, "makes 24"),
        ("medqa", {"answer_idx": "E"}, "none of A, B"),
        ("fpb", {"gold_index": 3}, "gold_index"),
        ("fpb", {"options": ["one"]}, "options"),
        ("adaptllm_ner", {"label": None}, "label"),
    ],
)
def test_a_row_that_cannot_be_asked_says_why(
    task: str, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BadItemError, match=reason):
        item_of(task, changes)


JUNK: list[Any] = [
    None, True, 0, -1, 7, 1.5, float("nan"), float("inf"), "", " ", "x", "12", [], [None], ["x"],
    [1, 2, 3, 4], [[1]], {}, {"A": 1}, {"A": None, "B": []}, {"contexts": 3}, "\ud800", 10**400,
]  # fmt: skip


@pytest.mark.parametrize("task", ROWS)
def test_whatever_stands_in_a_field_a_row_is_read_or_refused(task: str) -> None:
    spec = TASKS[task]
    for field in (*ROWS[task], "qa", "context", "answer", "numbers", "class_id"):
        for junk in JUNK:
            try:
                item = item_of(task, {field: junk})
            except BadItemError as error:
                assert str(error)
                continue
            if not spec.runs_code:
                assert spec.judge(item, "12 yes A (X)").correct in (True, False, None)


def test_yes_and_no_are_read_where_a_report_is_asked_about_them() -> None:
    item = item_of("finqa", {"answer": "", "exe_ans": "yes"})
    assert TASKS["finqa"].judge(item, "Yes, by far").correct is True
    assert TASKS["finqa"].judge(item, "12").correct is False


def test_reports_are_read_as_their_authors_published_them() -> None:
    flat = ROWS["finqa"]
    names = ("question", "answer", "exe_ans")
    nested = {name: value for name, value in flat.items() if name not in names}
    nested["qa"] = {name: flat[name] for name in names}
    assert TASKS["finqa"].read(nested) == item_of("finqa")


def test_entities_are_scored_by_f1() -> None:
    judge = TASKS["adaptllm_ner"].judge
    item = item_of("adaptllm_ner")
    assert judge(item, "Bank (ORG), Ann (PER)").score == 1
    assert judge(item, "Bank (ORG)").score == pytest.approx(2 / 3)
    assert judge(item, "Bank (PER)").score == 0
    assert judge(item, "none").score == 0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("def f():\n    return 1\n[DONE]\nmore", "def f():\n    return 1"),
        ("Here:\n```python\ndef f():\n    return 1\n```\nIt works.", "def f():\n    return 1\n"),
        ("```\nx = 1\n```\n```py\ndef f():\n    return x\n```", "def f():\n    return x\n"),
        ("```python\ndef f():\n    return 1", "def f():\n    return 1"),
        ("[BEGIN]\nx = 1\n[DONE]", "x = 1"),
        ("", ""),
    ],
)
def test_the_program_of_an_answer_is(text: str, code: str) -> None:
    assert code_in(text) == code.strip("\n")


class TestGameOf24:
    @given(st.lists(st.integers(1, 13), min_size=4, max_size=4))
    def test_a_solution_makes_24_with_each_number_once(self, numbers: list[int]) -> None:
        found = solution(numbers)
        if found is not None:
            value, used = value_and_numbers(found)
            assert value == 24
            assert sorted(used) == sorted(numbers)

    def test_values_are_exact(self) -> None:
        assert solution([3, 3, 8, 8]) is not None  # 8 / (3 - 8 / 3), by thirds alone
        assert value_and_numbers("8 / (3 - 8 / 3)")[0] == 24
        assert value_and_numbers("1 / 3")[0] == Fraction(1, 3)
        assert solution([1, 1, 1, 1]) is None

    @pytest.mark.parametrize(
        "text",
        [
            "__import__('os')",
            "(lambda: 24)()",
            "9 ** 9 ** 9",
            "-4 + 28",
            "24.0",
            "True + 23",
            "4 if 1 else 2",
            "[24][0]",
            "1 << 5",
            "(" * 99,
            "1+" * 99 + "1",
            "1 / (2 - 2)",
            "",
        ],
    )
    def test_nothing_but_the_game_is_evaluated(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            value_and_numbers(text)


@pytest.mark.parametrize(
    ("task", "file"),
    [
        ("gsm8k", "gsm8k/test.jsonl.gz"),
        ("svamp", "svamp/svamp.jsonl.gz"),
        ("boolq", "boolq/dev.jsonl.gz"),
        ("pubmedqa", "pubmedqa/pqal.jsonl.gz"),
        ("finqa", "finqa/test.jsonl.gz"),
        ("convfinqa", "convfinqa/dev.jsonl.gz"),
        ("prontoqa", "prontoqa/dev.jsonl.gz"),
        ("medqa", "medqa/test.jsonl.gz"),
        ("medmcqa", "medmcqa/test.jsonl.gz"),
    ],
)
def test_every_real_row_is_read_and_its_reference_is_right(task: str, file: str) -> None:
    folder = data_file(file).parents[1]
    spec = TASKS[task]
    rows = load_task_rows(spec.rows, folder=folder)
    assert rows
    for row in rows:
        item = spec.read(row)
        assert spec.judge(item, spec.joint + item.answer).correct is True, item


def test_real_answers_of_models_are_judged_as_people_did() -> None:
    spec = TASKS["gsm8k"]
    solutions = read_task_rows(data_file("gsm8k/model_solutions.jsonl.gz"))
    questions = {row["id"]: row for row in read_task_rows(data_file("gsm8k/test.jsonl.gz"))}
    for row in solutions:
        item = spec.read(questions[row["id"].partition("/")[0]])
        assert spec.judge(item, row["solution"]).correct == row["is_correct"], row
