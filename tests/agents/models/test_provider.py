"""Providers of chat models: what a run file may name, and one that is a file of the user's."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from metasynth.agents.models.provider import (
    DISTRIBUTION,
    PROVIDERS,
    chat_model,
    provider,
    provider_of,
)
from metasynth.compose.plan import plan_run
from metasynth.compose.prices import is_own_host
from metasynth.config.file import load_run_config
from metasynth.config.model import ModelConfig
from metasynth.errors import ConfigError, RequestError
from tests.commands import corpus_of, fast_embedder, metasynth
from tests.raising import raises

ROOT = Path(__file__).parents[3]
ECHO = '''\
"""Words of the prompt in another order: no model, but a provider of chat models."""

import random
import re

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from metasynth.agents.models.provider import provider


class Echo(BaseChatModel):
    model_name: str

    @property
    def _llm_type(self):
        return "echo"

    def _generate(self, messages, stop=None, run_manager=None, **settings):
        words = re.findall("[a-z]+", messages[-1].text)
        shuffled = random.Random(settings["seed"]).choices(words, k=30)
        message = AIMessage(
            " ".join([self.model_name, *shuffled]),
            usage_metadata={"input_tokens": len(words), "output_tokens": 31, "total_tokens": 99},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


@provider(priced=True, key_env="ECHO_KEY")
def echo(name, config):
    assert config.api_key_env == "ECHO_KEY"
    return Echo(model_name=name)
'''
RUN = """\
graph: template
domain: echoes
seeds: {keywords: [granite, marble]}
teacher: {model: "echo:canyon"}
plugins: own
budget: {records: 3}
gate:
  {min_words: 5, min_distance: 0, max_ngram_overlap: 1, max_same_opening: 9, min_seed_words: 0,
   check_language: false}
"""


@pytest.fixture
def run_file(tmp_path: Path) -> Iterator[Path]:
    """A run file whose teacher is of a provider beside it; it is forgotten again."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "echo.py").write_text(ECHO)
    path = tmp_path / "run.yaml"
    path.write_text(f"{RUN}memory: {{embedder: {fast_embedder()}}}\n")
    yield path
    PROVIDERS.forget("echo")


class TestOfOnesOwn:
    """A provider from a directory that the run file names."""

    def test_a_run_writes_records_with_it(self, run_file: Path, tmp_path: Path) -> None:
        assert metasynth("run", run_file, "--out", tmp_path / "out", "--quiet") == 0
        records = corpus_of(tmp_path / "out")
        assert len({record.text for record in records}) == 3
        assert all(str(record.text).startswith("canyon ") for record in records)
        assert {record.generation.models["experts"] for record in records} == {"echo:canyon"}

    def test_its_price_is_missed_where_it_says_so(self, run_file: Path) -> None:
        (warning,) = plan_run(load_run_config(run_file, ["budget.usd=1"])).warnings
        assert "echo:canyon" in warning
        prices = ["prices={'echo:canyon': {input: 1, output: 1}}"]
        assert not plan_run(load_run_config(run_file, ["budget.usd=1", *prices])).warnings

    def test_its_source_belongs_to_the_identity_of_the_run(self, run_file: Path) -> None:
        before = plan_run(load_run_config(run_file)).identity
        (run_file.parent / "own" / "echo.py").write_text(ECHO + "\n")
        assert plan_run(load_run_config(run_file)).identity != before

    def test_a_role_may_name_it_and_its_source_shapes_the_run(self, run_file: Path) -> None:
        roles = run_file.parent / "roles"
        roles.mkdir()
        (roles / "echo_expert.yaml").write_text(
            "name: echo_expert\ntitle: Echo\ndescription: Echoes.\ninstructions: Echo.\n"
            "model: echo:valley\n"
        )
        settings = [f"roles={roles}", "graph=document", "teacher.model=embedded"]
        plan = plan_run(load_run_config(run_file, settings))
        assert plan.roles["echo_expert"].model == "echo:valley"
        before = plan.identity
        (run_file.parent / "own" / "echo.py").write_text(ECHO + "\n")
        assert plan_run(load_run_config(run_file, settings)).identity != before

    def test_a_package_that_is_missing_is_named_with_what_to_install(self) -> None:
        def absent(_name: str, _config: ModelConfig) -> Any:
            import metasynth_has_no_such_module  # type: ignore[import-not-found]

            return metasynth_has_no_such_module

        provider(name="absent", packages=("absent-chat",))(absent)
        try:
            with raises(RequestError, "missing_package") as refused:
                chat_model(ModelConfig(model="absent:x"))
            assert refused.value.hint == "install absent-chat"
            PROVIDERS.forget("absent")
            provider(name="absent", packages=("absent-chat",), extra="absent")(absent)
            with raises(RequestError, "missing_package") as refused:
                chat_model(ModelConfig(model="absent:x"))
            assert refused.value.hint == f"pip install '{DISTRIBUTION}[absent]'"
        finally:
            PROVIDERS.forget("absent")


class TestModelsOfARunFile:
    @pytest.mark.parametrize(
        ("line", "key", "code"),
        [
            ("teacher: {model: gpt-4o}", "teacher.model", "unknown_part"),
            ("conductor: {model: opnai:x}", "conductor.model", "unknown_part"),
            ("experts: {model: openai}", "experts.model", "bad_model"),
            ("teacher: {model: embedded:x}", "teacher.model", "bad_model"),
        ],
    )
    def test_a_wrong_one_is_refused_with_its_key(
        self, tmp_path: Path, line: str, key: str, code: str
    ) -> None:
        path = tmp_path / "run.yaml"
        path.write_text(f"domain: d\nseeds: {{keywords: [a]}}\n{line}\n")
        with raises(ConfigError, code) as refused:
            plan_run(load_run_config(path))
        assert f" {key}: " in refused.value.message

    def test_money_is_counted_by_the_price_of_every_model_that_costs_some(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
        path = tmp_path / "run.yaml"
        text = dedent("""\
            domain: d
            seeds: {keywords: [a]}
            budget: {usd: 1}
            teacher: {model: openai:a}
            experts: {model: openai:b}
        """)
        path.write_text(text)
        (warning,) = plan_run(load_run_config(path)).warnings
        assert "openai:a, openai:b" in warning
        for changes in (
            ["teacher.model=embedded", "experts.model=local:owner/model"],
            ["teacher.base_url=http://localhost:8000/v1"],  # a server of one's own costs nothing
        ):
            assert not plan_run(load_run_config(path, changes)).warnings

    @pytest.mark.parametrize(
        ("url", "own"),
        [
            ("http://localhost:8000/v1", True),
            ("http://127.0.0.1/v1", True),
            ("http://[::1]:80/v1", True),
            ("http://192.168.1.7:1234/v1", True),
            ("http://10.0.0.2/v1", True),
            ("http://169.254.3.4/v1", True),
            ("http://[fe80::1%25eth0]/v1", True),
            ("http://box.local:11434/v1", True),
            ("http://vllm:8000/v1", True),
            ("https://api.openai.com/v1", False),
            ("https://8.8.8.8/v1", False),
            ("https://local.example.com/v1", False),
            ("", False),
        ],
    )
    def test_hosts_of_ones_own_cost_nothing(self, url: str, own: bool) -> None:
        assert is_own_host(url) == own


class TestBuiltIn:
    def test_a_message_says_how_their_models_are_written(self) -> None:
        assert {"anthropic", "azure", "embedded", "google", "ollama"} <= set(PROVIDERS.builtin())
        forms = PROVIDERS.expected().removeprefix("expected ").replace(" or ", ", ").split(", ")
        assert {"azure:DEPLOYMENT", "embedded", "local:PATH_OR_HUB_ID", "openai:NAME"} <= {*forms}

    @pytest.mark.parametrize(
        "model",
        ["embedded", "local:/a/b", "openai:ft:gpt-4o:org", "anthropic:claude", "ollama:a:b"],
    )
    def test_their_models_are_told_by_what_stands_before_the_colon(self, model: str) -> None:
        PROVIDERS.check_value(model)
        name = model.partition(":")[0]
        assert provider_of(model) is PROVIDERS[name]
        assert PROVIDERS[name].priced is (name not in ("embedded", "local", "ollama"))

    def test_one_that_needs_an_extra_names_one_that_there_is(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert project["name"] == DISTRIBUTION
        extras = project["optional-dependencies"]
        for name in PROVIDERS.builtin():
            known = PROVIDERS[name]
            named = [item for item in extras.get(known.extra, ()) if known.packages[0] in item]
            assert known.extra is None or named, name

    def test_the_embedded_one_alone_repeats_and_follows_no_prompt(self) -> None:
        known = {name: PROVIDERS[name] for name in PROVIDERS.builtin()}
        assert [name for name in known if known[name].reproducible] == ["embedded"]
        assert [name for name in known if not known[name].follows_prompts] == ["embedded"]
