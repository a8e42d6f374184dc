"""A run goes on when its folder and its server have moved, and says so when it is another's."""

import shutil
from pathlib import Path

from tests.commands import calls_in, corpus_of, fast_embedder, metasynth, settings
from tests.openai_server import OpenAIServer
from tests.teacher import Teacher

RUN = """\
domain: finance
seeds: {keywords_file: seeds.txt}
roles: own
teacher: {model: openai:gpt-4o-mini}
memory: {embedder: embedder}
gate: {min_words: 30, max_words: 90, min_distance: 0.02}
concurrency: 2
"""


def test_a_run_goes_on_in_another_place_with_another_server(tmp_path: Path) -> None:
    here = tmp_path / "here"
    (here / "own").mkdir(parents=True)
    (here / "run.yaml").write_text(RUN)
    (here / "seeds.txt").write_text("loan, bank\nstock, market\n")
    shutil.copytree(fast_embedder(), here / "embedder")

    def run(folder: Path, records: int) -> int:
        with OpenAIServer(Teacher()) as server:
            changes = settings(teacher__base_url=server.base_url, budget__records=records)
            return metasynth("run", folder / "run.yaml", "--out", folder / "out", *changes)

    assert run(here, 2) == 0
    before = corpus_of(here / "out")
    there = here.rename(tmp_path / "there")
    assert run(there, 4) == 0
    records = corpus_of(there / "out")
    assert records[:2] == before and len(records) == 4
    assert len({record.id for record in records}) == 4
    assert len({record.generation.config_hash for record in records}) == 1
    assert calls_in(there / "out") == sum(record.generation.calls for record in records)
