"""The conductor: its brief and its conversation stay within bounds, its experts have real names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.store.memory import InMemoryStore

from metasynth.agents.conductor.digest import Digest
from metasynth.agents.conductor.documents import brief, conductor_prompt, prompt_version
from metasynth.agents.conductor.history import bounded, estimated_tokens
from metasynth.agents.conductor.tools import Consult, tool_schemas
from metasynth.agents.expert import resolve_role
from metasynth.agents.roles.book import load_roles
from metasynth.agents.roles.role import Role
from metasynth.errors import ConfigError
from metasynth.memory.records import RecordMemory
from metasynth.records.record import Record
from metasynth.sandbox import render_template
from tests.adversarial import DOCUMENTS
from tests.raising import raises
from tests.word_embeddings import WordEmbeddings

ROLES = load_roles()


def called(number: int, size: int) -> AIMessage:
    args = {"expert": "editor", "instruction": "i" * size, "attach": ["draft-1"]}
    call = {"name": "consult", "args": args, "id": f"call-{number}", "type": "tool_call"}
    return AIMessage("", tool_calls=[call])


@st.composite
def conversations(draw: st.DrawFn) -> list[BaseMessage]:
    messages: list[BaseMessage] = [SystemMessage("s" * draw(st.integers(0, 400)))]
    messages.append(HumanMessage("b" * draw(st.integers(0, 400))))
    for number in range(draw(st.integers(0, 6))):
        messages.append(called(number, draw(st.integers(0, 300))))
        body = draw(st.sampled_from(["", "\n", "\nword" * 90, "\n\u6771" * 500]))
        messages.append(ToolMessage(f"note-{number} by x{body}", tool_call_id=f"call-{number}"))
    return messages


class TestBounded:
    @given(messages=conversations(), most=st.integers(0, 3000))
    def test_the_bound_holds_where_first_lines_allow_it(
        self, messages: list[BaseMessage], most: int
    ) -> None:
        before = [message.model_copy() for message in messages]
        kept = bounded(messages, most)
        assert messages == before, "the conversation itself must stay whole"
        assert len(kept) == len(messages)
        shortest = [
            m.model_copy(update={"content": str(m.content).split("\n")[0]})
            if isinstance(m, ToolMessage)
            else m
            for m in messages
        ]
        assert estimated_tokens(kept) <= max(most, estimated_tokens(shortest))

    @given(messages=conversations(), most=st.integers(0, 3000))
    def test_system_brief_calls_and_first_lines_stay(
        self, messages: list[BaseMessage], most: int
    ) -> None:
        for old, new in zip(messages, bounded(messages, most), strict=True):
            if isinstance(old, ToolMessage):
                assert new.content in (old.content, str(old.content).split("\n")[0])
                assert isinstance(new, ToolMessage)
                assert new.tool_call_id == old.tool_call_id
            else:
                assert new == old

    def test_the_oldest_results_are_shortened_first(self) -> None:
        results = [ToolMessage(f"r{n}\n" + "x" * 400, tool_call_id=str(n)) for n in range(4)]
        kept = bounded(results, estimated_tokens(results) - 150)
        assert [("\n" in str(message.content)) for message in kept] == [False, False, True, True]

    def test_what_fits_is_left_alone(self) -> None:
        messages = [HumanMessage("x"), ToolMessage("a\nb", tool_call_id="1")]
        assert bounded(messages, estimated_tokens(messages)) == messages

    def test_a_size_can_be_told_of_any_text(self) -> None:
        assert estimated_tokens([HumanMessage("a\ud800")]) == estimated_tokens([HumanMessage("ab")])


async def digest_after(records: int, label: str) -> Digest:
    """What `digest_for` shows, of a memory that was filled through its own door."""
    embeddings = WordEmbeddings(32)
    store = InMemoryStore(index={"dims": 32, "embed": embeddings, "fields": ["summary"]})
    memory = RecordMemory(store, embeddings)
    for number in range(records):
        await memory.remember(
            Record(
                id=str(number),
                text=f"{number} {label}",
                topic=f"{number} {label}",
                persona=f"{number} {label}",
                genre=f"{number} {label}",
                summary=f"about {number} {label}",
            )
        )
    for chain in range(min(records, 50)):
        memory.claim(str(chain), label)
    found = await memory.digest("lamp", chain="x")
    return Digest(
        count=found.records,
        topics=", ".join(f"{name} {count}" for name, count in found.topics),
        recent=found.labels,
        personas=[name for name, _ in memory.personas().most_common(5)],
        neighbours=[neighbour.summary for neighbour in found.neighbours],
        claims=[claim.label for claim in found.claims],
        genres=("riddle", "report"),
    )


class TestBrief:
    @pytest.mark.parametrize(
        "label", ["long label " * 200, "長" * 5000, "x" * 5000, "a\nb\r" * 500], ids=range(4)
    )
    async def test_its_size_does_not_grow_with_the_corpus(self, label: str) -> None:
        small = brief("seed-1, keywords: lamp", await digest_after(20, label))
        large = brief("seed-1, keywords: lamp", await digest_after(1000, label))
        assert estimated_tokens([large]) <= estimated_tokens([small]) + 60
        assert estimated_tokens([large]) < 5000

    def test_what_it_hands_on_is_a_reference(self) -> None:
        message = brief("seed-1, a document of 9 words", Digest(genres=("riddle", "report")))
        assert message.additional_kwargs["instruction"] == "Write one new document."
        assert message.additional_kwargs["attachments"] == [
            {"ref": "seed-1", "kind": "seed", "text": "seed-1"},
            {"ref": "forms", "kind": "forms", "text": "riddle, report"},
        ]

    def test_it_says_what_the_memory_holds(self) -> None:
        digest = Digest(
            count=7,
            topics="oven 4, lamp 3",
            recent=("lamp",),
            personas=("a baker",),
            neighbours=("Nate sells a lamp.",),
            claims=("rope, ferry",),
            genres=("riddle",),
        )
        text = str(brief("seed-1, keywords: lamp", digest).content)
        for part in ("7", "oven 4, lamp 3", "a baker", "- Nate sells a lamp.", "rope, ferry"):
            assert part in text
        empty = str(brief("s", Digest()).content)
        assert "the corpus is empty" in empty.lower()

    @pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS.keys())
    def test_no_label_can_open_a_line_or_be_rendered(self, text: str) -> None:
        digest = Digest(
            count=1, topics=text, recent=[text], personas=[text], neighbours=[text], claims=[text]
        )
        plain = Digest(
            count=1, topics="x", recent=["x"], personas=["x"], neighbours=["x"], claims=["x"]
        )
        lines = str(brief("seed-1", digest).content).splitlines()
        assert len(lines) == len(str(brief("seed-1", plain).content).splitlines())


class TestInventedExperts:
    @pytest.mark.parametrize(
        "name", ["Poet", "Bond Desk Veteran", "O'Neil & Sons Auditor", "Ärztin", "a b c d e", "x-y"]
    )
    def test_one_to_five_words_are_an_expert(self, name: str) -> None:
        role = resolve_role(Consult(expert=name, instruction="Do."), ROLES, graph="document")
        assert isinstance(role, Role)
        assert role.title == name
        prompt = role.system_prompt({"domain": "d", "language": "en", "max_words": 9})
        assert prompt.startswith(f"You are the {name}.")

    @pytest.mark.parametrize(
        "name",
        ["", " ", "a b c d e f", "x\ny", "x\ty", "{{ 7 }}", "<|end|>", "x: y", "a  b", "poet!"],
    )
    def test_anything_else_is_not(self, name: str) -> None:
        said = resolve_role(Consult(expert=name, instruction="Do."), ROLES, graph="document")
        assert isinstance(said, str)
        assert "no expert's name" in said
        assert "\n" not in said

    @pytest.mark.parametrize(
        "name",
        ["domain_expert", " domain_expert ", "Domain Expert", "domain-expert", "DOMAIN_EXPERT"],
    )
    def test_a_known_expert_is_known_by_title_too(self, name: str) -> None:
        role = resolve_role(Consult(expert=name, instruction="Do."), ROLES, graph="document")
        assert role == ROLES["domain_expert"]

    def test_an_expert_of_another_graph_is_refused(self) -> None:
        said = resolve_role(Consult(expert="editor", instruction="Do."), ROLES, graph="other")
        assert said == "editor is not offered here"

    def test_it_makes_what_the_conductor_says(self) -> None:
        draft = Consult(expert="Poet", instruction="Do.", produces="draft")
        note = Consult(expert="Poet", instruction="Do.")
        made = [resolve_role(call, ROLES, graph="document") for call in (draft, note)]
        assert [role.produces for role in made if isinstance(role, Role)] == ["draft", "note"]


class TestPrompt:
    def variables(self, **changes: object) -> dict[str, object]:
        return {
            "domain": "finance",
            "description": "",
            "language": "en",
            "max_words": 99,
            **changes,
        }

    def test_it_names_every_expert_and_every_tool(self) -> None:
        roles = ROLES.offered_by("document")
        text = str(conductor_prompt(self.variables(), roles, tries=3, min_words=9).content)
        assert text.startswith("You are the Conductor.\n")
        for role in roles:
            assert f"- {role.name}: {role.description}" in text
        for tool in ("set_seeds", "submit", "give_up"):
            assert f"`{tool}`" in text

    def test_it_is_the_same_for_every_record(self) -> None:
        roles = ROLES.offered_by("document")
        made = [conductor_prompt(self.variables(), roles, tries=3, min_words=9) for _ in range(2)]
        assert made[0].content == made[1].content

    def test_it_speaks_of_the_student_only_where_one_may_refuse(self) -> None:
        roles = ROLES.offered_by("document")
        plain, screened = (
            str(
                conductor_prompt(self.variables(), roles, tries=3, min_words=9, screened=on).content
            )
            for on in (False, True)
        )
        assert "student" not in plain
        for code in ("student_easy", "student_hard", "student_apart"):
            assert f"`{code}`" in screened
        assert screened.startswith(plain)
        assert prompt_version(screened=True) != prompt_version()

    def test_the_tools_come_in_their_order_with_their_keys(self) -> None:
        schemas = [schema["function"] for schema in tool_schemas()]
        assert [s["name"] for s in schemas] == ["consult", "set_seeds", "submit", "give_up"]
        keys = ["expert", "instruction", "attach", "persona", "genre", "produces"]
        assert list(schemas[0]["parameters"]["properties"]) == keys

    def test_its_version_is_short_and_stable(self) -> None:
        assert prompt_version() == prompt_version()
        assert len(prompt_version()) == 12


class TestUserTemplate:
    @pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS.keys())
    def test_data_is_never_a_template(self, text: str) -> None:
        assert (
            render_template("{{ seed }}|{{ domain }}", {"seed": text, "domain": "d"}) == f"{text}|d"
        )

    @pytest.mark.parametrize(
        "source",
        ["{{ nothing }}", "{{ seed", "{{ 1 // 0 }}", "{{ seed | no }}", "{% include 'x' %}"],
    )
    def test_a_wrong_one_names_what_is_known(self, source: str) -> None:
        with raises(ConfigError, "bad_template", "template.prompt: ", "seed"):
            render_template(source, {"seed": "x"})
