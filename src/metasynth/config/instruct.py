"""The `instruct` section of a run file: instructions evolved from documents.

MetaSynth-Instruct: Riaz et al., arXiv 2504.12563. How many instructions a document gets, how often
they are evolved and who answers is not known from the paper; the defaults here are ours.
"""

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from .checks import contradiction
from .section import Section

InstructGraph = Literal["instruct", "self_instruct", "evol_instruct", "template_qa"]
INSTRUCT_GRAPHS: tuple[str, ...] = get_args(InstructGraph)
"""The graphs that write instructions: the conductor's, and its baselines."""


class InstructConfig(Section):
    """How `graph: instruct` makes conversations of documents; its baselines share the bounds."""

    per_document: int = Field(default=2, ge=1, description="instructions begun from one document")
    turns: int = Field(
        default=1, ge=1, le=8, description="questions in a conversation, follow-ups included"
    )
    answer_tries: int = Field(default=3, ge=1, description="answers written to one question")
    critic: bool = Field(default=True, description="an expert advises on every answer")
    min_question_words: int = Field(default=5, ge=1, description="of an instruction")
    max_question_words: int = Field(default=200, ge=5, description="of an instruction")
    max_leak: float = Field(
        default=0.5, ge=0, le=1, description="share of an answer that its question may hold"
    )
    max_likeness: float = Field(
        default=0.7, ge=0, le=1, description="ROUGE-L to another instruction of the same document"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_question_words > self.max_question_words:
            raise contradiction(
                f"min_question_words: {self.min_question_words} words at least and "
                f"{self.max_question_words} at most (max_question_words) are never both"
            )
        return self


def check_instruct(graph: str, documents: str | None) -> None:
    """What the graphs that write instructions need of the section `seeds`.

    Raises:
        ValueError: It names no documents.
    """
    if graph in INSTRUCT_GRAPHS and not documents:
        raise ValueError(f"seeds.documents: graph {graph} needs documents to start from")
