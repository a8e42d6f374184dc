"""`softsrv train|sample`: SoftSRV alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metasynth.cli.screen.options import PluginsOption, with_plugins
from metasynth.config.softsrv import Preset
from metasynth.errors import RequestError
from metasynth.softsrv.parameterisation import PARAMETERISATIONS

if TYPE_CHECKING:
    from metasynth.config.softsrv import SoftSRVConfig

app = typer.Typer(
    help="Soft prompts that steer a frozen model toward a target sample.", no_args_is_help=True
)

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="change a key of the settings"),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="no live progress")]


@app.command()
def train(
    target: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="JSONL, JSONL.gz, Parquet, text, or hf:NAME"),
    ] = None,
    field: Annotated[
        str | None, typer.Option(metavar="NAME", help="the field with the text [text]")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="embedded, or local:PATH_OR_HUB_ID")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="artifact, curves, checkpoint")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="settings (YAML), or a run file"),
    ] = None,
    set_: SetOption = None,
    parameterisation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"{', '.join(PARAMETERISATIONS.builtin())}, or one of --plugins [mc]",
        ),
    ] = None,
    preset: Annotated[Preset | None, typer.Option(help="where numbers come from")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="optimiser steps")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="parameters, memory and FLOPs; train nothing")
    ] = False,
    gigabytes: Annotated[
        float | None, typer.Option(min=0, help="with --dry-run: must it fit? [this machine's]")
    ] = None,
    plugins: PluginsOption = None,
    quiet: QuietOption = False,
) -> int:
    """Train a soft prompt, or go on with the training in DIR."""
    with_plugins([*_plugins_of(config), *(plugins or ())])
    options = {
        "target.file": target,
        "target.field": field,
        "backbone.model": model,
        "prompt.parameterisation": parameterisation,
        "preset": preset,
        "training.steps": steps,
    }
    settings = _settings(config, set_ or (), options)
    if dry_run:
        from .estimate import print_estimate

        print_estimate(settings, gigabytes=gigabytes)
        return 0
    if settings.target is None:
        raise RequestError(
            "softsrv train: no target",
            hint="give --target FILE and --field NAME",
            code="missing_option",
        )
    if out is None:
        raise RequestError(
            "softsrv train: no place for the result", hint="give --out DIR", code="missing_option"
        )
    from .train import run_training

    run_training(settings, out, quiet=quiet)
    return 0


@app.command()
def sample(
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="what train wrote")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="JSONL; more calls append to its samples")
    ],
    count: Annotated[int | None, typer.Option(min=1, help="samples in all [600]")] = None,
    near: Annotated[
        str | None, typer.Option(metavar="TEXT", help="only from contexts nearest to a text")
    ] = None,
    contexts: Annotated[int, typer.Option(min=1, help="how many contexts --near takes")] = 16,
    temperature: Annotated[float | None, typer.Option(help="of the sampling [1.0]")] = None,
    seed: Annotated[int | None, typer.Option(help="with its number, decides a sample")] = None,
    keep: Annotated[
        int | None, typer.Option(min=1, help="what post-processing keeps [half of what is clean]")
    ] = None,
    test_set: Annotated[
        list[Path] | None,
        typer.Option("--test-set", metavar="FILE", help="texts that must stay unseen"),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="samples as they come, nothing left out")] = (
        False
    ),
    audit: Annotated[
        bool, typer.Option("--audit", help="how much is copied from the rows trained on")
    ] = False,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="where the backbone lies now")
    ] = None,
    set_: SetOption = None,
    plugins: PluginsOption = None,
    quiet: QuietOption = False,
) -> int:
    """Sample from a soft prompt and post-process, or add samples."""
    with_plugins(plugins)
    options = {
        "sampling.count": count,
        "sampling.temperature": temperature,
        "random_seed": seed,
        "postprocess.keep": keep,
        "postprocess.contaminants": [str(file) for file in test_set] if test_set else None,
        "backbone.model": model,
    }
    from metasynth.softsrv.run_folder import artifact_in

    from .sample import Nearest, SampleFiles, run_sampling, settings_of

    files = SampleFiles(out, raw=raw)
    folder = artifact_in(artifact)
    settings = settings_of(folder, set_ or (), _given(options))
    nearest = Nearest(near, contexts) if near else None
    run_sampling(folder, settings, files, near=nearest, audit=audit, quiet=quiet)
    return 0


def _plugins_of(config: Path | None) -> tuple[Path, ...]:
    """Where the parts lie that `--config` names."""
    from metasynth.config.file import plugins_of

    return plugins_of(config) if config is not None else ()


def _settings(
    config: Path | None, overrides: Sequence[str], options: dict[str, Any]
) -> "SoftSRVConfig":
    """The settings of a training, its parts by name checked."""
    from metasynth.compose.parts import check_parts
    from metasynth.config.file import load_softsrv_config

    settings = load_softsrv_config(config, overrides, options=_given(options))
    check_parts(settings, config or "softsrv")
    return settings


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given."""
    return {key: value for key, value in options.items() if value is not None}
