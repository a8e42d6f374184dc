"""Carrying out `eval contamination`: texts beside a test set."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from metasynth.cli.screen.bars import Bar
from metasynth.cli.screen.terminal import tell
from metasynth.errors import RequestError
from metasynth.eval.text_corpus import Document, TextCorpus
from metasynth.text.contamination import Contamination, Hit

from .inputs import Inputs, interruption_told
from .test_sets import TestSets

_KINDS = ("ngram", "exact", "near")
_MOST_WORDS = 100


@dataclass(frozen=True)
class ContaminationRequest:
    """What the command line says."""

    files: Sequence[str]
    tests: TestSets
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
    known = Contamination(
        request.tests.texts(request.inputs), ngram=request.ngram, near=request.near
    )
    if not known.size:
        raise RequestError(f"{', '.join(request.tests.given)}: no text to check against")
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
            "sets": list(request.tests.given),
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
