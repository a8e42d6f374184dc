"""Carrying out `eval mauve`: distance to a target, its ceiling, and the topics that are reached."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from metasynth.cli.screen.bars import Bar
from metasynth.cli.screen.terminal import tell
from metasynth.errors import RequestError
from metasynth.eval.coverage import Coverage, topic_coverage
from metasynth.eval.mauve.mauve import MauveCeiling, MauveResult, mauve, mauve_ceiling
from metasynth.eval.text_corpus import TextCorpus
from metasynth.randomness import generator

from .inputs import Inputs, interruption_told

if TYPE_CHECKING:
    from metasynth.eval.text_corpus import Document
    from metasynth.vectors.cache import Vectors

_MOST = 500
_FEW = 100
_EMPTY_SHOWN = 12


@dataclass(frozen=True)
class MauveRequest:
    """What the command line says."""

    files: Sequence[str]
    target: str
    records: int | None
    clusters: int
    scaling: float
    seeds: int
    cells: int
    seed: int
    inputs: Inputs


@dataclass(frozen=True)
class _Found:
    name: str
    score: MauveResult
    coverage: Coverage


def carry_out_mauve(request: MauveRequest, *, as_json: bool, quiet: bool) -> None:
    """Embed, score, print."""
    corpora = request.inputs.read(request.files)
    (target,) = request.inputs.read([request.target])
    sizes = [len(corpus.documents) for corpus in (*corpora, target)]
    records = min(request.records or _MOST, *sizes)
    if request.records and records < request.records:
        raise RequestError(
            f"the smallest side has {records} texts, fewer than the {request.records} asked for",
            hint=f"--records {records} at most",
        )
    # twice as many of the target, where there are: the ceiling is then of real halves
    wanted = _drawn(target, 2 * records, request.seed)
    samples = [_drawn(corpus, records, request.seed) for corpus in corpora]
    total = len(wanted) + records * len(samples)
    with (
        interruption_told(request.inputs.cache),
        Bar("text", quiet=quiet) as bar,
        request.inputs.embedding(lambda done: bar.update(done, total, "embedding")) as embed,
    ):
        target_vectors = embed(_texts(wanted))
        vectors = [embed(_texts(sample)) for sample in samples]
        cut = embed.truncated
    ceiling = mauve_ceiling(
        target_vectors,
        n_p=records,
        n_q=records,
        clusters=request.clusters,
        scaling=request.scaling,
        seed=request.seed,
    )
    found = [
        _Found(
            corpus.name,
            _score(rows, target_vectors[:records], request),
            _coverage(sample, rows, wanted, target_vectors, request),
        )
        for corpus, sample, rows in zip(corpora, samples, vectors, strict=True)
    ]
    settings: dict[str, object] = {
        "records": records,
        "target_records": len(wanted),
        "clusters": request.clusters,
        "scaling": request.scaling,
        "seeds": request.seeds,
        "embedder": request.inputs.embedder,
        "cut_by_the_embedder": cut,
    }
    if as_json:
        print(json.dumps(_plain(target.name, found, ceiling, settings), allow_nan=False))  # noqa: T201
    else:
        _tell(target.name, found, ceiling, settings)


def _plain(
    target: str, found: Sequence[_Found], ceiling: MauveCeiling, settings: dict[str, object]
) -> dict[str, object]:
    return {
        "target": target,
        "settings": settings,
        "ceiling": asdict(ceiling),
        "corpora": {
            one.name: {"mauve": asdict(one.score), "coverage": one.coverage.plain()}
            for one in found
        },
    }


def _score(rows: "Vectors", target: "Vectors", request: MauveRequest) -> MauveResult:
    seeds = range(request.seed, request.seed + request.seeds)
    return mauve(rows, target, clusters=request.clusters, scaling=request.scaling, seeds=seeds)


def _coverage(
    sample: "Sequence[Document]",
    rows: "Vectors",
    wanted: "Sequence[Document]",
    target: "Vectors",
    request: MauveRequest,
) -> Coverage:
    return topic_coverage(
        _texts(sample),
        rows,
        target=_texts(wanted),
        target_vectors=target,
        target_topics=[one.topic for one in wanted],
        cells=request.cells,
        seed=request.seed,
    )


def _drawn(corpus: TextCorpus, most: int, seed: int) -> "list[Document]":
    documents = list(corpus.documents)
    count = min(most, len(documents))
    return generator(seed, "mauve", corpus.name).sample(documents, count)


def _texts(documents: "Sequence[Document]") -> list[str]:
    return [document.text for document in documents]


def _tell(
    target: str, found: Sequence[_Found], ceiling: MauveCeiling, settings: dict[str, object]
) -> None:
    tell(
        f"{settings['records']} texts each against {target}, k = {settings['clusters']}, "
        f"c = {settings['scaling']:g}, {settings['seeds']} seeds, embedder {settings['embedder']}"
    )
    if int(str(settings["records"])) < _FEW:
        tell(f"void: fewer than {_FEW} texts each; the ceiling says what such a score is worth")
    if settings["cut_by_the_embedder"]:
        tell(f"{settings['cut_by_the_embedder']} texts are longer than the embedder reads")
    width = max(len(one.name) for one in found) + 2
    for one in found:
        tell()
        tell(
            f"{one.name:{width}}MAUVE {_told(one.score.mean, one.score.interval, one.score.reason)}"
        )
        _tell_coverage(one.coverage)
    tell()
    tell(
        f"ceiling: {_told(ceiling.mean, ceiling.interval, ceiling.reason)} between two samples of "
        f"{target} itself ({ceiling.draws} draws, {ceiling.method})"
    )


def _told(mean: float | None, interval: tuple[float, float] | None, reason: str) -> str:
    if mean is None:
        return f"not defined: {reason}"
    between = "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]"
    return f"{mean:.3f}{between}"


def _tell_coverage(coverage: Coverage) -> None:
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
