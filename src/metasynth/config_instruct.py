"""The `instruct` section of a run file: instructions evolved from documents.

MetaSynth-Instruct: Riaz et al., arXiv 2504.12563. How many instructions a document gets, how often
they are evolved and who answers is not known from the paper; the defaults here are ours.
"""

from pydantic import Field

from metasynth.config_section import Section


class InstructConfig(Section):
    """How `graph: instruct` makes conversations of documents."""

    per_document: int = Field(default=2, ge=1, description="instructions begun from one document")
    turns: int = Field(
        default=1, ge=1, le=8, description="questions in a conversation, follow-ups included"
    )
    answer_tries: int = Field(default=3, ge=1, description="answers written to one question")
    critic: bool = Field(default=True, description="an expert advises on every answer")
    min_question_words: int = Field(default=5, ge=1)
    max_question_words: int = Field(default=200, ge=5)
    max_leak: float = Field(
        default=0.5, ge=0, le=1, description="share of an answer that its question may hold"
    )
    max_likeness: float = Field(
        default=0.7, ge=0, le=1, description="ROUGE-L to another instruction of the same document"
    )
