"""`metasynth roles` and `metasynth schema`: what they print, what they write, how they end."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

from metasynth.agents.roles.book import library_domains
from metasynth.agents.roles.schema import role_schema
from metasynth.compose.parts import builtin_parts
from metasynth.config.schema import run_schema
from tests.commands import Done, metasynth
from tests.openai_server import OpenAIServer, scripted

ROOT = Path(__file__).parent.parent.parent
HEAD = "name: critic\ntitle: Critic\n"
ROLE = HEAD + "description: Finds faults.\ninstructions: Find faults.\n"


Call = Callable[..., Done]


@pytest.fixture
def roles(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Call:
    """`metasynth roles …` in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Done:
        status = metasynth("roles", *arguments)
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    return call


def one_line(done: Done) -> str:
    assert (done.status, done.out) == (2, ""), done
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1, done.err
    return done.err


class TestListAndShow:
    def test_list_has_one_line_for_each(self, roles: Call) -> None:
        done = roles("list")
        assert (done.status, done.err) == (0, "")
        ours = [line.split()[0] for line in done.out.splitlines() if "[library:" not in line]
        assert ours == sorted(ours)
        assert {"domain_expert", "summarizer", "content_analyst"} <= set(ours)

    def test_list_says_which_domain_has_which_expert(self, roles: Call) -> None:
        found = re.findall(r"^(\w+) .*\[library:(\w+)\]", roles("list").out, re.MULTILINE)
        assert ("case_law_expert", "law") in found
        assert {domain for _, domain in found} == set(library_domains())
        named = roles("list", "--roles", "library:law").out
        assert "case_law_expert" in named
        assert "[library:law]" not in named

    def test_show_prints_the_instructions(self, roles: Call) -> None:
        done = roles("show", "summarizer")
        assert done.status == 0
        shown = yaml.safe_load(done.out)
        assert (shown["receives"], shown["produces"]) == (["draft"], "summary")
        assert "Answer with the sentence alone." in done.out
        assert "appellate judge" in roles("show", "case_law_expert").out

    def test_an_unknown_role_is_told_with_the_known_ones(self, roles: Call) -> None:
        said = one_line(roles("show", "sumarizer"))
        assert "no role 'sumarizer' (did you mean 'summarizer'?); there are: answer_critic" in said

    def test_a_missing_directory_is_told(self, roles: Call) -> None:
        for arguments in (["list"], ["show", "editor"]):
            said = one_line(roles(*arguments, "--roles", "nowhere"))
            assert "no such directory: nowhere" in said


class TestNew:
    def test_it_is_right_at_once_and_can_be_shown(self, roles: Call) -> None:
        assert roles("new", "bond_critic", "--in", "own").status == 0
        assert roles("check", "own") == Done(0, "1 role is fine\n", "")
        assert "Bond Critic Expert" in roles("show", "bond_critic", "--roles", "own").out
        assert "exists already" in one_line(roles("new", "bond_critic", "--in", "own"))

    def test_it_explains_every_field_and_names_its_schema(
        self, roles: Call, tmp_path: Path
    ) -> None:
        roles("new", "bond_critic", "--in", "own")
        text = (tmp_path / "own" / "bond_critic.yaml").read_text(encoding="utf-8")
        first = text.partition("\n")[0]
        schema = tmp_path / "own" / first.removeprefix("# yaml-language-server: $schema=")
        assert json.loads(schema.read_text(encoding="utf-8")) == role_schema()
        for field in role_schema()["properties"]:
            assert re.search(rf"^# .+\n(?:# )?{field}: ", text, re.MULTILINE), field
        assert roles("check", "own/bond_critic.yaml").status == 0

    @pytest.mark.parametrize("name", ["Bond", "../x", "a b", "null", "conductor", "x: y"])
    def test_a_name_that_cannot_be_used_writes_nothing(
        self, roles: Call, tmp_path: Path, name: str
    ) -> None:
        one_line(roles("new", name, "--in", "own"))
        assert list(tmp_path.iterdir()) == []

    def test_a_place_that_cannot_be_written(self, roles: Call, tmp_path: Path) -> None:
        (tmp_path / "own").touch()
        assert "cannot be written" in one_line(roles("new", "x", "--in", "own"))


class TestCheck:
    def write(self, folder: Path, **files: str) -> None:
        for name, text in files.items():
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")

    def test_every_problem_of_every_file_is_told_with_its_line(
        self, roles: Call, tmp_path: Path
    ) -> None:
        self.write(tmp_path, a=ROLE, b=ROLE.replace("critic", "other") + "tone: x\ntoolz: []\n")
        self.write(tmp_path, c=ROLE.replace("critic", "third") + "temperature: hot\n")
        done = roles("check", ".")
        assert (done.status, done.out) == (2, "")
        first, second, third, summary = done.err.splitlines()
        assert first == "error: b.yaml:5: unknown key 'tone'"
        assert second == "error: b.yaml:6: unknown key 'toolz' (did you mean 'tools'?)"
        assert third.startswith("error: c.yaml:5: temperature: ")
        assert summary == "3 problems in 2 of 3 files"

    def test_all_is_fine(self, roles: Call, tmp_path: Path) -> None:
        self.write(tmp_path, a=ROLE, b=ROLE.replace("critic", "other"))
        assert roles("check", ".", "a.yaml") == Done(0, "2 roles are fine\n", "")

    def test_it_needs_something_to_check(self, roles: Call, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        assert "no role files" in one_line(roles("check", "empty"))
        assert "nowhere.yaml: no such file" in one_line(roles("check", "nowhere.yaml"))

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("receives: [draft, question]", "a.yaml:5: receives: graph document never has a quest"),
            ("receives:\n- draft\n- answer", "a.yaml:7: receives: graph document never has a answ"),
            ("for: instruct\nreceives: [keywords]", "graph instruct never has a keywords"),
            ("for: answers", "a.yaml:5: for: no graph asks 'critic' for answers; those asked are"),
        ],
    )
    def test_what_no_graph_offers_or_provides(
        self, roles: Call, tmp_path: Path, text: str, problem: str
    ) -> None:
        self.write(tmp_path, a=f"{ROLE}{text}\n")
        assert problem in one_line(roles("check", "a.yaml"))

    def test_what_another_expert_makes_may_be_received(self, roles: Call, tmp_path: Path) -> None:
        self.write(tmp_path, a=ROLE + "receives: [critique]\n")
        assert roles("check", ".").status == 2
        self.write(tmp_path, b=ROLE.replace("critic", "other") + "produces: critique\n")
        assert roles("check", ".").status == 0

    def test_two_files_with_one_name_clash(self, roles: Call, tmp_path: Path) -> None:
        self.write(tmp_path, a=ROLE, b="# mine\n" + ROLE + "tone: x\n")
        done = roles("check", ".")
        assert "error: b.yaml:2: name: 'critic' stands in a.yaml too\n" in done.err
        assert "b.yaml:6: unknown key 'tone'" in done.err

    def test_replacing_one_of_ours_is_said_and_no_problem(
        self, roles: Call, tmp_path: Path
    ) -> None:
        self.write(tmp_path, a=ROLE.replace("critic", "editor") + "produces: draft\n")
        self.write(tmp_path, b=ROLE.replace("critic", "summarizer"))
        done = roles("check", ".")
        assert done.status == 0
        assert "a.yaml:1: name: 'editor' replaces ours\n" in done.out
        assert "'summarizer' replaces ours, which makes summary; this one makes note" in done.out

    def test_for_machines(self, roles: Call, tmp_path: Path) -> None:
        self.write(tmp_path, a=ROLE + "tone: x\n")
        done = roles("check", ".", "--json")
        assert done.status == 2
        assert json.loads(done.out) == {
            "files": 1,
            "problems": [{"path": "a.yaml", "line": 5, "text": "unknown key 'tone'"}],
            "notes": [],
        }

    def test_the_packages_own_are_fine(self, roles: Call) -> None:
        folder = ROOT / "agents" / "roles"
        done = roles("check", folder, *sorted((folder / "library").iterdir()))
        assert done.status == 0, done.err
        assert done.out.endswith(" roles are fine\n")


class TestTry:
    JUDGE = (
        ROLE + "receives: [draft]\noutput:\n  type: object\n  properties: {fault: {type: string}}\n"
        "  required: [fault]\n"
    )

    def hosted(self, server: OpenAIServer) -> list[str]:
        values = ["teacher.model=openai:tester", f"teacher.base_url={server.base_url}"]
        values.append("prices={openai:tester: {input: 1000000, output: 0}}")
        return [part for value in values for part in ("--set", value)]

    def test_the_embedded_model_answers_and_nothing_is_kept(
        self, roles: Call, tmp_path: Path
    ) -> None:
        draft = "Mia has 12 biscuits in the bakery. Mia gives 5 biscuits to Tom. How many now?"
        arguments = ("try", "topic_label", "--instruction", "Label the draft.")
        done = roles(*arguments, "--attach", f"draft={draft}")
        assert done.status == 0
        assert done.out.strip()
        assert re.fullmatch(
            r"topic_label by embedded: \d+ tokens in, \d+ out, \d+\.\d s, no price\n", done.err
        )
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "draft.txt").write_text(draft + "\n", encoding="utf-8")
        assert roles(*arguments, "--attach", "draft=draft.txt").out == done.out

    def test_a_role_file_with_a_model_of_ones_own(self, roles: Call, tmp_path: Path) -> None:
        (tmp_path / "critic.yaml").write_text(self.JUDGE, encoding="utf-8")
        with OpenAIServer(scripted('{"fault": "dull"}')) as server:
            done = roles(
                *("try", "critic.yaml", "--instruction", "Look closely."),
                *("--attach", "draft=One.", "--attach", "draft=Two.", "--prompt"),
                *self.hosted(server),
            )
            (request,) = server.requests
        assert (done.status, done.out) == (0, '{"fault": "dull"}\n')
        system, human = (message["content"] for message in request["messages"])
        assert system == "You are the Critic.\n\nFind faults."
        assert [part in human for part in ("Look closely.", "draft-1", "draft-2")] == [True] * 3
        assert system in done.err
        assert human in done.err
        assert request["response_format"]["json_schema"]["schema"]["required"] == ["fault"]
        assert re.search(r"critic by openai:tester: \d+ tokens in, \d+ out, .* s, \$\d+", done.err)

    def test_an_answer_that_a_run_would_not_take(self, roles: Call, tmp_path: Path) -> None:
        (tmp_path / "critic.yaml").write_text(self.JUDGE, encoding="utf-8")
        with OpenAIServer(scripted('{"faults": "none"}')) as server:
            arguments = ("--instruction", "x", "--attach", "draft=One.", *self.hosted(server))
            done = roles("try", "critic.yaml", *arguments)
        assert (done.status, done.out) == (1, '{"faults": "none"}\n')
        assert "a run would not take this answer: critic did not answer in its form" in done.err

    def test_the_run_file_and_its_library(self, roles: Call) -> None:
        with OpenAIServer(scripted("Nothing must change.")) as server:
            done = roles(
                *("try", "regulatory_compliance_reviewer", "--instruction", "Review it."),
                *("--attach", "draft=Safe returns!", "--genre", "board letter"),
                *("--config", ROOT / "examples" / "finance.yaml", *self.hosted(server)),
            )
            (request,) = server.requests
        assert (done.status, done.out) == (0, "Nothing must change.\n")
        assert "You review a draft board letter about finance" in request["messages"][0]["content"]

    @pytest.mark.parametrize(
        ("name", "attach", "expected"),
        [
            ("summarizer", [], "works on what is attached and nothing is; it takes draft: --att"),
            ("summarizer", ["draft"], "--attach draft: expected KIND=FILE or KIND=TEXT"),
            ("summarizer", ["note=x"], "--attach note: summarizer takes draft, not note"),
            ("summarizer", ["draft=a.txt"], "--attach draft: no such file: a.txt"),
            ("nobody", ["draft=x"], "no role 'nobody'"),
            ("nobody.yaml", ["draft=x"], "nobody.yaml: no such file"),
        ],
    )
    def test_what_is_wrong_is_told(
        self, roles: Call, name: str, attach: list[str], expected: str
    ) -> None:
        given = [part for each in attach for part in ("--attach", each)]
        assert expected in one_line(roles("try", name, "--instruction", "Do it.", *given))


class TestInARun:
    def test_the_option_adds_to_the_run_file_and_goes_before_it(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "critic.yaml").write_text(ROLE, encoding="utf-8")
        finance = ROOT / "examples" / "finance.yaml"
        told = []
        for options in ([], ["--roles", tmp_path], ["--roles", "library:law"]):
            assert metasynth("validate", finance, *options) == 0
            told.append(capsys.readouterr().out)
        assert all("financial_statement_expert" in text for text in told)
        assert ["critic" in text.replace("answer_critic", "") for text in told] == [
            False,
            True,
            False,
        ]
        assert ["case_law_expert" in text for text in told] == [False, False, True]
        assert len({re.findall(r"identity +(\w+)", text)[0] for text in told}) == 3

    def test_an_unknown_domain_is_told_before_anything_starts(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert metasynth("validate", ROOT / "examples" / "demo.yaml", "--roles", "library:x") == 2
        assert "the library has no domain 'x'; there are biomed" in capsys.readouterr().err


class TestSchemas:
    @pytest.mark.parametrize(
        ("of", "file"),
        [("role", "agents/roles/role.schema.json"), ("run", "examples/run.schema.json")],
    )
    def test_the_file_is_what_the_command_prints(
        self, capsys: pytest.CaptureFixture[str], of: str, file: str
    ) -> None:
        assert metasynth("schema", of) == 0
        kept = (ROOT / file).read_text(encoding="utf-8")
        assert capsys.readouterr().out == kept, f"run: metasynth schema {of} > {file}"

    @pytest.mark.parametrize(
        ("schema", "files"),
        [
            (role_schema(), sorted((ROOT / "agents" / "roles").rglob("*.yaml"))),
            (run_schema(builtin_parts()), sorted((ROOT / "examples").glob("*.yaml"))),
        ],
        ids=["role", "run"],
    )
    def test_each_file_names_its_schema_and_fits_it(
        self, schema: dict[str, object], files: list[Path]
    ) -> None:
        validator = jsonschema.Draft202012Validator(schema)
        validator.check_schema(schema)
        assert files
        for file in files:
            text = file.read_text(encoding="utf-8")
            named = text.partition("\n")[0].removeprefix("# yaml-language-server: $schema=")
            assert json.loads((file.parent / named).read_text(encoding="utf-8")) == schema
            assert not list(validator.iter_errors(yaml.safe_load(text))), file

    def test_what_a_file_may_not_say(self) -> None:
        role, run = (
            jsonschema.Draft202012Validator(schema)
            for schema in (role_schema(), run_schema(builtin_parts()))
        )
        sound = yaml.safe_load(ROLE)
        assert role.is_valid(sound)
        for line in ("for: documents", "tone: x", "output: 3", "receives: [poem]"):
            assert not role.is_valid({**sound, **yaml.safe_load(line)}), line
        for text in ("bugdet: {}", "gate: {tries: 0}", "roles: 3", "domain: {}"):
            assert not run.is_valid(yaml.safe_load(text)), text
        for text in ("{extends: a.yaml, gate: null}", "{domain: law, roles: [a, b]}"):
            assert run.is_valid(yaml.safe_load(text)), text
