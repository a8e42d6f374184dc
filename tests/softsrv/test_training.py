"""Training: what changes and what must not, early stopping, resuming, and what goes wrong."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from metasynth.config.softsrv import SoftSRVConfig, TargetConfig
from metasynth.errors import MetaSynthError, RequestError, RunInterruptedError
from metasynth.softsrv.artifact import SteeringArtifact, load_artifact
from metasynth.softsrv.backbone import Backbone
from metasynth.softsrv.target import Split, TargetRow, load_target
from metasynth.softsrv.training.curves import read_curves
from metasynth.softsrv.training.progress import TrainingProgress
from metasynth.softsrv.training.training import train_soft_prompt
from tests.raising import raises
from tests.tiny_steering import tiny_backbone, tiny_settings, tiny_split, train

SEARCH = {"learning_rate": "search", "candidates": [1e-3, 1e-2], "search_steps": 4}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return tiny_backbone()


class StopAt:
    """A listener that interrupts at its n-th call."""

    def __init__(self, call: int) -> None:
        self.left = call

    def __call__(self, _: TrainingProgress) -> None:
        self.left -= 1
        if self.left == 0:
            raise RunInterruptedError("interrupted")


def theta(artifact: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in artifact.prompt.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first | second)


class TestWhatChanges:
    @pytest.mark.parametrize("kind", ["np", "mp", "mc"])
    def test_the_loss_falls_and_the_model_stays_bit_for_bit(
        self, kind: str, tmp_path: Path
    ) -> None:
        backbone = tiny_backbone()
        before = copy.deepcopy(backbone.lm.model.state_dict())
        settings = tiny_settings(kind, training={"steps": 40, "learning_rate": 0.03})
        artifact = train(backbone, tmp_path, settings)
        assert (
            artifact.report["after"]["held_out_nll"]
            < artifact.report["before"]["held_out_nll"] - 0.05
        )
        assert same(before, backbone.lm.model.state_dict())
        assert all(one.grad is None for one in backbone.lm.model.parameters())
        assert not any(one.requires_grad for one in backbone.lm.model.parameters())
        assert all(one.dtype == torch.float32 for one in artifact.prompt.parameters())

    def test_theta_is_float32_whatever_the_model_computes_in(self, tmp_path: Path) -> None:
        backbone = tiny_backbone()
        model: Any = backbone.lm.model
        model.to(torch.bfloat16)
        half = Backbone(backbone.lm)
        settings = tiny_settings(training={"steps": 30, "learning_rate": 0.03})
        artifact = train(half, tmp_path, settings)
        assert {one.dtype for one in artifact.prompt.parameters()} == {torch.float32}
        assert artifact.report["after"]["held_out_nll"] < artifact.report["before"]["held_out_nll"]

    def test_the_artifact_holds_the_training_rows_and_their_contexts(
        self, backbone: Backbone, tmp_path: Path
    ) -> None:
        artifact = train(backbone, tmp_path, tiny_settings())
        assert artifact.rows == tiny_split().train
        encoded = artifact.encoder.encode([row.text for row in artifact.rows])
        assert torch.equal(artifact.contexts, encoded)
        assert artifact.config["training"]["steps"] == 12
        held_out = load_target(TargetConfig(file=str(tmp_path / "held_out.jsonl")))
        assert held_out == tiny_split().held_out

    def test_the_model_alone_is_measured_after_what_begins_its_texts(
        self, backbone: Backbone, tmp_path: Path
    ) -> None:
        artifact = train(backbone, tmp_path, tiny_settings(), start_ids=[5])
        ids = [[5, *one] for one in backbone.tokenize([r.text for r in tiny_split().held_out])]
        nats = [
            torch.nn.functional.cross_entropy(
                backbone.model(torch.tensor([one])).logits[0, :-1],
                torch.tensor(one[1:]),
                reduction="sum",
            )
            for one in ids
        ]
        alone = float(sum(nats)) / sum(len(one) - 1 for one in ids)
        assert artifact.report["bare_nll"] == pytest.approx(alone, rel=1e-5)
        assert train(backbone, tmp_path, tiny_settings()).report["bare_nll"] is None

    def test_accumulation_and_checkpointing_change_no_number_but_by_rounding(
        self, backbone: Backbone, tmp_path: Path
    ) -> None:
        plain = theta(train(backbone, tmp_path / "a", tiny_settings()))
        for name, more in (("b", {"accumulate": 3}), ("c", {"gradient_checkpointing": True})):
            found = theta(train(backbone, tmp_path / name, tiny_settings(training=more)))
            for key in plain:
                torch.testing.assert_close(found[key], plain[key], rtol=1e-3, atol=1e-4)

    def test_a_seed_repeats(self, backbone: Backbone, tmp_path: Path) -> None:
        settings = tiny_settings(encoder={"noise": 0.3})
        first = theta(train(backbone, tmp_path / "a", settings))
        assert same(first, theta(train(backbone, tmp_path / "b", settings)))
        other = settings.model_copy(update={"random_seed": 1})
        assert not same(first, theta(train(backbone, tmp_path / "c", other)))


class TestStopping:
    def test_the_best_state_is_kept(self, backbone: Backbone, tmp_path: Path) -> None:
        # held-out rows of another kind: learning the target first helps with them, then hurts
        split = Split(tiny_split().train, [TargetRow.of("}{ ~ |^ has"), TargetRow.of("QX; has [")])
        settings = tiny_settings(training={"learning_rate": 0.05, "patience": 2, "steps": 200})
        artifact = train_soft_prompt(backbone, split, settings, work=tmp_path)
        report, curves = artifact.report, read_curves(tmp_path / "curves.jsonl")
        assert report["stopped_because"] == "no better held-out loss in 2 evaluations"
        assert report["steps"] == report["best_step"] + 8
        best = min(curves, key=lambda point: point.held_out_nll)
        assert best.step == report["best_step"] > 0
        assert report["after"]["held_out_nll"] == pytest.approx(best.held_out_nll, abs=1e-6)

    def test_without_patience_all_steps_are_taken_and_the_last_state_counts(
        self, backbone: Backbone, tmp_path: Path
    ) -> None:
        wild = {"learning_rate": 3.0, "schedule": "constant", "patience": None, "steps": 30}
        report = train(backbone, tmp_path, tiny_settings(training=wild)).report
        last = read_curves(tmp_path / "curves.jsonl")[-1]
        assert (report["steps"], last.step) == (30, 30)
        assert report["stopped_because"] == "all steps were taken"
        assert report["after"]["held_out_nll"] == pytest.approx(last.held_out_nll, abs=1e-6)

    def test_points_of_the_curves(self, backbone: Backbone, tmp_path: Path) -> None:
        train(backbone, tmp_path, tiny_settings("mp", training={"steps": 10}))
        points = read_curves(tmp_path / "curves.jsonl")
        assert [point.step for point in points] == [0, 4, 8, 10]
        assert points[0].train_nll is None
        assert all(point.train_nll is not None for point in points[1:])
        assert all(0 < (point.mixture_entropy or 0) < 0.6932 for point in points)
        assert points[-1].tokens > points[1].tokens > points[0].tokens == 0


NOISY = tiny_settings(training=SEARCH, encoder={"noise": 0.2})


@pytest.fixture(scope="module")
def undisturbed(
    backbone: Backbone, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, SteeringArtifact]:
    """A whole training and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, train(backbone, folder, NOISY)


class TestResuming:
    @pytest.mark.parametrize("call", [2, 7, 9, 13, 16, 20, 24])
    def test_a_stopped_training_ends_like_an_undisturbed_one(
        self,
        backbone: Backbone,
        undisturbed: tuple[Path, SteeringArtifact],
        tmp_path: Path,
        call: int,
    ) -> None:
        folder, whole = undisturbed
        with pytest.raises(RunInterruptedError):
            train(backbone, tmp_path, NOISY, progress=StopAt(call))
        parts = train(backbone, tmp_path, NOISY)
        assert same(theta(whole), theta(parts))
        timeless = [
            [{**vars(point), "seconds": 0} for point in read_curves(place / "curves.jsonl")]
            for place in (folder, tmp_path)
        ]
        assert timeless[0] == timeless[1]
        assert whole.report["trials"] == parts.report["trials"]

    def test_a_kill_goes_back_to_the_last_checkpoint(
        self, backbone: Backbone, tmp_path: Path
    ) -> None:
        # a checkpoint of step 5, but curves that have gone on to step 8: as a kill leaves them
        def kept(told: TrainingProgress) -> None:
            if told.done == 5 and not (tmp_path / "kept").exists():
                (tmp_path / "kept").write_bytes(checkpoint.read_bytes())

        checkpoint = tmp_path / "work" / "checkpoint.safetensors"
        whole = theta(train(backbone, tmp_path / "work", tiny_settings(), progress=kept))
        checkpoint.write_bytes((tmp_path / "kept").read_bytes())
        assert same(whole, theta(train(backbone, tmp_path / "work", tiny_settings())))
        steps = [point.step for point in read_curves(tmp_path / "work" / "curves.jsonl")]
        assert steps == [0, 4, 8, 12]

    def test_a_finished_training_gives_its_result_again(
        self, backbone: Backbone, tmp_path: Path
    ) -> None:
        first = train(backbone, tmp_path, tiny_settings(training=SEARCH))
        told: list[TrainingProgress] = []
        again = train(backbone, tmp_path, tiny_settings(training=SEARCH), progress=told.append)
        assert same(theta(first), theta(again))
        assert first.report == again.report
        assert {one.phase for one in told} == {"encoding", "search", "evaluation"}

    def test_progress_counts_every_step_once(self, backbone: Backbone, tmp_path: Path) -> None:
        told: list[TrainingProgress] = []
        train(backbone, tmp_path, tiny_settings(training=SEARCH), progress=told.append)
        done = [one.done for one in told]
        assert done == sorted(done)
        assert (done[0], done[-1], told[0].total) == (0, 20, 20)

    @pytest.mark.parametrize(
        ("changes", "key"),
        [
            ({"training": {"steps": 13}}, "training.steps (12 there, 13 now)"),
            ({"prompt": {"tokens": 2}}, "prompt.tokens (3 there, 2 now)"),
            ({"encoder": {"noise": 0.5}}, "encoder.noise (0.0 there, 0.5 now)"),
        ],
    )
    def test_another_training_in_the_folder_is_refused(
        self, backbone: Backbone, tmp_path: Path, changes: dict[str, Any], key: str
    ) -> None:
        train(backbone, tmp_path, tiny_settings())
        with raises(RequestError, "other_settings", key):
            train(backbone, tmp_path, tiny_settings(**changes))

    def test_other_data_and_other_weights_are_refused(
        self, backbone: Backbone, tmp_path: Path
    ) -> None:
        train(backbone, tmp_path, tiny_settings())
        split = tiny_split()
        fewer = Split(split.train[1:], split.held_out)
        with raises(RequestError, "other_settings", "data.rows (18 there, 17 now)"):
            train_soft_prompt(backbone, fewer, tiny_settings(), work=tmp_path)
        swapped = Split(split.train[::-1], split.held_out)
        with raises(RequestError, "other_settings", "data.sha256"):
            train_soft_prompt(backbone, swapped, tiny_settings(), work=tmp_path)
        with raises(RequestError, "other_settings", "backbone.fingerprint"):
            train(tiny_backbone(seed=1), tmp_path, tiny_settings())

    def test_what_changes_no_number_may_change(self, backbone: Backbone, tmp_path: Path) -> None:
        with pytest.raises(RunInterruptedError):
            train(backbone, tmp_path, tiny_settings(), progress=StopAt(9))
        changed = tiny_settings(
            training={"save_every": 1, "accumulate": 2, "gradient_checkpointing": True}
        )
        assert train(backbone, tmp_path, changed).report["steps"] == 12

    def test_a_folder_without_progress_may_be_begun_anew(
        self, backbone: Backbone, tmp_path: Path
    ) -> None:
        with pytest.raises(RunInterruptedError):
            train(backbone, tmp_path, tiny_settings(), progress=StopAt(1))
        train(backbone, tmp_path, tiny_settings(training={"steps": 5}))

    def test_a_damaged_checkpoint_is_named(self, backbone: Backbone, tmp_path: Path) -> None:
        train(backbone, tmp_path, tiny_settings())
        file = tmp_path / "checkpoint.safetensors"
        file.write_bytes(file.read_bytes()[:100])
        with raises(RequestError, "unreadable_file", "checkpoint.safetensors: "):
            train(backbone, tmp_path, tiny_settings())


class TestWhatGoesWrong:
    def test_a_loss_that_is_no_number_names_the_step_and_keeps_the_best(
        self, tmp_path: Path
    ) -> None:
        backbone = tiny_backbone()
        model: Any = backbone.lm.model
        hurt = model.get_input_embeddings().weight

        def poison(told: TrainingProgress) -> None:
            # a weight that breaks in the machine's memory, as far as training can tell
            if told.done == 6:
                hurt.data[:] = float("nan")

        with raises(MetaSynthError, "not_finite", "step 7", "(step 4)"):
            train(backbone, tmp_path, tiny_settings(), progress=poison)
        kept = json.loads((tmp_path / "last-good" / "config.json").read_text())
        assert kept["report"]["best_step"] == 4

    def test_the_best_state_before_can_be_sampled_from(
        self, backbone: Backbone, tmp_path: Path
    ) -> None:
        overflows = {"learning_rate": 3e38, "warmup": 0, "clip": None, "schedule": "constant"}
        with raises(MetaSynthError, "not_finite", "step "):
            train(backbone, tmp_path, tiny_settings(training=overflows))
        kept = load_artifact(tmp_path / "last-good", backbone=backbone)
        assert all(bool(one.isfinite().all()) for one in kept.prompt.parameters())

    def test_candidates_that_leave_the_numbers_lose(
        self, backbone: Backbone, tmp_path: Path
    ) -> None:
        search = {**SEARCH, "candidates": [3e38, 1e-2]}
        report = train(backbone, tmp_path, tiny_settings(training=search)).report
        assert report["learning_rate"] == 1e-2
        assert report["trials"][0] == {"learning_rate": 3e38, "held_out_nll": None}
        with raises(MetaSynthError, "not_finite", "3e+38"):
            only = tiny_settings(training={**SEARCH, "candidates": [3e38]})
            train(backbone, tmp_path / "only", only)

    def test_rows_that_are_too_long_are_counted(self, backbone: Backbone, tmp_path: Path) -> None:
        split = tiny_split()
        long = Split([TargetRow.of("very " * 99), *split.train], split.held_out)
        settings = tiny_settings(training={"max_tokens": 60})
        artifact = train_soft_prompt(backbone, long, settings, work=tmp_path)
        assert artifact.rows == split.train
        assert artifact.report["notes"] == [
            "rows left out: 1 of more than 60 tokens",
            "the held-out loss rests on 6 rows alone",
        ]

    def test_no_row_that_fits(self, backbone: Backbone, tmp_path: Path) -> None:
        with raises(RequestError, "too_few_rows", "0 rows", "0 held out"):
            train(backbone, tmp_path, tiny_settings(training={"max_tokens": 2}))
        narrow = tiny_backbone(max_position_embeddings=16)
        with raises(RequestError, "too_few_rows", "13 tokens"):
            train(narrow, tmp_path, tiny_settings())

    def test_fewer_rows_than_a_batch(self, backbone: Backbone, tmp_path: Path) -> None:
        settings = tiny_settings(training={"batch_size": 64, "steps": 4})
        assert train(backbone, tmp_path, settings).report["steps"] == 4


class TestPresets:
    def test_the_paper_is_kept_verbatim(self) -> None:
        """Section 3 and appendix A of arXiv 2410.16534."""
        paper = SoftSRVConfig(preset="paper")
        assert paper.training.learning_rate == 5e-6
        assert (paper.training.steps, paper.prompt.tokens, paper.prompt.hidden) == (
            20_000,
            128,
            128,
        )
        assert (paper.prompt.bases, paper.prompt.layers) == (2, 3)
        assert paper.training.patience is None
