"""Tokens a second of scoring: the student's batches beside a loop row by row, and beside padded
batches in file order, in one process, with the same model and the same scores; then its memory.

    python -m benchmarks.scoring [--model FOLDER_OR_HUB_ID] [--threads 2] [--device cpu]

Without --model it is a Llama of a million parameters with random weights, as large as a student
that is trained from nothing. The rows are drawn: a length (log-normal: many short rows, few long
ones) and how much of it is prompt. `mixed` is what a file of questions and answers looks like;
`long` is there because on a CPU the gain ends where arithmetic, not its overhead, fills the time of
one row. Tokens are those of the rows, padding not counted. The ways take turns, and each tells its
best turn.

Memory is the peak of a process of its own that scores a file, and of another one whose file is ten
times as long: rows are read as they are needed, so the second may not need more.
"""

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from metasynth.config.student import ScoringConfig
from metasynth.lm.batches import Encoded, token_batches
from metasynth.lm.load import LoadedLM, load_lm, vocabulary_size, wrap_lm
from metasynth.lm.logprobs import Places, Statistics, log_probabilities
from metasynth.student.rows import RowFile
from metasynth.student.scoring.scores import score_rows
from tests.tiny_lm import tiny_tokenizer

FILE_ORDER_ROWS = 32
TOLERANCE = 1e-5
LEAST_GAIN = 4.0
MOST_PADDING = 0.05
VOCABULARY = 1024
SHORT_FILE = 3000  # rows
SMALL_BATCH = 1024  # tokens; the short file is longer than what is held at a time
MOST_GROWTH = 1.1  # of the peak, for ten times the rows


class Mix(NamedTuple):
    """Lengths of rows: the median and the spread (of the logarithm), and the longest."""

    median: float
    spread: float
    longest: int


MIXES = {"short": Mix(12, 0.5, 64), "mixed": Mix(16, 0.9, 400), "long": Mix(120, 0.6, 500)}
Way = Callable[[], list[float]]


def million() -> LoadedLM:
    """A Llama of a million parameters with random weights."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        initializer_range=0.05,
    )
    model: Any = LlamaForCausalLM(config)
    return wrap_lm(model, tiny_tokenizer(), name="a million, random")


def drawn_rows(mix: Mix, tokens: int, lm: LoadedLM) -> list[Encoded]:
    """Rows of about so many tokens together, in an order that knows nothing of their lengths."""
    draw = random.Random(0)
    longest = min(mix.longest, lm.context_length)
    rows: list[Encoded] = []
    while tokens > 0:
        length = round(min(longest, max(4, mix.median * draw.lognormvariate(0, mix.spread))))
        first = draw.randint(1, length - 1)
        ids = [draw.randrange(10, vocabulary_size(lm)) for _ in range(length)]
        rows.append(Encoded(ids, [place >= first for place in range(length)]))
        tokens -= length
    return rows


def row_by_row(lm: LoadedLM, rows: Sequence[Encoded]) -> list[float]:
    """The mean loss of each row's answer, as one writes it first."""
    scores = []
    model: Any = lm.model
    with torch.inference_mode():
        for row in rows:
            ids = torch.tensor([row.ids], device=lm.device)
            logs = model(input_ids=ids, use_cache=False).logits[0].float().log_softmax(-1)
            losses = -logs[:-1].gather(-1, ids[0, 1:, None])[:, 0]
            scores.append(float(losses[torch.tensor(row.is_target[1:], device=lm.device)].mean()))
    return scores


def in_file_order(lm: LoadedLM, rows: Sequence[Encoded]) -> list[float]:
    """The same for batches of neighbours, padded to the longest of each, with a mask."""
    scores: list[float] = []
    model: Any = lm.model
    with torch.inference_mode():
        for begin in range(0, len(rows), FILE_ORDER_ROWS):
            batch = rows[begin : begin + FILE_ORDER_ROWS]
            width = max(len(row.ids) for row in batch)
            ids = torch.tensor([[*row.ids, *[0] * (width - len(row.ids))] for row in batch])
            mask = torch.tensor(
                [[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in batch]
            )
            flags = [[*row.is_target, *[False] * (width - len(row.ids))] for row in batch]
            counted = torch.tensor(flags, device=lm.device)[:, 1:]
            ids, mask = ids.to(lm.device), mask.to(lm.device)
            found = model(input_ids=ids, attention_mask=mask, use_cache=False).logits.float()
            logs = found[:, :-1].log_softmax(-1)
            losses = -logs.gather(-1, ids[:, 1:, None])[..., 0] * counted
            scores += (losses.sum(1) / counted.sum(1)).tolist()
    return scores


def in_our_batches(lm: LoadedLM, rows: Sequence[Encoded], tokens_per_batch: int) -> list[float]:
    """The same as the student scores."""
    found = log_probabilities(lm, rows, reduce=_losses, tokens_per_batch=tokens_per_batch)
    return [float(one["loss"].mean()) for one in found]


def _losses(places: Places) -> Statistics:
    losses = torch.nn.functional.cross_entropy(places.logits, places.targets, reduction="none")
    return {"loss": losses}


def padding(lengths: Sequence[int], batches: Sequence[Sequence[int]]) -> float:
    """The share of the tokens read that is padding."""
    read = sum(max(lengths[number] for number in batch) * len(batch) for batch in batches)
    return 1 - sum(lengths) / read


def timed(ways: dict[str, Way], repeats: int) -> tuple[dict[str, float], dict[str, list[float]]]:
    """The least seconds of each way, and what it found."""
    best: dict[str, float] = {}
    found: dict[str, list[float]] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            begin = time.perf_counter()
            found[name] = way()
            best[name] = min(time.perf_counter() - begin, best.get(name, float("inf")))
    return best, found


def run_mix(lm: LoadedLM, name: str, options: argparse.Namespace) -> bool:
    """Print a line of the table; whether scores, padding and gain are what they should be."""
    rows = drawn_rows(MIXES[name], options.tokens, lm)
    lengths = [len(row.ids) for row in rows]
    ways: dict[str, Way] = {
        "one": partial(row_by_row, lm, rows),
        "file": partial(in_file_order, lm, rows),
        "ours": partial(in_our_batches, lm, rows, options.tokens_per_batch),
    }
    seconds, found = timed(ways, options.repeats)
    one, file, ours = (sum(lengths) / seconds[way] for way in ways)
    difference = max(
        abs(a - b)
        for way in ("file", "ours")
        for a, b in zip(found["one"], found[way], strict=True)
    )
    order = list(range(len(rows)))
    neighbours = [order[n : n + FILE_ORDER_ROWS] for n in range(0, len(rows), FILE_ORDER_ROWS)]
    padded = padding(lengths, token_batches(lengths, options.tokens_per_batch))
    print(
        f"{name:>6} {len(rows):>6} {sum(lengths) / len(rows):>6.0f} {one:>10,.0f} {file:>10,.0f} "
        f"{ours:>10,.0f} {ours / one:>6.1f} {ours / file:>6.1f} "
        f"{padding(lengths, neighbours):>9.1%} {padded:>6.1%} {difference:>9.1e}"
    )
    return (
        difference < TOLERANCE
        and padded < MOST_PADDING
        and (name != "mixed" or ours >= LEAST_GAIN * one)
    )


def write_rows(path: Path, count: int) -> None:
    """A file of so many questions and answers, of mixed lengths."""
    draw, mix = random.Random(count), MIXES["mixed"]
    with path.open("w") as file:
        for number in range(count):
            wanted = mix.median * draw.lognormvariate(0, mix.spread)
            text = "".join(draw.choices("abcdefghij ", k=round(min(mix.longest, max(4, wanted)))))
            row = {"id": f"row-{number}", "prompt": f"x{text[::2]}", "completion": f"y{text[1::2]}"}
            file.write(json.dumps(row) + "\n")


def print_peak(path: Path) -> None:
    """Score a file in this process, then print the rows scored and its peak of memory in MiB."""

    async def count() -> int:
        config = ScoringConfig(criterion="loss_gold", tokens_per_batch=SMALL_BATCH)
        found = score_rows(million(), RowFile(path), config)
        return sum([1 async for one in found if one.score is not None])

    rows = asyncio.run(count())
    print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def is_memory_bounded() -> bool:
    """Print the peaks for a file and for one ten times as long; whether they are about the same."""
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for count in (SHORT_FILE, 10 * SHORT_FILE):
            path = Path(folder) / f"{count}.jsonl"
            write_rows(path, count)
            command = [sys.executable, "-m", "benchmarks.scoring", "--memory-of", str(path)]
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            rows, peak = told.split()
            peaks.append(float(peak))
            print(f"{int(rows):>6} rows scored from a file: peak of memory {float(peak):,.0f} MiB")
    fine = peaks[1] < MOST_GROWTH * peaks[0]
    print(f"ten times the rows in about the same memory: {'yes' if fine else 'NO'}")
    return fine


def main() -> None:
    """Print the table and the memory."""
    parser = argparse.ArgumentParser(description="Speed and memory of scoring")
    parser.add_argument("--memory-of", type=Path, help="only score this file and print the peak")
    parser.add_argument("--model", help="a folder, or a name on a hub")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--tokens", type=int, default=30_000, help="of each mix")
    parser.add_argument("--tokens-per-batch", type=int, default=8192)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.memory_of is not None:
        print_peak(options.memory_of)
        return
    lm = (
        load_lm(options.model, device=options.device, dtype="float32")
        if options.model
        else (million())
    )
    if not options.model:
        model: Any = lm.model
        lm = wrap_lm(model.to(options.device), lm.tokenizer, name=lm.name)
    print(
        f"{lm.name}: {lm.model.num_parameters() / 1e6:.1f}M parameters, {lm.device}, "
        f"{options.threads} threads; tokens/s"
    )
    print(
        f"{'rows':>6} {'count':>6} {'mean':>6} {'one by one':>10} {'file order':>10} {'ours':>10} "
        f"{'gain':>6} {'gain':>6} {'padding':>9} {'ours':>6} {'differ by':>9}"
    )
    fine = [run_mix(lm, name, options) for name in MIXES]
    print(
        f"same scores to {TOLERANCE}, padding under {MOST_PADDING:.0%}, and {LEAST_GAIN:.0f} times "
        f"the loop on mixed lengths: {'yes' if all(fine) else 'NO'}"
    )
    is_memory_bounded()


if __name__ == "__main__":
    main()
