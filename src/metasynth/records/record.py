"""A record: one document or instruction, accepted or rejected, with its lineage."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from metasynth.errors import MetaSynthError
from metasynth.text.words import encodable

Text = Annotated[str, AfterValidator(encodable)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(_Part):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant", "tool"] = Field(description="who speaks")
    content: Text = Field(description="what is said")


class Novelty(_Part):
    """How far a record lies from the nearest one that was there before it.

    `distance` is the smaller one of the cosine distances (0 to 2) of summary and opening; None for
    the first record. `opening_overlap` is the share of earlier records with the same opening words,
    `ngram_overlap` the largest share of the record's word n-grams that one earlier record holds.
    """

    nearest_id: str | None = Field(default=None, description="the nearest earlier record")
    distance: float | None = Field(default=None, description="the smaller one of the two below")
    summary_distance: float | None = Field(default=None, description="cosine, 0 to 2")
    opening_distance: float | None = Field(default=None, description="cosine, 0 to 2")
    opening_overlap: float = Field(
        default=0.0, description="share of earlier records that open alike"
    )
    ngram_overlap: float = Field(
        default=0.0, description="largest share of n-grams that one earlier record holds"
    )


class CheckerResult(_Part):
    """What an exact verifier said; `passed` is None where it could not judge."""

    passed: bool | None = Field(default=None, description="null: it could not judge")
    detail: Text = Field(default="", description="why")


class StudentScore(_Part):
    """What the student said of a candidate; a high score means hard, whatever the criterion.

    `threshold` is the limit that the score was held against, None in the warm-up; `place` is the
    one among the `batch` candidates that a choice was made from.
    """

    criterion: str = Field(description="how it was scored")
    score: float = Field(description="high is hard")
    round: int = Field(description="of the student")
    threshold: float | None = Field(default=None, description="the limit it was held against")
    place: int | None = Field(default=None, description="among the candidates of a choice")
    batch: int | None = Field(default=None, description="candidates of that choice")


class RejectedAnswer(_Part):
    """An answer that was written to question number `turn` (from 1) and not kept.

    `by` is who said no: `gate`, `checker` or the name of an expert. With the conversation before it
    and the answer that was kept it makes a preference pair.
    """

    turn: int = Field(description="of the question, from 1")
    content: Text = Field(description="the answer")
    by: str = Field(description="gate, checker or an expert")
    reason: Text = Field(description="why it was not kept")


class Review(_Part):
    """What a person decided before admission, where one was asked; an edited body is theirs."""

    decision: Literal["accept", "edit", "reject"] = Field(description="what was decided")
    by: Text = Field(description="who decided, as the run file says")
    note: Text = Field(default="", description="why")


class Generation(_Part):
    """What made a record and what it cost (tokens, seconds of model time, US dollars)."""

    models: dict[str, str] = Field(default_factory=dict, description="by part: conductor, experts")
    prompt_version: str = Field(default="", description="a hash of all prompts")
    config_hash: str = Field(default="", description="the run's identity")
    code: str = Field(default="", description="the version of metasynth: a tag or a commit")
    calls: int = Field(default=0, description="of models, for this record")
    tokens_in: int = Field(default=0, description="sent")
    tokens_out: int = Field(default=0, description="received")
    seconds: float = Field(
        default=0.0, description="of model time; 0 where a run repeats byte for byte"
    )
    usd: float | None = Field(default=None, description="null: no price is known")


class Record(_Part):
    """One line of `corpus.jsonl` or `rejected.jsonl`.

    A rejected record has a `reason`; an accepted one has none. `text` is the body of a document,
    `messages` that of an instruction. `refusals` are the codes with which the gate sent earlier
    drafts of this record back. `rejected_answers` were written to the questions of an instruction
    and are no part of it. `student` scored the record itself, `seed_score` the seed that it was
    written from, when that was chosen. `review` is there where a person was asked.
    """

    id: str = Field(description="made of configuration, chain and number")
    kind: Literal["document", "instruction"] = Field(default="document", description="what it is")
    text: Text | None = Field(default=None, description="of a document")
    messages: list[Message] | None = Field(default=None, description="of an instruction")
    domain: Text = Field(default="", description="the run's")
    topic: Text = Field(default="", description="label given by an expert")
    persona: Text = Field(default="", description="as whom it was written")
    genre: Text = Field(default="", description="its form")
    keywords: list[Text] = Field(
        default_factory=list, description="the seed set that it had to use"
    )
    summary: Text = Field(default="", description="by which later ones are compared")
    seed_ids: list[str] = Field(default_factory=list, description="what it started from")
    parent_ids: list[str] = Field(
        default_factory=list, description="documents, contexts or records that it was made from"
    )
    experts: list[Text] = Field(default_factory=list, description="in the order consulted")
    revisions: int = Field(default=0, description="drafts after the first")
    refusals: list[str] = Field(
        default_factory=list, description="codes with which the gate sent drafts back"
    )
    rejected_answers: list[RejectedAnswer] | None = None
    reasoning: list[Text] | None = Field(
        default=None, description="what the model thought before each answer; a document is one"
    )
    source: str = Field(default="conductor", description="conductor, softsrv, template, …")
    novelty: Novelty | None = None
    student: StudentScore | None = None
    seed_score: StudentScore | None = None
    checker: CheckerResult | None = None
    review: Review | None = Field(default=None, description="what a person decided")
    generation: Generation = Field(default_factory=Generation)
    reason: Text | None = Field(default=None, description="why it was rejected")
    created_at: str = Field(default="", description="empty where a run repeats byte for byte")

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


def read_records(path: Path | str) -> Iterator[Record]:
    """The records of a JSONL file, one at a time; a missing file has none.

    Args:
        path: The file, or a run directory: its accepted records.

    Raises:
        MetaSynthError: A line is not a record (code `bad_record`); names file and line.
    """
    path = Path(path)
    if path.is_dir():
        path /= "corpus.jsonl"
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
                    code="bad_record",
                ) from error
