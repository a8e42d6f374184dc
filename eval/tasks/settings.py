"""How a task is asked."""

from dataclasses import dataclass
from typing import Literal

Scoring = Literal["auto", "likelihood", "parsed"]
Normalise = Literal["per_token", "raw"]
CHAT_TOKENS = 512  # of a chat model's answer, which says more than a base model's continuation


@dataclass(frozen=True)
class TaskSettings:
    """How a task is asked.

    Attributes:
        scoring: `likelihood`: the likeliest of the choices; `parsed`: what the model says is read;
            `auto`: the first where task and model allow it.
        normalise: How choices of different length are compared; both are told.
        bos: Whether a prompt begins with BOS; None: as the tokenizer does.
        chat: Whether a local model is asked through its chat template.
        limit: Rows drawn by the seed; None: all.
        max_new_tokens: Of an answer; None: the task's, for a chat model `CHAT_TOKENS` at least.
        temperature: 0: greedy.
        allow_code: Whether what the model writes may be run, confined (see `code_execution`).
        tokens_per_batch: Of a forward pass.
        max_batch: Answers generated together; with 1, bit for bit the same on every machine.
        concurrency: Calls to an endpoint at a time.
    """

    scoring: Scoring = "auto"
    normalise: Normalise = "per_token"
    bos: bool | None = None
    chat: bool = False
    limit: int | None = None
    max_new_tokens: int | None = None
    temperature: float = 0.0
    allow_code: bool = False
    tokens_per_batch: int = 8192
    max_batch: int = 16
    concurrency: int = 8
