"""A soft prompt on disk: it comes back as it was, whole or not at all, and fits one backbone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from metasynth.config.softsrv import EncoderConfig, PromptConfig
from metasynth.errors import RequestError
from metasynth.lm.load import wrap_lm
from metasynth.softsrv.artifact import (
    SteeringArtifact,
    load_artifact,
    read_artifact_config,
    save_artifact,
)
from metasynth.softsrv.backbone import Backbone
from metasynth.softsrv.encoder.context_encoder import ContextEncoder
from metasynth.softsrv.initialisation import make_soft_prompt
from metasynth.softsrv.target import TargetRow
from tests.raising import raises
from tests.tiny_families import FAMILIES, tiny_family

ROWS = [
    TargetRow.of(text)
    for text in (
        "What is 7 + 5?",
        "Two\nlines, and a line separator\u2028inside",
        "é漢字🙂 and half a pair \ud800",
        "",
    )
]
KINDS = ("np", "mp", "mc")


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return Backbone(tiny_family("gemma2"))


def made(backbone: Backbone, *, kind: str = "mc", **options: Any) -> SteeringArtifact:
    texts = [row.text for row in ROWS]
    encoder = ContextEncoder.fit(
        EncoderConfig(components=3), texts, backbone=backbone, cache=None, seed=0
    )
    config = PromptConfig(parameterisation=kind, tokens=4, bases=3, hidden=5, layers=2)
    return SteeringArtifact(
        prompt=make_soft_prompt(config, backbone, encoder.width, seed=0),
        encoder=encoder,
        contexts=encoder.encode(texts),
        rows=ROWS,
        config={"prompt": config.model_dump(mode="json")},
        report=options.get("report", {"held_out_nll": 1.5, "curve": [1.0, float("nan")]}),
    )


def saved(backbone: Backbone, folder: Path, **options: Any) -> Path:
    save_artifact(made(backbone, **options), folder, backbone=backbone)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_an_artifact_comes_back_as_it_was(backbone: Backbone, tmp_path: Path, kind: str) -> None:
    artifact = made(backbone, kind=kind)
    save_artifact(artifact, tmp_path / "soft", backbone=backbone)
    found = load_artifact(tmp_path / "soft", backbone=backbone)
    assert type(found.prompt) is type(artifact.prompt)
    for name, tensor in artifact.prompt.state_dict().items():
        assert torch.equal(found.prompt.state_dict()[name], tensor)
    assert torch.equal(found.prompt(found.contexts), artifact.prompt(artifact.contexts))
    assert torch.equal(found.contexts, artifact.contexts)
    assert found.rows == ROWS
    assert torch.equal(found.encoder.encode(["new"]), artifact.encoder.encode(["new"]))
    assert found.config == artifact.config
    assert found.report == {"held_out_nll": 1.5, "curve": [1.0, None]}
    assert not any(parameter.requires_grad for parameter in found.prompt.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_reads_its_own(family: str, tmp_path: Path) -> None:
    folder = saved(Backbone(tiny_family(family)), tmp_path / "soft")
    assert load_artifact(folder, backbone=Backbone(tiny_family(family))).rows == ROWS


def test_the_configuration_tells_what_it_is_without_loading(
    backbone: Backbone, tmp_path: Path
) -> None:
    told = read_artifact_config(saved(backbone, tmp_path / "soft"))
    assert told["backbone"]["model"] == "tiny gemma2"
    assert told["backbone"]["fingerprint"] == backbone.fingerprint
    assert told["backbone"]["convention"] == backbone.convention
    assert told["prompt"]["parameters"] == 4 * ((3 + 1) * 5 + (5 + 1) * 32)
    assert told["data"]["rows"] == 4
    assert {"metasynth", "torch", "transformers"} <= told["versions"].keys()
    assert sorted(path.name for path in (tmp_path / "soft").iterdir()) == [
        "config.json",
        "contexts.safetensors",
        "soft_prompt.safetensors",
        "target.jsonl",
    ]


def refused(folder: Path, backbone: Backbone, code: str, *facts: str) -> None:
    with raises(RequestError, code, folder, *facts):
        load_artifact(folder, backbone=backbone)


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    change(told)
    (folder / "config.json").write_text(json.dumps(told), encoding="utf-8")


def test_other_weights_of_the_same_sizes_are_refused(backbone: Backbone, tmp_path: Path) -> None:
    folder = saved(backbone, tmp_path / "soft")
    other = Backbone(tiny_family("gemma2", seed=1))
    refused(folder, other, "other_backbone", "model 'tiny gemma2' (weights ")


def test_another_width_is_refused(backbone: Backbone, tmp_path: Path) -> None:
    folder = saved(backbone, tmp_path / "soft")
    lm = tiny_family("gemma2")
    config: Any = lm.model.config
    config.hidden_size = 64
    wider: Any = type(lm.model)(config)
    refused(
        folder,
        Backbone(wrap_lm(wider, lm.tokenizer, name="wide")),
        "other_backbone",
        "32 numbers",
        "model 'wide' takes 64",
    )


def test_another_convention_of_embeddings_is_refused(backbone: Backbone, tmp_path: Path) -> None:
    """As Gemma had it before transformers 5.4: the same weights, scaled inside the model."""
    folder = saved(backbone, tmp_path / "soft")
    edit(folder, lambda told: told["backbone"]["convention"].update(embedding_scale="1"))
    refused(folder, backbone, "other_backbone", "scaled by 1 ", "has 5.65")
    edit(folder, lambda told: told["backbone"]["convention"].update(embedding_scale="5.66"))
    assert load_artifact(folder, backbone=backbone).rows == ROWS
    edit(folder, lambda told: told["backbone"]["convention"].update(inputs_embeds="else"))
    refused(folder, backbone, "other_backbone", "(else)")


def test_another_major_version_of_transformers_is_refused(
    backbone: Backbone, tmp_path: Path
) -> None:
    folder = saved(backbone, tmp_path / "soft")
    edit(folder, lambda told: told["backbone"]["convention"].update(transformers="4.57.1"))
    refused(folder, backbone, "other_backbone", "transformers 4.57.1")
    edit(folder, lambda told: told["backbone"]["convention"].update(transformers="5.999.0"))
    assert load_artifact(folder, backbone=backbone).rows == ROWS


def test_another_encoder_is_refused(backbone: Backbone, tmp_path: Path) -> None:
    folder = saved(backbone, tmp_path / "soft")
    edit(folder, lambda told: told["encoder"].update(model_id="lm:another:hidden:512"))
    with raises(RequestError, "other_encoder", "'backbone'"):
        load_artifact(folder, backbone=backbone)


def test_other_target_rows_are_refused(backbone: Backbone, tmp_path: Path) -> None:
    folder = saved(backbone, tmp_path / "soft")
    rows = (folder / "target.jsonl").read_text(encoding="utf-8")
    (folder / "target.jsonl").write_text(rows.replace("7 + 5", "7 + 6"), encoding="utf-8")
    refused(folder, backbone, "other_rows", "target.jsonl")


def test_a_folder_that_is_no_artifact_is_told(backbone: Backbone, tmp_path: Path) -> None:
    refused(tmp_path, backbone, "no_soft_prompt", "config.json")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    refused(tmp_path, backbone, "other_format", "format 1")
    (tmp_path / "config.json").write_text('{"format": 1, "data": 0}', encoding="utf-8")
    refused(tmp_path, backbone, "missing_key", "backbone, encoder, prompt, report, settings")
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    refused(tmp_path, backbone, "unreadable_file", "config.json")


@pytest.mark.parametrize("name", ["soft_prompt.safetensors", "contexts.safetensors"])
def test_torn_or_missing_weights_are_told(backbone: Backbone, tmp_path: Path, name: str) -> None:
    folder = saved(backbone, tmp_path / "soft")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    refused(folder, backbone, "unreadable_file", name)
    (folder / name).unlink()
    refused(folder, backbone, "unreadable_file", name)


def test_weights_of_another_soft_prompt_are_told(backbone: Backbone, tmp_path: Path) -> None:
    folder = saved(backbone, tmp_path / "soft")
    other = saved(backbone, tmp_path / "other", kind="mp")
    shutil.copy(other / "soft_prompt.safetensors", folder)
    refused(folder, backbone, "bad_weights", "soft_prompt.safetensors")
    tensors = load_file(other / "contexts.safetensors")
    tensors["contexts"] = tensors["contexts"][:2].contiguous()
    save_file(tensors, other / "contexts.safetensors")
    refused(other, backbone, "bad_shape", "contexts.safetensors", "[2, 3]", "4 rows")
    (other / "target.jsonl").unlink()
    refused(other, backbone, "unreadable_file", "target.jsonl")


def test_a_new_artifact_takes_the_place_of_an_old_one(backbone: Backbone, tmp_path: Path) -> None:
    folder = saved(backbone, tmp_path / "deep" / "soft", kind="np")
    saved(backbone, folder, kind="mp")
    assert read_artifact_config(folder)["prompt"]["parameterisation"] == "mp"
    assert [path.name for path in folder.parent.iterdir()] == ["soft"]


def test_what_fails_half_way_leaves_what_was_there(backbone: Backbone, tmp_path: Path) -> None:
    unspeakable = {"report": {"an object": object()}}
    with pytest.raises(TypeError):
        saved(backbone, tmp_path / "soft", **unspeakable)
    assert not list(tmp_path.iterdir())
    folder = saved(backbone, tmp_path / "soft", kind="np")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(TypeError):
        saved(backbone, folder, **unspeakable)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["soft"]


def test_what_a_killed_start_left_is_cleared(backbone: Backbone, tmp_path: Path) -> None:
    for name in (".soft.partial", ".soft.before"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "soft_prompt.safetensors").write_text("half")
    folder = saved(backbone, tmp_path / "soft")
    assert load_artifact(folder, backbone=backbone).rows == ROWS
    assert [path.name for path in tmp_path.iterdir()] == ["soft"]


def test_nothing_else_is_overwritten(backbone: Backbone, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with raises(RequestError, "foreign"):
        saved(backbone, tmp_path / "mine")
    (tmp_path / "file").write_text("a file")
    with raises(RequestError, "foreign"):
        saved(backbone, tmp_path / "file")
    with raises(RequestError, "not_writable"):
        saved(backbone, tmp_path / "file" / "below")
    (tmp_path / "empty").mkdir()
    assert saved(backbone, tmp_path / "empty").is_dir()


def test_bytes_are_the_same_for_the_same_artifact(backbone: Backbone, tmp_path: Path) -> None:
    one, other = (saved(backbone, tmp_path / name) for name in ("one", "other"))
    for path in one.iterdir():
        assert path.read_bytes() == (other / path.name).read_bytes()


def test_a_fingerprint_is_of_the_weights_and_not_of_how_they_are_loaded() -> None:
    lm = tiny_family("llama")
    model: Any = lm.model
    model.to(torch.bfloat16)
    stored = Backbone(lm).fingerprint
    model.to(torch.float32)
    assert Backbone(lm).fingerprint == stored
    assert Backbone(tiny_family("llama")).fingerprint == stored
    assert Backbone(tiny_family("qwen3")).fingerprint != stored


def test_a_fingerprint_sees_fine_tuning_of_one_layer() -> None:
    lm = tiny_family("llama")
    before = Backbone(lm).fingerprint
    model: Any = lm.model
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight.mul_(1.02)
    assert Backbone(lm).fingerprint != before
