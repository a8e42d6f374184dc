"""`eval contamination`: texts beside a test set."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metasynth.cli.screen.terminal import tell
from metasynth.errors import RequestError

from .options import FieldOption, FilesArgument, JsonOption, QuietOption, SplitOption

if TYPE_CHECKING:
    from metasynth.eval.text_corpus import Document
    from metasynth.text.contamination import Contamination, Hit

_KINDS = ("ngram", "exact", "near")
_MOST_WORDS = 100


def contamination(
    files: FilesArgument,
    test_set: Annotated[
        list[str],
        typer.Option(
            "--test-set",
            metavar="FILE",
            help="texts that must stay unseen, hf:NAME, or a benchmark of `eval tasks --list`",
        ),
    ],
    test_field: Annotated[
        list[str] | None,
        typer.Option("--test-field", metavar="NAME", help="fields of the test set, each a text"),
    ] = None,
    test_split: Annotated[str, typer.Option(metavar="NAME", help="split of hf:NAME")] = "test",
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="data sets of benchmarks by name [the hub's]"),
    ] = None,
    ngram: Annotated[int, typer.Option(min=2, help="words that may not be shared in a row")] = 13,
    near: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="similarity of near-duplicates; 0: no check")
    ] = 0.8,
    show: Annotated[int, typer.Option(min=0, help="hits that are shown of each corpus")] = 5,
    field: FieldOption = None,
    split: SplitOption = "auto",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Find texts that share a run of words with a test set, or nearly equal one of its texts."""
    from metasynth.cli.screen.bars import Bar
    from metasynth.eval.text_corpus import CorpusLayout
    from metasynth.text.contamination import Contamination

    from .inputs import interruption_hint, read_corpora
    from .test_sets import TestSets

    layout = CorpusLayout(tuple(field or ()), split=split)
    corpora = read_corpora(files, layout)
    tests = TestSets(test_set, tuple(test_field or ()), test_split, data)
    known = Contamination(tests.texts(layout), ngram=ngram, near=near or None)
    if not known.size:
        raise RequestError(
            f"{', '.join(test_set)}: no text to check against", code="empty_test_set"
        )
    total, done = sum(len(corpus.documents) for corpus in corpora), 0
    flagged: dict[str, list[_FlaggedText]] = {}
    with interruption_hint(None), Bar("text", quiet=quiet) as bar:
        for corpus in corpora:
            flagged[corpus.name] = []
            for document in corpus.documents:
                if done % 64 == 0:
                    bar.update(done, total, corpus.name)
                done += 1
                if hits := known.all_hits(document.text):
                    flagged[corpus.name].append(_FlaggedText(document, hits))
    sizes = {corpus.name: len(corpus.documents) for corpus in corpora}
    if json:
        settings = {"ngram": ngram, "near": near or None}
        _print_json(settings, test_set, known, flagged, sizes)
    else:
        _print_table(ngram, show, known, flagged, sizes)
    return 0


@dataclass(frozen=True)
class _FlaggedText:
    document: "Document"
    hits: "list[Hit]"


def _counts(flagged: Sequence[_FlaggedText]) -> Counter[str]:
    return Counter(kind for text in flagged for kind in {hit.kind for hit in text.hits})


def _print_json(
    settings: Mapping[str, Any],
    test_sets: Sequence[str],
    known: "Contamination",
    flagged: Mapping[str, Sequence[_FlaggedText]],
    sizes: Mapping[str, int],
) -> None:
    import json

    plain = {
        "settings": settings,
        "test": {
            "sets": list(test_sets),
            "texts": known.size,
            "shorter_than_ngram": known.short,
        },
        "corpora": {
            name: {
                "texts": sizes[name],
                "flagged": len(texts),
                **{kind: _counts(texts)[kind] for kind in _KINDS},
                "hits": [
                    {"place": text.document.place, "hits": [hit._asdict() for hit in text.hits]}
                    for text in texts
                ],
            }
            for name, texts in flagged.items()
        },
    }
    print(json.dumps(plain, ensure_ascii=True))  # noqa: T201


def _print_table(
    ngram: int,
    show: int,
    known: "Contamination",
    flagged: Mapping[str, Sequence[_FlaggedText]],
    sizes: Mapping[str, int],
) -> None:
    tell(
        f"{known.size:,} test texts; {known.short:,} of them have fewer than {ngram} words "
        "and cannot be hit by a shared run of words"
    )
    for name, texts in flagged.items():
        counts, n = _counts(texts), sizes[name]
        tell(
            f"{name}: {len(texts):,} of {n:,} texts ({len(texts) / n:.2%}) are hit; "
            f"{counts['ngram']:,} share {ngram} words in a row, {counts['exact']:,} equal "
            f"or hold a test text, {counts['near']:,} nearly equal one"
        )
        for text in texts[:show]:
            hit = text.hits[0]
            detail = " ".join(hit.detail.split()[:_MOST_WORDS])
            tell(f"  {text.document.place}: {hit.kind} of {hit.place}: {detail}")
        if len(texts) > show:
            tell(f"  and {len(texts) - show:,} more; --json has them all")
