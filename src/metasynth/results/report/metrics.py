"""The metrics of a run beside those of its baselines and of real texts, for a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from metasynth.errors import RequestError
from metasynth.eval.comparison import CorpusRole, MetricInputs, compare
from metasynth.eval.gap import gap_closed
from metasynth.eval.metric import METRICS
from metasynth.eval.report.data import MetricRow, MetricValue
from metasynth.eval.text_corpus import Document, TextCorpus
from metasynth.registry import use_plugins

from .vectors import TextVectors, sampled

if TYPE_CHECKING:
    from metasynth.eval.comparison import Comparison

MOST = 1000  # texts of each corpus: more would take minutes, and say the same
_DRAWS = 5
_OF_WORDS = ("compression", "ngram")
_NO_VECTORS = "no vectors were given"


@dataclass(frozen=True)
class Texts:
    """A corpus to be measured: its texts, and their labels where it has any."""

    role: CorpusRole
    texts: Sequence[str]
    topics: Sequence[str] = ()
    personas: Sequence[str] = ()


class Compared(NamedTuple):
    """What comes of it.

    Attributes:
        rows: One a metric.
        reason: Why there are none.
        how: How the corpora were made comparable.
        warnings: What makes it doubtful; those that begin with "void" make it void.
    """

    rows: tuple[MetricRow, ...] = ()
    reason: str = ""
    how: str = ""
    warnings: tuple[str, ...] = ()


def compared(
    corpora: Mapping[str, Texts], vectors: TextVectors, *, seed: int, plugins: Sequence[str] = ()
) -> Compared:
    """Every metric of each corpus that has texts enough, on equal draws.

    Args:
        plugins: Directories whose metrics are measured too, as the run file names them; one that is
            gone is named in `warnings`.
    """
    usable = {label: one for label, one in corpora.items() if len(one.texts) > 1}
    short = {label: one for label, one in corpora.items() if label not in usable}
    left_out = tuple(
        f"{label}: {len(one.texts)} usable records, too few to measure"
        for label, one in short.items()
    )
    if next(iter(corpora)) in short:
        return Compared(reason="fewer than two records to measure", warnings=left_out)
    gone = [directory for directory in plugins if not Path(directory).is_dir()]
    left_out += tuple(f"plugins: {each} is gone, and its metrics with it" for each in gone)
    try:
        use_plugins([Path(directory) for directory in plugins if directory not in gone])
        found = _comparison(usable, vectors, seed)
    except RequestError as error:
        return Compared(reason=error.message, warnings=left_out)
    rows = tuple(_row(name, found, list(short), vectors.reason) for name in found.metrics)
    return Compared(rows, "", _told(found), (*left_out, *found.warnings))


def _comparison(corpora: Mapping[str, Texts], vectors: TextVectors, seed: int) -> "Comparison":
    given = [(_corpus(label, one), one.role) for label, one in corpora.items()]
    alone = len(given) == 1
    return compare(
        given,
        MetricInputs(embed=_Embed(vectors) if vectors.of([""], what="") is not None else None),
        records=len(given[0][0].documents) if alone else None,
        draws=1 if alone else _DRAWS,
        seed=seed,
    )


class _Embed:
    def __init__(self, vectors: TextVectors) -> None:
        self._vectors = vectors

    def __call__(self, texts: Sequence[str]) -> Any:
        found = self._vectors.of(texts, what="a draw")
        if found is None:
            raise RequestError(self._vectors.reason)
        return found


def _corpus(label: str, given: Texts) -> TextCorpus:
    places = sampled(range(len(given.texts)), MOST)
    documents = tuple(
        Document(
            text=given.texts[place],
            topic=given.topics[place] if given.topics else "",
            persona=given.personas[place] if given.personas else "",
        )
        for place in places
    )
    return TextCorpus(label, documents)


def _row(name: str, found: "Comparison", short: Sequence[str], no_vectors: str) -> MetricRow:
    spec = METRICS[name]
    cells = {
        one.name: MetricValue(
            one.metrics[name].mean,
            one.metrics[name].interval,
            one.metrics[name].reason.replace(_NO_VECTORS, no_vectors or _NO_VECTORS),
        )
        for one in found.corpora
    }
    cells |= {label: MetricValue(None, None, "too few records") for label in short}
    first = found.corpora[0]
    row = MetricRow(
        name=name,
        title=spec.title,
        better=spec.better,
        meaning=spec.meaning,
        values=cells,
        settings=dict(first.metrics[name].first.settings),
        void=_void(name, found.warnings),
    )
    closed = gap_closed(found, first.name, name)
    if closed.share is None:
        return row
    return replace(row, closed=MetricValue(closed.share, closed.interval, closed.reason))


def _void(name: str, warnings: Sequence[str]) -> str:
    """The warning that makes a metric void."""
    for warning in warnings:
        is_whole = warning.startswith("void:")
        if is_whole or (warning.startswith("void for") and name.startswith(_OF_WORDS)):
            return warning
    return ""


def _told(found: "Comparison") -> str:
    size = f"{found.records:,} records and {found.words:,} words"
    if len(found.corpora) == 1:
        return f"all in one: {size}"
    return f"{found.draws} draws of {size} from each, with 95 % intervals"
