"""What the conductor of instructions should do next, given what the chat template shows it."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from .chat import Message, ToolCall
from .conductor import MAX_ERRORS, MAX_REFUSALS, consult, deeds_of
from .instruct_oracle import EDIT, QUESTION_CHANGES, SUGGESTIONS, TRANSFORM
from .oracle import words_of

INSTRUCT_TITLE = "You are the Instruct Conductor."
INSTRUCT_BRIEF = "Write one new instruction."
INSTRUCT_REFUSALS = (
    *("too_close", "overlap", "stock_opening", "wrong_answer", "not_checkable", "answer_leaked"),
    *(
        "mentions_document",
        "too_long",
        "too_short",
        "refusal",
        "meta_talk",
        "language",
        "no_answer",
    ),
    "student",
)
_MOST_EDITS = 2
_REPEATED = ("too_close", "overlap", "stock_opening")
_UNSOLVED = ("wrong_answer", "no_answer", "refusal")


def instruct_policy(messages: Sequence[Message], rng: random.Random) -> list[ToolCall]:
    """The calls of the conductor's next turn."""
    brief = next(message for message in messages if message.role == "user")
    listed = next((a.text for a in brief.attachments if a.kind == "forms"), "")
    return _Policy(messages, words_of(listed), rng).next()


class _Made(NamedTuple):
    call: ToolCall
    result: str

    @property
    def expert(self) -> str:
        return str(self.call.arguments.get("expert", ""))


class _Policy:
    def __init__(
        self, messages: Sequence[Message], forms: tuple[str, ...], rng: random.Random
    ) -> None:
        made = [_Made(*deed) for deed in deeds_of(messages)]
        self.errors = sum(each.result.startswith("error") for each in made)
        self.made = [each for each in made if not each.result.startswith("error")]
        self.refused = [m.result.partition(": ")[2] for m in self.made if "refused" in m.result]
        self.forms, self.rng = forms, rng

    def next(self) -> list[ToolCall]:
        """The next turn."""
        if self.errors >= MAX_ERRORS:
            return [ToolCall("give_up", {"reason": "too many errors"})]
        question = self._newest("question")
        if not question:
            return [self._transform()]
        last = self.made[-1]
        if last.call.name == "submit":
            return self._after_refusal(question)
        if last.expert in SUGGESTIONS:
            note = self._newest("note")
            return [consult("question_editor", EDIT, [question, note])]
        edits = sum(each.expert == "question_editor" for each in self.made)
        chance = self.rng.random()
        if self.refused or edits >= _MOST_EDITS or chance < (0.2, 0.6)[edits > 0]:
            return [ToolCall("submit", {"question": question})]
        return [self._evolve(question)]

    def _evolve(self, question: str) -> ToolCall:
        if self.rng.random() < 0.75:
            used = {each.expert for each in self.made}
            fresh = [name for name in SUGGESTIONS if name not in used] or list(SUGGESTIONS)
            name = self.rng.choice(fresh)
            return consult(name, SUGGESTIONS[name], [question])
        return self._edit(question, self.rng.choice(list(QUESTION_CHANGES)))

    def _transform(self) -> ToolCall:
        if not self.forms or self.rng.random() < 0.3:
            return consult("document_transformation", TRANSFORM, ["document-1"])
        form = self.rng.choice(self.forms)
        told = f"Turn the document into a {form}."
        return _with_form(consult("document_transformation", told, ["document-1"]), form)

    def _edit(self, question: str, instruction: str) -> ToolCall:
        call = consult("question_editor", instruction, [question])
        form = instruction.removeprefix("Rewrite as a ").removesuffix(".")
        return _with_form(call, form) if form in self.forms else call

    def _newest(self, kind: str) -> str:
        refs = [m.result.split()[0] for m in self.made if m.result.startswith(f"{kind}-")]
        return refs[-1] if refs else ""

    def _after_refusal(self, question: str) -> list[ToolCall]:
        reason = self.refused[-1] if self.refused else "too_close"
        if len(self.refused) >= MAX_REFUSALS:
            return [ToolCall("give_up", {"reason": f"refused three times, at last {reason}"})]
        if reason in _REPEATED:
            ways = ["Rewrite with other names and numbers.", "Make it harder."]
            ways += [f"Rewrite as a {form}." for form in self.forms]
            return [self._edit(question, self.rng.choice(ways))]
        if reason in _UNSOLVED:
            return [self._edit(question, "Make it easier.")]
        return [self._transform()]


def _with_form(call: ToolCall, form: str) -> ToolCall:
    return ToolCall(call.name, {**call.arguments, "genre": form})
