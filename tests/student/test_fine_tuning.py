"""Fine-tuning: what is learnt from which tokens; the base stays, and a stop changes nothing."""

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import MixtralConfig, MixtralForCausalLM

from metasynth.config.student import StudentConfig
from metasynth.errors import MetaSynthError, RequestError
from metasynth.lm.load import LoadedLM, load_lm, wrap_lm
from metasynth.student.rendering import Renderer
from metasynth.student.rows import BadRow, StudentRow, make_row
from metasynth.student.training.fine_tuning import TrainingReport, fine_tune, load_trained
from tests.raising import raises
from tests.tiny_families import FAMILIES, tiny_family
from tests.tiny_lm import tiny_llama, tiny_tokenizer

SUMS = [
    make_row({"prompt": f"{a} + {b}?", "completion": f"{a + b}" + "!" * (b % 4)}, line=10 * a + b)
    for a in range(4)
    for b in range(1, 6)
]
QUICK: dict[str, Any] = {"learning_rate": 1e-2, "batch_size": 8, "micro_batch": 8, "steps": 6}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def lm() -> LoadedLM:
    return wrap_lm(tiny_llama(tiny_tokenizer()), tiny_tokenizer(), name="tiny")


def settings(**changes: Any) -> StudentConfig:
    return StudentConfig(**{**QUICK, **changes})


def weights_in(folder: Path) -> dict[str, torch.Tensor]:
    name = "adapter_model" if (folder / "adapter_config.json").exists() else "model"
    found = load_file(folder / f"{name}.safetensors")
    return {key: value.clone() for key, value in found.items()}  # apart from the file


def assert_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def losses_in(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "steps.jsonl").read_text().splitlines()]


def loss_by_hand(lm: LoadedLM, rows: list[StudentRow], *, loss_on: Any = "answer") -> float:
    """One row after the other, one token after the other, without padding."""
    nats, targets = 0.0, 0
    for row in rows:
        found = Renderer(lm).encode(row, loss_on=loss_on)
        logits = lm.model(input_ids=torch.tensor([found.ids])).logits[0].double()
        for place, is_target in enumerate(found.is_target):
            if is_target:
                chances = logits[place - 1].exp() / logits[place - 1].exp().sum()
                nats -= math.log(chances[found.ids[place]])
                targets += 1
    return nats / targets


def tiny_experts() -> LoadedLM:
    """A mixture of experts."""
    config = MixtralConfig(
        vocab_size=320,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        num_local_experts=4,
        num_experts_per_tok=1,
        max_position_embeddings=128,
    )
    torch.manual_seed(0)
    return wrap_lm(MixtralForCausalLM(config), tiny_tokenizer(), name="experts")


class StoppedError(Exception):
    """What a check raises."""


class StopAfter:
    """A check that raises at its nth call."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise StoppedError


@pytest.mark.parametrize("adapt", ["lora", "full"])
class TestTraining:
    def test_the_loss_falls_and_the_result_is_what_was_trained(
        self, lm: LoadedLM, tmp_path: Path, adapt: Any
    ) -> None:
        before = loss_by_hand(lm, SUMS)
        report = fine_tune(lm, SUMS, settings(adapt=adapt, steps=40), tmp_path, seed=1)
        assert report.steps == 40
        assert report.rows == len(SUMS)
        assert report.last_loss < report.first_loss
        assert loss_by_hand(load_trained(lm, tmp_path), SUMS) < 0.6 * before

    def test_the_base_stays_as_it_was(self, lm: LoadedLM, tmp_path: Path, adapt: Any) -> None:
        state = {name: value.clone() for name, value in lm.model.state_dict().items()}
        modules = [type(module) for module in lm.model.modules()]
        config = lm.model.config.to_dict()
        options = settings(adapt=adapt, gradient_checkpointing=True)
        fine_tune(lm, SUMS, options, tmp_path / "whole", seed=1)
        with pytest.raises(StoppedError):
            fine_tune(lm, SUMS, options, tmp_path / "cut", seed=1, check=StopAfter(2))
        load_trained(lm, tmp_path / "whole")
        assert_same(state, lm.model.state_dict())
        assert modules == [type(module) for module in lm.model.modules()]
        assert config == lm.model.config.to_dict()
        assert not lm.model.training
        assert not any(one.requires_grad for one in lm.model.parameters())
        assert not lm.model.is_activation_checkpointing

    def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before(
        self, lm: LoadedLM, tmp_path: Path, adapt: Any
    ) -> None:
        options = settings(adapt=adapt)
        fine_tune(lm, SUMS, options, tmp_path / "one", seed=1)
        torch.rand(3)
        fine_tune(lm, SUMS, options, tmp_path / "two", seed=1)
        fine_tune(lm, SUMS, options, tmp_path / "other", seed=2)
        assert_same(weights_in(tmp_path / "one"), weights_in(tmp_path / "two"))
        assert losses_in(tmp_path / "one") == losses_in(tmp_path / "two")
        assert losses_in(tmp_path / "one") != losses_in(tmp_path / "other")

    def test_a_stop_in_the_middle_changes_nothing(
        self, lm: LoadedLM, tmp_path: Path, adapt: Any
    ) -> None:
        options = settings(adapt=adapt, micro_batch=3)
        fine_tune(lm, SUMS, options, tmp_path / "whole", seed=1)
        for _ in range(2):
            with pytest.raises(StoppedError):
                fine_tune(lm, SUMS, options, tmp_path / "cut", seed=1, check=StopAfter(2))
        report = fine_tune(lm, SUMS, options, tmp_path / "cut", seed=1)
        assert_same(weights_in(tmp_path / "whole"), weights_in(tmp_path / "cut"))
        assert losses_in(tmp_path / "whole") == losses_in(tmp_path / "cut")
        assert report.steps == options.steps
        assert not (tmp_path / "cut" / "checkpoints").exists()

    def test_parts_of_a_step_come_to_the_step(
        self, lm: LoadedLM, tmp_path: Path, adapt: Any
    ) -> None:
        for size in (1, 3, 8):
            options = settings(adapt=adapt, micro_batch=size)
            fine_tune(lm, SUMS, options, tmp_path / str(size), seed=1)
        for size in (1, 3):
            assert losses_in(tmp_path / str(size)) == pytest.approx(
                losses_in(tmp_path / "8"), rel=1e-4
            )

    def test_what_is_written_is_safetensors_and_json(
        self, lm: LoadedLM, tmp_path: Path, adapt: Any
    ) -> None:
        options = settings(adapt=adapt, save_seconds=0)
        with pytest.raises(StoppedError):
            fine_tune(lm, SUMS, options, tmp_path, seed=1, check=StopAfter(5))
        names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
        assert names == [
            f"step-{step:08d}.{suffix}" for step in (4, 5) for suffix in ("json", "safetensors")
        ]
        fine_tune(lm, SUMS, options, tmp_path, seed=1)
        kinds = {path.suffix for path in tmp_path.iterdir() if path.name != ".lock"}
        assert kinds <= {".json", ".jsonl", ".safetensors", ".jinja"}

    def test_half_precision_is_trained_in_float32_and_kept_as_it_came(
        self, lm: LoadedLM, tmp_path: Path, adapt: Any
    ) -> None:
        model: Any = lm.model
        model.to(torch.bfloat16)
        options = settings(adapt=adapt, steps=20)
        report = fine_tune(lm, SUMS, options, tmp_path, seed=1)
        assert report.last_loss < report.first_loss
        trained = load_trained(lm, tmp_path)
        assert trained.model.dtype == lm.model.dtype == torch.bfloat16
        assert loss_by_hand(trained, SUMS) < loss_by_hand(lm, SUMS)


class TestLoss:
    @pytest.mark.parametrize("loss_on", ["answer", "all"])
    def test_the_first_loss_is_the_mean_of_the_targets_by_hand(
        self, lm: LoadedLM, tmp_path: Path, loss_on: Any
    ) -> None:
        rows = [*SUMS[:5], make_row({"text": "a text of its own"})]
        for size in (2, 6):
            out = tmp_path / str(size)
            options = settings(loss_on=loss_on, micro_batch=size, steps=1)
            report = fine_tune(lm, rows, options, out, seed=1)
            assert report.first_loss == pytest.approx(
                loss_by_hand(lm, rows, loss_on=loss_on), rel=1e-5
            )

    def test_a_prompts_tokens_do_not_count(self, lm: LoadedLM, tmp_path: Path) -> None:
        report = fine_tune(lm, SUMS[:8], settings(steps=1), tmp_path, seed=1)
        answers = sum(len(f"{row.answer}") + 1 for row in SUMS[:8])  # bytes, and the end token
        assert report.tokens == answers

    @pytest.mark.parametrize("adapt", ["lora", "full"])
    @pytest.mark.parametrize("family", FAMILIES)
    def test_all_families_train(self, family: str, adapt: Any, tmp_path: Path) -> None:
        lm = tiny_family(family)
        before = loss_by_hand(lm, SUMS[:8])
        report = fine_tune(lm, SUMS[:8], settings(adapt=adapt), tmp_path, seed=1)
        assert report.last_loss < report.first_loss
        if family != "gpt2":  # which has dropout
            assert report.first_loss == pytest.approx(before, rel=1e-4)
        trained = load_trained(lm, tmp_path)
        assert loss_by_hand(trained, SUMS[:8]) < before
        assert type(trained.model) is type(lm.model)

    def test_dropout_draws_the_same_after_a_stop(self, tmp_path: Path) -> None:
        lm = tiny_family("gpt2")
        options = settings(lora_dropout=0.3)
        fine_tune(lm, SUMS, options, tmp_path / "whole", seed=1)
        with pytest.raises(StoppedError):
            fine_tune(lm, SUMS, options, tmp_path / "cut", seed=1, check=StopAfter(3))
        fine_tune(lm, SUMS, options, tmp_path / "cut", seed=1)
        assert_same(weights_in(tmp_path / "whole"), weights_in(tmp_path / "cut"))

    def test_weights_that_no_gradient_reaches_stop_no_resume(
        self, lm: LoadedLM, tmp_path: Path
    ) -> None:
        lm.model.register_parameter("asleep", torch.nn.Parameter(torch.ones(3)))
        options = settings(adapt="full")
        fine_tune(lm, SUMS, options, tmp_path / "whole", seed=1)
        with pytest.raises(StoppedError):
            fine_tune(lm, SUMS, options, tmp_path / "cut", seed=1, check=StopAfter(3))
        fine_tune(lm, SUMS, options, tmp_path / "cut", seed=1)
        assert_same(weights_in(tmp_path / "whole"), weights_in(tmp_path / "cut"))

    def test_a_mixture_of_experts_trains(self, tmp_path: Path) -> None:
        lm = tiny_experts()
        before = loss_by_hand(lm, SUMS)
        fine_tune(lm, SUMS, settings(adapt="full"), tmp_path, seed=1)
        # its weights have other names on disk than in memory
        assert loss_by_hand(load_trained(lm, tmp_path), SUMS) < before

    def test_checkpoints_of_activations_change_no_loss(self, lm: LoadedLM, tmp_path: Path) -> None:
        for name in ("plain", "frugal"):
            options = settings(gradient_checkpointing=name == "frugal")
            fine_tune(lm, SUMS, options, tmp_path / name, seed=1)
        assert losses_in(tmp_path / "frugal") == pytest.approx(losses_in(tmp_path / "plain"))

    def test_without_a_chat_template_turns_are_joined(self, tmp_path: Path) -> None:
        tokenizer = tiny_tokenizer(template=None)
        lm = wrap_lm(tiny_llama(tokenizer), tokenizer, name="plain")
        report = fine_tune(lm, SUMS[:8], settings(steps=1), tmp_path, seed=1)
        assert report.first_loss == pytest.approx(loss_by_hand(lm, SUMS[:8]), rel=1e-5)

    def test_a_loss_that_is_no_number_ends_the_training_in_one_line(
        self, lm: LoadedLM, tmp_path: Path
    ) -> None:
        with torch.no_grad():
            next(lm.model.parameters()).fill_(math.nan)
        with raises(MetaSynthError, "not_finite", "step 1"):
            fine_tune(lm, SUMS, settings(), tmp_path, seed=1)

    def test_few_steps_with_the_defaults_warm_up_and_go_down(
        self, lm: LoadedLM, tmp_path: Path
    ) -> None:
        options = StudentConfig(steps=8, warmup=0.25, adapt="full")
        fine_tune(lm, SUMS, options, tmp_path, seed=1)
        lines = (tmp_path / "steps.jsonl").read_text().splitlines()
        rates = [json.loads(line)["learning_rate"] for line in lines]
        assert rates[:3] == pytest.approx([1e-5, 2e-5, 2e-5])
        assert rates[2:] == sorted(rates[2:], reverse=True)
        assert 0 < rates[-1] < 2e-6


class TestRows:
    def test_bad_rows_are_left_out_and_named(self, lm: LoadedLM, tmp_path: Path) -> None:
        bad: list[StudentRow | BadRow] = [
            BadRow(31, "not JSON"),
            make_row({"prompt": "x", "completion": " "}, line=32),
            make_row({"prompt": "x"}, line=33),
            make_row({"text": "long " * 30}, line=34),
            make_row({"id": "r9", "text": ""}),
            make_row({"text": "long " * 2000}, line=35),
        ]
        report = fine_tune(lm, [*SUMS[:4], *bad], settings(max_tokens=99), tmp_path, seed=1)
        assert report.rows == 4
        told = {one.line: one.reason for one in report.left_out}
        assert [one.line for one in report.left_out] == [31, 32, 33, 34, 0, 35]
        assert told[31] == "not JSON"
        assert told[32] == "empty answer"
        assert told[33].startswith("no answer")
        assert told[34] == "longer than max_tokens: 151 tokens, 99 are allowed"
        assert told[0] == "empty text (row r9)"
        assert told[35].startswith("longer than the context")

    def test_where_no_row_is_left_it_says_why(self, lm: LoadedLM, tmp_path: Path) -> None:
        bad: list[StudentRow | BadRow] = [
            BadRow(1, "not JSON"),
            BadRow(4, "not JSON"),
            BadRow(2, "missing field: x"),
        ]
        with raises(RequestError, "no_rows", "not JSON: 2 (lines 1, 4)", "missing field: 1"):
            fine_tune(lm, bad, settings(), tmp_path, seed=1)
        with raises(RequestError, "no_rows"):
            fine_tune(lm, [], settings(), tmp_path, seed=1)
        assert not (tmp_path / "training.json").exists()

    def test_a_single_row_and_a_fraction_of_an_epoch(self, lm: LoadedLM, tmp_path: Path) -> None:
        options = StudentConfig(epochs=0.1, batch_size=4, micro_batch=1)
        report = fine_tune(lm, SUMS[:1], options, tmp_path / "one", seed=1)
        assert (report.steps, report.padding) == (1, 0.0)
        report = fine_tune(lm, SUMS, options, tmp_path / "all", seed=1)
        assert report.steps == 1
        # five rows in steps of four: 3 and 2, in three parts of which the last may be empty
        options = StudentConfig(epochs=2, batch_size=4, micro_batch=1)
        assert fine_tune(lm, SUMS[:5], options, tmp_path / "five", seed=1).steps == 4
        assert losses_in(tmp_path / "five")[0] > 0


class TestFolder:
    def test_a_finished_folder_gives_its_report_at_once(self, lm: LoadedLM, tmp_path: Path) -> None:
        rows: list[StudentRow | BadRow] = [*SUMS, BadRow(77, "not JSON")]
        first = fine_tune(lm, rows, settings(), tmp_path, seed=1)
        files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.safetensors")}
        again = fine_tune(lm, rows, settings(), tmp_path, seed=1, check=StopAfter(1))
        assert again == first
        assert isinstance(again, TrainingReport)
        assert files == {path: path.stat().st_mtime_ns for path in files}

    @pytest.mark.parametrize(
        ("changes", "seed", "rows", "told"),
        [
            ({}, 2, SUMS, "seed (1 there, 2 now)"),
            ({"learning_rate": 0.02}, 1, SUMS, "learning_rate"),
            ({"adapt": "full"}, 1, SUMS, "adapt"),
            ({}, 1, SUMS[1:], "rows"),
            ({}, 1, [SUMS[1], SUMS[0], *SUMS[2:]], "data"),
        ],
    )
    @pytest.mark.parametrize("is_finished", [True, False])
    def test_a_folder_of_another_training_is_refused(
        self,
        lm: LoadedLM,
        tmp_path: Path,
        changes: dict[str, Any],
        seed: int,
        rows: list[StudentRow],
        told: str,
        is_finished: bool,
    ) -> None:
        if is_finished:
            fine_tune(lm, SUMS, settings(steps=2), tmp_path, seed=1)
        else:
            with pytest.raises(StoppedError):
                fine_tune(lm, SUMS, settings(steps=2), tmp_path, seed=1, check=StopAfter(1))
        with raises(RequestError, "other_settings", told):
            fine_tune(lm, rows, settings(steps=2, **changes), tmp_path, seed=seed)

    def test_a_folder_of_another_base_is_refused(self, lm: LoadedLM, tmp_path: Path) -> None:
        fine_tune(lm, SUMS, settings(steps=2), tmp_path, seed=1)
        tokenizer = tiny_tokenizer()
        other = wrap_lm(tiny_llama(tokenizer, seed=5), tokenizer, name="other")
        with raises(RequestError, "other_settings", " base"):
            fine_tune(other, SUMS, settings(steps=2), tmp_path, seed=1)
        with raises(RequestError, "other_weights"):
            load_trained(other, tmp_path)

    def test_a_model_folder_is_not_written_over(self, lm: LoadedLM, tmp_path: Path) -> None:
        lm.model.save_pretrained(tmp_path)
        with raises(RequestError, "foreign"):
            fine_tune(lm, SUMS, settings(), tmp_path, seed=1)

    def test_settings_that_change_nothing_may_change(self, lm: LoadedLM, tmp_path: Path) -> None:
        with pytest.raises(StoppedError):
            fine_tune(lm, SUMS, settings(), tmp_path, seed=1, check=StopAfter(1))
        report = fine_tune(lm, SUMS, settings(save_seconds=5, device="cpu"), tmp_path, seed=1)
        assert report.steps == 6

    @pytest.mark.parametrize("harm", ["cut", "changed", "no weights", "half a description"])
    def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(
        self, lm: LoadedLM, tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        options = settings(save_seconds=0)
        fine_tune(lm, SUMS, options, tmp_path / "whole", seed=1)
        with pytest.raises(StoppedError):
            fine_tune(lm, SUMS, options, tmp_path / "cut", seed=1, check=StopAfter(4))
        newest = tmp_path / "cut" / "checkpoints" / "step-00000004.safetensors"
        content = bytearray(newest.read_bytes())
        if harm == "cut":
            newest.write_bytes(content[: len(content) // 2])
        elif harm == "changed":
            content[-5] ^= 1
            newest.write_bytes(content)
        elif harm == "no weights":
            newest.unlink()
        else:
            described = newest.with_suffix(".json")
            described.write_text(described.read_text()[:20])
        began: list[int] = []
        fine_tune(
            lm,
            SUMS,
            options,
            tmp_path / "cut",
            seed=1,
            on_step=lambda done, total, loss: began.append(done),
        )
        assert began[0] == 4  # from the checkpoint of step 3
        assert "step-00000004 is cut off or damaged" in caplog.text
        assert_same(weights_in(tmp_path / "whole"), weights_in(tmp_path / "cut"))
        assert losses_in(tmp_path / "whole") == losses_in(tmp_path / "cut")

    def test_where_no_checkpoint_is_whole_it_begins_anew(
        self, lm: LoadedLM, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        fine_tune(lm, SUMS, settings(), tmp_path / "whole", seed=1)
        with pytest.raises(StoppedError):
            fine_tune(lm, SUMS, settings(), tmp_path / "cut", seed=1, check=StopAfter(2))
        (only,) = (tmp_path / "cut" / "checkpoints").glob("*.safetensors")
        only.write_bytes(b"")
        fine_tune(lm, SUMS, settings(), tmp_path / "cut", seed=1)
        assert "damaged" in caplog.text
        assert_same(weights_in(tmp_path / "whole"), weights_in(tmp_path / "cut"))

    def test_a_kill_while_the_result_is_put_in_place_is_made_good(
        self, lm: LoadedLM, tmp_path: Path
    ) -> None:
        fine_tune(lm, SUMS, settings(), tmp_path, seed=1)
        whole = weights_in(tmp_path)
        (tmp_path / "training.json").unlink()  # it comes last
        (tmp_path / "adapter_model.safetensors").write_bytes(b"half")
        with raises(RequestError, "no_training"):
            load_trained(lm, tmp_path)
        fine_tune(lm, SUMS, settings(), tmp_path, seed=1)
        assert_same(whole, weights_in(tmp_path))

    def test_damaged_weights_are_not_loaded_but_trained_again(
        self, lm: LoadedLM, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        fine_tune(lm, SUMS, settings(), tmp_path, seed=1)
        whole = weights_in(tmp_path)
        path = tmp_path / "adapter_model.safetensors"
        path.write_bytes(path.read_bytes()[:-10])
        with raises(RequestError, "damaged", "adapter_model.safetensors"):
            load_trained(lm, tmp_path)
        fine_tune(lm, SUMS, settings(), tmp_path, seed=1)
        assert "training again" in caplog.text
        assert_same(whole, weights_in(tmp_path))


class TestLoading:
    def test_a_merged_adapter_says_what_the_adapter_says(
        self, lm: LoadedLM, tmp_path: Path
    ) -> None:
        fine_tune(lm, SUMS, settings(), tmp_path, seed=1)
        ids = torch.tensor([[3, 50, 60, 70]])
        merged = load_trained(lm, tmp_path)
        ours = merged.model(input_ids=ids).logits
        plain = lm.model(input_ids=ids).logits
        other: Any = tiny_llama(tiny_tokenizer())
        other.load_adapter(str(tmp_path))
        theirs = other(input_ids=ids).logits
        assert torch.allclose(ours, theirs, atol=1e-4)
        assert not torch.allclose(ours, plain, atol=1e-2)
        assert merged.name == lm.name
        assert not any(one.requires_grad for one in merged.model.parameters())

    def test_in_place_the_base_becomes_the_student(self, lm: LoadedLM, tmp_path: Path) -> None:
        fine_tune(lm, SUMS, settings(), tmp_path, seed=1)
        expected = loss_by_hand(load_trained(lm, tmp_path), SUMS)
        trained = load_trained(lm, tmp_path, in_place=True)
        assert trained.model is lm.model
        assert loss_by_hand(lm, SUMS) == pytest.approx(expected)

    def test_all_weights_make_a_model_folder(self, lm: LoadedLM, tmp_path: Path) -> None:
        fine_tune(lm, SUMS, settings(adapt="full"), tmp_path, seed=1)
        ids = torch.tensor([[3, 50, 60, 70]])
        ours = load_trained(lm, tmp_path).model(input_ids=ids).logits
        assert torch.equal(ours, load_lm(tmp_path, device="cpu").model(input_ids=ids).logits)
        with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
            assert len(file.keys()) > 0

    @pytest.mark.parametrize("adapt", ["lora", "full"])
    def test_rounds_go_on_from_each_other(self, lm: LoadedLM, tmp_path: Path, adapt: Any) -> None:
        found, losses = lm, [loss_by_hand(lm, SUMS)]
        for number in range(3):
            rows = SUMS[: 6 * (number + 1)]  # cumulative
            out = tmp_path / str(number)
            fine_tune(found, rows, settings(adapt=adapt, steps=15), out, seed=number)
            found = load_trained(found, out)
            losses.append(loss_by_hand(found, SUMS))
        assert losses == sorted(losses, reverse=True)
        with raises(RequestError, "other_weights"):
            load_trained(lm, tmp_path / "2")
        one = load_trained(lm, tmp_path / "0")
        two = load_trained(load_trained(one, tmp_path / "1"), tmp_path / "2")
        assert_same(found.model.state_dict(), two.model.state_dict())

    def test_layers_by_name(self, lm: LoadedLM, tmp_path: Path) -> None:
        options = settings(lora_targets=("q_proj", "v_proj"))
        fine_tune(lm, SUMS, options, tmp_path, seed=1)
        assert all("q_proj" in name or "v_proj" in name for name in weights_in(tmp_path))
        told = json.loads((tmp_path / "adapter_config.json").read_text())
        assert told["target_modules"] == ["q_proj", "v_proj"]
        assert told["base_model_name_or_path"] == "tiny"
        with raises(RequestError, "no_adapter"):
            wrong = settings(lora_targets=("no_such",))
            fine_tune(lm, SUMS, wrong, tmp_path / "wrong", seed=1)
        load_trained(lm, tmp_path)  # the failure has left nothing behind


def test_generators_of_the_process_go_on_where_they_were(lm: LoadedLM, tmp_path: Path) -> None:
    def drawn() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    def seed() -> None:
        random.seed(3)
        np.random.seed(3)
        torch.manual_seed(3)

    seed()
    expected = drawn()
    seed()
    fine_tune(lm, SUMS, settings(steps=2), tmp_path, seed=1)
    assert drawn() == expected


def test_every_step_is_told_with_its_loss(lm: LoadedLM, tmp_path: Path) -> None:
    told: list[tuple[int, int, float]] = []
    fine_tune(lm, SUMS, settings(), tmp_path, seed=1, on_step=lambda *values: told.append(values))
    assert [(done, total) for done, total, _ in told] == [(n, 6) for n in range(1, 7)]
    assert [loss for _, _, loss in told] == losses_in(tmp_path)
