"""The run file: what is accepted, what is refused, and how the refusal reads."""

import textwrap
from pathlib import Path

import pytest

from metasynth.config.file import load_run_config
from metasynth.config.run import RunConfig
from metasynth.errors import ConfigError
from tests.raising import raises

EXAMPLES = sorted((Path(__file__).parent.parent.parent / "examples").glob("*.yaml"))
MINIMAL = "domain: finance\nseeds: {keywords: [a lamp]}\n"


def write(folder: Path, text: str, name: str = "run.yaml") -> Path:
    path = folder / name
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def load(folder: Path, text: str, *overrides: str) -> RunConfig:
    return load_run_config(write(folder, text), overrides)


def refusal(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, *overrides)
    assert caught.value.exit_status == 2
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_a_valid_run_file(path: Path) -> None:
    config = load_run_config(path)
    assert config.name == path.stem


def test_a_domain_may_be_its_name_alone(tmp_path: Path) -> None:
    assert load(tmp_path, MINIMAL).domain.name == "finance"


def test_keywords_are_lists_or_comma_lists(tmp_path: Path) -> None:
    config = load(tmp_path, "domain: d\nseeds: {keywords: ['garden, lamp', [oven, two words]]}")
    assert config.seeds.keywords == (("garden", "lamp"), ("oven", "two words"))


def test_an_empty_section_says_nothing(tmp_path: Path) -> None:
    assert (
        load(tmp_path, MINIMAL + "gate:\nbudget:\n").gate == RunConfig.model_fields["gate"].default
    )


class TestExtends:
    def test_sections_are_merged_key_by_key(self, tmp_path: Path) -> None:
        write(tmp_path, MINIMAL + "gate: {tries: 9, min_words: 11}\nconcurrency: 3\n", "base.yaml")
        config = load(tmp_path, "extends: base.yaml\ngate: {tries: 2}\n")
        assert (config.gate.tries, config.gate.min_words, config.concurrency) == (2, 11, 3)

    def test_a_list_replaces_the_list_of_the_base(self, tmp_path: Path) -> None:
        write(tmp_path, MINIMAL, "base.yaml")
        config = load(tmp_path, "extends: base.yaml\nseeds: {keywords: [oven]}\n")
        assert config.seeds.keywords == (("oven",),)

    def test_null_takes_back_what_the_base_says(self, tmp_path: Path) -> None:
        write(tmp_path, MINIMAL + "checker: story\n", "base.yaml")
        assert load(tmp_path, "extends: base.yaml\nchecker: null\n").checker is None

    def test_paths_of_the_base_are_relative_to_the_base(self, tmp_path: Path) -> None:
        folder = tmp_path / "presets"
        (folder / "roles").mkdir(parents=True)
        write(folder, "domain: d\nroles: roles\nseeds: {documents: texts}\n", "base.yaml")
        config = load(tmp_path, "extends: presets/base.yaml\n")
        assert config.roles == (str(folder / "roles"),)
        assert config.seeds.documents == str(folder / "texts")

    def test_a_circle_is_refused(self, tmp_path: Path) -> None:
        write(tmp_path, "extends: run.yaml\n", "other.yaml")
        assert "extends itself" in refusal(tmp_path, "extends: other.yaml\n")

    def test_a_missing_base_is_named(self, tmp_path: Path) -> None:
        assert "base.yaml: no such file" in refusal(tmp_path, "extends: base.yaml\n")


class TestSet:
    def test_values_are_yaml(self, tmp_path: Path) -> None:
        config = load(
            tmp_path, MINIMAL, "gate.tries=7", "roles=[]", "budget.usd=null", "name=other"
        )
        assert (config.gate.tries, config.roles, config.budget.usd) == (7, (), None)
        assert config.name == "other"

    def test_a_section_that_is_missing_is_made(self, tmp_path: Path) -> None:
        config = load(tmp_path, MINIMAL, "teacher.model=openai:x", "teacher.max_tokens=5")
        assert (config.teacher.model, config.teacher.max_tokens) == ("openai:x", 5)

    def test_a_section_that_is_empty_in_the_file_is_filled(self, tmp_path: Path) -> None:
        assert load(tmp_path, MINIMAL + "gate:\n", "gate.tries=7").gate.tries == 7

    def test_the_short_form_of_domain_can_be_added_to(self, tmp_path: Path) -> None:
        config = load(tmp_path, MINIMAL, "domain.language=de")
        assert (config.domain.name, config.domain.language) == ("finance", "de")

    @pytest.mark.parametrize(
        ("override", "expected"),
        [
            ("gate.tries", "expected key.path=value"),
            ("=3", "expected key.path=value"),
            ("gate.tries=[", "not YAML"),
            ("name.first=x", "name is not a section"),
            ("gate.trys=3", "gate.trys: unknown key (did you mean 'tries'?)"),
            ("gate.tries=many", "gate.tries"),
            ("extends=x.yaml", "--set extends=x.yaml"),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path: Path, override: str, expected: str) -> None:
        assert expected in refusal(tmp_path, MINIMAL + "name: n\n", override)


class TestRefusals:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("concurency: 2", "concurency: unknown key (did you mean 'concurrency'?)"),
            ("gate: {max_word: 9}", "gate.max_word: unknown key (did you mean 'max_words'?)"),
            ("conductor: {max_turn: 9}", "conductor.max_turn: unknown key (did you mean 'max_tur"),
            ("extend: x.yaml", "extend: unknown key (did you mean 'extends'?)"),
            ("zzz: 1", "zzz: unknown key"),
            ("1: 2", "1: "),
            ("gate: 3", "gate: "),
            ("gate: {tries: many}", "gate.tries: "),
            ("gate: {tries: 0}", "gate.tries: "),
            ("prices: {x: {input: -1, output: 0}}", "prices.x.input: "),
            ("prices: {x: {input: 1}}", "prices.x.output: this key is needed"),
            ("concurrency: 0", "concurrency: "),
            ("name: a/b", "name: "),
            ("graph: novel", "graph: "),
            ("teacher: {model: 'openai:'}", "teacher.model: expected PROVIDER"),
            ("experts: {model: 'local:'}", "experts.model: expected PROVIDER"),
            ("experts: {model: ':x'}", "experts.model: expected PROVIDER"),
            ("roles: nowhere", "roles: no such directory"),
        ],
    )
    def test_the_path_of_the_key_is_named(self, tmp_path: Path, line: str, expected: str) -> None:
        message = refusal(tmp_path, f"{MINIMAL}{line}\n")
        assert message.startswith(f"{tmp_path / 'run.yaml'}: ")
        assert expected in message

    def test_all_problems_are_named_at_once(self, tmp_path: Path) -> None:
        message = refusal(tmp_path, MINIMAL + "concurency: 2\ngate: {tries: 0}\n")
        assert "concurency" in message
        assert "gate.tries" in message

    def test_a_missing_domain_is_asked_for(self, tmp_path: Path) -> None:
        assert "domain: this key is needed" in refusal(tmp_path, "seeds: {keywords: [a]}")

    def test_a_language_is_a_code_that_the_gate_can_compare(self, tmp_path: Path) -> None:
        message = refusal(
            tmp_path, "domain: {name: d, language: English}\nseeds: {keywords: [a]}\n"
        )
        assert "domain.language: " in message

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with raises(ConfigError, "missing_file", "nowhere.yaml"):
            load_run_config(tmp_path / "nowhere.yaml")

    def test_a_directory_is_no_run_file(self, tmp_path: Path) -> None:
        with raises(ConfigError, "unreadable_file"):
            load_run_config(tmp_path)

    def test_bytes_that_are_no_utf8_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "run.yaml"
        path.write_bytes(b"domain: \xff\xfe\n")
        with raises(ConfigError, "unreadable_file"):
            load_run_config(path)

    def test_what_is_not_yaml_is_refused_with_its_line(self, tmp_path: Path) -> None:
        assert "run.yaml, line 4" in refusal(tmp_path, "domain: d\nseeds:\n  - [x\ny: }\n")

    @pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words\n"])
    def test_what_is_no_mapping_is_refused(self, tmp_path: Path, text: str) -> None:
        assert "expected a mapping of sections" in refusal(tmp_path, text)

    @pytest.mark.parametrize("tag", ["!!python/object/apply:os.getcwd []", "!!python/name:int"])
    def test_yaml_cannot_make_objects(self, tmp_path: Path, tag: str) -> None:
        assert "line 3" in refusal(tmp_path, f"{MINIMAL}name: {tag}\n")

    @pytest.mark.parametrize(
        "seeds",
        [
            "{}",
            "{keywords: []}",
            "{keywords: [a], documents: b}",
            "{documents: a, keywords_file: b}",
        ],
    )
    def test_seeds_have_exactly_one_source(self, tmp_path: Path, seeds: str) -> None:
        message = refusal(tmp_path, f"domain: d\nseeds: {seeds}\n")
        assert "give exactly one of keywords, keywords_file, documents" in message

    def test_a_missing_keyword_file_is_named(self, tmp_path: Path) -> None:
        message = refusal(tmp_path, "domain: d\nseeds: {keywords_file: k.txt}\n")
        assert f"seeds.keywords_file: no such file: {tmp_path / 'k.txt'}" in message


class TestModelFor:
    def test_a_part_inherits_the_teacher_where_it_says_nothing(self, tmp_path: Path) -> None:
        config = load(
            tmp_path,
            MINIMAL
            + "teacher: {model: openai:a, base_url: http://x/v1, temperature: 1.0}\n"
            + "conductor: {temperature: 0.2, max_turns: 5}\nexperts: {model: openai:b}\n",
        )
        conductor, experts = config.model_for("conductor"), config.model_for("experts")
        assert (conductor.model, conductor.temperature) == ("openai:a", 0.2)
        assert (experts.model, experts.temperature) == ("openai:b", 1.0)
        assert conductor.base_url == experts.base_url == "http://x/v1"
        assert config.model_for("teacher") == config.teacher

    def test_what_equals_a_default_is_a_change_all_the_same(self, tmp_path: Path) -> None:
        config = load(
            tmp_path,
            MINIMAL + "teacher: {model: openai:a, temperature: 1}\n"
            "conductor: {model: embedded, temperature: null}\n",
        )
        conductor = config.model_for("conductor")
        assert (conductor.model, conductor.temperature) == ("embedded", None)
