"""What `metasynth export` writes is trained on by TRL's trainers as it is."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cli.test_export import ASKED, instructions, loaded
from tests.commands import metasynth
from tests.run_folders import write_run
from tests.tiny_lm import save_tiny_lm, tiny_llama, tiny_tokenizer

# TRL sets an argument of transformers by its older name
pytestmark = pytest.mark.filterwarnings("ignore:.*activation_checkpointing:FutureWarning")

ON_THE_SPOT: dict[str, Any] = {
    "max_steps": 2,
    "per_device_train_batch_size": 2,
    "use_cpu": True,
    "bf16": False,
    "report_to": "none",
    "save_strategy": "no",
    "disable_tqdm": True,
    "learning_rate": 1e-3,
}


def exported(tmp_path: Path, *options: str) -> Any:
    run = write_run(tmp_path / "run", instructions(), **ASKED)
    path = tmp_path / "rows.parquet"
    assert metasynth("export", run, path, *options) == 0
    return loaded(path, tmp_path)


@pytest.mark.parametrize(
    ("options", "template"),
    [
        (("--to", "chat"), True),
        (("--to", "prompt"), True),
        (("--to", "prompt", "--plain"), False),
        (("--to", "text"), False),
    ],
    ids=["chat", "prompt", "plain prompt", "text"],
)
def test_the_sft_trainer_takes_it(tmp_path: Path, options: tuple[str, ...], template: bool) -> None:
    from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]

    tokenizer = tiny_tokenizer() if template else tiny_tokenizer(template=None)
    model = tiny_llama(tokenizer)
    before = model.get_output_embeddings().weight.detach().clone()
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(output_dir=str(tmp_path / "out"), **ON_THE_SPOT),
        train_dataset=exported(tmp_path, *options),
        processing_class=tokenizer,
    )
    assert trainer.train().training_loss > 0
    assert not torch.equal(before, model.get_output_embeddings().weight)


def test_the_sft_trainer_takes_a_packed_mix_with_the_loss_on_all_tokens(tmp_path: Path) -> None:
    from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]

    run = write_run(tmp_path / "run", instructions(20), **ASKED)
    model = save_tiny_lm(tmp_path / "model")
    options = ("--tokenizer", model, "--length", 64)
    assert metasynth("mix", tmp_path / "rows.parquet", run, *options) == 0
    trainer = SFTTrainer(
        model=str(model),
        args=SFTConfig(output_dir=str(tmp_path / "out"), **ON_THE_SPOT),
        train_dataset=loaded(tmp_path / "rows.parquet", tmp_path),
        processing_class=tiny_tokenizer(),
    )
    batch = next(iter(trainer.get_train_dataloader()))
    assert batch["input_ids"].shape == (2, 64)
    assert torch.equal(batch["labels"], batch["input_ids"])
    assert trainer.train().training_loss > 0


def test_the_dpo_trainer_takes_the_preference_pairs(tmp_path: Path) -> None:
    from trl import DPOConfig, DPOTrainer  # type: ignore[attr-defined]

    rows = exported(tmp_path, "--to", "preferences")
    trainer = DPOTrainer(
        model=str(save_tiny_lm(tmp_path / "model")),
        args=DPOConfig(output_dir=str(tmp_path / "out"), **ON_THE_SPOT),
        train_dataset=rows,
        processing_class=tiny_tokenizer(),
    )
    assert trainer.train().training_loss > 0
