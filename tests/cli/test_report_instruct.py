"""`metasynth report` of runs that write instructions, beside their baselines."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from metasynth.records.record import Message, Record
from tests.commands import metasynth
from tests.prose import prose
from tests.run_folders import write_run


def texts(seed: int, count: int = 40) -> list[str]:
    rng = random.Random(seed)
    return [f"{prose([], 60, rng)} What follows?" for _ in range(count)]


def asked(seed: int, source: str) -> list[Record]:
    """Instructions whose answers are all the same."""
    return [
        Record(
            id=f"{source}-{number}",
            kind="instruction",
            messages=[
                Message(role="user", content=question),
                Message(role="assistant", content="As before, nothing at all. " * 30),
            ],
            parent_ids=[f"doc-{number}"],
            source=source,
        )
        for number, question in enumerate(texts(seed))
    ]


@pytest.fixture
def documents(tmp_path: Path) -> dict[str, Any]:
    rows = (json.dumps({"text": text}) + "\n" for text in texts(9))
    (tmp_path / "documents.jsonl").write_text("".join(rows), encoding="utf-8")
    return {"seeds": {"documents": str(tmp_path / "documents.jsonl")}}


def measured(tmp_path: Path, *arguments: object) -> Any:
    assert metasynth("report", *arguments, "--quiet") == 0
    return json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))


def test_the_questions_are_what_is_compared_with_the_baselines(
    tmp_path: Path, documents: dict[str, Any]
) -> None:
    ways = ("instruct", "self_instruct", "evol_instruct", "template_qa")
    runs = [
        write_run(tmp_path / way, asked(number, way), graph=way, name=way, **documents)
        for number, way in enumerate(ways)
    ]
    others = [part for run in runs[1:] for part in ("--baseline", run)]
    page = tmp_path / "page.html"
    found = measured(tmp_path, runs[0], *others, "--out", page)
    assert [side["label"] for side in found["corpora"]][:4] == list(ways)
    assert set(found["verdicts"]) == set(ways[1:])
    ngrams = found["metrics"]["ngram_diversity_4"]["values"]
    assert set(ngrams) == set(ways)  # documents are not of the kind that is compared
    assert all(one["value"] > 0.5 for one in ngrams.values())  # the answers would pull it down
    assert "of what instructions ask" in " ".join(found["limits"])
    assert sum(found["coverage"]["cells"].values()) == 0  # lineage by ids that are not there
    assert "self_instruct" in page.read_text(encoding="utf-8")


def test_it_measures_as_if_the_questions_were_documents(
    tmp_path: Path, documents: dict[str, Any]
) -> None:
    run = write_run(tmp_path / "run", asked(1, "instruct"), graph="instruct", **documents)
    plain = [Record(id=f"d-{n}", text=text) for n, text in enumerate(texts(1))]
    same = write_run(tmp_path / "same", plain, **documents | {"seeds": {"keywords": ["a, b"]}})
    metrics = [measured(one, one)["metrics"] for one in (run, same)]
    values = [{name: each["values"]["trial"] for name, each in one.items()} for one in metrics]
    assert values[0] == values[1]
    assert values[0]["ngram_diversity_4"]["value"] is not None
