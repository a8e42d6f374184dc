"""The work of `softsrv sample`: samples appended to a file, candidates chosen, counts printed.

Beside FILE.jsonl with the candidates lie FILE.samples.jsonl with every sample (with --raw they are
FILE.jsonl itself) and FILE.manifest.json with settings and counts.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from metasynth.cli.screen.bars import Bar, clock
from metasynth.cli.screen.terminal import tell
from metasynth.config.file import changed_softsrv_config
from metasynth.config.softsrv import PostprocessConfig, SoftSRVConfig
from metasynth.errors import MetaSynthError, RequestError
from metasynth.graphs.softsrv.steering.backbone import load_backbone
from metasynth.records.rundir import held
from metasynth.softsrv.artifact import load_artifact, read_artifact_config
from metasynth.softsrv.manifest import Manifest, read_manifest
from metasynth.softsrv.parameterisation import PARAMETERISATIONS
from metasynth.softsrv.postprocess.pipeline import PostprocessResult, postprocess
from metasynth.softsrv.sampling.samples import Sample, SampleFile, read_samples, write_candidates
from metasynth.softsrv.sampling.soft_sampler import SamplingSummary, SoftSampler
from metasynth.sources.contamination import read_contamination
from metasynth.text.words import excerpt

from .audit import audit_copies

_SHOWN = 3  # texts that are printed


class Nearest(NamedTuple):
    """The contexts to sample from: so many, nearest to a text."""

    text: str
    contexts: int


class SampleFiles:
    """Where the results go.

    Args:
        out: FILE.jsonl.
        raw: Samples are wanted as they come.

    Attributes:
        apart: Where samples go beside candidates.
        samples: Where samples go: `out` itself, or `apart`.
        manifest: Where settings and counts go.

    Raises:
        RequestError: `out` has another ending (code `wrong_format`).
    """

    def __init__(self, out: Path, *, raw: bool) -> None:
        if out.suffix.lower() != ".jsonl":
            raise RequestError(
                f"--out {out}: expected a name that ends in .jsonl", code="wrong_format"
            )
        self.out = out
        self.raw = raw
        self.apart = out.with_suffix(".samples.jsonl")
        self.samples = out if raw else self.apart
        self.manifest = out.with_suffix(".manifest.json")


def settings_of(
    folder: Path, overrides: Sequence[str], options: Mapping[str, Any]
) -> SoftSRVConfig:
    """The settings that an artifact was trained with, changed.

    Raises:
        RequestError: As `read_artifact_config`.
        ConfigError: A key or a value is wrong.
    """
    stored = dict(read_artifact_config(folder)["settings"])
    return changed_softsrv_config(stored, overrides, options=options, where=str(folder))


def run_sampling(
    folder: Path,
    settings: SoftSRVConfig,
    files: SampleFiles,
    *,
    near: Nearest | None,
    audit: bool,
    quiet: bool,
) -> None:
    """Draw the samples that are missing, choose candidates, and print the summary.

    Args:
        folder: The artifact.
        near: The contexts to sample from; None: all.
        audit: Compare the samples with the rows trained on.
    """
    contaminants = _contaminants(settings.postprocess)
    with held(files.out.parent, lock=f".{files.out.name}.lock"):
        manifest = _claimed(files, settings, folder, near)
        drawn, seconds = _draw(files, settings, folder, near, quiet=quiet)
        samples = list(islice(read_samples(files.samples), settings.sampling.count))
        summary = SamplingSummary.of(samples)
        manifest.finish("samples", {**asdict(summary), "stop_rate": round(summary.stop_rate, 4)})
        tell()
        _print_samples(summary, settings, drawn, seconds)
        name = settings.prompt.parameterisation
        if near and not PARAMETERISATIONS[name].uses_context:
            tell(f"  note       this soft prompt ({name}) uses no context: --near changes nothing")
        if audit:
            manifest.finish("copies", dict(audit_copies(samples, folder, quiet=quiet)))
        if files.raw:
            _print_texts([sample.text for sample in samples])
            tell(f"\n  samples    {files.samples}")
            return
        result = postprocess(
            samples, settings.postprocess, seed=settings.random_seed, contaminants=contaminants
        )
        write_candidates(files.out, result.candidates)
        manifest.finish("postprocess", result.manifest())
    _print_result(result)
    tell(f"\n  questions  {files.out}")
    tell(f"  samples    {files.samples}")
    tell(f"  counts     {files.manifest}")


def _contaminants(config: PostprocessConfig) -> Any:
    if not config.contaminants:
        return None
    return read_contamination(
        config.contaminants,
        config.contaminant_fields,
        ngram=config.ngram,
        setting="postprocess.contaminant_fields",
    )


def _claimed(
    files: SampleFiles, settings: SoftSRVConfig, folder: Path, near: Nearest | None
) -> Manifest:
    """The manifest, if what is in the file was drawn with the same settings.

    Raises:
        RequestError: It was drawn with others.
    """
    weights = hashlib.sha256((folder / "soft_prompt.safetensors").read_bytes()).hexdigest()
    drawn_with = {
        "soft_prompt": weights[:16],
        **settings.sampling.model_dump(exclude={"count", "max_batch"}),
        "random_seed": settings.random_seed,
        "near": near.text if near else None,
        "contexts": near.contexts if near else None,
        "raw": files.raw,
    }
    identity = hashlib.sha256(json.dumps(drawn_with).encode()).hexdigest()[:16]
    before = read_manifest(files.manifest).get("settings", {})
    manifest = Manifest(files.manifest, identity=identity)
    if any(map(_holds_something, (files.out, files.apart))):
        for key, value in drawn_with.items():
            if before.get(key, value if before else None) != value or not before:
                raise _other_settings(files, key if before else "")
    manifest.finish("settings", drawn_with)
    return manifest


def _holds_something(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _other_settings(files: SampleFiles, key: str) -> RequestError:
    if not key:
        return RequestError(
            f"{files.out}: the file, or its samples, are there without {files.manifest.name}",
            hint="give another --out",
            code="other_settings",
        )
    return RequestError(
        f"{files.out}: its samples were drawn with another {key}",
        hint="give another --out, or the settings that it was begun with",
        code="other_settings",
    )


def _draw(
    files: SampleFiles,
    settings: SoftSRVConfig,
    folder: Path,
    near: Nearest | None,
    *,
    quiet: bool,
) -> tuple[int, float]:
    """Append the samples that are missing; how many they were, and the seconds it took."""
    count = settings.sampling.count
    began, drawn = time.monotonic(), 0
    with SampleFile(files.samples) as file:
        if file.next_number >= count:
            return 0, 0.0
        with Bar("sample", quiet=quiet) as bar:
            bar.update(file.next_number, count, f"loading {settings.backbone.model}")
            for sample in _drawn(settings, folder, near, start=file.next_number):
                began = began if drawn else time.monotonic()
                file.append(sample)
                drawn += 1
                bar.update(sample.number + 1, count, f"{sample.tokens} tokens")
    return drawn, time.monotonic() - began


def _drawn(
    settings: SoftSRVConfig, folder: Path, near: Nearest | None, *, start: int
) -> Iterator[Sample]:
    backbone = load_backbone(settings.backbone)
    artifact = load_artifact(folder, backbone=backbone)
    try:
        with SoftSampler(
            backbone, artifact, settings.sampling, seed=settings.random_seed
        ) as sampler:
            contexts = sampler.near(near.text, near.contexts) if near else None
            missing = settings.sampling.count - start
            yield from sampler.sample(missing, start=start, contexts=contexts)
    finally:
        artifact.encoder.close()


def _print_samples(
    summary: SamplingSummary, settings: SoftSRVConfig, drawn: int, seconds: float
) -> None:
    if not summary.samples:
        raise MetaSynthError("no sample was drawn", code="no_sample")
    pace = f"{drawn} of them now in {clock(seconds)}" if drawn else "none of them new"
    tell(f"{summary.samples} samples, {pace}")
    limit = settings.sampling.max_new_tokens
    tell(
        f"  ended      {summary.stop_rate:.1%} by themselves, {summary.truncation_rate:.1%} were "
        f"cut off at {limit} tokens; {summary.tokens / summary.samples:.0f} tokens each"
    )
    if summary.is_flagged:
        tell(
            "  WARNING    too few end by themselves (below 95 %): the end was not learnt, or "
            f"sampling.max_new_tokens {limit} is too little; train longer, or raise it"
        )


def _print_result(result: PostprocessResult) -> None:
    tell("  kept       " + " → ".join(f"{name} {n}" for name, n in result.counts.items()))
    for label, counts in (("junk", result.junk), ("test set", result.contaminated)):
        if counts:
            tell(f"  {label:<10} " + ", ".join(f"{name} {n}" for name, n in counts.items()))
    for note in result.notes:
        tell(f"  note       {note}")
    _print_texts([candidate.text for candidate in result.candidates])


def _print_texts(texts: Sequence[str]) -> None:
    for text in texts[:_SHOWN]:
        tell(f"  — {excerpt(text, 40)}")
