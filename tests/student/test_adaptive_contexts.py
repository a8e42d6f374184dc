"""Contexts chosen by scores: the static order to the bit, ranks alone, lineage, near old ones."""

import random
from collections import Counter
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from metasynth.config.softsrv import EncoderConfig, PromptConfig, SamplingConfig
from metasynth.errors import RequestError
from metasynth.randomness import generator
from metasynth.softsrv.artifact import SteeringArtifact
from metasynth.softsrv.encoder.context_encoder import ContextEncoder
from metasynth.softsrv.initialisation import make_soft_prompt
from metasynth.softsrv.sampling.soft_sampler import SoftSampler
from metasynth.softsrv.target import TargetRow
from metasynth.student.contexts.adaptive_contexts import (
    ContextOptions,
    ContextStrategy,
    NextContext,
    next_contexts,
)
from metasynth.student.contexts.shrunk_covariance import ShrunkCovariance, within_clusters
from metasynth.student.selection.budgets import ClusterScores
from tests.raising import raises
from tests.tiny_steering import NAMES, tiny_backbone

Floats = NDArray[np.float64]
STRATEGIES: tuple[ContextStrategy, ...] = get_args(ContextStrategy)
ADAPTIVE = [strategy for strategy in STRATEGIES if strategy != "static"]


def contexts(rows: int = 24, width: int = 5, *, seed: int = 0) -> tuple[Floats, Floats, Any]:
    """Scores, z and clusters; z lies in four groups and the score follows its first number."""
    rng = np.random.default_rng(seed)
    clusters = np.arange(rows) % 4
    z = rng.normal(size=(4, width))[clusters] * 3 + rng.normal(size=(rows, width))
    return z[:, 0] + 0.1 * rng.normal(size=rows), z, clusters


def chosen(
    strategy: ContextStrategy, n: int, *, seed: int = 0, given: Any = None, **more: Any
) -> list[NextContext]:
    scores, z, clusters = given or contexts()
    return next_contexts(strategy, scores, z, clusters, n, random.Random(seed), **more)


def parents(made: list[NextContext]) -> list[int]:
    return [one.parents[0] for one in made]


@pytest.mark.parametrize("start", [0, 7, 30])
def test_static_contexts_are_the_samplers_to_the_bit(start: int) -> None:
    scores, z, clusters = contexts()
    z = z.astype(np.float32)
    rng = generator(5, "contexts")
    made = next_contexts("static", scores, z, clusters, 40, rng, start=start)
    order = list(range(len(z)))
    generator(5, "contexts").shuffle(order)
    expected = [order[number % len(z)] for number in range(start, start + 40)]
    assert parents(made) == expected
    assert all(np.array_equal(one.z, z[row]) for one, row in zip(made, expected, strict=True))
    assert {one.z.dtype for one in made} == {np.dtype(np.float32)}


def test_static_contexts_are_what_the_sampler_samples_from() -> None:
    backbone = tiny_backbone()
    texts = [f"{name} has {number} eggs." for number, name in enumerate(NAMES)]
    encoder = ContextEncoder.fit(
        EncoderConfig(components=3), texts, backbone=backbone, cache=None, seed=0
    )
    config = PromptConfig(parameterisation="mc", tokens=2, hidden=4)
    prompt = make_soft_prompt(config, backbone, encoder.width, seed=1)
    rows = [TargetRow(f"target-{number}", text) for number, text in enumerate(texts)]
    artifact = SteeringArtifact(prompt, encoder, encoder.encode(texts), rows, {}, {})
    with SoftSampler(backbone, artifact, SamplingConfig(max_new_tokens=2), seed=7) as sampler:
        samples = list(sampler.sample(8, start=3))
    z = artifact.contexts.numpy()
    nothing = np.zeros(len(z))
    rng = generator(7, "contexts")
    made = next_contexts("static", nothing, z, nothing.astype(int), 8, rng, start=3)
    assert [rows[row].id for row in parents(made)] == [sample.context_id for sample in samples]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("n", [0, 1, 10, 60])
def test_so_many_are_made_with_their_lineage(strategy: ContextStrategy, n: int) -> None:
    made = chosen(strategy, n)
    assert len(made) == n
    _, z, _ = contexts()
    for one in made:
        assert one.z.shape == (5,)
        assert len(one.parents) == (2 if strategy == "interpolate" else 1)
        if strategy in ("random", "select", "group", "diversify", "static"):
            assert np.array_equal(one.z, z[one.parents[0]])
            assert one.lam == 1


@pytest.mark.parametrize("strategy", ADAPTIVE)
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_the_order_of_the_contexts_does_not_matter(
    strategy: ContextStrategy, data: st.DataObject
) -> None:
    scores, z, clusters = contexts()
    direction = data.draw(st.sampled_from(["high", "low", "middle"]))
    order = np.array(data.draw(st.permutations(range(24))))
    first = chosen(strategy, 12, direction=direction)
    mixed = (scores[order], z[order], clusters[order])
    again = chosen(strategy, 12, direction=direction, given=mixed)
    assert [[int(order[row]) for row in one.parents] for one in again] == [
        list(one.parents) for one in first
    ]
    assert all(np.array_equal(a.z, b.z) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("strategy", ADAPTIVE)
def test_draws_come_from_the_generator(strategy: ContextStrategy) -> None:
    def drawn(seed: int) -> list[bytes]:
        return [one.z.tobytes() for one in chosen(strategy, 10, seed=seed)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


@pytest.mark.parametrize("temperature", [0.0, 1e-9])
@pytest.mark.parametrize(("direction", "sign"), [("high", -1), ("low", 1)])
def test_without_temperature_select_is_argsort(
    temperature: float, direction: Any, sign: int
) -> None:
    options = ContextOptions(temperature=temperature)
    made = chosen("select", 10, options=options, direction=direction)
    scores, _, _ = contexts()
    assert parents(made) == np.argsort(sign * scores, kind="stable")[:10].tolist()
    middle = parents(chosen("select", 4, options=options, direction="middle"))
    assert sorted(middle) == sorted(np.argsort(scores)[10:14].tolist())


@pytest.mark.parametrize("strategy", [one for one in ADAPTIVE if one != "group"])
def test_whatever_grows_with_the_scores_changes_nothing(strategy: ContextStrategy) -> None:
    scores, z, clusters = contexts()
    plain = chosen(strategy, 15)
    for rescaled in (np.exp(scores), 100 * scores - 7, scores**3):
        again = chosen(strategy, 15, given=(rescaled, z, clusters))
        assert parents(again) == parents(plain)
        assert all(np.array_equal(a.z, b.z) for a, b in zip(plain, again, strict=True))


def test_select_takes_high_ones_more_often() -> None:
    counts = Counter(
        row
        for seed in range(40)
        for row in parents(chosen("select", 6, seed=seed, options=ContextOptions(temperature=0.3)))
    )
    scores, _, _ = contexts()
    ranked = [counts[row] for row in np.argsort(scores)]
    assert sum(ranked[12:]) > 2 * sum(ranked[:12])
    uniform = Counter(row for seed in range(40) for row in parents(chosen("random", 6, seed=seed)))
    assert min(uniform.values()) > 1


def test_none_comes_again_before_every_other_has_come() -> None:
    for strategy in ("random", "select"):
        assert sorted(Counter(parents(chosen(strategy, 60))).values()) == [2] * 12 + [3] * 12


def test_several_children_share_a_context() -> None:
    made = chosen("jitter", 10, options=ContextOptions(children=4))
    assert [one.parents for one in made[:4]] == [made[0].parents] * 4
    assert np.array_equal(made[0].z, made[3].z)
    assert not np.array_equal(made[0].z, made[4].z)


@pytest.mark.parametrize("budget", ["proportional", "ucb", "thompson"])
def test_groups_get_by_their_scores(budget: Any) -> None:
    _, z, clusters = contexts()
    scores = np.array([0.0, 0.0, 1.0, 3.0])[clusters] + np.linspace(0, 1e-3, 24)
    made = chosen("group", 40, given=(scores, z, clusters), options=ContextOptions(budget=budget))
    spent = Counter(int(clusters[row]) for row in parents(made))
    assert spent[3] > spent[2] >= spent[0]
    if budget == "proportional":
        assert (spent[2], spent[3]) == (10, 30)


def test_groups_learn_from_what_their_children_scored() -> None:
    seen = ClusterScores.empty(4).observe(
        np.repeat(np.arange(4), 50), np.repeat([9.0, 0, 0, 0], 50)
    )
    for budget in ("ucb", "thompson"):
        options = ContextOptions(budget=budget)
        made = chosen("group", 20, options=options, seen=seen)
        assert {row % 4 for row in parents(made)} == {0}


def test_mixed_contexts_lie_between_two_high_ones_of_a_cluster() -> None:
    scores, z, clusters = contexts()
    for one in chosen("interpolate", 30, options=ContextOptions(beta=0.5)):
        first, second = one.parents
        assert first != second
        assert clusters[first] == clusters[second]
        assert min(scores[first], scores[second]) >= np.median(scores)
        assert 0 <= one.lam <= 1
        np.testing.assert_allclose(one.z, one.lam * z[first] + (1 - one.lam) * z[second])


def test_where_no_two_can_be_mixed_it_says_so() -> None:
    scores, z, _ = contexts()
    with raises(RequestError, "too_few_contexts"):
        chosen("interpolate", 3, given=(scores, z, np.arange(24)))


def test_jitter_is_as_wide_as_the_cluster() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 2)) * [5.0, 0.1]
    given_wide = (rng.normal(size=200), z, np.zeros(200, dtype=int))
    made = chosen("jitter", 4000, given=given_wide, options=ContextOptions(jitter=1.0))
    moved = np.stack([one.z - z[one.parents[0]] for one in made])
    assert moved[:, 0].std() == pytest.approx(z[:, 0].std(), rel=0.1)
    assert moved[:, 1].std() < 1
    alone = (given_wide[0][:3], z[:3], np.arange(3))  # clusters of one have no spread at all
    assert all(np.array_equal(one.z, z[one.parents[0]]) for one in chosen("jitter", 3, given=alone))


@pytest.mark.parametrize("model", ["ridge", "gp"])
@pytest.mark.parametrize("direction", ["high", "low"])
def test_climbing_raises_the_score_within_the_trust_region(model: Any, direction: Any) -> None:
    scores, z, clusters = contexts(120, 3)
    options = ContextOptions(model=model, radius=0.7)
    made = chosen("ascend", 60, given=(scores, z, clusters), options=options, direction=direction)
    moved = np.stack([one.z - z[one.parents[0]] for one in made])
    sign = 1 if direction == "high" else -1
    assert (sign * moved[:, 0]).mean() > 0.2  # the score is z's first number
    spread = ShrunkCovariance.of(within_clusters(z, clusters))
    covariance = spread.times(np.eye(3))
    lengths = np.sqrt(np.einsum("ij,jk,ik->i", moved, np.linalg.inv(covariance), moved))
    assert lengths.max() <= 0.7 + 1e-9
    if model == "ridge":
        assert lengths.min() == pytest.approx(0.7)  # a slope leads to the border


def test_climbing_a_flat_score_moves_nothing() -> None:
    _, z, clusters = contexts()
    for one in chosen("ascend", 8, given=(np.ones(24), z, clusters)):
        assert np.array_equal(one.z, z[one.parents[0]])


def test_diverse_ones_start_high_and_never_repeat_a_point() -> None:
    scores, z, clusters = contexts(8)
    twice = (np.tile(scores, 2), np.tile(z, (2, 1)), np.tile(clusters, 2))
    for seed in range(10):
        made = parents(chosen("diversify", 8, seed=seed, given=twice))
        assert sorted(row % 8 for row in made) == list(range(8))
        assert made[0] % 8 == scores.argmax()
    assert len(chosen("diversify", 20, given=twice)) == 20


def test_shrunk_covariance_is_ledoit_wolfs() -> None:
    from sklearn.covariance import LedoitWolf  # type: ignore[import-untyped]

    for shape in ((30, 4), (5, 12)):
        rows = np.random.default_rng(0).normal(size=shape)
        rows -= rows.mean(0)
        ours = ShrunkCovariance.of(rows)
        expected = LedoitWolf(assume_centered=True).fit(rows).covariance_
        np.testing.assert_allclose(ours.times(np.eye(shape[1])), expected, atol=1e-12)
        drawn = ours.sample(20_000, rng=np.random.default_rng(1))
        np.testing.assert_allclose(drawn.T @ drawn / 20_000, expected, atol=0.08)


@pytest.mark.parametrize("strategy", ["select", "static"])
def test_contexts_without_a_score_are_refused(strategy: ContextStrategy) -> None:
    scores, z, clusters = contexts()
    scores[[3, 9]] = np.nan
    with raises(RequestError, "no_scores", "2 of 24", "number 3"):
        chosen(strategy, 3, given=(scores, z, clusters))
    nothing = (np.zeros(0), np.zeros((0, 2)), np.zeros(0, dtype=int))
    with raises(RequestError, "no_contexts"):
        chosen(strategy, 3, given=nothing)
    with pytest.raises(ValueError, match="23 scores"):
        chosen(strategy, 3, given=(scores[1:], z, clusters))
