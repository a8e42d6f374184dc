"""Carrying out `eval contamination`: texts beside a test set."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from metasynth.contamination import Contamination, Hit
from metasynth.errors import RequestError
from metasynth.eval import Document, TextCorpus
from metasynth.rows import PlacedText, hub_texts, placed_texts

from .bars import Bar
from .eval_inputs import Inputs, interruption_told
from .terminal import tell

_KINDS = ("ngram", "exact", "near")
_MOST_WORDS = 100


@dataclass(frozen=True)
class ContaminationRequest:
    """What the command line says."""

    files: Sequence[str]
    test_sets: Sequence[str]
    test_fields: tuple[str, ...]
    test_split: str
    ngram: int
    near: float | None
    show: int
    inputs: Inputs


@dataclass(frozen=True)
class _Flagged:
    document: Document
    hits: list[Hit]


def carry_out_contamination(request: ContaminationRequest, *, as_json: bool, quiet: bool) -> None:
    """Read the test set, look at every text, print."""
    corpora = request.inputs.read(request.files)
    known = Contamination(_test_texts(request), ngram=request.ngram, near=request.near)
    if not known.size:
        raise RequestError(f"{', '.join(request.test_sets)}: no text to check against")
    total, done = sum(len(corpus.documents) for corpus in corpora), 0
    found: list[tuple[TextCorpus, list[_Flagged]]] = []
    with interruption_told(None), Bar("text", quiet=quiet) as bar:
        for corpus in corpora:
            flagged = []
            for document in corpus.documents:
                if done % 64 == 0:
                    bar.update(done, total, corpus.name)
                done += 1
                if hits := known.all_hits(document.text):
                    flagged.append(_Flagged(document, hits))
            found.append((corpus, flagged))
    if as_json:
        print(json.dumps(_plain(request, known, found), ensure_ascii=True))  # noqa: T201
        return
    _tell(request, known, found)


def _test_texts(request: ContaminationRequest) -> Iterator[PlacedText | str]:
    for given in request.test_sets:
        if given.startswith("hf:"):
            yield from _hub_texts(request, given.removeprefix("hf:"))
            continue
        path = Path(given).expanduser()
        if not path.is_file() or not request.test_fields:
            (corpus,) = request.inputs.read([given])
            yield from (PlacedText(one.text, one.place) for one in corpus.documents)
        else:
            yield from placed_texts(path, request.test_fields, setting="--test-field")


def _hub_texts(request: ContaminationRequest, name: str) -> Iterator[PlacedText]:
    for field in request.test_fields or ("text",):
        texts = hub_texts(
            name, field, split=request.test_split, what="--test-set", setting="--test-field"
        )
        for number, text in enumerate(texts, start=1):
            yield PlacedText(text, f"hf:{name}, row {number}, {field}")


def _counts(flagged: Sequence[_Flagged]) -> Counter[str]:
    return Counter(kind for one in flagged for kind in {hit.kind for hit in one.hits})


def _plain(
    request: ContaminationRequest,
    known: Contamination,
    found: Sequence[tuple[TextCorpus, Sequence[_Flagged]]],
) -> dict[str, object]:
    return {
        "settings": {"ngram": request.ngram, "near": request.near},
        "test": {
            "sets": list(request.test_sets),
            "texts": known.size,
            "shorter_than_ngram": known.short,
        },
        "corpora": {
            corpus.name: {
                "texts": len(corpus.documents),
                "flagged": len(flagged),
                **{kind: _counts(flagged)[kind] for kind in _KINDS},
                "hits": [
                    {"place": one.document.place, "hits": [hit._asdict() for hit in one.hits]}
                    for one in flagged
                ],
            }
            for corpus, flagged in found
        },
    }


def _tell(
    request: ContaminationRequest,
    known: Contamination,
    found: Sequence[tuple[TextCorpus, Sequence[_Flagged]]],
) -> None:
    tell(
        f"{known.size:,} test texts; {known.short:,} of them have fewer than {request.ngram} words "
        "and cannot be hit by a shared run of words"
    )
    for corpus, flagged in found:
        counts, n = _counts(flagged), len(corpus.documents)
        tell(
            f"{corpus.name}: {len(flagged):,} of {n:,} texts ({len(flagged) / n:.2%}) are hit; "
            f"{counts['ngram']:,} share {request.ngram} words in a row, {counts['exact']:,} equal "
            f"or hold a test text, {counts['near']:,} nearly equal one"
        )
        for one in flagged[: request.show]:
            hit = one.hits[0]
            detail = " ".join(hit.detail.split()[:_MOST_WORDS])
            tell(f"  {one.document.place}: {hit.kind} of {hit.place}: {detail}")
        if len(flagged) > request.show:
            tell(f"  and {len(flagged) - request.show:,} more; --json has them all")
