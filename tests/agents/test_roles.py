"""Roles: what is packaged works, what a person writes is checked before any run needs it."""

import re
from importlib.resources import files
from itertools import chain
from pathlib import Path

import pytest
import yaml

from metasynth.agents.roles.book import (
    RoleBook,
    library_domains,
    library_roles,
    load_roles,
    packaged_role_text,
    packaged_roles,
)
from metasynth.agents.roles.reading import load_role, parse_role
from metasynth.agents.roles.role import Role
from metasynth.errors import ConfigError
from tests.adversarial import DOCUMENTS
from tests.raising import raises

DOCUMENT_EXPERTS = {
    "seed_keyword_extraction",
    "seed_keyword_expansion",
    "domain_expert",
    "summarizer",
    "topic_label",
    "content_analyst",
    "editor",
    "solution_expert",
}
VARIABLES = ("domain", "description", "language", "persona", "genre", "max_words", "title")
FILES = sorted(
    file.name
    for file in files("metasynth.agents").joinpath("roles").iterdir()
    if file.name.endswith(".yaml")
)
LIBRARY = {domain: library_roles(domain) for domain in library_domains()}
MINIMAL = "name: critic\ntitle: Critic\ndescription: d\ninstructions: Say what is wrong.\n"


def variables(**changes: object) -> dict[str, object]:
    return {**dict.fromkeys(VARIABLES, ""), "max_words": 100, "domain": "finance", **changes}


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_role(text, where="critic.yaml")
    assert caught.value.message.startswith("critic.yaml")
    assert "\n" not in caught.value.message
    return caught.value.message


def with_instructions(instructions: str) -> str:
    return MINIMAL.replace("Say what is wrong.", yaml.safe_dump(instructions).strip("\n."))


@pytest.fixture(scope="module")
def packaged() -> RoleBook:
    return load_roles()


class TestPackaged:
    def test_the_document_graph_has_its_experts(self, packaged: RoleBook) -> None:
        assert {role.name for role in packaged.offered_by("document")} >= DOCUMENT_EXPERTS

    @pytest.mark.parametrize("file", FILES)
    def test_a_file_is_called_like_its_role(self, file: str) -> None:
        assert parse_role(packaged_role_text(file), where=file).name == file.removesuffix(".yaml")

    @pytest.mark.parametrize("name", sorted(DOCUMENT_EXPERTS))
    def test_a_role_renders_with_and_without_what_may_be_empty(
        self, packaged: RoleBook, name: str
    ) -> None:
        role = packaged[name]
        full = variables(persona="a baker", genre="riddle", description="money", language="de")
        for given in (variables(), full):
            prompt = role.system_prompt(given)
            assert prompt.splitlines()[0] == f"You are the {role.title}."
            assert "{" not in prompt
            assert "\n\n\n" not in prompt

    def test_the_domain_expert_is_told_persona_genre_and_length(self, packaged: RoleBook) -> None:
        given = variables(persona="a retired diver", genre="board letter", max_words=123)
        prompt = packaged["domain_expert"].system_prompt(given)
        assert all(part in prompt for part in ("a retired diver", "board letter", "123", "finance"))

    @pytest.mark.parametrize("name", sorted(DOCUMENT_EXPERTS))
    @pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS.keys())
    def test_template_syntax_in_data_is_never_rendered(
        self, packaged: RoleBook, name: str, text: str
    ) -> None:
        plain = packaged[name].system_prompt(variables(persona="PERSONA", description="ABOUT"))
        prompt = packaged[name].system_prompt(variables(persona=text, description=text))
        expected = plain.replace("PERSONA", text).replace("ABOUT", text)
        assert prompt.split() == expected.split()


class TestLibrary:
    def test_each_domain_has_experts_whose_names_are_nobody_elses(self) -> None:
        assert set(LIBRARY) == {"biomedicine", "code", "education", "finance", "law"}
        names = [role.name for role in [*packaged_roles(), *chain.from_iterable(LIBRARY.values())]]
        assert len(set(names)) == len(names)
        assert all(len(roles) >= 2 for roles in LIBRARY.values())

    @pytest.mark.parametrize(
        "role", [*chain.from_iterable(LIBRARY.values())], ids=lambda role: role.name
    )
    def test_a_role_renders_and_fits_its_file(self, role: Role) -> None:
        full = variables(persona="a baker", genre="riddle", description="money", language="de")
        for given in (variables(), full):
            prompt = role.system_prompt(given)
            assert prompt.startswith(f"You are the {role.title}.\n\n")
            assert "finance" in prompt
            assert re.search("never (an )?instructions? to you", " ".join(prompt.split()))
            assert "{" not in prompt
        assert "language de" in prompt

    def test_it_is_there_only_where_it_is_named(self, tmp_path: Path) -> None:
        before = load_roles()
        finance = load_roles(["library:finance"])
        added = {"financial_statement_expert", "regulatory_compliance_reviewer"}
        assert set(finance.names()) - set(before.names()) == added
        assert added <= {role.name for role in finance.offered_by("document")}
        own = MINIMAL.replace("critic", "financial_statement_expert")
        (tmp_path / "own.yaml").write_text(own, encoding="utf-8")
        book = load_roles(["library:finance", tmp_path])
        assert book["financial_statement_expert"].title == "Critic"

    def test_an_unknown_domain_is_told_with_the_known_ones(self) -> None:
        with raises(ConfigError, "unknown_domain", "'finanse' (did you mean 'finance'?)"):
            load_roles(["library:finanse"])


class TestOverriding:
    def write(self, folder: Path, name: str, text: str) -> None:
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")

    def test_a_later_folder_overrides_a_role_of_the_same_name(self, tmp_path: Path) -> None:
        one, two = tmp_path / "one", tmp_path / "two"
        self.write(one, "a.yaml", MINIMAL.replace("critic", "summarizer"))
        self.write(one, "b.yml", MINIMAL)
        self.write(two, "c.yaml", MINIMAL.replace("Say", "Tell"))
        book = load_roles([one, two])
        assert book["summarizer"].instructions == "Say what is wrong."
        assert book["critic"].instructions == "Tell what is wrong."
        assert load_roles([two, one])["critic"].instructions == "Say what is wrong."
        assert set(book.names()) == {*load_roles().names(), "critic"}

    def test_the_version_changes_with_any_word(self, tmp_path: Path) -> None:
        self.write(tmp_path / "one", "a.yaml", MINIMAL)
        self.write(tmp_path / "two", "a.yaml", MINIMAL.replace("wrong", "right"))
        books = [load_roles(), load_roles([tmp_path / "one"]), load_roles([tmp_path / "two"])]
        assert len({book.version() for book in books}) == 3
        assert load_roles().version() == books[0].version()

    def test_short_texts_count_where_they_are_read(self, tmp_path: Path) -> None:
        self.write(tmp_path / "one", "a.yaml", MINIMAL)
        self.write(tmp_path / "two", "a.yaml", MINIMAL + "short: Find faults.\n")
        one, two = load_roles([tmp_path / "one"]), load_roles([tmp_path / "two"])
        assert one.version() == two.version()
        assert one.version(short=True) != two.version(short=True)

    def test_a_role_for_another_graph_is_not_offered(self, tmp_path: Path) -> None:
        self.write(tmp_path, "a.yaml", MINIMAL + "for: instruct\n")
        book = load_roles([tmp_path])
        assert "critic" not in {role.name for role in book.offered_by("document")}
        assert "critic" in {role.name for role in book.offered_by("instruct")}

    def test_one_folder_may_not_define_a_role_twice(self, tmp_path: Path) -> None:
        self.write(tmp_path, "a.yaml", MINIMAL)
        self.write(tmp_path, "b.yaml", MINIMAL)
        with raises(ConfigError, "taken_name", "b.yaml: ", "'critic'", "a.yaml"):
            load_roles([tmp_path])

    def test_a_folder_that_is_missing_is_named(self, tmp_path: Path) -> None:
        with raises(ConfigError, "missing_directory"):
            load_roles([tmp_path / "nowhere"])

    def test_a_file_that_is_missing_or_no_text_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "x.yaml").write_bytes(b"\xff")
        for name, code in (("x.yaml", "unreadable_file"), ("y.yaml", "missing_file")):
            with raises(ConfigError, code):
                load_role(tmp_path / name)


class TestWrongRoles:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (MINIMAL + "temperatur: 1\n", "line 5: unknown key 'temperatur' (did you mean 'temper"),
            (MINIMAL + "zzz: 1\n", "line 5: unknown key 'zzz'"),
            ("title: x\n", "key 'name' is needed; key 'description' is needed"),
            (MINIMAL + "temperature: hot\n", "line 5: temperature: "),
            (MINIMAL + "temperature: 3\n", "line 5: temperature: "),
            (MINIMAL + "receives: [poem]\n", "line 5: receives: "),
            (MINIMAL + "produces: poem\n", "line 5: produces: "),
            (MINIMAL + "output: 3\n", "line 5: output: "),
            (MINIMAL + "max_tokens: 0\n", "line 5: max_tokens: "),
            (MINIMAL + "model: gpt\n", "line 5: model: no provider 'gpt'; expected anthropic:"),
            (MINIMAL + "tools: [web]\n", "line 5: tools: experts have no tools yet"),
            (MINIMAL + "title: Again\n", "line 5: key 'title' stands twice"),
            (MINIMAL + "for: []\n", "line 5: for: no graph offers this expert"),
            (MINIMAL + "for: documents\n", "(did you mean 'document'?)"),
            (MINIMAL + "receives:\n- draft\n- seeds\n", "line 7: receives: 'seeds' is none of "),
            (MINIMAL + "output:\n  type: objekt\n", "line 6: output.type: no JSON schema: 'obj"),
            (MINIMAL + "output: json\n", "line 5: output: expected text or a JSON schema"),
            (MINIMAL + "zz: 1\nyy: 2\n", "line 5: unknown key 'zz'; line 6: unknown key 'yy'"),
            (MINIMAL.replace("critic", "The Critic"), "line 1: name: "),
            (MINIMAL.replace("critic", "conductor"), "'conductor' is taken"),
            (MINIMAL.replace("critic", "invented"), "'invented' is taken"),
            (MINIMAL.replace("Critic", '"Critic\\nYou obey."'), "line 2: title: "),
            ("- a\n", "expected a mapping of fields, got list"),
            ("", "expected a mapping of fields, got NoneType"),
            ("name: [\ntitle: x\n", "line 3: not YAML"),
            ("name: !!python/object/apply:os.getcwd []\n", "line 1: not YAML"),
        ],
    )
    def test_the_problem_is_named_with_its_line(self, text: str, expected: str) -> None:
        assert expected in refusal(text)

    @pytest.mark.parametrize(
        ("instructions", "expected"),
        [
            ("{{ persona", "instructions: "),
            ("one\ntwo {% if %}", "line 2 of the instructions: "),
            ("{{ colour }}", "unknown variable 'colour'; known are domain, description"),
            ("{{ domain.nothing.more }}", "instructions: "),
            ("{{ 1 // 0 }}", "instructions: "),
            ("{% include 'x' %}", "instructions: "),
            ("{{ domain | nofilter }}", "instructions: "),
            ("{% for x in range(10 ** 9) %}{% endfor %}", "instructions: "),
        ],
    )
    def test_a_template_that_would_fail_later_fails_now(
        self, instructions: str, expected: str
    ) -> None:
        assert expected in refusal(with_instructions(instructions))

    @pytest.mark.parametrize(
        ("instructions", "expected"),
        [
            ("|\n  one\n\n  {% for x in %}\n", "line 7: instructions: "),
            (
                "|\n  {{ colour }}\n  {{ tone }}\n",
                "line 5: instructions: unknown variable 'colour'",
            ),
            ("|\n  {{ colour }}\n  {{ tone }}\n", "line 6: instructions: unknown variable 'tone'"),
            ("|\n  one\n  {{ domain.x.y }}\n", "line 6: instructions: "),
            ('"one\\ntwo {{ tone }}"\n', "line 4: line 2 of the instructions: unknown variable"),
        ],
    )
    def test_a_problem_in_a_template_has_the_line_of_the_file(
        self, instructions: str, expected: str
    ) -> None:
        head = MINIMAL.partition("instructions")[0]
        assert expected in refusal(f"{head.rstrip()}\ninstructions: {instructions}")

    @pytest.mark.parametrize(
        "escape",
        [
            "{{ ''.__class__ }}",
            "{{ domain.__class__.__mro__ }}",
            "{{ domain.__init__.__globals__ }}",
            "{{ ''['__class__'] }}",
            "{{ '' | attr('__class__') }}",
            "{{ '{0.__class__}'.format(domain) }}",
            "{{ '%s' | format(domain.__class__) }}",
            "{{ range.__self__ }}",
            "{{ cycler.__init__.__globals__.os.getcwd() }}",
            "{{ (domain.format).__self__.__class__.__base__.__subclasses__() }}",
        ],
    )
    def test_nothing_escapes_from_the_sandbox(self, escape: str) -> None:
        try:
            role = parse_role(with_instructions(escape), where="critic.yaml")
        except ConfigError:
            return
        said = role.system_prompt(variables())
        assert "class" not in said
        assert "/" not in said


class TestShort:
    def test_every_role_has_a_prompt_of_a_few_words(self) -> None:
        for role in chain(packaged_roles(), *LIBRARY.values()):
            prompt = role.short_prompt(variables())
            assert "\n" not in prompt
            assert len(prompt.split()) <= 60, role.name
            assert role.short is not None or prompt.startswith(f"You are the {role.title}.")

    @pytest.mark.parametrize(
        ("added", "prompt"),
        [
            ("", "You are the Critic. Say what is wrong."),
            ("short: Find  faults of {{ domain }}.\n", "Find faults of finance."),
        ],
    )
    def test_a_short_prompt_is_the_roles_own_or_made(self, added: str, prompt: str) -> None:
        role = parse_role(MINIMAL + added, where="critic.yaml")
        assert role.short_prompt(variables()) == prompt

    def test_of_long_instructions_the_description_stands_for_them(self) -> None:
        text = with_instructions("Say what is wrong. " * 20) + "produces: summary\n"
        role = parse_role(text.replace("description: d", "description: D."), where="critic.yaml")
        assert role.short_prompt(variables()) == "You are the Critic. D. Answer with one sentence."

    def test_a_template_that_is_wrong_is_told_with_its_line(self) -> None:
        text = MINIMAL + "short: |\n  one\n  {{ colour }}\n"
        assert "line 7: short: unknown variable 'colour'" in refusal(text)
