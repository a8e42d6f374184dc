"""The state of the instruct graph: a question on its way, and the conversation that it opens."""

from typing import Any

from typing_extensions import TypedDict

from metasynth.graphs.run.state import DocumentState


class Turn(TypedDict):
    """One question with its answer."""

    question: str
    answer: str


class Rejected(TypedDict):
    """An answer that was not kept; see `metasynth.records.RejectedAnswer`."""

    turn: int
    content: str
    by: str
    reason: str


class InstructState(DocumentState, total=False):
    """One instruction on its way.

    `topic` is the document's, where it is a record. `conversation` holds the turns that are done;
    `question` is the one that is being answered, `answer` what was written last, after `answers`
    tries; `problem` is the verdict on what the expert gave where it is no answer, and `critique`
    says what a better one is to mend. `stopped` is true where the conductor's bound was reached:
    its last question has one try.
    """

    topic: str
    conversation: list[Turn]
    question: str
    answer: str
    cut: bool
    answers: int
    critique: str
    problem: dict[str, Any]
    rejected_answers: list[Rejected]
    stopped: bool
