"""What the conductor should do next, given only what the chat template shows it."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from metasynth.agents.models.embedded.prompts import ANOTHER
from metasynth.domains.language.vocabulary import THEMES
from metasynth.domains.language.words import theme_of

from .chat import Message, ToolCall
from .oracle import words_of

TITLE = "You are the Conductor."
BRIEF = "Write one new document."
INSTRUCTIONS = {
    "seed_keyword_extraction": "Extract the keywords.",
    "seed_keyword_expansion": "Add related keywords.",
    "summarizer": "Summarize the draft.",
    "topic_label": "Name the topic.",
    "content_analyst": "Compare the draft with its neighbours.",
}
INVENTED = ("style_critic", "plot_expert", "fact_checker", "careful_reader", "naming_expert")
REFUSALS = (
    *("too_close", "overlap", "stock_opening", "seeds_missing", "wrong_answer", "not_checkable"),
    *("summary_missing", "topic_missing", "too_long", "too_short", "refusal", "meta_talk"),
    "language",
)
MAX_REFUSALS = 3
MAX_ERRORS = 4


class Deed(NamedTuple):
    """A call with the first line of its result."""

    call: ToolCall
    result: str


def consult(
    expert: str, instruction: str, attach: Sequence[str], *, persona: str = "", genre: str = ""
) -> ToolCall:
    """A call of an expert; persona and genre only where there are any."""
    arguments: dict[str, str | Sequence[str]] = {
        "expert": expert,
        "instruction": instruction,
        "attach": list(attach),
    }
    if persona:
        arguments |= {"persona": persona, "genre": genre}
    return ToolCall("consult", arguments)


def conductor_policy(messages: Sequence[Message], rng: random.Random) -> list[ToolCall]:
    """The calls of the conductor's next turn."""
    deeds = deeds_of(messages)
    brief = next(message for message in messages if message.role == "user")
    seed = next((a.ref or a.text for a in brief.attachments if a.kind == "seed"), "seed-1")
    listed = next((a.text for a in brief.attachments if a.kind == "forms"), "")
    return _Policy(deeds, seed, words_of(listed) or ("word problem",), rng).next()


def deeds_of(messages: Sequence[Message]) -> list[Deed]:
    """Every call with the first line of its result, in the order of the conversation."""
    deeds, waiting = list[Deed](), list[ToolCall]()
    for message in messages:
        if message.role == "assistant":
            waiting = list(message.tool_calls)
        elif message.role == "tool" and waiting:
            deeds.append(Deed(waiting.pop(0), message.content.split("\n", 1)[0]))
    return deeds


class _Policy:
    def __init__(
        self, deeds: list[Deed], seed: str, forms: tuple[str, ...], rng: random.Random
    ) -> None:
        self.alone = any("neighbours" in deed.result for deed in deeds)  # an error named them
        self.errors = sum(deed.result.startswith("error") for deed in deeds)
        self.deeds = [deed for deed in deeds if not deed.result.startswith("error")]
        self.seed, self.forms, self.rng = seed, forms, rng
        self.refused = [d.result.partition(": ")[2] for d in self.deeds if "refused" in d.result]

    def made(self, kind: str) -> str:
        """Reference of the newest result of a kind, "" where there is none."""
        made = [d.result.split()[0] for d in self.deeds if d.result.startswith(f"{kind}-")]
        return made[-1] if made else ""

    def next(self) -> list[ToolCall]:
        """The next turn."""
        if self.errors >= MAX_ERRORS:
            return [ToolCall("give_up", {"reason": "too many errors"})]
        if not self.deeds:
            return [self._ask("seed_keyword_extraction", self.seed)]
        call = self.deeds[-1].call
        if call.name == "set_seeds":
            return [self._write()]
        if call.name == "submit":
            return self._after_refusal()
        return self._after_expert(str(call.arguments.get("expert", "")))

    def _after_expert(self, expert: str) -> list[ToolCall]:
        draft = self.made("draft")
        if expert == "seed_keyword_extraction":
            return [self._ask("seed_keyword_expansion", self.made("keywords"))]
        if expert == "seed_keyword_expansion":
            return [ToolCall("set_seeds", {"source": self.made("keywords")})]
        if self.deeds[-1].result.startswith("draft-"):
            return [self._ask("summarizer", draft), self._ask("topic_label", draft)]
        if not draft:
            return [self._write()]
        if expert == "topic_label" and not self.refused:
            chance = self.rng.random()
            if chance < 0.2 and not self.alone:
                return [self._ask("content_analyst", draft, "neighbours")]
            if chance < 0.25:
                return [consult(self.rng.choice(INVENTED), "Give a note on the draft.", [draft])]
        return [ToolCall("submit", {"draft": draft})]

    def _ask(self, expert: str, *attach: str) -> ToolCall:
        return consult(expert, INSTRUCTIONS[expert], attach)

    def _write(self) -> ToolCall:
        form = self.rng.choice(self.forms)
        seeds = [d.result.partition(": ")[2] for d in self.deeds if d.call.name == "set_seeds"]
        theme = THEMES.get(theme_of(*words_of(seeds[-1] if seeds else "")))
        persona = self.rng.choice(theme.personas) if theme else "a teacher"
        attach = [self.made("keywords")] + ["neighbours"] * (
            not self.alone and self.rng.random() < 0.1
        )
        return consult("domain_expert", f"Write a {form}.", attach, persona=persona, genre=form)

    def _after_refusal(self) -> list[ToolCall]:
        reason = self.refused[-1] if self.refused else "too_close"
        draft = self.made("draft")
        if len(self.refused) >= MAX_REFUSALS:
            return [ToolCall("give_up", {"reason": f"refused three times, at last {reason}"})]
        if reason == "summary_missing":
            return [self._ask("summarizer", draft)]
        if reason == "topic_missing":
            return [self._ask("topic_label", draft)]
        if reason == "wrong_answer" and self.rng.random() < 0.7:
            return [consult("editor", "Correct the answer.", [draft])]
        if reason in ("too_close", "overlap", "stock_opening") and self.rng.random() < 0.8:
            form = self.rng.choice(self.forms)
            ways = ["Rewrite with other names and numbers."] * 2 + [ANOTHER]
            return [consult("editor", self.rng.choice([*ways, f"Rewrite as a {form}."]), [draft])]
        return [self._write()]
