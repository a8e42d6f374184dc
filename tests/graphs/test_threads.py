"""The threads of ended records, also of those that write none on their way."""

from pathlib import Path

from metasynth.compose.execution import execute
from metasynth.compose.plan import plan_run
from metasynth.compose.run import open_run
from metasynth.compose.threads import kept_threads
from metasynth.config.file import load_run_config
from metasynth.graphs.corpus import record_graph
from metasynth.graphs.run.threads import thread_config
from tests.commands import FINANCE, small_run
from tests.openai_server import OpenAIServer
from tests.teacher import Teacher


async def test_the_newest_records_of_one_call_leave_their_threads(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with OpenAIServer(Teacher()) as server:
        run = small_run(
            server.base_url,
            graph="template",
            budget__records=6,
            concurrency=2,
            keep_threads=3,
            gate__min_seed_words=0,
        )
        plan = plan_run(load_run_config(FINANCE, run[4::2]))
        async with open_run(plan, out) as workspace:
            await execute(workspace)
            assert not kept_threads(out / "checkpoints.sqlite")  # while records are written: none
    kept = list(kept_threads(out / "checkpoints.sqlite").values())
    assert len(kept) == 3
    async with open_run(plan, out) as workspace:
        graph = record_graph(workspace)
        for record_id in kept:
            steps = [step async for step in graph.aget_state_history(thread_config(record_id))]
            record = workspace.corpus.find(record_id)
            assert record is not None
            assert steps[0].next == ()
            assert steps[0].values["text"] == record.text
            assert len(steps) == 6  # its input, seed, write, gate, score, admit
            assert workspace.ledger.beginning(record_id) is None
