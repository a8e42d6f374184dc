"""The reference packages' values, for `benchmarks.metrics`: run by a Python that has them.

Reads texts and vectors as JSON, prints [package, value, whether it rounds to three decimals] by
metric. Imports nothing of ours. `import diversity` fails where spacy and openai are missing, so its
files are loaded one by one; its embedding model is replaced by one that gives the vectors read.
"""

import contextlib
import importlib
import importlib.util
import io
import json
import sys
import types
import warnings
from typing import Any

import numpy as np

warnings.simplefilter("ignore")


def main() -> None:
    """Print the values."""
    given = json.load(sys.stdin)
    texts, vectors = given["texts"], np.array(given["vectors"])
    with contextlib.redirect_stdout(io.StringIO()):  # progress of the packages
        found = {
            **of_diversity(texts, vectors),
            **of_nltk(texts),
            **of_vendi(vectors),
            **of_mauve(np.array(given["p"]), np.array(given["q"])),
        }
        found["bugs"] = bugs(vectors)
    print(json.dumps(found))


def module(name: str) -> Any:
    """A file of the package `diversity`, without the package around it."""
    found = importlib.util.find_spec("diversity")
    assert found is not None
    assert found.origin is not None
    path = found.origin.replace("__init__.py", f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"of_diversity_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def embedding_module(vectors: Any) -> Any:
    """`diversity.embedding` with a model that gives these vectors."""
    fake: Any = types.ModuleType("sentence_transformers")
    fake.SentenceTransformer = lambda *_: types.SimpleNamespace(encode=lambda *_, **__: vectors)
    sys.modules["sentence_transformers"] = fake
    try:
        return module("embedding")
    finally:
        del sys.modules["sentence_transformers"]


def homogenization_module() -> Any:
    """`diversity.homogenization` without `evaluate`, which ROUGE does not use."""
    fake: Any = types.ModuleType("evaluate")
    fake.load = None
    sys.modules["evaluate"] = fake
    try:
        return module("homogenization")
    finally:
        del sys.modules["evaluate"]


def of_diversity(texts: list[str], vectors: Any) -> dict[str, Any]:
    """Compression, n-grams, repetition, distances, homogenization."""
    from nltk.util import ngrams  # type: ignore[import-not-found]

    embedding = embedding_module(vectors)
    grams = [gram for text in texts for gram in ngrams(text.split(), 4)]
    ratio = module("compression").compression_ratio(texts)
    summed = module("ngram_diversity").ngram_diversity_score(texts, 4)
    repeated = module("self_repetition").self_repetition_score(texts, 4, verbose=False)
    homogenous = homogenization_module().homogenization_score(texts, verbose=False)
    return {
        "compression ratio, gzip of gzip": ["diversity 0.3.1", ratio, True],
        "n-gram diversity, summed to 4": ["diversity 0.3.1", summed, True],
        "4-gram diversity": ["nltk n-grams", len(set(grams)) / len(grams), False],
        "self-repetition": ["diversity 0.3.1", float(repeated), False],
        "remote clique, with itself": [
            "diversity 0.3.1",
            float(embedding.remote_clique(texts, verbose=False)),
            True,
        ],
        "Chamfer distance": [
            "diversity 0.3.1",
            float(embedding.chamfer_dist(texts, verbose=False)),
            True,
        ],
        "homogenization": ["diversity 0.3.1", float(homogenous), True],
    }


def of_nltk(texts: list[str]) -> dict[str, Any]:
    """Self-BLEU by nltk; ROUGE-L of all pairs by rouge-score."""
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu  # type: ignore[import-not-found]
    from rouge_score import rouge_scorer  # type: ignore[import-not-found]

    tokens = [text.split() for text in texts]
    smoothing = SmoothingFunction().method1
    scores = [
        sentence_bleu(tokens[:i] + tokens[i + 1 :], row, smoothing_function=smoothing)
        for i, row in enumerate(tokens)
    ]
    scorer = rouge_scorer.RougeScorer(["rougeL"])
    rouge = [
        scorer.score(texts[i], texts[j])["rougeL"].fmeasure
        for i in range(len(texts))
        for j in range(i)
    ]
    return {
        "Self-BLEU": ["nltk", float(np.mean(scores)), False],
        "ROUGE-L of all pairs": ["rouge-score", float(np.mean(rouge)), False],
    }


def of_vendi(vectors: Any) -> dict[str, Any]:
    """Orders 1, 2 and infinity."""
    from vendi_score import vendi  # type: ignore[import-not-found]

    kernel = vectors @ vectors.T
    return {
        "Vendi score, n x n": ["vendi-score", float(vendi.score_X(vectors)), False],
        "Vendi score, d x d": ["vendi-score", float(vendi.score_dual(vectors)), False],
        "Vendi score, order 2": ["vendi-score", float(vendi.score_K(kernel, q=2)), False],
        "Vendi score, order infinity": [
            "vendi-score",
            float(vendi.score_K(kernel, q="inf")),
            False,
        ],
    }


def of_mauve(p: Any, q: Any) -> dict[str, Any]:
    """MAUVE of features, k = 32, and the histograms that it is of."""
    import mauve  # type: ignore[import-not-found]

    found = mauve.compute_mauve(p_features=p, q_features=q, num_buckets=32)
    return {
        "MAUVE of its histograms": ["mauve-text", float(found.mauve), False],
        "mauve": [float(found.mauve)],
        "mauve histograms": [found.p_hist.tolist(), found.q_hist.tolist()],
    }


def bugs(vectors: Any) -> dict[str, Any]:
    """What the packages give where they are wrong."""
    from mauve import compute_mauve
    from nltk.translate.bleu_score import sentence_bleu
    from vendi_score import vendi

    blobs = np.repeat(np.eye(4), 25, axis=0)
    blobs = blobs + 1e-4 * np.random.default_rng(0).normal(size=blobs.shape)
    return {
        "mauve of equal shares": float(
            compute_mauve(p_features=blobs, q_features=blobs, num_buckets=4).mauve
        ),
        "homogenization of different texts": homogenization_module().homogenization_score(
            ["a b c", "d e f"], verbose=False
        ),
        "chamfer of one": float(embedding_module(vectors[:1]).chamfer_dist(["a"], verbose=False)),
        "import diversity": raised(lambda: importlib.import_module("diversity")),
        "vendi order 2": float(vendi.score_X(vectors, q=2)),
        "ngram vendi": raised(lambda: ngram_vendi(["a b", "c d"])),
        "bleu of one": raised(lambda: sentence_bleu([], ["a", "b"])),
    }


def ngram_vendi(texts: list[str]) -> Any:
    """`vendi_score.text_utils.ngram_vendi_score`, without what it imports for other functions."""
    for name in ("datasets", "torch", "transformers"):
        fake: Any = types.ModuleType(name)
        fake.AutoModel = fake.AutoTokenizer = None
        sys.modules.setdefault(name, fake)
    from vendi_score import text_utils

    return text_utils.ngram_vendi_score(texts, ns=[1], tokenizer=str.split)


def raised(work: Any) -> str:
    """What a call raises, in one line."""
    try:
        return f"gives {work()}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


if __name__ == "__main__":
    main()
