"""The training of `softsrv train`, and the summary that it ends with."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from metasynth.cli.screen.bars import Bar, clock
from metasynth.cli.screen.terminal import tell
from metasynth.config.softsrv import SoftSRVConfig
from metasynth.graphs.softsrv.steering.training import train_into
from metasynth.records.rundir import held
from metasynth.softsrv.parameterisation import PARAMETERISATIONS
from metasynth.softsrv.run_folder import SoftSRVFolder
from metasynth.softsrv.target import read_target, split_target

if TYPE_CHECKING:
    from metasynth.softsrv.training.progress import TrainingProgress

_FEW_ERRORS = 2.0  # standard errors; a gap within them may be chance


def run_training(settings: SoftSRVConfig, out: Path, *, quiet: bool) -> None:
    """Train into `out`, or go on with what is there, and print the summary."""
    assert settings.target is not None
    sample = read_target(settings.target)
    split = split_target(sample.rows, settings.training, seed=settings.random_seed)
    folder = SoftSRVFolder(out)
    with held(out), Bar("step", quiet=quiet) as bar:
        bar.update(0, settings.training.steps, f"loading {settings.backbone.model}")
        artifact = train_into(
            folder,
            split,
            settings,
            progress=lambda now: bar.update(now.done, now.total, _progress_line(now)),
        )
        artifact.encoder.close()
    report = {**artifact.report, "notes": [*sample.notes, *artifact.report["notes"]]}
    print_training(settings, report, folder, rows=len(artifact.rows))


def print_training(
    settings: SoftSRVConfig, report: dict[str, Any], folder: SoftSRVFolder, *, rows: int
) -> None:
    """What a training has come to."""
    after = report["after"]
    held_out = f"{after['rows']} held out are measured"
    tell(f"\nsoft prompt {_prompt(settings)} for {settings.backbone.model}")
    tell(f"  trained on        {rows} rows, {held_out}")
    tell(f"  learning rate     {_rate(report)}")
    tell(f"  steps             {_steps(report)}")
    for label, key in (("held-out loss", "held_out_nll"), ("first 5 tokens", "first5_nll")):
        tell(f"  {label:<17} {report['before'][key]:.3f} → {after[key]:.3f} nats a token")
    if report.get("bare_nll") is not None:
        tell(f"  model alone       {report['bare_nll']:.3f} nats a token, without a soft prompt")
    tell(f"  use of context    {_gap(settings, after)}")
    if after["mixture_entropy"] is not None:
        tell(f"  mixture entropy   {after['mixture_entropy']:.3f} nats")
    norms = f"{after['output_norm']:.2f}, an embedding's {after['embedding_norm']:.2f}"
    tell(f"  soft token's size {norms}")
    tell(f"  cost              {report['tokens']:,} tokens, {clock(report['seconds'])}")
    for note in report["notes"]:
        tell(f"  note              {note}")
    tell(f"\n  soft prompt  {folder.artifact}")
    tell(f"  curves       {folder.training / 'curves.jsonl'}")
    name = folder.root / "questions.jsonl"
    tell(f"  next:        metasynth softsrv sample {folder.root} --out {name}")


def _progress_line(now: "TrainingProgress") -> str:
    if now.phase == "encoding":
        return f"contexts of {now.texts} rows"
    parts: list[str] = [now.phase]
    if now.phase == "search" and now.learning_rate is not None:
        parts = [f"trying {now.learning_rate:g}"]
    if now.train_nll is not None:
        parts.append(f"loss {now.train_nll:.3f}")
    if now.held_out_nll is not None:
        parts.append(f"held out {now.held_out_nll:.3f}")
    return ", ".join(parts)


def _prompt(settings: SoftSRVConfig) -> str:
    prompt = settings.prompt
    sizes = PARAMETERISATIONS[prompt.parameterisation].sizes(prompt)
    return f"{prompt.parameterisation}, {prompt.tokens} tokens{f', {sizes}' if sizes else ''}"


def _rate(report: dict[str, Any]) -> str:
    tried = [
        f"{trial['learning_rate']:g}: "
        + ("no number" if trial["held_out_nll"] is None else f"{trial['held_out_nll']:.3f}")
        for trial in report["trials"]
    ]
    return f"{report['learning_rate']:g}" + (f" (tried {', '.join(tried)})" if tried else "")


def _steps(report: dict[str, Any]) -> str:
    return (
        f"{report['steps']}, lowest held-out loss at {report['best_step']}; ended because "
        f"{report['stopped_because']}"
    )


def _gap(settings: SoftSRVConfig, after: dict[str, Any]) -> str:
    if not PARAMETERISATIONS[settings.prompt.parameterisation].uses_context:
        return "none, by construction"
    gap, error = after["shuffled_gap"], after["shuffled_gap_error"]
    line = f"loss rises by {gap:.4f} ± {error:.4f} when contexts are exchanged"
    return line if gap > _FEW_ERRORS * error else f"{line}: not shown to be used"
