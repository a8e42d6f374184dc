"""The copy audit: copies are found, held-out texts stand beside them."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from metasynth.softsrv.postprocess.copy_audit import copy_audit
from metasynth.softsrv.sampling.samples import Sample


@dataclass(frozen=True)
class Row:
    id: str
    text: str


ROWS = [
    Row("a", "Ann has 5 red lamps and buys 7 more of them in the old shop. How many has she now?"),
    Row("b", "A train leaves the town at 9 and comes to the coast at 11. How long does it travel?"),
    Row("c", "Sort a list."),
]
HELD_OUT = ["Bob paints 3 boats on each of 4 days in May. How many boats does he paint in May?"]
OTHER = "Cleo counts 12 tiles in a row and sees 9 rows of them. How many tiles does she see?"


def letters(texts: list[str]) -> NDArray[np.float64]:
    """A text's letters counted, in place of an embedder."""
    return np.array([[text.lower().count(c) for c in "abcdefghijklmnoprstuwy"] for text in texts])


def sample(number: int, text: str, context: str) -> Sample:
    return Sample(text, context, number, seed=0, stopped=True, tokens=1)


def test_copies_of_the_own_row_and_of_others_are_told_apart() -> None:
    samples = [
        sample(0, ROWS[0].text.replace("5", "6"), "a"),  # other numbers alone
        sample(1, ROWS[1].text, "a"),  # another's row
        sample(2, OTHER, "b"),
        sample(3, "Well: " + " ".join(ROWS[1].text.split()[:16]) + " it arrives.", "b"),
    ]
    audit = copy_audit(samples, ROWS, HELD_OUT, letters)
    copying = audit["samples"]
    assert (copying["texts"], copying["with_own"]) == (4, 4)
    assert copying["own"] == {"exact": 0.25, "ngram": 0.5, "near": 0.25}
    assert copying["any"] == {"exact": 0.5, "ngram": 0.75, "near": 0.5}
    own, nearest = copying["own_similarity"], copying["any_similarity"]
    assert own is not None
    assert nearest is not None
    assert nearest["max"] == pytest.approx(1.0)
    assert nearest["mean"] >= own["mean"]
    assert 0.25 <= own["high"] <= nearest["high"] <= 1
    closest = {(close["number"], close["row"]) for close in audit["closest"][:2]}
    assert closest == {(0, "a"), (1, "b")}


def test_held_out_texts_are_compared_with_all_rows() -> None:
    audit = copy_audit([], ROWS, [*HELD_OUT, ROWS[2].text], letters)
    beside = audit["held_out"]
    assert (beside["texts"], beside["own"], beside["own_similarity"]) == (2, None, None)
    assert beside["any"] == {"exact": 0.5, "ngram": 0.0, "near": 0.5}
    assert beside["any_similarity"] is not None
    assert beside["any_similarity"]["max"] == pytest.approx(1.0)
    assert audit["samples"]["any"] is None
    assert audit["closest"] == []


def test_similarity_is_the_cosine_of_the_vectors() -> None:
    vectors = {"x": [3.0, 4.0], "y": [1.0, 0.0], "z": [0.0, 0.0], "own": [0.0, 2.0]}

    def embed(texts: list[str]) -> NDArray[np.float64]:
        return np.array([vectors[text] for text in texts])

    rows = [Row("y", "y"), Row("own", "own")]
    audit = copy_audit([sample(0, "x", "y"), sample(1, "z", "y")], rows, ["x"], embed)
    own, nearest = audit["samples"]["own_similarity"], audit["samples"]["any_similarity"]
    assert own is not None
    assert nearest is not None
    assert own["max"] == pytest.approx(0.6)
    assert (nearest["max"], nearest["median"]) == pytest.approx((0.8, 0.4))
    assert audit["closest"][0] == {
        "number": 0,
        "context_id": "y",
        "row": "own",
        "similarity": pytest.approx(0.8),
    }


def test_samples_without_a_row_have_no_own_numbers() -> None:
    audit = copy_audit([sample(0, OTHER, ""), sample(1, OTHER, "gone")], ROWS, HELD_OUT, letters)
    assert audit["samples"]["with_own"] == 0
    assert audit["samples"]["own"] is None
    assert audit["samples"]["own_similarity"] is None
    assert audit["samples"]["any"] == {"exact": 0.0, "ngram": 0.0, "near": 0.0}


def test_more_samples_than_a_block_and_json() -> None:
    samples = [sample(n, f"{OTHER} {n}", "a") for n in range(1100)]
    samples.append(sample(1100, ROWS[1].text, "b"))
    audit = copy_audit(samples, ROWS, HELD_OUT, letters)
    assert audit["closest"][0]["number"] == 1100
    assert audit["samples"]["own"] is not None
    assert audit["samples"]["own"]["exact"] == pytest.approx(1 / 1101)
    assert json.loads(json.dumps(audit, allow_nan=False)) == audit


def test_nothing_at_all_is_no_error() -> None:
    audit = copy_audit([], [], [], letters)
    assert audit["samples"] == audit["held_out"]
    assert audit["samples"]["any"] is None
    full = copy_audit([sample(0, OTHER, "a")], [], HELD_OUT, letters)
    assert full["samples"]["any_similarity"] is None
    assert full["closest"] == []


def test_the_length_of_a_copied_run_is_a_setting() -> None:
    text = "Ann has 5 red lamps and buys a boat"
    found = [copy_audit([sample(0, text, "a")], ROWS, [], letters, ngram=n) for n in (6, 7)]
    shares = [audit["samples"]["own"] for audit in found]
    assert [share["ngram"] for share in shares if share is not None] == [1.0, 0.0]
