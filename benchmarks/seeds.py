"""Seconds to the first seed and peak memory for files that are larger than memory should hold.

    python -m benchmarks.seeds [--folder DIR] [--jsonl-gb 2] [--rows 1000000] [--pages 500]

Makes a JSONL of 2 GB, a CSV of a million rows, a PDF of 500 pages, a book of 60,000 words and a
Chinese one in a folder, and reads each in a process of its own: `first` is the time to the first
chunk, `seeds` that of `load_seeds` with its default limit of 500, `all` that of every chunk, and
the memory is the most that the process held while it did so (its imports included, told first).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from metasynth.config.run import SeedsConfig
from metasynth.records.seeds import load_seeds
from metasynth.sources.chunks import ChunkLimits
from metasynth.sources.reading import ReadingSettings, SourceReport, read_chunks
from tests.document_files import CHINESE, pdf

_SENTENCE = "The drum turns, the beans lose water, and the smell goes from hay to bread. "


def make(folder: Path, options: argparse.Namespace) -> list[Path]:
    """The files, those that are there already left as they are."""
    files = [folder / name for name in ("rows.jsonl", "rows.csv", "pages.pdf", "book.txt", "zh.md")]
    jsonl, table, pages, book, chinese = files
    if not jsonl.exists():
        with jsonl.open("w", encoding="utf-8") as file:
            number = 0
            while file.tell() < options.jsonl_gb * 1e9:
                for _ in range(1000):
                    number += 1
                    file.write(json.dumps({"text": f"{number}. {_SENTENCE * 12}"}) + "\n")
    if not table.exists():
        with table.open("w", encoding="utf-8") as file:
            file.write("id,text\n")
            file.writelines(f'{n},"{n}. {_SENTENCE}"\n' for n in range(options.rows))
    if not pages.exists():
        pages.write_bytes(pdf([f"Page {n}. {_SENTENCE * 20}" for n in range(options.pages)]))
    if not book.exists():
        parts = (f"Part {n}. {_SENTENCE * 5}\n\n" for n in range(800))
        book.write_text("".join(parts), encoding="utf-8")
    if not chinese.exists():
        parts = (CHINESE.replace("烘焙\n", f"烘焙 {n}\n", 1) for n in range(1000))
        chinese.write_text("".join(parts), encoding="utf-8")
    return files


def measure(path: str, *, whole: bool) -> None:
    """Print a line of figures for one file."""
    began, floor = time.perf_counter(), peak_mb()
    settings = ReadingSettings(ChunkLimits(640, 64, 400), most=sys.maxsize)
    next(read_chunks(path, settings, SourceReport()))
    first = time.perf_counter() - began
    seeds = load_seeds(SeedsConfig(documents=path), random_seed=0)
    drawn, at_seeds = time.perf_counter() - began - first, peak_mb()
    told = ""
    if whole:
        began = time.perf_counter()
        count = sum(1 for _ in read_chunks(path, settings, SourceReport()))
        told = f"  all {count:>9,} chunks {time.perf_counter() - began:6.1f} s {peak_mb():5.0f} MB"
    print(
        f"{Path(path).name:<11}{os.path.getsize(path) / 1e6:>8.1f} MB  first {first:5.2f} s  "  # noqa: PTH202
        f"{len(seeds)} seeds {drawn:5.2f} s {at_seeds:4.0f} MB (imports {floor:.0f}){told}"
    )


def peak_mb() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print a line a file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, help="kept; default: one that is removed")
    parser.add_argument("--jsonl-gb", type=float, default=2.0)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pages", type=int, default=500)
    parser.add_argument("--all", action="store_true", help="read every chunk as well")
    parser.add_argument("--file", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.file:
        measure(options.file, whole=options.all)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for file in make(folder, options):
            command = [sys.executable, "-m", "benchmarks.seeds", "--file", str(file)]
            subprocess.run([*command, *(["--all"] if options.all else [])], check=True)


if __name__ == "__main__":
    main()
