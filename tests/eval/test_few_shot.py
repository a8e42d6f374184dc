"""Examples before a question: seeded, shared, and never the question itself."""

from hypothesis import given
from hypothesis import strategies as st

from metasynth.eval.tasks.running.few_shot import Examples
from metasynth.eval.tasks.spec import TaskItem


def pool(*questions: str) -> list[TaskItem]:
    return [TaskItem(str(n), question, f"answer {n}") for n, question in enumerate(questions)]


NUMBERED = pool(*(f"question {n}" for n in range(20)))


def names(examples: Examples, item: TaskItem, shots: int) -> list[str]:
    return [one.id for one in examples.before(item, shots)]


@given(st.integers(0, 2**31), st.integers(0, 19), st.integers(0, 25))
def test_a_question_is_never_its_own_example(seed: int, place: int, shots: int) -> None:
    item = NUMBERED[place]
    found = Examples(NUMBERED, seed=seed, joint=" ").before(item, shots)
    assert item not in found
    assert len(found) == len(set(found)) == min(shots, 19)


def test_the_seed_alone_decides() -> None:
    first, again, other = (Examples(NUMBERED, seed=seed, joint=" ") for seed in (1, 1, 2))
    item = TaskItem("new", "another question", "")
    assert names(first, item, 5) == names(again, item, 5) != names(other, item, 5)


def test_all_questions_share_their_examples_but_those_among_them() -> None:
    examples = Examples(NUMBERED, seed=0, joint=" ")
    shared = names(examples, TaskItem("new", "another question", ""), 5)
    for item in NUMBERED:
        found = names(examples, item, 5)
        assert found == shared if item.id not in shared else len(set(found) & set(shared)) == 4


def test_an_equal_question_under_another_name_is_no_example() -> None:
    examples = Examples(pool("same", "other", "same"), seed=0, joint=" ")
    assert [one.question for one in examples.before(TaskItem("9", "same", ""), 5)] == ["other"]


def test_rows_without_names_are_told_apart_by_their_text() -> None:
    unnamed = [TaskItem("", f"question {n}", "") for n in range(3)]
    assert len(Examples(unnamed, seed=0, joint=" ").before(unnamed[0], 5)) == 2


def test_a_prompt_is_examples_and_question_with_empty_lines_between() -> None:
    examples = Examples(pool("Q: one\nA:"), seed=0, joint=" ")
    item = TaskItem("new", "Q: two\nA:", "unseen")
    assert examples.prompt(item, 3) == "Q: one\nA: answer 0\n\nQ: two\nA:"
    assert examples.prompt(item, 0) == "Q: two\nA:"
