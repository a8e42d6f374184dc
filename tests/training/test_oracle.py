"""The oracle's experts and conductor, and the stream of tasks made of them."""

import random

import pytest

from metasynth.domains.catalogue import get_domain
from training.chat import Attachment, Message
from training.conductor import BRIEF, TITLE, conductor_policy
from training.crafts import CRAFTS
from training.oracle import CHANGES, ROLES, expand, expert_oracle, extract, title
from training.tasks import STAGES, TASKS, Stream

ANY = get_domain("any")


def draft(form: str, seed: int = 0) -> str:
    return ANY.generate(random.Random(seed), form=form).text


@pytest.mark.parametrize("form", ANY.forms)
def test_the_domain_expert_writes_the_form_with_the_keywords(form: str) -> None:
    attached = [Attachment("keywords", "garden, lamp, Nate")]
    text = expert_oracle("domain_expert", f"Write a {form}.", attached, random.Random(1))
    item = ANY.parse(text)
    assert item is not None
    assert item.form == form
    assert {"garden", "lamp", "Nate"} <= set(item.keywords)


@pytest.mark.parametrize("craft", CRAFTS, ids=lambda craft: craft.name)
@pytest.mark.parametrize("instruction", [*CHANGES, "Rewrite as a {form}."])
def test_every_edit_gives_a_document_with_a_right_answer(craft, instruction: str) -> None:  # type: ignore[no-untyped-def]
    rng = random.Random(4)
    for form in craft.forms:
        text = craft.draft(rng, form=form, keywords=()).text
        asked = instruction.format(form=craft.forms[0])
        edited = expert_oracle("editor", asked, [Attachment("draft", text)], rng)
        assert ANY.check(edited).passed is True, edited


def test_a_rewrite_keeps_people_things_and_numbers() -> None:
    before = ANY.parse(draft("report"))
    assert before is not None
    told = expert_oracle(
        "editor", "Rewrite as a riddle.", [Attachment("draft", before.text)], random.Random(0)
    )
    after = ANY.parse(told)
    assert after is not None
    assert (after.form, after.keywords, after.answer) == (
        "riddle",
        before.keywords,
        before.answer,
    )


@pytest.mark.parametrize("craft", CRAFTS, ids=lambda craft: craft.name)
def test_a_spoilt_answer_is_corrected(craft) -> None:  # type: ignore[no-untyped-def]
    rng = random.Random(6)
    item = craft.draft(rng, form=craft.forms[0], keywords=())
    spoilt = craft.spoil(item, rng)
    assert ANY.check(spoilt).passed is False
    mended = expert_oracle("editor", "Correct the answer.", [Attachment("draft", spoilt)], rng)
    assert mended == item.text


def test_summaries_of_different_documents_differ() -> None:
    rng = random.Random(0)
    texts = [ANY.generate(rng).text for _ in range(100)]
    told = {expert_oracle("summarizer", "", [Attachment("draft", t)], rng) for t in texts}
    assert len(told) >= 98


def test_keywords_are_found_in_documents_and_lists() -> None:
    item = ANY.generate(random.Random(0), form="word problem", keywords=["oven", "roll", "Mia"])
    assert set(extract(item.text).split(", ")) >= {"oven", "roll", "Mia"}
    assert extract("oven, Mia, bakery, roll") == "bakery, roll, Mia, oven"
    grown = expand(["oven"], random.Random(0))
    assert "oven" in grown
    assert 2 <= len(grown) <= 4


@pytest.mark.parametrize("role", ROLES)
def test_every_expert_answers_a_draft_that_nobody_understands(role: str) -> None:
    attached = [Attachment(kind, "Some {{ odd }} text.") for kind in ("draft", "seed", "keywords")]
    assert expert_oracle(role, "Do it.", attached, random.Random(0))


def brief() -> list[Message]:
    attached = (Attachment("seed", "seed-1"), Attachment("forms", "riddle, report"))
    return [Message("system", TITLE), Message("user", BRIEF, attached)]


def play(results: list[str]) -> list[list[str]]:
    """What the conductor does while the experts and the gate answer as given."""
    messages, names, waiting = brief(), list[list[str]](), list(results)
    for _ in range(20):
        calls = conductor_policy(messages, random.Random(5))
        names.append([str(call.arguments.get("expert", call.name)) for call in calls])
        messages.append(Message("assistant", tool_calls=tuple(calls)))
        if len(waiting) < len(calls):
            break
        messages += [Message("tool", waiting.pop(0)) for _ in calls]
    return names


START = [
    "keywords-1 by seed_keyword_extraction",
    "keywords-2 by seed_keyword_expansion",
    "seed set: garden, tulip, Nate",
    "draft-1 by domain_expert",
    "summary-1 by summarizer",
    "topic-1 by topic_label",
]
WAY = [
    ["seed_keyword_extraction"],
    ["seed_keyword_expansion"],
    ["set_seeds"],
    ["domain_expert"],
    ["summarizer", "topic_label"],
    ["submit"],
]


def test_the_conductor_goes_from_the_seed_to_the_gate() -> None:
    assert play(START) == WAY


@pytest.mark.parametrize(
    ("reason", "then"),
    [
        ("summary_missing", ["summarizer"]),
        ("topic_missing", ["topic_label"]),
        ("seeds_missing", ["domain_expert"]),
        ("not_checkable", ["domain_expert"]),
        ("wrong_answer", ["editor"]),
        ("too_close", ["editor"]),
    ],
)
def test_the_conductor_answers_a_refusal(reason: str, then: list[str]) -> None:
    assert play([*START, f"refused draft-1: {reason}"]) == [*WAY, then]


def test_the_conductor_gives_up_after_three_refusals() -> None:
    rounds = []
    for number in (2, 3):
        rounds += [f"refused draft-{number - 1}: seeds_missing", f"draft-{number} by domain_expert"]
        rounds += [f"summary-{number} by summarizer", f"topic-{number} by topic_label"]
    assert play([*START, *rounds, "refused draft-3: seeds_missing"])[-1] == ["give_up"]


def test_the_conductor_tries_again_after_an_error() -> None:
    assert play(["error: the expert did not answer", *START])[:2] == [WAY[0], WAY[0]]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("task", TASKS)
def test_the_stream_repeats(stage: str, task: str) -> None:
    first, again = Stream(stage=stage, seed=3), Stream(stage=stage, seed=3)
    for number in range(4):
        example = first.example(number, task=task)
        assert example == again.example(number, task=task)
        assert example[-1].role == "assistant"


def test_titles_read_well() -> None:
    assert title("domain_expert") == "You are the Domain Expert."
    assert title("seed_keyword_extraction") == "You are the Seed Keyword Extraction Expert."
