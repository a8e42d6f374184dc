"""Seconds and memory of every metric on 20,000 texts, and agreement with the reference packages.

    python -m benchmarks.metrics [--texts 20000] [--words 400]
    python -m benchmarks.metrics --references PYTHON

The texts are made on the spot: words of a vocabulary of 50,000 by Zipf's law, every fiftieth text
nearly a copy of an earlier one. Embeddings are given: unit vectors around 200 centres. All of it
runs in one process, one thread for what can be limited, so that seconds of the processor, which
other programs do not lengthen, are those of the clock on a quiet machine. The limits are 180 s of
these and 2 GB.

With --references the metrics of a small corpus stand beside those of the reference packages, run by
another Python, because some are no dependencies of ours (mauve-text is GPL-3.0, `diversity` wants
older transformers) and some cannot be imported as a whole. To make it:

    python -m venv ENV
    ENV/bin/pip install numpy scipy scikit-learn nltk rouge-score faiss-cpu requests tqdm
    ENV/bin/pip install --no-deps diversity==0.3.1 vendi-score==0.0.3 mauve-text==0.4.0
    python -m benchmarks.metrics --references ENV/bin/python
"""

import argparse
import json
import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metasynth.eval.coverage import topic_coverage
from metasynth.eval.diversity_package import compression_ratio_twice, ngram_diversity_sum
from metasynth.eval.entropy import label_entropy
from metasynth.eval.geometry import unit_rows
from metasynth.eval.mauve.divergence import mauve_of_histograms
from metasynth.eval.mauve.mauve import mauve
from metasynth.eval.metric import Measurement
from metasynth.eval.metrics.chamfer_distance import chamfer_distance
from metasynth.eval.metrics.compression_ratio import compression_ratio
from metasynth.eval.metrics.compression_ratio_xz import compression_ratio_xz
from metasynth.eval.metrics.homogenization import homogenization
from metasynth.eval.metrics.mean_inverse_frequency import mean_inverse_frequency
from metasynth.eval.metrics.near_duplicate_rate import near_duplicate_rate
from metasynth.eval.metrics.opening_entropy import opening_entropy
from metasynth.eval.metrics.remote_clique import remote_clique
from metasynth.eval.metrics.self_bleu import self_bleu
from metasynth.eval.metrics.self_repetition import self_repetition
from metasynth.eval.metrics.vendi_score import vendi_score
from metasynth.eval.ngrams import ngram_diversity
from metasynth.eval.phrases import common_phrases
from metasynth.eval.tokens import tokenise
from metasynth.eval.word_frequencies import word_frequencies
from metasynth.text.contamination import Contamination
from metasynth.vectors.cluster import one_thread

Rows = NDArray[np.float64]

VOCABULARY = 50_000
WIDTH = 384
MOST_SECONDS, MOST_MIB = 180, 2048
SAME = 1e-6
ROUNDED = 5.1e-4  # three decimals


def vocabulary(rng: np.random.Generator) -> list[str]:
    """Different words of two to nine letters, the frequent ones shorter."""
    letters = np.array(list("etaoinshrdlucmfwypvbgkqjxz"))
    found: dict[str, None] = {}
    while len(found) < VOCABULARY:
        longest = 3 + int(np.log2(1 + len(found)) / 2)
        size = int(rng.integers(2, longest))
        found.setdefault("".join(letters[rng.integers(26, size=size)]))
    return list(found)


def made_texts(texts: int, words: int, *, seed: int = 0) -> list[str]:
    """Texts by Zipf's law; every fiftieth nearly a copy."""
    rng = np.random.default_rng(seed)
    known = np.array(vocabulary(rng))
    share = 1 / np.arange(1, VOCABULARY + 1)
    ends = np.cumsum(share / share.sum())
    found: list[str] = []
    for number in range(texts):
        drawn = known[np.searchsorted(ends, rng.random(words))]
        if number and number % 50 == 0:
            drawn = np.array(found[int(rng.integers(number))].split())
            drawn[rng.integers(words, size=words // 50)] = "other"
        found.append(" ".join(drawn))
    return found


def made_vectors(rows: int, *, seed: int = 0) -> Rows:
    """Unit vectors around 200 centres."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(200, WIDTH))
    found = centres[rng.integers(200, size=rows)] + 0.7 * rng.normal(size=(rows, WIDTH))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


class Clock:
    """Runs one metric after the other and prints what each took."""

    def __init__(self) -> None:
        self.seconds = self.processor_seconds = 0.0

    def __call__(self, name: str, work: Callable[[], Any]) -> Any:
        began, processor = time.perf_counter(), time.process_time()
        with one_thread():
            found = work()
        seconds, used = time.perf_counter() - began, time.process_time() - processor
        self.seconds += seconds
        self.processor_seconds += used
        value = found.value if isinstance(found, Measurement) else None
        shown = "" if value is None else f"{value:14.6g}"
        print(f"{name:28}{seconds:8.2f} s {used:8.2f} s{peak_mib():8.0f} MiB{shown}", flush=True)
        return found


def peak_mib() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def speed(count: int, words: int) -> bool:
    """Time every metric; whether the limits hold."""
    texts, vectors = made_texts(count, words), made_vectors(count)
    size = sum(map(len, texts)) / 2**20
    print(f"{count:,} texts of {words} words, {size:.0f} MiB, vectors of {WIDTH} numbers")
    print(f"{'':28}{'clock':>10} {'processor':>10}{'memory':>9}{'value':>14}")
    print(f"{'(texts and vectors made)':49} {peak_mib():7.0f} MiB")
    clock = Clock()
    _words(clock, texts)
    _vectors(clock, texts, vectors)
    peak = peak_mib()
    held = clock.processor_seconds < MOST_SECONDS and peak < MOST_MIB
    print(f"{'all':28}{clock.seconds:8.1f} s {clock.processor_seconds:7.1f} s{peak:8.0f} MiB")
    print(f"limits {MOST_SECONDS} s and {MOST_MIB} MiB: {'held' if held else 'NOT HELD'}")
    return held


def _words(clock: Clock, texts: Sequence[str]) -> None:
    clock("compression ratio", lambda: compression_ratio(texts))
    clock("compression ratio, xz", lambda: compression_ratio_xz(texts))
    _plain_words(clock, texts)
    tokens = clock("tokens", lambda: tokenise(texts))
    clock("1-gram diversity", lambda: ngram_diversity(tokens, 1))
    clock("4-gram diversity", lambda: ngram_diversity(tokens, 4))
    clock("Self-BLEU", lambda: self_bleu(tokens))
    clock("self-repetition", lambda: self_repetition(tokens))
    clock("common phrases", lambda: common_phrases(tokens))
    clock("near-duplicates", lambda: near_duplicate_rate(texts))
    clock("entropy of openings", lambda: opening_entropy(texts))
    labels = [text.split(" ", 1)[0] for text in texts]
    clock("entropy of labels", lambda: label_entropy(labels, what="topic"))
    known = clock("test set of 1,300", lambda: Contamination(texts[:1300]))
    clock("contamination", lambda: [known.hits(text) for text in texts])


def _plain_words(clock: Clock, texts: Sequence[str]) -> None:
    """The metrics of words in lower case; their tokens are let go of afterwards."""
    reference = clock("reference words", lambda: word_frequencies(texts[::2], "half"))
    plain = clock("words", lambda: tokenise(texts, "words"))
    clock("mean inverse frequency", lambda: mean_inverse_frequency(plain, reference))
    clock("homogenization, 200 texts", lambda: homogenization(plain))


def _vectors(clock: Clock, texts: Sequence[str], vectors: Rows) -> None:
    rows = clock("unit rows", lambda: unit_rows(vectors))
    clock("remote clique", lambda: remote_clique(rows))
    clock("Chamfer distance", lambda: chamfer_distance(rows))
    clock("Vendi score", lambda: vendi_score(rows))
    half = len(rows) // 2
    clock("MAUVE, two halves, 1 seed", lambda: mauve(rows[:half], rows[half:], seeds=[0]))
    target, seeds = rows[-1000:], list(texts[-1000:])
    clock(
        "coverage of 1,000 seeds",
        lambda: topic_coverage(texts, rows, target=seeds, target_vectors=target),
    )


def agreement(python: str) -> bool:
    """Ours beside the reference packages; whether all agree that should."""
    texts, vectors = made_texts(120, 40, seed=3), made_vectors(120, seed=3)
    p, q = made_vectors(400, seed=4), made_vectors(400, seed=5)
    given = {
        "texts": texts,
        "vectors": vectors.tolist(),
        "p": p.tolist(),
        "q": q.tolist(),
    }
    script = Path(__file__).with_name("reference_metrics.py")
    done = subprocess.run(
        [python, str(script)], input=json.dumps(given), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{script.name} ended with {done.returncode}: {done.stderr[-2000:]}")
    told = json.loads(done.stdout)
    tokens, rows = tokenise(texts), unit_rows(vectors)
    histograms = told["mauve histograms"]
    vendi = vendi_score(rows)
    ours: dict[str, object] = {
        "compression ratio, gzip of gzip": compression_ratio_twice(texts).value,
        "n-gram diversity, summed to 4": ngram_diversity_sum(texts, 4).value,
        "4-gram diversity": ngram_diversity(tokens, 4).value,
        "self-repetition": self_repetition(tokens).value,
        "remote clique, with itself": remote_clique(rows, with_self=True).value,
        "Chamfer distance": chamfer_distance(rows).value,
        "Self-BLEU": self_bleu(tokens).value,
        "ROUGE-L of all pairs": homogenization(tokenise(texts, "words")).value,
        "homogenization": homogenization(tokenise(texts, "words")).value,
        "Vendi score, n x n": vendi.value,
        "Vendi score, d x d": vendi.value,
        "Vendi score, order 2": vendi.detail["order_2"],
        "Vendi score, order infinity": vendi.detail["order_infinity"],
        "MAUVE of its histograms": mauve_of_histograms(*histograms),
    }
    print(f"{'':34}{'ours':>14}{'theirs':>14}{'apart':>10}")
    right = True
    for name, value in ours.items():
        package, theirs, rounded = told[name]
        apart = abs(float(str(value)) - theirs)
        agrees = apart <= (ROUNDED if rounded else SAME)
        right &= agrees
        note = f"  {package}" + (", rounded to three decimals" if rounded else "")
        print(f"{name:34}{value:14.9f}{theirs:14.9f}{apart:10.1e}{note}{'' if agrees else ' NO'}")
    score = mauve(p, q)
    print(
        f"{'MAUVE, own clustering':34}{score.mean:14.9f}{told['mauve'][0]:14.9f}"
        "            k-means of scikit-learn and of faiss; not meant to be equal"
    )
    print("\nwhere a reference is wrong, and what ours gives")
    for line in _wrong(told):
        print(f"  {line}")
    return right


def _wrong(told: dict[str, Any]) -> list[str]:
    one = remote_clique(unit_rows([[1.0, 0.0]]))
    uniform = mauve_of_histograms([1] * 4, [1] * 4)
    different = homogenization(tokenise(["a b c", "d e f"], "words")).value
    bugs = told["bugs"]
    return [
        f"mauve-text: equal shares over 4 clusters score {bugs['mauve of equal shares']:.2f} "
        f"(an unstable sort of ties halves one area); ours {uniform:.2f}",
        f"diversity: homogenization of two texts without a common word is "
        f"{bugs['homogenization of different texts']:.1f}; ours {different:.1f}",
        f"diversity: Chamfer distance of one text is {bugs['chamfer of one']:.0e}; ours None: "
        f"{one.reason}",
        f"diversity: import fails: {bugs['import diversity']}",
        f"vendi-score: score_X of order 2 gives {bugs['vendi order 2']:.6f}, the value of order 1; "
        f"order 2 by its score_K is {told['Vendi score, order 2'][1]:.6f}, as ours",
        f"vendi-score: ngram_vendi_score: {bugs['ngram vendi']}",
        f"nltk: Self-BLEU of one text: {bugs['bleu of one']}; ours None with a reason",
    ]


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--words", type=int, default=400)
    parser.add_argument("--references", metavar="PYTHON")
    options = parser.parse_args()
    if options.references:
        right = agreement(options.references)
    else:
        right = speed(options.texts, options.words)
    raise SystemExit(0 if right else 1)


if __name__ == "__main__":
    main()
