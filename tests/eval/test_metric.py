"""Metrics as parts: what the registry says of them, what they are given, what they give."""

from collections.abc import Iterator
from math import nan

import pytest

from metasynth.errors import RequestError
from metasynth.eval.measurement import Labels, measure
from metasynth.eval.metric import METRICS, Measurement, all_metrics, metric, undefined
from tests.own_metric import only_builtin_metrics_after
from tests.raising import raises


@pytest.fixture(autouse=True)
def _own_ones_are_forgotten() -> Iterator[None]:
    with only_builtin_metrics_after():
        yield


def test_a_measurement_without_a_value_says_why_and_none_is_nan() -> None:
    assert undefined("no words", 3).plain()["value"] is None
    with pytest.raises(ValueError, match="reason"):
        Measurement(None, 3)
    with pytest.raises(ValueError, match="reason"):
        Measurement(1.0, 3, reason="and yet")
    with pytest.raises(ValueError, match="number"):
        Measurement(nan, 3)


def test_the_packages_metrics_say_what_they_are() -> None:
    metrics = all_metrics()
    assert sorted(metrics) == list(METRICS.builtin())
    assert len({one.place for one in metrics.values()}) == len(metrics)
    assert len({one.title for one in metrics.values()}) == len(metrics)
    for name, one in metrics.items():
        assert one.made_by.__name__ == name
        assert one.meaning
        assert one.better in ("higher", "lower")


def test_a_metric_is_given_what_it_needs_in_the_order_it_names() -> None:
    given: list[object] = []

    @metric("all", better="higher", needs=("seed", "topics", "personas", "texts"), name="own")
    def own(*values: object) -> float:
        given.extend(values)
        return 1

    labels = Labels(topics=["law", "art"])
    found = measure(["a b", "c"], labels=labels, seed=7)["own"]
    assert given == [7, ["law", "art"], ["", ""], ["a b", "c"]]
    assert (found.value, found.n) == (1.0, 2)


@pytest.mark.parametrize("need", ["vectors", "reference", "probe"])
def test_where_something_is_missing_a_metric_is_not_asked(need: str) -> None:
    @metric("own", better="higher", needs=("texts", need), name="own")
    def own(*_: object) -> float:
        raise AssertionError

    found = measure(["a", "b"])["own"]
    assert found.value is None
    assert "given" in found.reason


@pytest.mark.parametrize("result", [nan, "many", None])
def test_what_is_no_number_is_a_failure_of_that_metric(result: object) -> None:
    @metric("own", better="higher", name="own")
    def own(_: object) -> float:
        return result  # type: ignore[return-value]

    with raises(RequestError, "part_failed", "'own'"):
        measure(["a", "b"])


def test_a_need_that_nothing_meets_is_refused_where_it_is_named() -> None:
    with raises(RequestError, "unknown_need", "vectors"):
        metric("own", better="higher", needs="genres")


def test_a_name_of_the_packages_cannot_be_taken() -> None:
    with raises(RequestError, "taken_part"):

        @metric("own", better="higher", name="self_bleu")
        def own(_: object) -> float:
            return 1
