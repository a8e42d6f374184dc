"""Whole runs in processes of their own, for the benchmarks that kill them."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from metasynth.memory.ledger import Ledger

ROOT = Path(__file__).parent.parent
FINANCE = ROOT / "examples" / "finance.yaml"


def start(command: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Start it, silent but for its errors."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def run_command(base_url: str, out: Path, **values: object) -> list[str]:
    """`metasynth run examples/finance.yaml` into `out`; `__` in a name stands for the dot."""
    command = [sys.executable, "-m", "metasynth", "run", str(FINANCE), "--quiet"]
    command += ["--out", str(out), "--set", f"teacher.base_url={base_url}"]
    for name, value in values.items():
        command += ["--set", f"{name.replace('__', '.')}={value}"]
    return command


def template_run(base_url: str, out: Path, records: int, chains: int) -> list[str]:
    """One call a record, all of them taken."""
    return run_command(
        base_url,
        out,
        graph="template",
        budget__records=records,
        concurrency=chains,
        gate__min_words=30,
        gate__min_distance=0,
        gate__max_ngram_overlap=1,
        gate__max_same_opening=records,
        gate__min_seed_words=0,
    )


def document_run(base_url: str, out: Path, records: int, chains: int) -> list[str]:
    """The conductor and its experts."""
    return run_command(base_url, out, budget__records=records, concurrency=chains)


def corpus_ids(out: Path) -> list[str]:
    """The ids in the corpus, in order, of whole lines only."""
    path = out / "corpus.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line)["id"] for line in text.splitlines(True) if line.endswith("\n")]


def ledger_calls(out: Path) -> int:
    """How many calls the ledger holds."""
    ledger = Ledger(out / "ledger.sqlite")
    try:
        return ledger.totals().calls
    finally:
        ledger.close()
