"""`eval diversity`: metrics of corpora on equal draws, as a table or JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from metasynth.cli.screen.options import PluginsOption, with_plugins
from metasynth.errors import RequestError

from .options import (
    FILES,
    CacheOption,
    DeviceOption,
    EmbedderOption,
    FieldOption,
    JsonOption,
    PersonaOption,
    QuietOption,
    SeedOption,
    SplitOption,
    TopicOption,
)

if TYPE_CHECKING:
    from metasynth.cli.screen.bars import Bar
    from metasynth.eval.comparison import Comparison, CorpusRole
    from metasynth.eval.gap import ClosedGap
    from metasynth.lm.load import LoadedLM


def diversity(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE…", help=FILES)] = None,
    template: Annotated[
        list[str] | None,
        typer.Option("--template", metavar="FILE", help="another corpus: machine-made baseline"),
    ] = None,
    real: Annotated[
        list[str] | None,
        typer.Option("--real", metavar="FILE", help="another corpus: what people wrote"),
    ] = None,
    records: Annotated[
        int | None,
        typer.Option(min=1, help="texts of a draw [half of the smallest corpus, at most 200]"),
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="of each corpus, for intervals")] = 5,
    reference: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="by which words are rare [all that is drawn]"),
    ] = None,
    vectors: Annotated[
        bool, typer.Option("--vectors/--no-vectors", help="metrics of sentence embeddings")
    ] = True,
    probe: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="for Task2Vec: embedded, or local:PATH_OR_HUB_ID"),
    ] = None,
    probe_batches: Annotated[int, typer.Option(min=2, help="of Task2Vec, in each draw")] = 5,
    probe_texts: Annotated[int, typer.Option(min=1, help="of such a batch")] = 16,
    plugins: PluginsOption = None,
    field: FieldOption = None,
    topic: TopicOption = "topic",
    persona: PersonaOption = "persona",
    split: SplitOption = "auto",
    min_words: Annotated[
        int, typer.Option("--min-words", min=0, help="shorter texts are left out, and counted")
    ] = 0,
    embedder: EmbedderOption = "default",
    cache: CacheOption = None,
    device: DeviceOption = "cpu",
    seed: SeedOption = 0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Measure how diverse texts are; several corpora at equal records and equal words.

    Each metric is the mean of several draws of each corpus, with a 95 % interval. With --template
    and --real the share of the gap between them that each FILE closes is told, and where a template
    ranks above real texts, and why. One FILE alone is measured as a whole.
    """
    import contextlib

    from metasynth.cli.screen.bars import Bar
    from metasynth.eval.comparison import MetricInputs, compare
    from metasynth.eval.probe import Probe
    from metasynth.eval.surprises import surprises
    from metasynth.eval.text_corpus import CorpusLayout
    from metasynth.eval.word_frequencies import word_frequencies

    from .diversity_table import print_comparison
    from .inputs import embedding, interruption_hint, read_corpora

    with_plugins(plugins)
    roles = _roles(files or (), template or (), real or ())
    layout = CorpusLayout(tuple(field or ()), topic, persona, split, min_words)
    corpora = list(zip(read_corpora(list(roles), layout), roles.values(), strict=True))
    is_whole = len(corpora) == 1 and records is None
    with contextlib.ExitStack() as stack:
        stack.enter_context(interruption_hint(cache))
        progress = _Progress(stack.enter_context(Bar("draw", quiet=quiet)))
        network = None
        if probe is not None:
            lm = _probe_network(probe, device)
            network = Probe(lm, probe_batches, probe_texts, seed, progress.on_batch)
        embed = None
        if vectors:
            embed = stack.enter_context(
                embedding(embedder, cache=cache, device=device, on_texts=progress.on_texts)
            )
        frequencies = None
        if reference is not None:
            (known,) = read_corpora([reference], layout)
            frequencies = word_frequencies(known.texts, known.name)
        comparison = compare(
            corpora,
            MetricInputs(
                embed=embed,
                probe=network,
                reference=frequencies,
            ),
            records=len(corpora[0][0].documents) if is_whole else records,
            draws=1 if is_whole else draws,
            seed=seed,
            on_draw=progress.on_draw,
        )
        of_vectors = [] if embed is None else embed.notes
    closed = _closed_gaps(comparison, seed) if template and real else {}
    notes = [*comparison.warnings, *of_vectors]
    if json:
        _print_json(comparison, closed, notes)
    else:
        print_comparison(comparison, closed, notes, surprises(comparison))
    return 0


def _roles(
    files: Sequence[str], template: Sequence[str], real: Sequence[str]
) -> "dict[str, CorpusRole]":
    """All that is compared, each once, with its role; a file given twice has the later one."""
    roles: dict[str, CorpusRole] = dict.fromkeys(files, "candidate")
    roles |= dict.fromkeys(template, "template")
    roles |= dict.fromkeys(real, "real")
    if not roles:
        raise RequestError("no FILE was given", hint="see --help", code="no_corpus")
    return roles


def _probe_network(model: str, device: str) -> "LoadedLM":
    from metasynth.config.weights import WeightsConfig, is_weights
    from metasynth.lm.weights import load_weights

    if not is_weights(model):
        raise RequestError(
            f"no probe {model!r}", hint="embedded, or local:PATH_OR_HUB_ID", code="unknown_model"
        )
    return load_weights(WeightsConfig(model=model, device=device))


def _closed_gaps(comparison: "Comparison", seed: int) -> "dict[tuple[str, str], ClosedGap]":
    """By name of the corpus and of the metric."""
    from metasynth.eval.gap import gap_closed

    return {
        (corpus.name, metric): gap_closed(comparison, corpus.name, metric, seed=seed)
        for corpus in comparison.corpora
        if corpus.role == "candidate"
        for metric in comparison.metrics
    }


def _print_json(
    comparison: "Comparison",
    closed: "dict[tuple[str, str], ClosedGap]",
    notes: Sequence[str],
) -> None:
    import json

    from metasynth.eval.comparison import plain_comparison
    from metasynth.eval.surprises import surprises

    plain = plain_comparison(comparison)
    plain |= {"warnings": notes, "surprises": surprises(comparison)}
    plain["gap_closed"] = {
        metric: {name: gap._asdict() for (name, by), gap in closed.items() if by == metric}
        for metric in comparison.metrics
    }
    print(json.dumps(plain, ensure_ascii=True, allow_nan=False))  # noqa: T201


class _Progress:
    """The draws on the bar, and how many texts are embedded."""

    def __init__(self, bar: "Bar") -> None:
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
