"""Carrying out `eval diversity`: read, measure on equal draws, print a table or JSON."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metasynth.cli.screen.bars import Bar
from metasynth.errors import RequestError
from metasynth.eval.comparison import Comparison, Means, Role, compare, plain_comparison
from metasynth.eval.metric import METRICS
from metasynth.eval.metrics.mean_inverse_frequency import word_frequencies
from metasynth.eval.surprises import gap_closed, surprises
from metasynth.eval.text_corpus import TextCorpus

from .inputs import Embedding, Inputs, interruption_told
from .table import tell_comparison

if TYPE_CHECKING:
    from metasynth.eval.metric import Metric
    from metasynth.eval.metrics.mean_inverse_frequency import WordFrequencies


@dataclass(frozen=True)
class DiversityRequest:
    """What the command line says."""

    files: Sequence[str]
    template: Sequence[str]
    real: Sequence[str]
    reference: str | None
    records: int | None
    draws: int
    seed: int
    vectors: bool
    probe: str | None
    probe_batches: int
    probe_texts: int
    inputs: Inputs

    @property
    def sources(self) -> list[tuple[str, Role]]:
        """All that is compared, each once, with its role; a file given twice has the later one."""
        roles: dict[str, Role] = dict.fromkeys(self.files, "candidate")
        roles |= dict.fromkeys(self.template, "template")
        roles |= dict.fromkeys(self.real, "real")
        return list(roles.items())


def carry_out_diversity(request: DiversityRequest, *, as_json: bool, quiet: bool) -> None:
    """Measure and print."""
    sources = request.sources
    if not sources:
        raise RequestError("no FILE was given", hint="see --help")
    read = request.inputs.read([source for source, _ in sources])
    corpora = [(corpus, role) for corpus, (_, role) in zip(read, sources, strict=True)]
    comparison, cut = _measured(request, corpora, quiet=quiet)
    closed = {
        (one.name, metric): gap_closed(comparison, one.name, metric, seed=request.seed)
        for one in comparison.corpora
        if one.role == "candidate" and request.template and request.real
        for metric in METRICS
    }
    told = surprises(comparison)
    notes = list(comparison.warnings)
    if cut:
        notes.append(f"{cut} texts are longer than the embedder reads: it saw their beginnings")
    if as_json:
        plain = plain_comparison(comparison) | {"warnings": notes, "surprises": told}
        plain["gap_closed"] = {
            metric: {name: found._asdict() for (name, by), found in closed.items() if by == metric}
            for metric in METRICS
        }
        print(json.dumps(plain, ensure_ascii=True, allow_nan=False))  # noqa: T201
        return
    tell_comparison(comparison, closed, notes, told)


def _measured(
    request: DiversityRequest, corpora: Sequence[tuple[TextCorpus, Role]], *, quiet: bool
) -> tuple[Comparison, int]:
    """The comparison, and how many texts the embedder did not read to their end."""
    alone = len(corpora) == 1 and request.records is None
    records = len(corpora[0][0].documents) if alone else request.records
    draws = 1 if alone else request.draws
    with contextlib.ExitStack() as stack:
        stack.enter_context(interruption_told(request.inputs.cache))
        progress = _Progress(stack.enter_context(Bar("draw", quiet=quiet)))
        probe = _Probe(request, progress) if request.probe else None
        embed: Embedding | None = None
        if request.vectors:
            embed = stack.enter_context(request.inputs.embedding(progress.on_texts))
        means = Means(embed=embed, probe=probe, reference=_reference(request))
        comparison = compare(
            corpora,
            means,
            records=records,
            draws=draws,
            seed=request.seed,
            on_draw=progress.on_draw,
        )
        return comparison, 0 if embed is None else embed.truncated


def _reference(request: DiversityRequest) -> "WordFrequencies | None":
    if request.reference is None:
        return None
    (corpus,) = request.inputs.read([request.reference])
    return word_frequencies(corpus.texts, corpus.name)


class _Progress:
    """The draws on the bar, and how many texts are embedded."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._draw = (0, 1, "")

    def on_draw(self, done: int, total: int, name: str) -> None:
        self._draw = done, total, name
        self._bar.update(done, total, name)

    def on_texts(self, done: int) -> None:
        number, total, name = self._draw
        self._bar.update(number, total, f"{name}, {done:,} texts embedded")

    def on_batch(self, done: int, batches: int) -> None:
        number, total, name = self._draw
        self._bar.update(number, total, f"{name}, batch {done} of {batches} for Task2Vec")


class _Probe:
    """The Task2Vec coefficient of texts, by a model that is loaded once."""

    def __init__(self, request: DiversityRequest, progress: _Progress) -> None:
        from metasynth.config.student import StudentConfig
        from metasynth.eval.task2vec.coefficient import Task2VecSettings
        from metasynth.lm.weights import load_weights

        model = str(request.probe)
        if model != "embedded" and not model.startswith("local:"):
            raise RequestError(f"no probe {model!r}", hint="embedded, or local:PATH_OR_HUB_ID")
        self._lm = load_weights(StudentConfig(model=model, device=request.inputs.device))
        self._progress = progress
        self._settings = Task2VecSettings(
            batches=request.probe_batches, texts=request.probe_texts, seed=request.seed
        )

    def __call__(self, texts: Sequence[str]) -> "Metric":
        from metasynth.eval.task2vec.coefficient import task2vec_diversity

        return task2vec_diversity(self._lm, texts, self._settings, on_batch=self._progress.on_batch)
