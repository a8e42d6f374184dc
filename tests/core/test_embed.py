"""Vectors: unit length, the same in every company, computed once."""

import asyncio
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings

from metasynth.errors import RequestError
from metasynth.vectors.cache import text_key
from metasynth.vectors.embed import SentenceEmbedder, load_embedder
from metasynth.vectors.models import PackagedModel, SentenceModel
from tests.raising import raises

TEXTS = [
    "A fox walks into the mill and counts the lamps.",
    "",
    "x",
    "A longer passage about a nurse. " * 12,
    "“Quoted” 𝄞 \ud800 {{braces}} [CLS] [SEP] [MASK] <tool_call>",
    "A fox walks into the mill and counts the lamps!",
]


@pytest.fixture(scope="module")
def embedder() -> Iterator[SentenceEmbedder]:
    loaded = load_embedder()
    yield loaded
    loaded.close()


def test_vectors_have_length_one(embedder: SentenceEmbedder) -> None:
    assert isinstance(embedder, Embeddings)
    vectors = embedder.vectors(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), embedder.dims)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert embedder.vectors([]).shape == (0, embedder.dims)


def test_like_texts_are_near(embedder: SentenceEmbedder) -> None:
    fox, again, stocks = embedder.vectors(
        ["A fox goes to the mill.", "The fox walked to a mill.", "Bond yields fell on Tuesday."]
    )
    assert fox @ again > 0.8
    assert fox @ stocks < 0.3


def test_a_vector_does_not_depend_on_its_company(embedder: SentenceEmbedder) -> None:
    texts = [f"{'word ' * (number % 7 + 1)}{number}" for number in range(20)]
    together, alone = load_embedder(), load_embedder()
    whole = together.vectors(texts)
    each = np.concatenate([alone.vectors([text]) for text in reversed(texts)])[::-1]
    assert np.abs(whole - each).max() < 1e-6
    assert np.array_equal(embedder.vectors(texts[:5]), each[:5])  # a few are the same to the bit
    together.close()
    alone.close()


def test_the_order_of_the_texts_is_kept(embedder: SentenceEmbedder) -> None:
    forward, backward = embedder.vectors(TEXTS), embedder.vectors(TEXTS[::-1])
    assert np.array_equal(forward, backward[::-1])
    assert np.array_equal(embedder.vectors([TEXTS[0]] * 3), forward[[0, 0, 0]])


def test_the_four_ways_agree(embedder: SentenceEmbedder) -> None:
    listed = embedder.embed_documents(TEXTS)
    assert np.asarray(listed, dtype=np.float32) == pytest.approx(embedder.vectors(TEXTS))
    assert embedder.embed_query(TEXTS[0]) == listed[0]

    async def ask() -> None:
        assert await embedder.aembed_documents(TEXTS) == listed
        assert await embedder.aembed_query(TEXTS[0]) == listed[0]

    asyncio.run(ask())


def test_cut_texts_are_counted_once(embedder: SentenceEmbedder, tmp_path: Path) -> None:
    cache = tmp_path / "vectors.sqlite"
    long = "lamp " * 300
    first = load_embedder(cache=cache)
    first.vectors([long, "short", long])
    first.vectors([long])
    assert first.truncated == 1
    first.close()
    again = load_embedder(cache=cache)
    again.vectors(["short"])
    assert again.truncated == 0
    again.vectors([long])
    assert again.truncated == 1
    again.close()


def test_known_texts_need_no_model(embedder: SentenceEmbedder, tmp_path: Path) -> None:
    cache = tmp_path / "below" / "vectors.sqlite"
    first = load_embedder(cache=cache)
    vectors = first.vectors(TEXTS)
    first.close()
    program = (
        "import sys; from pathlib import Path; from metasynth.vectors.embed import load_embedder\n"
        f"rows = load_embedder(cache=Path({str(cache)!r})).vectors({TEXTS[:3]!r})\n"
        "assert rows.shape == (3, 384); assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    again = load_embedder(cache=cache)
    assert np.array_equal(again.vectors(TEXTS), vectors)
    again.close()


def test_a_cache_of_the_earlier_form_is_taken_over(tmp_path: Path) -> None:
    cache = tmp_path / "vectors.sqlite"
    row = np.full(384, 0.5, dtype="<f4")
    with sqlite3.connect(cache) as database:
        database.execute(
            "CREATE TABLE vectors (model TEXT, text BLOB, vector BLOB, cut INT, "
            "PRIMARY KEY (model, text)) WITHOUT ROWID"
        )
        values = (load_embedder().model_id, text_key("a fox"), row.tobytes(), True)
        database.execute("INSERT INTO vectors VALUES (?, ?, ?, ?)", values)
    database.close()
    embedder = load_embedder(cache=cache)
    assert np.array_equal(embedder.vectors(["a fox"])[0], row)
    assert embedder.truncated == 1
    embedder.close()


def test_the_packaged_model_agrees_with_sentence_transformers(embedder: SentenceEmbedder) -> None:
    rng = random.Random(0)
    known = [word for text in TEXTS for word in text.split()] + ["unhörbar", "混合", "42"]
    texts = TEXTS + [" ".join(rng.choices(known, k=rng.randint(1, 320))) for _ in range(26)]
    theirs, cut = SentenceModel(embedder.name, "", "cpu").encode(texts)
    own, own_cut = PackagedModel(Path(embedder.name)).encode(texts)
    assert np.abs(own - theirs).max() < 1e-6
    assert own_cut == cut
    assert 0 < sum(cut) < len(texts)


def test_models_do_not_share_vectors(tmp_path: Path) -> None:
    cache = tmp_path / "vectors.sqlite"
    first = load_embedder(cache=cache)
    first.vectors(["a fox"])
    first.close()
    other = load_embedder(str(tmp_path / "no-model"), cache=cache)
    with raises(RequestError, "bad_embedder"):
        other.vectors(["a fox"])
    other.close()
    with sqlite3.connect(cache) as database:
        assert database.execute("SELECT COUNT(*) FROM vectors").fetchone() == (1,)
    database.close()


def test_a_folder_is_a_model(embedder: SentenceEmbedder) -> None:
    by_path = load_embedder(embedder.name)
    assert by_path.dims == 384
    assert by_path.model_id == embedder.model_id
    by_path.close()


async def test_threads_and_tasks_compute_a_text_once() -> None:
    shared = load_embedder()
    rows = await asyncio.gather(
        *(asyncio.to_thread(shared.vectors, TEXTS) for _ in range(4)),
        *(shared.aembed_documents(TEXTS) for _ in range(4)),
    )
    assert all(np.array_equal(np.asarray(row, np.float32), rows[0]) for row in rows)
    shared.close()


def test_loading_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    loaded = load_embedder()
    loaded.vectors(["a fox", "lamp " * 600])
    loaded.close()
    assert capfd.readouterr() == ("", "")
