"""Run the real graph with the oracle as its model and record the conductor's conversations.

    python -m training.record_traces --config examples/demo.yaml --records 60 \
        --out training/work/traces.jsonl
"""

import argparse
import importlib
import tempfile
from pathlib import Path

from metasynth.cli.execution import run_plan
from metasynth.compose.plan import plan_run
from metasynth.config.file import load_run_config

from .oracle_model import OracleChatModel, whole_conversations
from .recorded import save_traces


def record(config: Path, *, records: int, seed: int) -> OracleChatModel:
    """Carry a run out with the oracle; the model holds what the conductor saw and did."""
    oracle = OracleChatModel(seed=seed)
    settings = [f"budget.records={records}", f"random_seed={seed}"]
    plan = plan_run(load_run_config(config, settings))
    voices = importlib.import_module("metasynth.compose.chat_models")
    real = vars(voices)["chat_model"]
    # the one place where a run gets its models
    vars(voices)["chat_model"] = lambda _: oracle
    try:
        with tempfile.TemporaryDirectory() as folder:
            run_plan(plan, Path(folder) / "run", quiet=True)
    finally:
        vars(voices)["chat_model"] = real
    return oracle


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Record conversations of the conductor.")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--records", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    oracle = record(args.config, records=args.records, seed=args.seed)
    traces = whole_conversations(oracle.traces)
    save_traces(args.out, traces)
    print(f"{len(traces)} conversations in {args.out}")


if __name__ == "__main__":
    main()
