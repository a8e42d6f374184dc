"""Gates before adaptive contexts: open where the effect is there, shut where it is not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from metasynth.student.contexts.preconditions import (
    Gate,
    GateReport,
    context_gate,
    manifold_gate,
    prediction_gate,
    steering_gate,
)
from metasynth.student.contexts.score_model import fit_score_model, out_of_fold
from metasynth.student.fidelity import Pair
from metasynth.student.intervals import Interval

Floats = NDArray[np.float64]


def normal(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=shape)


def test_context_is_used_where_a_shuffled_z_costs() -> None:
    true = 3 + normal(50)
    assert context_gate(true, true + 0.1 + 0.1 * normal(50, seed=1), seed=0).passed
    shut = context_gate(true, true + 0.1 * normal(50, seed=1), seed=0)
    assert not shut.passed
    assert shut.value.low < 0 < shut.value.high
    assert not context_gate(true[:3], true[:3] + 1, seed=0).passed  # three texts show nothing
    with pytest.raises(ValueError, match="same texts"):
        context_gate(true, true[:4], seed=0)


@pytest.mark.parametrize("kind", ["ridge", "gp"])
def test_z_tells_the_score_or_it_does_not(kind: str) -> None:
    z = normal(150, 6)
    told = np.exp(z @ normal(6, seed=1)) + 0.1 * normal(150, seed=2)
    found = prediction_gate(z, told, kind=kind, seed=0)  # type: ignore[arg-type]
    assert found.passed
    assert found.value.value > 0.7
    assert not prediction_gate(z, normal(150, seed=3), kind=kind, seed=0).passed  # type: ignore[arg-type]
    assert not prediction_gate(z, np.ones(150), kind=kind, seed=0).passed  # type: ignore[arg-type]


def test_noise_is_not_predicted_however_many_numbers_z_has() -> None:
    predicted = out_of_fold(normal(60, 200), normal(60, seed=1), rng=np.random.default_rng(0))
    assert abs(np.corrcoef(predicted, normal(60, seed=1))[0, 1]) < 0.4


@pytest.mark.parametrize("kind", ["ridge", "gp"])
def test_a_models_gradient_is_its_slope(kind: str) -> None:
    z = normal(40, 3)
    scores = np.sin(z[:, 0]) + z[:, 1]
    model = fit_score_model(z, scores, kind=kind, rng=np.random.default_rng(0))  # type: ignore[arg-type]
    here, step = normal(5, 3, seed=1), 1e-5
    for axis, one in enumerate(np.eye(3)):
        slope = (model.predict(here + step * one) - model.predict(here - step * one)) / (2 * step)
        np.testing.assert_allclose(model.gradient(here)[:, axis], slope, atol=1e-6)


def test_ridge_finds_the_slope_and_its_noise() -> None:
    z, slope = normal(200, 5), normal(5, seed=1)
    model = fit_score_model(z, z @ slope + 2, rng=np.random.default_rng(0))
    np.testing.assert_allclose(model.predict(z), z @ slope + 2, atol=0.05)
    still = fit_score_model(np.ones((6, 2)), np.arange(6.0), rng=np.random.default_rng(0))
    assert still.predict(np.ones((1, 2))).tolist() == [2.5]


def children(steers: float) -> list[Pair]:
    rng = np.random.default_rng(0)
    return [
        Pair(f"cluster {cluster}", f"{cluster}-{parent}", cluster + rng.normal(),
             steers * cluster + rng.normal())
        for cluster in range(12)
        for parent in range(10)
    ]  # fmt: skip


def test_steering_is_seen_by_cluster() -> None:
    found = steering_gate(children(1.0), seed=0)
    assert found.passed
    assert found.count == 12
    assert not steering_gate(children(0.0), seed=0).passed


def test_new_contexts_must_lie_where_the_old_ones_do() -> None:
    z = normal(120, 4)
    clean = {"junk": (2, 100), "static_junk": (3, 100), "seed": 0}
    assert manifold_gate(z[:50], z, **clean).passed  # type: ignore[arg-type]
    assert manifold_gate(normal(100, 4, seed=1), z, **clean).passed  # type: ignore[arg-type]
    away = manifold_gate(z[:50] + 10, z, **clean)  # type: ignore[arg-type]
    assert not away.passed
    assert away.value.value == 0


def test_more_junk_than_the_static_arm_shuts_the_gate() -> None:
    z = normal(120, 4)
    assert manifold_gate(z, z, junk=(5, 100), static_junk=(3, 100), seed=0).passed
    assert not manifold_gate(z, z, junk=(30, 100), static_junk=(3, 100), seed=0).passed
    with pytest.raises(ValueError, match="cannot be judged"):
        manifold_gate(z, z, junk=(0, 0), static_junk=(3, 100), seed=0)


def test_an_arm_that_fails_a_gate_is_labelled() -> None:
    value = Interval(0.5, 0.25, 0.75)
    shut = Gate("prediction", value, 40, passed=False, detail="Spearman")
    opened = Gate("context", value, 40, passed=True, detail="nats")
    assert GateReport("A2", (opened,)).label == "A2"
    report = GateReport("A2", (opened, shut))
    assert not report.passed
    assert report.label == "A2 (gate failed: prediction)"
    assert str(report).splitlines() == [
        "A2 (gate failed: prediction)",
        "  context     passed  0.500 [0.250, 0.750]  n=40  nats",
        "  prediction  failed  0.500 [0.250, 0.750]  n=40  Spearman",
    ]
