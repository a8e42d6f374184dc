"""What a run against an endpoint loads and holds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import FINANCE, corpus_of, settings
from tests.openai_server import OpenAIServer
from tests.teacher import Teacher

HEAVY = ("torch", "transformers", "sentence_transformers", "sklearn", "scipy")
PROGRAM = f"""
import json, sys
from metasynth.cli.main import main
sys.argv[0] = "metasynth"
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
# not ru_maxrss, which knows the memory of the process that started this one
[peak] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
rss = int(peak.split()[1]) / 1024
print(json.dumps([rss, [name for name in {HEAVY} if name in sys.modules]]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("distance", "most_mib"), [(0, 350), (0.02, 420)], ids=["unmeasured", "measured"]
)
def test_a_hosted_run_holds_no_model_library(
    tmp_path: Path, distance: float, most_mib: int
) -> None:
    values = settings(
        graph="template",
        gate__min_distance=distance,
        gate__min_words=30,
        gate__max_words=90,
        gate__min_seed_words=0,
        budget__records=30,
        concurrency=30,
    )
    out = tmp_path / "run"
    with OpenAIServer(Teacher()) as server:
        place = ["--set", f"teacher.base_url={server.base_url}", "--out", str(out)]
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, "run", str(FINANCE), "--quiet", *values, *place],
            check=True,
            capture_output=True,
            text=True,
        )
    rss, loaded = json.loads(run.stderr.splitlines()[-1])
    assert loaded == []
    assert rss < most_mib
    measured = [r.novelty is not None and r.novelty.distance is not None for r in corpus_of(out)]
    assert any(measured) == (distance > 0)
