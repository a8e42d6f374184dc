"""A record: one document or instruction, accepted or rejected, with its lineage."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from metasynth.errors import MetaSynthError
from metasynth.text import encodable

Text = Annotated[str, AfterValidator(encodable)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(_Part):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: Text


class Novelty(_Part):
    """How far a record lies from the nearest one that was there before it.

    `distance` is the smaller one of the cosine distances (0 to 2) of summary and opening; None for
    the first record. `opening_overlap` is the share of earlier records with the same opening words,
    `ngram_overlap` the largest share of the record's word n-grams that one earlier record holds.
    """

    nearest_id: str | None = None
    distance: float | None = None
    summary_distance: float | None = None
    opening_distance: float | None = None
    opening_overlap: float = 0.0
    ngram_overlap: float = 0.0


class CheckerResult(_Part):
    """What an exact verifier said; `passed` is None where it could not judge."""

    passed: bool | None = None
    detail: Text = ""


class StudentScore(_Part):
    """What the student said of a candidate; a high score means hard, whatever the criterion.

    `threshold` is the limit that the score was held against, None in the warm-up; `place` is the
    one among the `batch` candidates that a choice was made from.
    """

    criterion: str
    score: float
    round: int
    threshold: float | None = None
    place: int | None = None
    batch: int | None = None


class RejectedAnswer(_Part):
    """An answer that was written to question number `turn` (from 1) and not kept.

    `by` is who said no: `gate`, `checker` or the name of an expert. With the conversation before it
    and the answer that was kept it makes a preference pair.
    """

    turn: int
    content: Text
    by: str
    reason: Text


class Generation(_Part):
    """What made a record and what it cost (tokens, seconds of model time, US dollars)."""

    models: dict[str, str] = Field(default_factory=dict)
    prompt_version: str = ""
    config_hash: str = ""
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    usd: float | None = None


class Record(_Part):
    """One line of `corpus.jsonl` or `rejected.jsonl`.

    A rejected record has a `reason`; an accepted one has none. `text` is the body of a document,
    `messages` that of an instruction. `refusals` are the codes with which the gate sent earlier
    drafts of this record back. `rejected_answers` were written to the questions of an instruction
    and are no part of it. `student` scored the record itself, `seed_score` the seed that it was
    written from, when that was chosen.
    """

    id: str
    kind: Literal["document", "instruction"] = "document"
    text: Text | None = None
    messages: list[Message] | None = None
    domain: Text = ""
    topic: Text = ""
    persona: Text = ""
    genre: Text = ""
    keywords: list[Text] = Field(default_factory=list)
    summary: Text = ""
    seed_ids: list[str] = Field(default_factory=list)
    parent_ids: list[str] = Field(default_factory=list)
    experts: list[Text] = Field(default_factory=list)
    revisions: int = 0
    refusals: list[str] = Field(default_factory=list)
    rejected_answers: list[RejectedAnswer] | None = None
    source: str = "conductor"
    novelty: Novelty | None = None
    student: StudentScore | None = None
    seed_score: StudentScore | None = None
    checker: CheckerResult | None = None
    generation: Generation = Field(default_factory=Generation)
    reason: Text | None = None
    created_at: str = ""

    @property
    def body(self) -> str:
        """The text, or the messages' contents joined by blank lines."""
        if self.text is not None:
            return self.text
        return "\n\n".join(message.content for message in self.messages or [])

    @property
    def question(self) -> str:
        """What an instruction asks: the user's turns joined by blank lines; "" of a document."""
        asked = [message.content for message in self.messages or [] if message.role == "user"]
        return "\n\n".join(asked)

    def to_line(self) -> str:
        """The record as one line of JSON, newline included."""
        return self.model_dump_json(exclude_none=True) + "\n"


def read_records(path: Path) -> Iterator[Record]:
    """The records of a JSONL file, one at a time; a missing file has none.

    Raises:
        MetaSynthError: A line is not a record; names file and line.
    """
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield Record.model_validate_json(line)
            except ValidationError as error:
                first: Any = error.errors()[0]
                raise MetaSynthError(
                    f"{path}, line {number}: not a record ({first['msg']})",
                    hint="restore the line from a copy, or remove it and run again",
                ) from error
