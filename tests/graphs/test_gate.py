"""The gate: every reason to refuse, and nothing in a document's text that could talk it round."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import IndexConfig
from langgraph.store.memory import InMemoryStore

from metasynth.config.run import GateConfig
from metasynth.graphs.admission.draft import Draft, Verdict
from metasynth.graphs.admission.gate import Gate
from metasynth.memory.records import RecordMemory
from metasynth.memory.store.chroma_store import ChromaStore
from metasynth.records.record import Record
from tests.adversarial import DOCUMENTS
from tests.word_embeddings import WordEmbeddings

GARDEN = (
    "Nate found an old lamp behind the shed in the garden. He cleaned the glass with a cloth, "
    "filled it with oil and hung it over the gate, where it shone for the whole winter."
)
HARBOUR = (
    "Every morning the ferry leaves the harbour at seven. The captain counts his passengers, the "
    "gulls follow the boat, and on the pier a woman coils the wet ropes until noon."
)
GERMAN = (
    "Jeden Morgen verlässt die Fähre den Hafen um sieben Uhr. Der Kapitän zählt seine Gäste, die "
    "Möwen folgen dem Schiff, und auf dem Steg rollt eine Frau die nassen Seile zusammen."
)
DIMS = 64


@dataclass(frozen=True)
class Answer:
    passed: bool | None
    detail: str


class ChecksFor:
    """A checker that asks for one word, and can say nothing of a text without numbers."""

    def check(self, text: str) -> Answer:
        if not any(char.isdigit() for char in text):
            return Answer(None, "no number found")
        return Answer("42" in text, "42 is right")


def memory() -> RecordMemory:
    embeddings = WordEmbeddings(DIMS)
    index = IndexConfig(dims=DIMS, embed=embeddings, fields=["text"])
    return RecordMemory(InMemoryStore(index=index), embeddings, opening_words=16)


def gate_of(remembered: RecordMemory | None = None, **settings: Any) -> Gate:
    limits = {"min_words": 10, "max_words": 80, **settings}
    return Gate(GateConfig.model_validate(limits), remembered or memory())


def draft(text: str = GARDEN, **changes: Any) -> Draft:
    given = {"summary": "Nate hangs a lamp.", "topic": "lamp", "seed_set": ("garden", "lamp")}
    return Draft(text=text, **{**given, **changes})


def embedded_in(middle: str) -> Draft:
    return draft(f"{GARDEN}\n\n{middle}\n\n{GARDEN}", seed_set=("garden",))


def test_a_sound_draft_passes() -> None:
    verdict = gate_of().sound(draft())
    assert verdict == Verdict()
    assert verdict.passed
    assert verdict.reason == ""


class TestForm:
    def test_a_summary_and_a_topic_are_needed_unless_the_graph_has_none(self) -> None:
        gate = gate_of()
        assert gate.sound(draft(summary=" ")).code == "summary_missing"
        assert gate.sound(draft(topic="")).code == "topic_missing"
        assert gate.sound(draft(summary="", topic=""), needs_summary=False).passed

    @pytest.mark.parametrize(
        ("words", "code"), [(9, "too_short"), (10, None), (20, None), (21, "too_long")]
    )
    def test_length_is_counted_in_words(self, words: int, code: str | None) -> None:
        text = " ".join(["lamp"] * words)
        gate = gate_of(max_words=20, check_language=False)
        assert gate.sound(draft(text, seed_set=())).code == code

    def test_an_empty_text_is_too_short(self) -> None:
        assert gate_of().sound(draft("", seed_set=())).code == "too_short"

    def test_an_answer_that_was_cut_is_too_long(self) -> None:
        verdict = gate_of().sound(draft(cut=True))
        assert verdict.code == "too_long"
        assert "token limit" in verdict.reason

    def test_the_seed_set_must_be_spoken_of(self) -> None:
        verdict = gate_of().sound(draft(seed_set=("garden", "harbour", "ferry")))
        assert verdict.reason == "seeds_missing: does not speak of: harbour, ferry"
        assert gate_of().sound(draft(seed_set=("garden", "ferry"))).passed
        assert gate_of(min_seed_words=0.75).sound(draft(seed_set=("garden", "ferry"))).code
        assert gate_of().sound(draft(seed_set=())).passed

    def test_a_share_that_is_just_reached_is_reached(self) -> None:
        seven = ("garden", "lamp", "shed", "glass", "cloth", "oil", "gate")
        gate = gate_of(min_seed_words=0.7)
        assert gate.sound(draft(seed_set=(*seven, "ferry", "rope", "gull"))).passed

    def test_the_language_is_the_one_that_is_asked(self) -> None:
        asks_english = gate_of()
        asks_german = Gate(GateConfig(min_words=10), memory(), language="de")
        assert asks_english.sound(draft(GERMAN, seed_set=())).code == "language"
        assert asks_german.sound(draft(GERMAN, seed_set=())).passed
        assert asks_german.sound(draft()).reason == "language: reads as 'en', 'de' is asked"
        assert gate_of(check_language=False).sound(draft(GERMAN, seed_set=())).passed

    def test_a_text_of_few_words_is_in_any_language(self) -> None:
        short = "Die Fähre verlässt den Hafen um sieben Uhr mit vierzig Gästen an Bord."
        assert gate_of().sound(draft(short, seed_set=())).passed


class TestChecker:
    @pytest.mark.parametrize(
        ("number", "code", "passed"),
        [("42", None, True), ("41", "wrong_answer", False), ("", "not_checkable", None)],
    )
    def test_what_the_checker_says_decides(
        self, number: str, code: str | None, passed: bool | None
    ) -> None:
        gate = Gate(GateConfig(min_words=10), memory(), checker=ChecksFor())
        verdict = gate.sound(draft(f"{GARDEN} {number}"))
        assert verdict.code == code
        assert verdict.checker is not None
        assert verdict.checker.passed is passed

    def test_it_is_asked_of_sound_texts_alone(self) -> None:
        gate = Gate(GateConfig(min_words=10), memory(), checker=ChecksFor())
        assert gate.sound(draft("41 lamps", seed_set=())).code == "too_short"


REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I’m sorry, I cannot assist with this request.",
    "I am sorry, but I am unable to write this document.",
    "Sorry, I can't write that.",
    "I cannot create content about this topic.",
    "I can't help with that request.",
    "I won't write this.",
    "I will not provide such a text.",
    "I'm unable to produce the document you ask for.",
    "I am not able to comply with this.",
    "I'm not comfortable writing about this.",
    "I must decline this request.",
    "Unfortunately, I cannot generate this document.",
    "I apologize, but I can't fulfill this request.",
    "My apologies, but I am not able to continue.",
    "I'm afraid I can't do that.",
    "As an AI language model, I have no personal views.",
    "As a large language model I can't say.",
    "I'm just an AI and have no garden.",
    "**I'm sorry, but I can't help with that.**",
]
META = [
    "Sure! Here is a story about a lamp.",
    "Certainly, here's the document.",
    "Of course! I'd be happy to write it.",
    "Absolutely. Below is the text.",
    "Here is the rewritten document:",
    "Here's a draft for you:",
    "Here's your diary entry:\n",
    "Below is the revised version:",
    "Document: The lamp",
    "**Title:** The lamp",
    "Revised draft: The lamp",
]
META_ENDINGS = [
    "Let me know if you'd like any changes!",
    "Let me know if you need another version.",
    "I hope this helps!",
    "I hope this meets your expectations.",
    "Would you like me to make it longer?",
    "(Word count: 98)",
    "Word count: 98",
    "*Let me know if you want it shorter.*",
    "Please let me know if you need anything else.",
]
HARMLESS_OPENINGS = [
    "I am afraid of the dark, and so was my father.",
    "I'm sorry, Nate, that I never wrote to you.",
    "Sorry, the shop is closed until Monday.",
    "I can't help smiling when I think of that garden.",
    "I cannot help but wonder who lit the lamp.",
    "I can't remember a colder winter.",
    "Unfortunately, the harbour froze in January.",
    "Of course, the bank had other plans.",
    "Sure enough, the ferry was late.",
    "Certainly the oldest tree stood by the gate.",
    "Here is the garden that my mother planted.",
    "Here is a story that my grandmother told on winter evenings by the stove.",
    "As an aircraft mechanic I know such lamps.",
    "As an artist, she knew the light.",
    "The document was old.",
    '"I can\'t help you," said the captain.',
]
HARMLESS_ENDINGS = [
    "She let me know if the ferry was late.",
    "Let me know if Tuesday suits you, and bring the lamp.",
    "I hope this winter ends soon.",
    "The editor shouted the word count of every page.",
]


class TestRefusalsAndMetaTalk:
    @pytest.mark.parametrize("text", REFUSALS)
    def test_a_refusal_is_recognised(self, text: str) -> None:
        assert gate_of().sound(draft(text)).code == "refusal"
        assert gate_of().sound(draft(f"\n  {text} {GARDEN}")).code == "refusal"

    @pytest.mark.parametrize("text", META)
    def test_talk_about_the_document_at_its_beginning(self, text: str) -> None:
        assert gate_of().sound(draft(f"{text}\n\n{GARDEN}")).code == "meta_talk"

    @pytest.mark.parametrize("text", META_ENDINGS)
    def test_talk_about_the_document_at_its_end(self, text: str) -> None:
        for joint in ("\n\n", " "):
            assert gate_of().sound(draft(f"{GARDEN}{joint}{text}\n")).code == "meta_talk"

    @pytest.mark.parametrize("text", [*REFUSALS, *META, *META_ENDINGS])
    def test_a_document_may_quote_it_in_its_middle(self, text: str) -> None:
        assert gate_of(max_words=200).sound(embedded_in(text)).passed

    @pytest.mark.parametrize("text", HARMLESS_OPENINGS)
    def test_a_document_may_begin_like_this(self, text: str) -> None:
        assert gate_of().sound(draft(f"{text} {GARDEN}")).passed

    @pytest.mark.parametrize("text", HARMLESS_ENDINGS)
    def test_a_document_may_end_like_this(self, text: str) -> None:
        assert gate_of().sound(draft(f"{GARDEN} {text}")).passed

    @pytest.mark.parametrize(
        "text",
        [
            "let me know if " * 4000,
            "!" * 60_000 + "\nx",
            ". " * 30_000,
            "* " * 30_000,
            "Here is a " * 9000,
        ],
    )
    def test_a_long_text_is_measured_without_delay(self, text: str) -> None:
        assert gate_of().sound(draft(text, seed_set=())).code in ("too_long", "too_short")


class TestAdversarialDocuments:
    @pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS.keys())
    async def test_a_sound_document_stays_sound_with_it(self, text: str) -> None:
        gate = gate_of(max_words=200)
        assert await gate.judge(embedded_in(text)) == await gate.judge(embedded_in(""))

    @pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS.keys())
    async def test_an_unsound_document_stays_unsound_with_it(self, text: str) -> None:
        gate = gate_of(max_words=200)
        wanting = Draft(embedded_in(text).text, "s", "t", ("ferry", "gull"))
        assert (await gate.judge(wanting)).code == "seeds_missing"

    @pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS.keys())
    async def test_a_copy_is_a_copy_with_it(self, text: str) -> None:
        gate = gate_of(max_words=200)
        gate.learn([Record(id="r1", text=f"{GARDEN} {HARBOUR}")])
        copy = draft(f"{GARDEN} {HARBOUR}\n{text}", seed_set=())
        assert (await gate.judge(copy)).code == "overlap"


@pytest.fixture(params=["memory", "chroma"])
async def remembered(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RecordMemory]:
    embeddings = WordEmbeddings(DIMS)
    index = IndexConfig(dims=DIMS, embed=embeddings, fields=["text"])
    if request.param == "memory":
        yield RecordMemory(InMemoryStore(index=index), embeddings, opening_words=16)
        return
    with ChromaStore.open(tmp_path, index=index) as store:
        yield RecordMemory(store, embeddings, opening_words=16)


class TestNovelty:
    async def test_the_first_document_is_new(self, remembered: RecordMemory) -> None:
        verdict = await gate_of(remembered).judge(draft())
        assert verdict.passed
        assert verdict.novelty is not None
        assert verdict.novelty.distance is None
        assert verdict.nearest_summary == ""

    async def test_what_is_near_by_its_summary_is_refused(self, remembered: RecordMemory) -> None:
        record = Record(id="r1", text=HARBOUR, summary="Nate hangs a lamp.")
        await remembered.remember(record)
        verdict = await gate_of(remembered).judge(draft())
        assert verdict.code == "too_close"
        assert "r1" in verdict.detail
        assert verdict.nearest_summary == "Nate hangs a lamp."
        assert verdict.novelty is not None
        assert verdict.novelty.nearest_id == "r1"
        assert verdict.novelty.summary_distance == pytest.approx(0, abs=1e-6)

    async def test_what_opens_alike_is_near_too(self, remembered: RecordMemory) -> None:
        record = Record(id="r1", text=f"{GARDEN} And more.", summary="Something wholly different.")
        await remembered.remember(record)
        verdict = await gate_of(remembered).judge(draft(), needs_summary=False)
        assert verdict.code == "too_close"
        assert verdict.novelty is not None
        assert verdict.novelty.opening_distance == pytest.approx(0, abs=1e-6)

    async def test_what_is_far_enough_passes_with_its_distance(
        self, remembered: RecordMemory
    ) -> None:
        await remembered.remember(Record(id="r1", text=HARBOUR, summary="Ropes by the sea."))
        verdict = await gate_of(remembered).judge(draft())
        assert verdict.passed
        assert verdict.novelty is not None
        assert verdict.novelty.distance is not None
        assert verdict.novelty.distance >= 0.15

    async def test_the_threshold_is_a_setting(self, remembered: RecordMemory) -> None:
        await remembered.remember(Record(id="r1", text=HARBOUR, summary="Ropes by the sea."))
        assert (await gate_of(remembered, min_distance=2).judge(draft())).code == "too_close"

    async def test_copied_runs_of_words_are_an_overlap(self) -> None:
        gate = gate_of(max_ngram_overlap=0.5)
        gate.learn([Record(id="r1", text=GARDEN), Record(id="r2", text=HARBOUR)])
        half = f"{HARBOUR[:80]} {GARDEN}"
        verdict = await gate.judge(draft(half))
        assert verdict.code == "overlap"
        assert "stand in r1" in verdict.detail
        assert (await gate_of(max_ngram_overlap=0.5).judge(draft(half))).passed

    async def test_an_opening_may_be_used_as_often_as_is_set(self) -> None:
        gate = gate_of(max_same_opening=2, min_words=5)
        opening = "Nate found an old lamp"
        same = draft(f"{opening} {HARBOUR}", seed_set=())
        for number in range(2):
            assert (await gate.judge(same)).code is None, number
            gate.learn([Record(id=str(number), text=f"{opening.upper()}, of kind {number}.")])
        verdict = await gate.judge(same)
        assert verdict.code == "stock_opening"
        assert verdict.novelty is not None
        assert verdict.novelty.opening_overlap == 1.0

    async def test_soundness_comes_before_novelty(self) -> None:
        gate = gate_of()
        gate.learn([Record(id="r1", text=GARDEN)])
        assert (await gate.judge(draft(seed_set=("ferry",)))).code == "seeds_missing"
        assert (await gate.judge(draft())).code == "overlap"

    async def test_instructions_are_learnt_by_their_messages(self) -> None:
        gate = gate_of()
        turns = [{"role": "user", "content": GARDEN}]
        record = Record.model_validate({"id": "r1", "kind": "instruction", "messages": turns})
        gate.learn([record])
        assert (await gate.judge(draft())).code == "overlap"
