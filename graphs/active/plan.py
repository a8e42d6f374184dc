"""What a run file's `active` section names for the graph active, checked before anything starts."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from metasynth.agents.templates import render_template
from metasynth.config.active import ActiveConfig, AskingConfig
from metasynth.config.run import RunConfig
from metasynth.config.student import StudentConfig
from metasynth.errors import ConfigError, RequestError
from metasynth.records.record import Message

if TYPE_CHECKING:
    from metasynth.student.rows import BadRow, StudentRow
    from metasynth.student.scoring.checking import Checker
    from metasynth.text.contamination import Contamination

_NAMED = 3  # bad rows that are told one by one
_TRIAL = {"problem": "How many?", "solution": "Two."}


class PoolRows(NamedTuple):
    """The rows of a file that can be used, and those that cannot."""

    rows: "Sequence[StudentRow]"
    bad: "Sequence[BadRow]"

    def told(self) -> str:
        """How many there are, and what is wrong with the first bad ones."""
        told = f"{len(self.rows)} rows"
        if not self.bad:
            return told
        named = "; ".join(f"line {bad.line}: {bad.reason}" for bad in self.bad[:_NAMED])
        more = f"; and {len(self.bad) - _NAMED} more" if len(self.bad) > _NAMED else ""
        return f"{told}, {len(self.bad)} bad ({named}{more})"


class ActivePlan(NamedTuple):
    """The section, with all that it names.

    Attributes:
        pool: The seeds.
        test: What the student is measured on; None where nothing is named.
        checker: What says whether its answers are right.
        contamination: The test rows, of which no record may be a copy.
    """

    settings: ActiveConfig
    student: StudentConfig
    pool: PoolRows
    test: PoolRows | None
    checker: "Checker | None"
    contamination: "Contamination | None"

    def told(self) -> list[tuple[str, str]]:
        """What would be used, for `validate`."""
        settings, sizes = self.settings, self.settings.plan
        rounds = f"{len(sizes)} of {sizes[0]} rows, arm {settings.arm}, by {settings.generate}"
        facts = [("student", self.student.model), ("rounds", rounds), ("pool", self.pool.told())]
        assert settings.pool is not None
        if settings.arm == "active":
            chosen = settings.pool.selection
            choice = f"{chosen.strategy} ({chosen.direction})"
            if settings.generate == "softsrv":
                choice = f"contexts {settings.contexts} ({chosen.direction})"
            facts.append(("seeds by", f"{settings.pool.scoring.criterion}, {choice}"))
        if self.test is not None:
            facts.append(("test", self.test.told()))
        return facts

    def identity(self) -> list[str]:
        """What shapes the records beside the section's own words."""
        rows = [*self.pool.rows, *(self.test.rows if self.test else ())]
        text = "\n".join(f"{row.id}\t{row.text}\t{row.messages}" for row in rows)
        return [hashlib.sha256(text.encode()).hexdigest()]


def plan_active(config: RunConfig) -> ActivePlan | None:
    """The plan of the section, or None where the run has no rounds.

    Raises:
        ConfigError: The pool or the test set has no usable row, or what a criterion needs is not
            there.
    """
    section = config.active
    if config.graph != "active" or section is None or section.pool is None:
        return None
    _check_criterion(config, section)
    check_prompt(section.teacher)
    mark = section.teacher.solution_mark
    test = section.test
    checker, contamination = None, None
    if test is not None:
        from metasynth.student.scoring.checking import make_checker

        try:
            checker = make_checker(test.checker)
        except RequestError as error:
            raise ConfigError(f"active.test.checker: {error.message}", hint=error.hint) from None
        tested = _read(test.path, mark, test.limit, key="active.test.path", answered=True)
        contamination = _contamination(tested, test.path, ngram=test.ngram)
    return ActivePlan(
        settings=section,
        student=config.student,
        pool=_read(section.pool.path, mark, section.pool.limit, key="active.pool.path"),
        test=tested if test is not None else None,
        checker=checker,
        contamination=contamination,
    )


def check_prompt(asking: AskingConfig) -> None:
    """Refuse a prompt that does not show the seed, or mentions what there is not.

    Raises:
        ConfigError: It says why.
    """
    try:
        shown = render_template(asking.prompt, _TRIAL)
    except ConfigError as error:
        told = error.message.removeprefix("template.prompt: ")
        raise ConfigError(f"active.teacher.prompt: {told}") from None
    if _TRIAL["problem"] not in shown:
        raise ConfigError("active.teacher.prompt: does not mention {{ problem }}")


def as_conversation(row: "StudentRow", mark: str) -> "StudentRow":
    """A text that holds a mark as problem and solution; every other row as it is."""
    before, found, after = (row.text or "").partition(mark)
    if not (found and before.strip() and after.strip()):
        return row
    turns = (
        Message(role="user", content=before.strip()),
        Message(role="assistant", content=f"{mark} {after.strip()}"),
    )
    return replace(row, text=None, messages=turns)


def problem_of(row: "StudentRow") -> str:
    """What a row asks, or its text."""
    if row.text is not None:
        return row.text.strip()
    asked = [turn.content for turn in row.prompt if turn.role == "user"]
    return "\n\n".join(asked).strip()


def _read(
    path: Path, mark: str, limit: int | None, *, key: str, answered: bool = False
) -> PoolRows:
    from metasynth.student.rows import BadRow, StudentRow, read_rows

    rows: list[StudentRow] = []
    bad: list[BadRow] = []
    lines: dict[str, int] = {}
    for found in read_rows(path):
        if limit is not None and len(rows) == limit:
            break
        if isinstance(found, BadRow):
            bad.append(found)
            continue
        row = as_conversation(found, mark)
        if problem := _problem_with(row, lines, answered=answered):
            bad.append(BadRow(row.line, problem))
            continue
        lines[row.id] = row.line
        rows.append(row)
    pool = PoolRows(rows, bad)
    if not rows:
        raise ConfigError(f"{key}: {path}: holds no row that can be used: {pool.told()}")
    return pool


def _problem_with(row: "StudentRow", lines: dict[str, int], *, answered: bool) -> str:
    if not problem_of(row):
        return "the problem is empty"
    if row.id in lines:
        return f"the id {row.id!r} stands on line {lines[row.id]} already"
    if answered and not (row.is_answered and row.answer.strip()):
        return "it has no answer to compare with"
    return ""


def _contamination(rows: PoolRows, path: Path, *, ngram: int) -> "Contamination":
    from metasynth.text.contamination import Contamination
    from metasynth.text.files import PlacedText

    texts: Iterable[PlacedText] = (
        PlacedText(problem_of(row), f"{path.name}, line {row.line}") for row in rows.rows
    )
    return Contamination(texts, ngram=ngram)


def _check_criterion(config: RunConfig, section: ActiveConfig) -> None:
    from metasynth.student.scoring.criteria import CRITERIA

    assert section.pool is not None
    criterion = section.pool.scoring.criterion
    needs, key = CRITERIA[criterion].needs, "active.pool.scoring.criterion"
    if section.arm != "active":
        return
    if "reward model" in needs and section.pool.scoring.reward_model is None:
        raise ConfigError(
            f"{key}: {criterion} needs a reward model",
            hint="name its folder or hub id as reward_model beside the criterion",
        )
    if "judge" in needs and config.model_for("experts").model == "embedded":
        raise ConfigError(f"{key}: {criterion}: the embedded model cannot judge")
    if "checker" in needs and section.test is None:
        raise ConfigError(f"active.test: its checker is needed by {key}: {criterion}")
