"""`eval mauve`: distance to a target, its ceiling, and the topics that are reached."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from metasynth.cli.screen.terminal import tell
from metasynth.errors import RequestError

from .options import (
    CacheOption,
    DeviceOption,
    EmbedderOption,
    FieldOption,
    FilesArgument,
    JsonOption,
    PersonaOption,
    QuietOption,
    SeedOption,
    SplitOption,
    TopicOption,
)

if TYPE_CHECKING:
    from metasynth.eval.coverage import Coverage
    from metasynth.eval.mauve.mauve import MauveCeiling, MauveResult
    from metasynth.eval.text_corpus import Document, TextCorpus

_MOST = 500
_FEW = 100
_EMPTY_SHOWN = 12


def mauve(
    files: FilesArgument,
    target: Annotated[
        str, typer.Option("--target", metavar="FILE", help="the texts to come near to")
    ],
    records: Annotated[
        int | None, typer.Option(min=2, help="texts of each side [the smallest, at most 500]")
    ] = None,
    clusters: Annotated[int, typer.Option(min=2, help="k")] = 32,
    scaling: Annotated[float, typer.Option(help="c")] = 5.0,
    seeds: Annotated[int, typer.Option(min=1, help="of the clustering")] = 5,
    cells: Annotated[
        int, typer.Option(min=2, help="topics of the target, where it has no labels")
    ] = 32,
    field: FieldOption = None,
    topic: TopicOption = "topic",
    persona: PersonaOption = "persona",
    split: SplitOption = "auto",
    embedder: EmbedderOption = "default",
    cache: CacheOption = None,
    device: DeviceOption = "cpu",
    seed: SeedOption = 0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Measure how near texts come to a target: MAUVE, and which of its topics they reach.

    Beside each score stands the ceiling: what two samples of the target itself score at this size.
    """
    from metasynth.cli.screen.bars import Bar
    from metasynth.eval.coverage import topic_coverage
    from metasynth.eval.mauve.mauve import mauve as mauve_score
    from metasynth.eval.mauve.mauve import mauve_ceiling
    from metasynth.eval.text_corpus import CorpusLayout

    from .inputs import embedding, interruption_hint, read_corpora

    layout = CorpusLayout(tuple(field or ()), topic, persona, split)
    corpora = read_corpora(files, layout)
    (aim,) = read_corpora([target], layout)
    size = min(records or _MOST, *(len(corpus.documents) for corpus in (*corpora, aim)))
    if records and size < records:
        raise RequestError(
            f"the smallest side has {size} texts, fewer than the {records} asked for",
            hint=f"--records {size} at most",
            code="too_few_texts",
        )
    # twice as many of the target, where there are: the ceiling is then of real halves
    wanted = _sample(aim, 2 * size, seed)
    wanted_texts = [document.text for document in wanted]
    samples = [[text.text for text in _sample(corpus, size, seed)] for corpus in corpora]
    total = len(wanted) + size * len(samples)
    with (
        interruption_hint(cache),
        Bar("text", quiet=quiet) as bar,
        embedding(
            embedder,
            cache=cache,
            device=device,
            on_texts=lambda done: bar.update(done, total, "embedding"),
        ) as embed,
    ):
        target_vectors = embed(wanted_texts)
        vectors = [embed(sample) for sample in samples]
        cut = embed.truncated
    ceiling = mauve_ceiling(
        target_vectors, n_p=size, n_q=size, clusters=clusters, scaling=scaling, seed=seed
    )
    scores = {
        corpus.name: (
            mauve_score(
                rows,
                target_vectors[:size],
                clusters=clusters,
                scaling=scaling,
                seeds=range(seed, seed + seeds),
            ),
            topic_coverage(
                sample,
                rows,
                target=wanted_texts,
                target_vectors=target_vectors,
                target_topics=[document.topic for document in wanted],
                cells=cells,
                seed=seed,
            ),
        )
        for corpus, sample, rows in zip(corpora, samples, vectors, strict=True)
    }
    settings: dict[str, object] = {
        "records": size,
        "target_records": len(wanted),
        "clusters": clusters,
        "scaling": scaling,
        "seeds": seeds,
        "embedder": embedder,
        "cut_by_the_embedder": cut,
    }
    if json:
        _print_json(aim.name, scores, ceiling, settings)
    else:
        _print_table(aim.name, scores, ceiling, settings)
    return 0


def _sample(corpus: "TextCorpus", most: int, seed: int) -> "list[Document]":
    from metasynth.randomness import generator

    documents = list(corpus.documents)
    count = min(most, len(documents))
    return generator(seed, "mauve", corpus.name).sample(documents, count)


def _print_json(
    target: str,
    scores: "Mapping[str, tuple[MauveResult, Coverage]]",
    ceiling: "MauveCeiling",
    settings: Mapping[str, object],
) -> None:
    import json
    from dataclasses import asdict

    plain = {
        "target": target,
        "settings": settings,
        "ceiling": asdict(ceiling),
        "corpora": {
            name: {"mauve": asdict(score), "coverage": coverage.plain()}
            for name, (score, coverage) in scores.items()
        },
    }
    print(json.dumps(plain, allow_nan=False))  # noqa: T201


def _print_table(
    target: str,
    scores: "Mapping[str, tuple[MauveResult, Coverage]]",
    ceiling: "MauveCeiling",
    settings: Mapping[str, object],
) -> None:
    tell(
        f"{settings['records']} texts each against {target}, k = {settings['clusters']}, "
        f"c = {settings['scaling']:g}, {settings['seeds']} seeds, embedder {settings['embedder']}"
    )
    if int(str(settings["records"])) < _FEW:
        tell(f"void: fewer than {_FEW} texts each; the ceiling says what such a score is worth")
    if settings["cut_by_the_embedder"]:
        tell(f"{settings['cut_by_the_embedder']} texts are longer than the embedder reads")
    width = max(map(len, scores)) + 2
    for name, (score, coverage) in scores.items():
        tell()
        tell(f"{name:{width}}MAUVE {_value(score.mean, score.interval, score.reason)}")
        _print_coverage(coverage)
    tell()
    tell(
        f"ceiling: {_value(ceiling.mean, ceiling.interval, ceiling.reason)} between two samples of "
        f"{target} itself ({ceiling.draws} draws, {ceiling.method})"
    )


def _value(mean: float | None, interval: tuple[float, float] | None, reason: str) -> str:
    if mean is None:
        return f"not defined: {reason}"
    between = "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]"
    return f"{mean:.3f}{between}"


def _print_coverage(coverage: "Coverage") -> None:
    if coverage.share is None or coverage.weighted is None or coverage.expected is None:
        tell(f"  topics: not defined: {coverage.reason}")
        return
    reached = sum(cell.corpus > 0 for cell in coverage.cells)
    tell(
        f"  topics: {reached} of {len(coverage.cells)} reached ({coverage.settings['cells']}), "
        f"which hold {coverage.weighted:.0%} of the target; as many texts of the target itself "
        f"would reach {coverage.expected:.0%}; {coverage.outside} texts lie outside"
    )
    empty = coverage.empty
    for cell in empty[:_EMPTY_SHOWN]:
        tell(f"    empty: {cell.name} ({cell.target} of the target: {cell.example})")
    if len(empty) > _EMPTY_SHOWN:
        tell(f"    and {len(empty) - _EMPTY_SHOWN} more")
