"""`eval diversity`, `eval mauve`, `eval contamination`: the metrics alone, on any texts."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from . import tasks as eval_tasks

app = typer.Typer(help="Metrics of texts, each with its settings.", no_args_is_help=True)
eval_tasks.register(app)

_FILES = (
    "JSONL (`text`, `messages`, or `prompt` and `completion`), Parquet, .gz, text files, folders "
    "or run directories; NAME=FILE names one"
)


class Split(StrEnum):
    """What is one text in a text file."""

    auto = "auto"
    line = "line"
    paragraph = "paragraph"
    file = "file"


FilesArgument = Annotated[list[str], typer.Argument(metavar="FILE…", help=_FILES)]
FieldOption = Annotated[
    list[str] | None,
    typer.Option(
        "--field", metavar="NAME", help="of a row that holds the text; the first there counts"
    ),
]
TopicOption = Annotated[str, typer.Option(metavar="NAME", help="field of the topic label")]
PersonaOption = Annotated[str, typer.Option(metavar="NAME", help="field of the persona label")]
SplitOption = Annotated[
    Split, typer.Option("--split", help="a text in text files; auto: a line, in folders the file")
]
MinWordsOption = Annotated[
    int, typer.Option("--min-words", min=0, help="shorter texts are left out, and counted")
]
EmbedderOption = Annotated[
    str, typer.Option(metavar="MODEL", help="sentence-transformers folder or hub id, or default")
]
CacheOption = Annotated[
    Path | None, typer.Option("--cache", metavar="FILE", help="SQLite file that keeps vectors")
]
DeviceOption = Annotated[str, typer.Option(help="of the embedder (and the probe): cpu, cuda, …")]
SeedOption = Annotated[int, typer.Option(help="of what is drawn")]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON, for machines")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="no live progress")]


@app.command()
def diversity(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE…", help=_FILES)] = None,
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
    field: FieldOption = None,
    topic: TopicOption = "topic",
    persona: PersonaOption = "persona",
    split: SplitOption = Split.auto,
    min_words: MinWordsOption = 0,
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
    from .diversity import DiversityRequest, carry_out_diversity
    from .inputs import Inputs

    request = DiversityRequest(
        files=files or [],
        template=template or [],
        real=real or [],
        reference=reference,
        records=records,
        draws=draws,
        seed=seed,
        vectors=vectors,
        probe=probe,
        probe_batches=probe_batches,
        probe_texts=probe_texts,
        inputs=Inputs.of(field, topic, persona, str(split), embedder, cache, device, min_words),
    )
    carry_out_diversity(request, as_json=json, quiet=quiet)
    return 0


@app.command()
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
    split: SplitOption = Split.auto,
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
    from .inputs import Inputs
    from .mauve import MauveRequest, carry_out_mauve

    request = MauveRequest(
        files=files,
        target=target,
        records=records,
        clusters=clusters,
        scaling=scaling,
        seeds=seeds,
        cells=cells,
        seed=seed,
        inputs=Inputs.of(field, topic, persona, str(split), embedder, cache, device),
    )
    carry_out_mauve(request, as_json=json, quiet=quiet)
    return 0


@app.command()
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
    split: SplitOption = Split.auto,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Find texts that share a run of words with a test set, or nearly equal one of its texts."""
    from .contamination import ContaminationRequest, carry_out_contamination
    from .inputs import Inputs
    from .test_sets import TestSets

    request = ContaminationRequest(
        files=files,
        tests=TestSets(test_set, tuple(test_field or ()), test_split, data),
        ngram=ngram,
        near=near or None,
        show=show,
        inputs=Inputs.of(field, "topic", "persona", str(split), "default", None, "cpu"),
    )
    carry_out_contamination(request, as_json=json, quiet=quiet)
    return 0
