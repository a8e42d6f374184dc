"""Batches, schedule, loss and curves of training: the mathematics, apart from the loop."""

import gc
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from metasynth.config.softsrv import TrainingConfig
from metasynth.errors import MetaSynthError
from metasynth.softsrv.backbone import Backbone
from metasynth.softsrv.encoder.context_encoder import ContextEncoder
from metasynth.softsrv.initialisation import make_soft_prompt
from metasynth.softsrv.soft_prompt import SoftPrompt
from metasynth.softsrv.training.batches import BatchPlan, TokenRows, parts_by_length
from metasynth.softsrv.training.curves import CurveFile, CurvePoint, read_curves
from metasynth.softsrv.training.evaluation import evaluate, ratio_with_error
from metasynth.softsrv.training.learning_rate_search import Trial, _best, _next_rate, rates_to_try
from metasynth.softsrv.training.optimisation import (
    Optimisation,
    Schedule,
    TrainingData,
    told_out_of_memory,
)
from tests.raising import raises
from tests.tiny_steering import TEXTS, tiny_backbone, tiny_settings

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return tiny_backbone()


@pytest.fixture(scope="module")
def data(backbone: Backbone) -> TrainingData:
    settings = tiny_settings()
    encoder = ContextEncoder.fit(settings.encoder, TEXTS, backbone=backbone, cache=None, seed=0)
    rows = TokenRows(backbone.tokenize(TEXTS), encoder.encode(TEXTS))
    return TrainingData(backbone, encoder, rows, rows, rows, seed=0)


def prompt_of(data: TrainingData, kind: str, **keys: object) -> Any:
    config = tiny_settings(kind, prompt=keys).prompt
    return make_soft_prompt(config, data.backbone, data.encoder.width, seed=0)


class TestBatches:
    @given(
        lengths=st.lists(st.integers(1, 50), min_size=1, max_size=120),
        size=st.integers(1, 9),
        seed=st.integers(0, 3),
    )
    def test_a_round_has_no_row_twice_and_full_batches(
        self, lengths: list[int], size: int, seed: int
    ) -> None:
        plan = BatchPlan(lengths, size=size, seed=seed)
        seen = [row for step in range(plan.batches) for row in plan.rows(step)]
        assert len(seen) == len(set(seen)) == plan.batches * plan.size
        assert len(lengths) - len(seen) < plan.size
        assert all(len(plan.rows(step)) == plan.size for step in range(3 * plan.batches))

    def test_a_step_alone_decides_its_batch(self) -> None:
        lengths = [5 + row % 7 for row in range(40)]
        forward, back = (BatchPlan(lengths, size=4, seed=1) for _ in range(2))
        steps = list(range(45))
        there = [forward.rows(step) for step in steps]
        assert there == [back.rows(step) for step in steps[::-1]][::-1]
        assert there[:10] != there[10:20]
        assert there != [BatchPlan(lengths, size=4, seed=2).rows(step) for step in steps]

    def test_rows_of_a_batch_are_of_like_length(self) -> None:
        lengths = [1 + 37 * row % 256 for row in range(256)]  # every length once
        plan = BatchPlan(lengths, size=16, seed=0)
        spans = [[lengths[row] for row in plan.rows(step)] for step in range(plan.batches)]
        assert all(span == sorted(span) and span[-1] - span[0] == 15 for span in spans)

    def test_rows_left_over_are_others_each_round(self) -> None:
        plan = BatchPlan([3] * 10, size=4, seed=0)
        left = [
            set(range(10)) - {row for step in (2 * n, 2 * n + 1) for row in plan.rows(step)}
            for n in range(20)
        ]
        assert set().union(*left) == set(range(10))

    def test_padding_is_at_the_right(self) -> None:
        rows = TokenRows([[5, 6], [7, 8, 9]], torch.zeros(2, 1))
        ids, lengths = rows.padded([1, 0])
        assert ids.tolist() == [[7, 8, 9], [5, 6, 0]]
        assert lengths.tolist() == [3, 2]
        assert rows.mean_length == 2.5

    @given(lengths=st.lists(st.integers(1, 9), max_size=30), size=st.integers(1, 7))
    def test_parts_hold_every_row_once(self, lengths: list[int], size: int) -> None:
        parts = parts_by_length(lengths, size)
        assert sorted(row for part in parts for row in part) == list(range(len(lengths)))
        assert [lengths[row] for part in parts for row in part] == sorted(lengths)


class TestSchedule:
    def test_warm_up_peak_and_cosine(self) -> None:
        schedule = Schedule(1.0, steps=110, warmup=10, is_cosine=True)
        assert [schedule.at(step) for step in (0, 4, 9, 10)] == [0.1, 0.5, 1.0, 1.0]
        assert schedule.at(60) == pytest.approx(0.5)
        assert schedule.at(109) == pytest.approx(0.5 * (1 + math.cos(math.pi * 0.99)))
        assert schedule.at(110) == 0

    def test_the_papers_is_constant(self) -> None:
        schedule = Schedule(5e-6, steps=20_000, warmup=0, is_cosine=False)
        assert {schedule.at(step) for step in (0, 1, 9_999, 19_999)} == {5e-6}


class TestRates:
    def test_each_parameterisation_has_its_own(self) -> None:
        """Fact sheet 6.4: SS_NP and SS_MP by the embeddings' spread, SS_MC around 1e-4 to 1e-3."""
        search = {"learning_rate": "search"}
        of = {
            kind: rates_to_try(tiny_settings(kind, training=search), embedding_std=0.1)
            for kind in ("np", "mp", "mc")
        }
        assert of["np"] == of["mp"] == (1e-3, 3e-3, 1e-2, 3e-2)
        assert of["mc"] == (1e-4, 3e-4, 1e-3, 3e-3)

    def test_those_given_come_first_and_no_search_tries_none(self) -> None:
        given = tiny_settings(training={"learning_rate": "search", "candidates": [0.5]})
        assert rates_to_try(given, embedding_std=0.1) == (0.5,)
        assert rates_to_try(tiny_settings(), embedding_std=0.1) == ()

    def test_the_search_goes_on_where_the_best_is_the_last(self) -> None:
        rates = (1e-3, 1e-2)
        trials = [Trial(1e-3, 3.0)]
        assert _next_rate(rates, trials, further=2) == 1e-2
        trials.append(Trial(1e-2, 2.0))
        assert _next_rate(rates, trials, further=2) == 3.2e-2
        assert _next_rate(rates, trials, further=0) is None
        trials.append(Trial(3.2e-2, 1.0))
        assert _next_rate(rates, trials, further=2) == 1e-1
        assert _next_rate(rates, [*trials[:2], Trial(3.2e-2, 2.5)], further=2) is None
        assert _next_rate(rates, [*trials[:2], Trial(3.2e-2, None)], further=2) is None
        assert _next_rate(rates, [Trial(1e-3, 1.0), Trial(1e-2, 2.0)], further=2) == 3.2e-4
        assert _next_rate(rates, [Trial(rate, None) for rate in rates], further=2) is None

    def test_the_lower_of_rates_that_are_as_good_is_taken(self) -> None:
        assert _best({1e-3: 2.0, 1e-2: 1.505, 1e-1: 1.5}) == 1e-2
        assert _best({1e-3: 2.0, 1e-2: 1.52, 1e-1: 1.5}) == 1e-1


class TestStep:
    @pytest.mark.parametrize("kind", ["np", "mp", "mc"])
    def test_the_gradient_is_that_of_the_mean_loss(self, data: TrainingData, kind: str) -> None:
        """Σ_i ℓ(H(P_θ(E(x_i))), x_i), equation (1), by the chain rule in one piece."""
        config = tiny_settings(kind, training={"batch_size": 24, "clip": None, "accumulate": 5})
        prompt, plain = prompt_of(data, kind), prompt_of(data, kind)
        gradients = _gradients_of_step(prompt, data, config.training)
        ids, lengths = data.train.padded(range(24))
        costs = data.backbone.token_losses(plain(data.train.z), ids, lengths)
        torch.autograd.backward(costs.sum() / sum(data.train.lengths))
        for found, one in zip(gradients, plain.parameters(), strict=True):
            assert one.grad is not None
            torch.testing.assert_close(found, one.grad, rtol=1e-4, atol=1e-6)

    def test_a_step_moves_a_weight_by_about_the_learning_rate(self, data: TrainingData) -> None:
        prompt = prompt_of(data, "np")
        before = prompt.columns.detach().clone()
        schedule = Schedule(1e-3, steps=9, warmup=0, is_cosine=False)
        optimisation = Optimisation(prompt, data, tiny_settings().training, schedule)
        cost = optimisation.step(0)
        moved = (prompt.columns.detach() - before).abs()
        torch.testing.assert_close(moved, torch.full_like(moved, 1e-3), rtol=1e-2, atol=0)
        assert cost.positions == cost.targets + 4 * prompt.tokens
        assert 3 < cost.nats / cost.targets < 8

    def test_clipping_bounds_the_gradient_and_its_absence_does_not(
        self, data: TrainingData
    ) -> None:
        norms = []
        for clip in (1e-3, None):
            config = tiny_settings(training={"clip": clip}).training
            gradients = _gradients_of_step(prompt_of(data, "mc"), data, config)
            norms.append(math.sqrt(sum(float((one**2).sum()) for one in gradients)))
        assert norms[0] == pytest.approx(1e-3, rel=1e-3) and norms[1] > 1e-2

    def test_no_graph_is_left_behind(self, data: TrainingData) -> None:
        prompt = prompt_of(data, "mc")
        schedule = Schedule(1e-3, steps=9, warmup=0, is_cosine=False)
        optimisation = Optimisation(prompt, data, tiny_settings().training, schedule)

        def graphs() -> int:
            gc.collect()
            return sum(
                issubclass(type(one), Tensor) and one.grad_fn is not None
                for one in gc.get_objects()
            )

        optimisation.step(0)
        first = graphs()
        for step in range(1, 4):
            optimisation.step(step)
        assert graphs() == first
        assert all(one.grad is None for one in prompt.parameters())

    def test_too_little_memory_is_one_line_that_says_what_to_lower(self) -> None:
        with (
            raises(MetaSynthError, "out_of_memory", "16 rows", "600 tokens") as caught,
            told_out_of_memory(16, 600),
        ):
            torch.empty(2**60)
        assert caught.value.hint is not None and "training.accumulate" in caught.value.hint
        with pytest.raises(RuntimeError, match="other"), told_out_of_memory(1, 1):
            raise RuntimeError("other")


def _gradients_of_step(
    prompt: SoftPrompt, data: TrainingData, config: TrainingConfig
) -> list[Tensor]:
    """What the optimiser is given in step 0."""
    schedule = Schedule(1e-3, steps=9, warmup=0, is_cosine=False)
    optimisation = Optimisation(prompt, data, config, schedule)
    found: list[Tensor] = []
    adam = optimisation._adam
    adam.register_step_pre_hook(
        lambda *_: found.extend(
            one.grad.clone() for one in prompt.parameters() if one.grad is not None
        )
    )
    optimisation.step(0)
    return found


class TestEvaluation:
    def test_losses_and_gap_by_hand(self, data: TrainingData) -> None:
        prompt = prompt_of(data, "mc")
        with torch.no_grad():
            for weight in prompt.weights:
                weight.mul_(4)  # so that contexts matter
        found = evaluate(data.backbone, prompt, data.held_out, seed=3, batch=5)
        alone = []
        for row in range(len(TEXTS)):  # one row at a time, without padding
            ids, lengths = data.held_out.padded([row])
            with torch.no_grad():
                own = data.backbone.token_losses(prompt(data.held_out.z[[row]]), ids, lengths)
            alone.append(own[0])
        tokens = torch.cat(alone)
        assert found.held_out_nll == pytest.approx(float(tokens.mean()), rel=1e-5)
        assert found.first5_nll == pytest.approx(
            float(torch.cat([one[:5] for one in alone]).mean()), rel=1e-5
        )
        assert found.rows == len(TEXTS)
        assert abs(found.shuffled_gap) > 1e-4
        assert found.shuffled_gap_error > 0

    def test_a_prompt_that_ignores_its_context_has_no_gap(self, data: TrainingData) -> None:
        found = evaluate(data.backbone, prompt_of(data, "np"), data.held_out, seed=3, batch=5)
        assert (found.shuffled_gap, found.shuffled_gap_error) == (0.0, 0.0)
        assert found.mixture_entropy is None

    def test_the_entropy_of_equal_weights_is_that_of_k(self, data: TrainingData) -> None:
        prompt = prompt_of(data, "mp", bases=4)
        with torch.no_grad():
            prompt.gate_weight.zero_()
        found = evaluate(data.backbone, prompt, data.held_out, seed=3, batch=5)
        assert found.mixture_entropy == pytest.approx(math.log(4))
        with torch.no_grad():
            prompt.gate_bias[2] = 200.0
        found = evaluate(data.backbone, prompt, data.held_out, seed=3, batch=5)
        assert found.mixture_entropy == pytest.approx(0, abs=1e-6)

    def test_norms_are_of_soft_tokens_and_embeddings(self, data: TrainingData) -> None:
        prompt = prompt_of(data, "np")
        found = evaluate(data.backbone, prompt, data.held_out, seed=3, batch=5)
        assert found.output_norm == pytest.approx(
            float(prompt.columns.detach().norm(dim=-1).mean())
        )
        weight = next(data.backbone.lm.model.get_input_embeddings().parameters())
        assert found.embedding_norm == pytest.approx(float(weight.norm(dim=-1).mean()))

    def test_no_row_keeps_its_context_when_they_are_exchanged(self, data: TrainingData) -> None:
        seen: list[Tensor] = []
        prompt = prompt_of(data, "mc")
        prompt.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        evaluate(data.backbone, prompt, data.held_out, seed=3, batch=5)
        for own, other in zip(seen[::2], seen[1::2], strict=True):
            assert not (own == other).all(1).any()
        together = torch.cat(seen[1::2])
        assert len(torch.unique(together, dim=0)) == len(torch.unique(data.held_out.z, dim=0))


class TestRatio:
    def test_equal_sizes_give_the_mean_and_its_error(self) -> None:
        values = torch.tensor([1.0, 2.0, 3.0, 6.0])
        ratio, error = ratio_with_error(values, torch.full((4,), 2.0))
        assert ratio == pytest.approx(1.5)
        assert error == pytest.approx(float((values / 2).std() / 2))

    def test_values_in_proportion_have_no_error(self) -> None:
        sizes = torch.tensor([1.0, 5.0, 2.0])
        assert ratio_with_error(3 * sizes, sizes) == pytest.approx((3.0, 0.0))


class TestCurveFile:
    @staticmethod
    def point(step: int, **values: float) -> CurvePoint:
        numbers = {"shuffled_gap": 0.1, "shuffled_gap_error": 0.01, "mixture_entropy": None}
        rest = ("output_norm", "embedding_norm", "learning_rate", "seconds", "first5_nll")
        given = {**numbers, **dict.fromkeys(rest, 1.0), "train_nll": None, "held_out_nll": 3.0}
        return CurvePoint(step=step, tokens=step, **{**given, **values})  # type: ignore[arg-type]

    def test_points_are_read_back(self, tmp_path: Path) -> None:
        file = CurveFile(tmp_path / "c.jsonl", upto=0)
        points = [self.point(0), self.point(5, train_nll=2.5)]
        for one in points:
            file.append(one)
        assert read_curves(tmp_path / "c.jsonl") == file.points == points

    def test_later_points_and_half_a_line_are_cut_off(self, tmp_path: Path) -> None:
        path = tmp_path / "c.jsonl"
        file = CurveFile(path, upto=0)
        for step in (0, 5, 10):
            file.append(self.point(step))
        path.write_text(path.read_text() + '{"step": 15, "held')
        assert [point.step for point in CurveFile(path, upto=5).points] == [0, 5]
        assert path.read_text().count("\n") == 2

    def test_what_is_no_number_becomes_null(self, tmp_path: Path) -> None:
        CurveFile(tmp_path / "c.jsonl", upto=0).append(self.point(0, held_out_nll=math.nan))
        assert json.loads((tmp_path / "c.jsonl").read_text())["held_out_nll"] is None
