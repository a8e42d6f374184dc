"""From rows to tokens: what a student reads, and which tokens of it count.

A conversation goes through the tokenizer's chat template; without one, its turns are joined by line
breaks (where neither side brings white space). Prompt and answer are encoded apart, so that the
prompt of a given answer has the very tokens that the student's own answer is decoded from. An
answer ends with its end token, which counts like any other: an answer is never without a target.
"""

from dataclasses import replace
from itertools import islice, pairwise
from typing import Any, Literal

from metasynth.lm.batches import Encoded
from metasynth.lm.load import LoadedLM
from metasynth.lm.text import TextEncoder
from metasynth.records.record import Message

from .rows import BadRowError, StudentRow


class Renderer:
    """Renders rows for one model.

    Attributes:
        end_id: What follows an answer or a text; None where the model has no end token.
        start_id: What a text begins with, if the tokenizer has such a token.
    """

    def __init__(self, lm: LoadedLM) -> None:
        self._lm = lm
        self._tokenizer: Any = lm.tokenizer
        self._text = TextEncoder(lm.tokenizer)
        eos, bos = self._tokenizer.eos_token_id, self._tokenizer.bos_token_id
        others = min(lm.end_token_ids, default=None)
        self.end_id: int | None = eos if isinstance(eos, int) else others
        self.start_id: int | None = bos if isinstance(bos, int) else None
        self._takes_system = bool(self._tokenizer.chat_template) and self._shows_system()

    def encode(self, row: StudentRow, *, loss_on: Literal["answer", "all"] = "answer") -> Encoded:
        """A row's tokens; its answer (a text: all of it) are the targets, or whatever it can be.

        The first token of all has nothing before it, so it is no target: where a tokenizer has no
        start token, the first token of a text does not count.

        Raises:
            BadRowError: It has no answer, or is longer than the model's context.
        """
        prompt, answer = self._parts(row)
        ids = [*prompt, *answer]
        first = max(1, len(prompt)) if loss_on == "answer" else 1
        self._require_room(len(ids), 0)
        if first >= len(ids):
            raise BadRowError("a single token, which nothing stands before")
        return Encoded(ids, [place >= first for place in range(len(ids))])

    def encode_with_and_without(self, row: StudentRow) -> tuple[Encoded, Encoded]:
        """The answer given its prompt, and the answer alone, with the same tokens as targets.

        Alone it stands behind the start token; where there is none, its first token is a target of
        neither.

        Raises:
            BadRowError: As in `encode`; the row is a text; or its answer is a single token.
        """
        if not row.messages:
            raise BadRowError("no prompt, but a text alone")
        prompt, answer = self._parts(row)
        start = [] if self.start_id is None else [self.start_id]
        skipped = 1 - len(start)
        if len(answer) <= skipped:
            raise BadRowError("an answer of a single token, and the model has no start token")
        self._require_room(len(prompt), len(answer))
        flags = [place >= skipped for place in range(len(answer))]
        return (
            Encoded([*prompt, *answer], [False] * len(prompt) + flags),
            Encoded([*start, *answer], [False] * len(start) + flags),
        )

    def prompt_ids(self, row: StudentRow) -> list[int]:
        """The tokens that the student answers, with room for at least one of its own.

        Raises:
            BadRowError: There is no prompt, or it fills the context.
        """
        if not row.prompt:
            raise BadRowError("no prompt that the student could answer")
        if not any(message.content.strip() for message in row.prompt):
            raise BadRowError("empty prompt")
        ids = self._prompt(row)
        self._require_room(len(ids), 1)
        return ids

    def answered(self, row: StudentRow, answer: str) -> list[int]:
        """The tokens of a row's prompt with another answer, which may be empty.

        Raises:
            BadRowError: Together they are longer than the context.
        """
        turn = Message(role="assistant", content=answer)
        prompt, found = self._turns(replace(row, messages=(*row.prompt, turn)))
        self._require_room(len(prompt), len(found))
        return [*prompt, *found]

    def _parts(self, row: StudentRow) -> tuple[list[int], list[int]]:
        """The tokens of the prompt, and those of the answer with its end."""
        if row.text is not None:
            if not row.text.strip():
                raise BadRowError("empty text")
            return self._start(), [*self._text.encode(row.text), *self._end()]
        if not row.is_answered:
            raise BadRowError("no answer: neither a completion nor a last turn of the assistant")
        if not row.answer.strip():
            raise BadRowError("empty answer")
        if not row.prompt:
            raise BadRowError("an answer without a prompt")
        return self._turns(row)

    def _turns(self, row: StudentRow) -> tuple[list[int], list[int]]:
        if self._tokenizer.chat_template:
            return self._prompt(row), self._templated_answer(row)
        return self._prompt(row), [*self._text.encode(row.answer), *self._end()]

    def _prompt(self, row: StudentRow) -> list[int]:
        if self._tokenizer.chat_template:
            mark = self._mark(row.prompt)
            return self._text.encode_marked(self._templated(row.prompt, mark, asks=True), mark)
        text = _joined([message.content for message in row.prompt], row.answer)
        return [*self._start(), *self._text.encode(text)]

    def _templated_answer(self, row: StudentRow) -> list[int]:
        """What the template makes of the answer behind its prompt, up to the end token."""
        mark = self._mark(row.messages)
        prompt = self._templated(row.prompt, mark, asks=True)
        whole = self._templated(row.messages, mark, asks=False)
        if not whole.startswith(prompt):  # it renders an answered turn in another way
            return [*self._text.encode(row.answer.strip()), *self._end()]
        ids = self._text.encode_marked(whole[len(prompt) :], mark)
        ends = (place for place, token in enumerate(ids) if token in self._lm.end_token_ids)
        end = next(ends, None)  # what a template writes behind it, the student never says
        return ids[: end + 1] if end is not None else [*ids, *self._end()]

    def _templated(self, messages: tuple[Message, ...], mark: str, *, asks: bool) -> str:
        given = _without_system(messages) if not self._takes_system else messages
        turns = [
            {"role": message.role, "content": self._text.marked(message.content, mark)}
            for message in given
        ]
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    turns, add_generation_prompt=asks, tokenize=False
                )
            )
        except Exception as error:  # a template raises what it likes
            reason = " ".join(str(error).split())[:120]
            raise BadRowError(f"the chat template refuses it: {reason}") from error

    def _shows_system(self) -> bool:
        turns = [{"role": "system", "content": "mark"}, {"role": "user", "content": "question"}]
        try:
            return "mark" in str(self._tokenizer.apply_chat_template(turns, tokenize=False))
        except Exception:  # it refuses such messages
            return False

    def _mark(self, messages: tuple[Message, ...]) -> str:
        return self._text.unused_mark("".join(message.content for message in messages))

    def _start(self) -> list[int]:
        return [] if self.start_id is None else [self.start_id]

    def _end(self) -> list[int]:
        return [] if self.end_id is None else [self.end_id]

    def _require_room(self, tokens: int, more: int) -> None:
        limit = self._lm.context_length
        if tokens + more > limit:
            raise BadRowError(
                f"longer than the context: {tokens + more} tokens, the model reads {limit}"
            )


def _joined(turns: list[str], following: str) -> str:
    """Turns as one text, with a line break where one would run into the next, or the following."""
    pieces = []
    for turn, after in pairwise([*turns, following or "answer"]):
        apart = not turn or turn[-1].isspace() or after[:1].isspace()
        pieces += [turn] if apart else [turn, "\n"]
    return "".join(pieces)


def _without_system(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The same, with what the system says put before the first user's message."""
    told = [message.content for message in messages if message.role == "system"]
    rest = [message for message in messages if message.role != "system"]
    if not told:
        return messages
    user = next((n for n, message in enumerate(rest) if message.role == "user"), None)
    if user is None:
        return (Message(role="user", content="\n\n".join(told)), *rest)
    told.append(rest[user].content)
    joined = Message(role="user", content="\n\n".join(told))
    return (*islice(rest, user), joined, *islice(rest, user + 1, None))
