"""Prompts in tokens: with or without BOS, through a chat template or not, and short enough."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from metasynth.errors import RequestError
from metasynth.eval.tasks.spec import BadItemError, TaskItem, TaskSpec
from metasynth.lm.load import LoadedLM
from metasynth.lm.text import TextEncoder

from .few_shot import Examples

LEAST_ROOM = 16  # tokens of an answer; where a prompt leaves fewer, the row is not asked


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question ready to be read.

    Attributes:
        ids: Its tokens.
        shots: Examples in it.
        room: Tokens that an answer may have.
        cut: It lost its beginning.
    """

    ids: Sequence[int]
    shots: int
    room: int
    cut: bool = False


@dataclass(frozen=True, slots=True)
class ChoicePrompts:
    """A question with each of its choices.

    Attributes:
        before: The tokens that stand before every choice, in little memory: there may be very many
            questions.
        tails: The tokens of each choice.
        shots: Examples in it.
        cut: It lost its beginning.
    """

    before: Sequence[int]
    tails: Sequence[Sequence[int]]
    shots: int
    cut: bool = False


class PromptEncoder:
    """Questions of a task as tokens of one model.

    Args:
        lm: The model.
        task: The task.
        examples: What may stand before a question.
        bos: Whether a prompt begins with the BOS token; None: as the tokenizer does by itself.
        chat: Whether it goes through the chat template, as one message of the user; the template
            then decides about BOS.

    Raises:
        RequestError: BOS or chat is asked of a tokenizer that has none.
    """

    def __init__(
        self, lm: LoadedLM, task: TaskSpec, examples: Examples, *, bos: bool | None, chat: bool
    ) -> None:
        self._tokenizer: Any = lm.tokenizer
        self._text = TextEncoder(lm.tokenizer)
        self._limit = lm.context_length
        self._task = task
        self._examples = examples
        self._chat = chat
        if chat and not self._tokenizer.chat_template:
            raise RequestError(
                f"model {lm.name!r} has no chat template",
                hint="leave --chat out for a base model",
                code="no_chat_template",
            )
        if bos and chat:
            raise RequestError(
                "with a chat template the template decides about BOS, not --bos",
                code="bos_and_chat",
            )
        start = self._tokenizer.bos_token_id
        if bos and not isinstance(start, int):
            raise RequestError(
                f"model {lm.name!r} has no BOS token", hint="leave --bos out", code="no_bos"
            )
        if bos is None and not chat:
            bos = isinstance(start, int) and self._tokenizer("a").input_ids[:1] == [start]
        self.bos = bool(bos)
        self._start = [start] if self.bos else []

    def question(self, item: TaskItem, shots: int, most: int) -> Prompt:
        """A question to be answered in words, with as many examples as there is room for.

        Args:
            item: The question.
            shots: Examples, at most.
            most: Tokens of an answer, where there is room.

        Raises:
            BadItemError: Even alone it leaves less room than `LEAST_ROOM`.
        """
        ids: list[int] = []
        for count in range(shots, -1, -1):
            ids = self._encoded(self._prompt(item, count))
            if len(ids) + most <= self._limit:
                return Prompt(_packed(ids), count, most)
        if self._task.cuts_left and self._limit > most + len(self._start):
            room = self._limit - most - len(self._start)
            return Prompt(_packed([*self._start, *ids[-room:]]), 0, most, cut=True)
        self._require(len(ids), min(most, LEAST_ROOM))
        return Prompt(_packed(ids), 0, self._limit - len(ids))

    def choices(self, item: TaskItem, shots: int) -> ChoicePrompts:
        """A question with each of its choices, with as many examples as there is room for.

        Text and choice are encoded together, so that a token may reach over the place where they
        meet: from there on all counts.

        Raises:
            BadItemError: Even alone it is too long; or a choice is empty.
        """
        prompts: list[list[int]] = []
        start = 0
        for count in range(shots, -1, -1):
            prompts, start = self._with_choices(item, count)
            if max(map(len, prompts)) <= self._limit:
                return ChoicePrompts(_packed(prompts[0][:start]), _tails(prompts, start), count)
        longest = max(map(len, prompts))
        tail = longest - start
        if self._task.cuts_left and self._limit > tail + len(self._start):
            drop = longest - self._limit + len(self._start)
            before = [*self._start, *prompts[0][drop:start]]
            return ChoicePrompts(_packed(before), _tails(prompts, start), 0, cut=True)
        self._require(longest, 0)
        raise AssertionError("unreachable")

    def _with_choices(self, item: TaskItem, shots: int) -> tuple[list[list[int]], int]:
        text = self._prompt(item, shots)
        prompt = self._encoded(text)
        if self._chat:
            prompts = [[*prompt, *self._text.encode(choice)] for choice in item.choices]
        else:
            joint = self._task.joint
            prompts = [self._encoded(f"{text}{joint}{choice}") for choice in item.choices]
        start = min(common_tokens(prompt, ids) for ids in prompts)
        if not start or any(len(ids) <= start for ids in prompts):
            raise BadItemError("a choice, or what stands before it, has no token")
        return prompts, start

    def _prompt(self, item: TaskItem, shots: int) -> str:
        text = self._examples.prompt(item, shots)
        lead = self._task.instruction if self._chat else ""
        return f"{lead}\n\n{text}" if lead else text

    def _encoded(self, text: str) -> list[int]:
        if not self._chat:
            return [*self._start, *self._text.encode(text)]
        mark = self._text.unused_mark(text)
        turns = [{"role": "user", "content": self._text.marked(text, mark)}]
        whole = self._tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, tokenize=False
        )
        return self._text.encode_marked(str(whole), mark)

    def _require(self, tokens: int, more: int) -> None:
        if tokens + more > self._limit:
            raise BadItemError(f"longer than the model's context of {self._limit} tokens")


def _packed(ids: Sequence[int]) -> Sequence[int]:
    return array("l", ids)


def _tails(prompts: Sequence[Sequence[int]], start: int) -> list[Sequence[int]]:
    return [ids[start:] for ids in prompts]


def common_tokens(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens both begin with."""
    count = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        count += 1
    return count
