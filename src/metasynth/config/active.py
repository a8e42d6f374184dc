"""The `active` section of a run file: the student in the loop.

Active synthetic data generation: Kessler et al., arXiv 2512.00884. `candidates` is the active node,
which any graph may have; the rest is read by `graph: active`.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .marks import CHECKER, NotIdentity, RelativeToFile
from .section import Section
from .student import Criterion, ScoringConfig, SelectionConfig


class CandidateScoringConfig(ScoringConfig):
    """How candidates are scored: unlike a pool's seeds, those of most graphs hold no prompt."""

    criterion: Criterion = Field(default="loss_gold", description="see the page of criteria")


class CandidatesConfig(Section):
    """What the student lets into the corpus, of the candidates that passed the gate.

    `threshold` refuses what scores below a quantile of the student's own recent scores; `best`
    collects a batch and takes the best of it.
    """

    scoring: CandidateScoringConfig = CandidateScoringConfig()
    accept: Literal["threshold", "best"] = Field(
        default="threshold",
        description="threshold: refuse what lies below; best: choose from a batch",
    )
    direction: Literal["high", "low", "middle"] = Field(
        default="high", description="which scores are wanted"
    )
    quantile: float = Field(
        default=0.25, ge=0, le=1, description="share of recent candidates that would be refused"
    )
    window: int = Field(default=64, ge=2, description="recent scores that the threshold follows")
    warmup: int = Field(default=8, ge=1, description="scores before anything is refused")
    batch: int = Field(default=8, ge=1, description="candidates of one choice, with `best`")
    keep: int = Field(default=4, ge=1, description="how many of them are taken")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.keep > self.batch:
            raise ValueError(f"keep: {self.keep} of a batch of {self.batch} cannot be taken")
        if self.warmup > self.window:
            raise ValueError(f"warmup: {self.warmup} scores are never in a window of {self.window}")
        return self


class PoolConfig(Section):
    """The seeds of graph active: a file of rows, scored and selected from in each round."""

    path: Annotated[Path, RelativeToFile()] = Field(
        description="JSONL with prompt and completion, messages, or text"
    )
    limit: int | None = Field(default=None, ge=1, description="the first so many rows")
    scoring: ScoringConfig = ScoringConfig(criterion="loss_self")
    selection: SelectionConfig = SelectionConfig()
    children: int = Field(default=1, ge=1, description="rows asked for from one selected seed")


class EvaluationConfig(Section):
    """What the student is measured on after each round, and before the first."""

    path: Annotated[Path, RelativeToFile()] = Field(
        description="rows with gold answers, of which no record may be a copy"
    )
    limit: int | None = Field(default=None, ge=1, description="the first so many rows")
    checker: Annotated[str, CHECKER] = Field(
        default="number", description="number, exact, a checkable domain, or FILE.py:FUNCTION"
    )
    max_new_tokens: int = Field(default=256, ge=1, description="of the student's answers")
    ngram: int = Field(default=13, ge=2, description="words that no record may share with a row")


class AskingConfig(Section):
    """How the teacher is asked for a new problem: once for each row."""

    prompt: str = Field(
        default="Here is a problem with its solution.\n\nProblem: {{ problem }}\n\n"
        "{% if solution %}Solution: {{ solution }}\n\n{% endif %}"
        "Write one new problem of this kind that can be understood on its own. It may be simpler "
        "or harder or need another step, and it must not be a copy with other numbers. Then solve "
        "it, step by step, as the example is solved.\n\n"
        "Answer in this form and write nothing else:\nProblem: ...\nSolution: ...",
        description="Jinja2 with problem and solution",
    )
    problem_mark: str = Field(
        default="Problem:", min_length=1, description="begins the problem in replies"
    )
    solution_mark: str = Field(
        default="Solution:",
        min_length=1,
        description="parts problem and solution in replies, documents and rows of text",
    )
    temperature: float = Field(default=1.0, ge=0, le=2, description="of these calls")


class ActiveConfig(Section):
    """Rounds of score, select, generate, check, admit, fine-tune and evaluate."""

    candidates: CandidatesConfig | None = None
    pool: PoolConfig | None = None
    arm: Literal["active", "random", "static"] = Field(
        default="active",
        description="random: no selection, the same rounds; static: all rows in one round",
    )
    generate: Literal["teacher", "conductor", "softsrv"] = Field(
        default="teacher", description="who writes from a selected seed"
    )
    teacher: AskingConfig = AskingConfig()
    contexts: Literal[
        "static", "random", "select", "group", "interpolate", "jitter", "ascend", "diversify"
    ] = Field(default="select", description="A0 to A7: how the scores choose SoftSRV's contexts")
    clusters: int = Field(default=8, ge=1, description="of the pool's contexts, for A3 to A6")
    rounds: Annotated[int, NotIdentity("limit")] = Field(
        default=4, ge=1, description="of score, select, generate, fine-tune, evaluate"
    )
    rows_per_round: int = Field(default=100, ge=1, description="rows asked for in a round")
    test: EvaluationConfig | None = None

    @property
    def plan(self) -> tuple[int, ...]:
        """The rows asked for in each round: the arm static asks for all of them in one."""
        if self.arm == "static":
            return (self.rounds * self.rows_per_round,)
        return (self.rows_per_round,) * self.rounds
