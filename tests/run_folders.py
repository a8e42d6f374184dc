"""Run directories as a run leaves them, written without one."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

from metasynth.config.model import PriceConfig
from metasynth.config.run import RunConfig
from metasynth.memory.ledger import CallKey, CallTag, Ledger
from metasynth.records.record import CheckerResult, Generation, Record, StudentScore
from metasynth.records.seeds import load_seeds
from tests.commands import fast_embedder
from tests.prose import prose

SEEDS = ("garden, lamp", "oven, tray", "harbour, rope", "barn, bucket")
PRICES = {"openai:writer": PriceConfig(input=1.0, output=4.0)}


def records(count: int, *, start: int = 0, words: int = 40) -> list[Record]:
    """So many different records; every fifth one was scored by a student."""
    seeds = load_seeds(config().seeds, random_seed=0)
    rng = random.Random(start)
    texts = [prose(["lamps", "tides", "bread"], words, rng) for _ in range(count)]
    return [
        Record(
            id=f"abc-00-{number:05d}",
            text=text,
            domain="finance",
            topic=f"topic {number % 7}",
            genre=("letter", "report", "")[number % 3],
            persona=f"person {number % 4}",
            seed_ids=[seeds[number % 3].id],
            experts=["domain_expert", "summarizer"],
            refusals=["too_close"] if number % 6 == 0 else [],
            checker=CheckerResult(passed=True, detail="right"),
            student=StudentScore(criterion="loss_gold", score=1 + number / 9, round=0)
            if number % 5 == 0
            else None,
            generation=Generation(models={"conductor": "openai:writer"}, calls=2, tokens_in=90),
            created_at=f"2026-01-02T03:04:{number % 60:02d}+00:00",
        )
        for number, text in enumerate(texts, start=start)
    ]


def config(**changes: Any) -> RunConfig:
    """A run file with keyword seeds, of which the last one is never used."""
    known: dict[str, Any] = {
        "name": "trial",
        "domain": {"name": "finance", "genres": ["letter", "report", "riddle"]},
        "teacher": {"model": "openai:writer", "base_url": "http://localhost:1/v1"},
        "seeds": {"keywords": list(SEEDS)},
        "prices": {name: price.model_dump() for name, price in PRICES.items()},
    }
    return RunConfig.model_validate(known | changes)


def write_run(
    root: Path,
    accepted: Sequence[Record],
    rejected: Sequence[Record] = (),
    *,
    calls: bool = True,
    **changes: Any,
) -> Path:
    """A run directory with these records, two calls for each of them."""
    root.mkdir(parents=True)
    resolved = config(**changes).model_dump(mode="json")
    resolved["memory"]["embedder"] = str(fast_embedder())
    document = {"identity": "abc", "versions": {"metasynth": "0.1.0"}, "config": resolved}
    (root / "run.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    for name, found in (("corpus.jsonl", accepted), ("rejected.jsonl", rejected)):
        (root / name).write_text("".join(record.to_line() for record in found), encoding="utf-8")
    if calls:
        with Ledger(root / "ledger.sqlite") as ledger:
            for record in (*accepted, *rejected):
                _call(ledger, record.id, "1", "conductor", "")
                _call(ledger, record.id, "1.0", "domain_expert", record.body[:80])
    return root


def _call(ledger: Ledger, record_id: str, step: str, agent: str, said: str) -> None:
    usage = UsageMetadata(input_tokens=40, output_tokens=10, total_tokens=50)
    asked: list[Any] = [
        {"name": "consult", "args": {"expert": "domain_expert", "attach": ["seed-1"]}, "id": "1"}
    ]
    response = AIMessage(content=said, tool_calls=[] if said else asked, usage_metadata=usage)
    tag = CallTag(CallKey(record_id, step, "p"), agent, record_id, "openai:writer")
    ledger.record(tag, response, seconds=0.5, prices=PRICES)
