"""Vectors of a report's texts, from the run's cache or computed into it, and what comes of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from metasynth.errors import RequestError
from metasynth.eval.report.data import CellCounts, Count, Plane
from metasynth.eval.report.plane import project
from metasynth.randomness import generator
from metasynth.records.record import Record
from metasynth.results.run.files import RunFiles
from metasynth.text.words import excerpt

from .real_texts import RealTexts

if TYPE_CHECKING:
    from metasynth.vectors.embed import SentenceEmbedder

_BATCH = 64
_MOST_SHOWN = 1000  # of the seeds, and of each baseline
_SHOWN_WORDS = 45
_MOST_SINGLE_CELLS = 60

Told = Callable[[int, int, str], object]
T = TypeVar("T")


def untold(done: int, total: int, what: str) -> None:
    """Tells nobody how far the vectors are."""


class TextVectors:
    """Vectors of texts by the model that the run measures novelty with.

    Args:
        run: Its cache is used, and filled with what is missing.
        tell: Called with the texts that have a vector, all of them, and whose they are.
    """

    def __init__(self, run: RunFiles, *, tell: Told) -> None:
        self._run = run
        self._tell = tell
        self._embedder: SentenceEmbedder | None = None
        self.reason = ""

    def of(self, texts: Sequence[str], *, what: str) -> Any:
        """The vectors [n, d] of the texts; None where they cannot be had, and `reason` says why."""
        from metasynth.vectors.embed import load_embedder

        if self.reason:
            return None
        try:
            if self._embedder is None:
                name = str(self._run.setting("memory.embedder", "default"))
                self._embedder = load_embedder(name, cache=self._run.directory.vectors)
            return self._vectors(self._embedder, texts, what)
        except RequestError as error:
            self.reason = error.message
            return None

    def _vectors(self, embedder: "SentenceEmbedder", texts: Sequence[str], what: str) -> Any:
        import numpy as np

        parts = []
        for start in range(0, len(texts), _BATCH):
            if len(texts) > _BATCH:
                self._tell(start, len(texts), what)
            parts.append(embedder.vectors(texts[start : start + _BATCH]))
        return np.concatenate(parts) if parts else embedder.vectors([])

    @property
    def truncated(self) -> int:
        """How many texts were longer than the model reads."""
        return 0 if self._embedder is None else self._embedder.truncated

    def close(self) -> None:
        """Let go of the cache."""
        if self._embedder is not None:
            self._embedder.close()


def sampled(things: Sequence[T], most: int = _MOST_SHOWN) -> list[T]:
    """At most so many, drawn at random, always the same ones, in their order."""
    if len(things) <= most:
        return list(things)
    places = generator(0, "report", len(things), most).sample(range(len(things)), most)
    return [things[place] for place in sorted(places)]


def plane_of(
    records: Sequence[tuple[Record, str]],
    baselines: Mapping[str, Sequence[str]],
    real: RealTexts,
    vectors: TextVectors,
) -> Plane:
    """Where the listed records lie, with seeds and baselines beside them.

    Args:
        records: Those that the page lists, in its order, each with its text that is measured; the
            rejected among them are shown too.
        baselines: The texts of each one's records, by label.
    """
    own = [(place, *one) for place, one in enumerate(records) if one[1].strip()]
    seeds = sampled(list(real.texts.values()))
    others = [
        (label, sampled([t for t in texts if t.strip()])) for label, texts in baselines.items()
    ]
    groups = [
        vectors.of([text for _, _, text in own], what="records"),
        *(vectors.of(texts, what=label) for label, texts in others),
        vectors.of(seeds, what="seeds"),
    ]
    if any(group is None for group in groups):
        return Plane(reason=f"no vectors: {vectors.reason}")
    kept = [row for row, (_, record, _) in enumerate(own) if record.reason is None]
    fitted = [groups[0][kept], *groups[1:-1]]
    found = project(fitted, [groups[0], groups[-1]])
    if found is None:
        return Plane(reason="fewer than three different texts")
    points: list[tuple[float, float, str, int]] = []
    texts: list[str] = []

    def add(places: Any, role: str, shown: Sequence[str], numbers: Sequence[int] | None) -> None:
        for row, (x, y) in enumerate(places.tolist()):
            points.append((round(x, 4), round(y, 4), role, -1 if numbers is None else numbers[row]))
            texts.append(excerpt(shown[row], _SHOWN_WORDS)[:320])

    *fits, mine, started = found.groups
    add(started, "seeds", seeds, None)
    for (label, shown), places in zip(others, fits[1:], strict=True):
        add(places, f"baseline:{label}", shown, None)
    add(mine, "run", [""] * len(own), [place for place, _, _ in own])
    return Plane(tuple(points), tuple(texts), found.explained)


def coverage_of(run: RunFiles, real: RealTexts, vectors: TextVectors) -> CellCounts | None:
    """How the records spread over what the run started from; None where nothing is known of it."""
    if not real.texts:
        return None
    if len(real.texts) <= _MOST_SINGLE_CELLS:
        return _by_lineage(run, real)
    return _by_vectors(run, real, vectors)


def _by_lineage(run: RunFiles, real: RealTexts) -> CellCounts:
    counts = dict.fromkeys(real.texts, 0)
    for record in run.accepted:
        for id_ in {*record.seed_ids, *record.parent_ids} & counts.keys():
            counts[id_] += 1
    cells = (Count(excerpt(real.texts[id_], 8), number, "") for id_, number in counts.items())
    ordered = tuple(sorted(cells, key=lambda cell: -cell.count))
    return CellCounts(
        f"{real.kind}s", ordered, f"a record counts for the {real.kind} it started from"
    )


def _by_vectors(run: RunFiles, real: RealTexts, vectors: TextVectors) -> CellCounts | None:
    """Clusters of what the run started from; a record counts for the nearest one."""
    from metasynth.eval.coverage import topic_coverage

    texts = sampled([record.body for record in run.accepted if record.body.strip()], 2000)
    target = sampled([text for text in real.texts.values() if text.strip()])
    own, other = vectors.of(texts, what="records"), vectors.of(target, what="seeds")
    if own is None or other is None or not texts:
        return None
    found = topic_coverage(texts, own, target=target, target_vectors=other, cells=24)
    cells = tuple(
        Count(cell.name, cell.corpus, f"{cell.target} {real.kind}s; {cell.example}")
        for cell in found.cells
    )
    expected = (
        f"; as many {real.kind}s drawn at random would reach {found.expected:.0%} of the cells"
        if found.expected is not None
        else ""
    )
    outside = f"; {found.outside} records lie outside of all" if found.outside else ""
    how = f"clusters of the {real.kind}s; a record counts for the nearest{outside}{expected}"
    return CellCounts(f"groups of {real.kind}s", cells, how)
