"""The rows of each step: every row once an epoch, even batches, little padding."""

import random
from array import array
from collections import Counter
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.config.student import StudentConfig
from metasynth.student.rows import BadRow
from metasynth.student.training.learning_rate import Schedule
from metasynth.student.training.rows import TokenRow, padding_share, plan_steps, told_reasons


def rows_of(lengths: list[int]) -> list[Any]:
    return [TokenRow(array("i", range(length)), 1) for length in lengths]


def flat(steps: Any) -> list[int]:
    return list(chain.from_iterable(chain.from_iterable(steps)))


@given(
    st.lists(st.integers(2, 40), min_size=1, max_size=80),
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(1, 3),
)
def test_an_epoch_reads_each_row_once_in_even_batches(
    lengths: list[int], batch: int, micro: int, epochs: int
) -> None:
    config = StudentConfig(batch_size=batch, micro_batch=micro, epochs=epochs)
    steps = plan_steps(rows_of(lengths), config, seed=3)
    assert Counter(flat(steps)) == dict.fromkeys(range(len(lengths)), epochs)
    sizes = {sum(map(len, step)) for step in steps}
    assert max(sizes) <= batch
    assert max(sizes) - min(sizes) <= 1
    assert len(steps) == epochs * -(-len(lengths) // batch)
    assert {len(step) for step in steps} == {-(-max(sizes) // micro)}
    assert all(len(part) <= micro for step in steps for part in step)
    assert all(any(step) for step in steps)


def test_steps_go_before_epochs_and_over_their_ends() -> None:
    rows = rows_of([5] * 10)
    steps = plan_steps(rows, StudentConfig(steps=5, batch_size=4, epochs=99), seed=3)
    assert len(steps) == 5
    assert Counter(flat(steps[:3])) == dict.fromkeys(range(10), 1)
    halves = plan_steps(rows, StudentConfig(batch_size=5, epochs=1.5), seed=3)
    assert len(halves) == 3


def test_the_plan_depends_on_the_seed_and_each_epoch_has_its_own() -> None:
    rows = rows_of([random.Random(number).randint(2, 30) for number in range(64)])
    config = StudentConfig(batch_size=4, micro_batch=4, epochs=2)
    plan = plan_steps(rows, config, seed=3)
    assert plan == plan_steps(rows, config, seed=3)
    assert plan != plan_steps(rows, config, seed=4)
    assert plan[:16] != plan[16:]
    longer = plan_steps(rows, config.model_copy(update={"epochs": 3.0}), seed=3)
    assert longer[:32] == plan


def test_padding_is_a_fraction_of_what_random_batches_would_have() -> None:
    rng = random.Random(5)
    rows = rows_of([max(2, int(rng.lognormvariate(4.5, 0.7))) for _ in range(2000)])
    config = StudentConfig(batch_size=16, micro_batch=16, epochs=1)
    order = list(range(2000))
    random.Random(1).shuffle(order)
    drawn = [[order[start : start + 16]] for start in range(0, 2000, 16)]
    grouped = padding_share(rows, plan_steps(rows, config, seed=1))
    assert padding_share(rows, drawn) > 0.5
    assert grouped < 0.1
    # with parts of a batch there is less still
    parts = config.model_copy(update={"batch_size": 64})
    assert padding_share(rows, plan_steps(rows, parts, seed=1)) < grouped


def test_reasons_are_told_by_their_number_with_the_first_lines() -> None:
    left_out = [
        BadRow(7, "longer than the context: 9 tokens, the model reads 5"),
        BadRow(0, "empty text (row r1)"),
        *(BadRow(line, "not JSON") for line in range(1, 8)),
    ]
    assert told_reasons(left_out) == [
        "not JSON: 7 (lines 1, 2, 3, 4, 5 and 2 more)",
        "longer than the context: 1 (line 7)",
        "empty text: 1",
    ]
    assert told_reasons([]) == []


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("linear", [0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]),
        ("constant", [0.5, *[1.0] * 9]),
        ("cosine", [0.5, 1.0, 1.0, 0.9619, 0.8536, 0.6913, 0.5, 0.3087, 0.1464, 0.0381]),
    ],
)
def test_the_learning_rate_by_step(kind: Any, expected: list[float]) -> None:
    schedule = Schedule(StudentConfig(schedule=kind, warmup=0.2), 10)
    found = [schedule.factor(step) for step in range(10)]
    assert found == pytest.approx(expected, abs=1e-4)
    assert schedule.peak == 2e-4
    assert Schedule(StudentConfig(adapt="full"), 10).peak == 2e-5
    assert Schedule(StudentConfig(learning_rate=0.1), 10).peak == 0.1
