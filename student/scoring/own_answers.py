"""The student's own answers, decoded in running batches.

What a row is answered with depends on the row, the seed and the settings, not on its company. The
setting is part of a score: greedy decoding shows less uncertainty than sampling.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from metasynth.config.student import ScoringConfig
from metasynth.lm.batches import Encoded
from metasynth.lm.engine.loop import BatchEngine
from metasynth.lm.engine.requests import GenerationRequest, GenerationSettings
from metasynth.lm.load import LoadedLM
from metasynth.randomness import derive_seed

MAX_BATCH = 32


@dataclass(frozen=True, slots=True)
class Question:
    """A row's prompt, as the student reads it."""

    row_id: str
    prompt_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """What the student replied.

    Attributes:
        token_ids: Without the end token.
        ended: Whether it came to an end by itself; otherwise it was cut.
    """

    text: str
    token_ids: tuple[int, ...]
    ended: bool

    def after(self, prompt_ids: Sequence[int], end_id: int | None) -> Encoded:
        """Prompt and answer as tokens, the answer's as targets: with the end if it came to one.

        An answer that was cut has no end among its targets, so nothing is counted that the student
        did not write; one that is empty has the end alone.
        """
        end = [end_id] if self.ended and end_id is not None else []
        answer = [*self.token_ids, *end]
        flags = [False] * len(prompt_ids) + [True] * len(answer)
        return Encoded([*prompt_ids, *answer], flags)


def decoder_of(lm: LoadedLM, config: ScoringConfig, seed: int) -> "AnswerDecoder":
    """The decoder that the section of a run file describes."""
    return AnswerDecoder(
        lm, max_new_tokens=config.max_new_tokens, temperature=config.temperature, seed=seed
    )


class AnswerDecoder:
    """Lets a student answer; the model must not change until it is closed.

    Args:
        lm: The student.
        max_new_tokens: Of an answer; where the context leaves less, so many.
        temperature: 0 is greedy.
        seed: Of the draws, with the rows' ids.
        max_batch: Answers that are decoded together.

    Raises:
        RequestError: The model cannot be decoded with a key-value cache.
    """

    def __init__(
        self,
        lm: LoadedLM,
        *,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        max_batch: int = MAX_BATCH,
    ) -> None:
        self._max_new_tokens = max_new_tokens
        self._temperature = temperature
        self._seed = seed
        self._context_length = lm.context_length
        self._engine = BatchEngine(lm, max_batch=max_batch)

    def answers(self, questions: Sequence[Question]) -> list[OwnAnswer]:
        """The answers to questions, in their order."""
        # those of like length are read together, which spares padding
        order = sorted(range(len(questions)), key=lambda row: -len(questions[row].prompt_ids))
        futures = self._engine.submit_all([self._request(questions[number]) for number in order])
        replies = dict(zip(order, (future.result() for future in futures), strict=True))
        return [
            OwnAnswer(reply.text, reply.token_ids, reply.finish_reason == "stop")
            for reply in (replies[number] for number in range(len(questions)))
        ]

    def close(self) -> None:
        """Release the model; what is being answered is cancelled."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _request(self, question: Question) -> GenerationRequest:
        room = self._context_length - len(question.prompt_ids)
        settings = GenerationSettings(
            max_new_tokens=min(self._max_new_tokens, room),
            temperature=self._temperature,
            seed=derive_seed(self._seed, "own answer", question.row_id),
        )
        return GenerationRequest(question.prompt_ids, settings)
