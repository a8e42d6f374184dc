"""Values of a run file with which nothing can ever be written, refused before anything is paid."""

import pytest

from metasynth.compose.plan import plan_run
from metasynth.config.file import load_run_config
from metasynth.errors import ConfigError
from tests.commands import FINANCE
from tests.raising import raises


@pytest.mark.parametrize(
    ("override", "code"),
    [
        ("gate.min_words=500", "contradiction"),
        ("instruct.min_question_words=500", "contradiction"),
        ("teacher.base_url=not a url", "bad_address"),
        ("teacher.base_url=localhost:8000/v1", "bad_address"),
        ("teacher.base_url=http://localhost:99999/v1", "bad_address"),
        ("conductor.base_url=http://localhost:port/v1", "bad_address"),
        ("experts.base_url=http://", "bad_address"),
        ("experts.base_url=http://[::1/v1", "bad_address"),
        ("memory.url=ftp://a", "bad_address"),
        ("prices={m: {input: .inf, output: 1}}", "finite_number"),
        ("prices={m: {input: .nan, output: 1}}", "finite_number"),
        ("budget.minutes=.inf", "finite_number"),
        ("gate.min_distance=.nan", "finite_number"),
        ("teacher.timeout_s=.inf", "finite_number"),
        ("teacher.extra_body={messages: []}", "reserved_field"),
        ("teacher.extra_body={model: other}", "reserved_field"),
        ("conductor.extra_body={tools: []}", "reserved_field"),
        ("experts.extra_body={penalties: [{a: .inf}]}", "finite_number"),
        ("experts.max_tokens=10", "contradiction"),
        ("conductor.max_tokens=5", "contradiction"),
    ],
)
def test_what_can_never_succeed_is_refused(override: str, code: str) -> None:
    with raises(ConfigError, code):
        plan_run(load_run_config(FINANCE, [override]))


@pytest.mark.parametrize(
    "override",
    ["teacher.base_url=http://[::1]:8000/v1", "teacher.extra_body={top_k: 20, tool_choice: auto}"],
)
def test_what_can_succeed_is_taken(override: str) -> None:
    plan_run(load_run_config(FINANCE, [override]))
