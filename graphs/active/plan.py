"""What a run file's `active` section names for the graph active, checked before anything starts."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from metasynth.config.active import ActiveConfig, AskingConfig, PoolConfig
from metasynth.config.run import RunConfig
from metasynth.config.student import StudentConfig
from metasynth.errors import ConfigError, RequestError
from metasynth.graphs.scoring.plan import check_criterion
from metasynth.sandbox import render_template

from .pool import PoolRows, problem_of, read_pool

if TYPE_CHECKING:
    from metasynth.student.scoring.checking import Checker
    from metasynth.text.contamination import Contamination

_TRIAL = {"problem": "How many?", "solution": "Two."}
_CRITERION = "active.pool.scoring.criterion"


class ActivePlan(NamedTuple):
    """The section, with all that it names.

    Attributes:
        choice: How seeds are chosen from the pool.
        pool: The seeds.
        test: What the student is measured on; None where nothing is named.
        checker: What says whether its answers are right.
        contamination: The test rows, of which no record may be a copy.
    """

    settings: ActiveConfig
    student: StudentConfig
    choice: PoolConfig
    pool: PoolRows
    test: PoolRows | None
    checker: "Checker | None"
    contamination: "Contamination | None"

    @property
    def conducts(self) -> bool:
        """Whether a conductor writes the rows, as in the graph document."""
        return self.settings.generate == "conductor"

    def facts(self) -> list[tuple[str, str]]:
        """What would be used, for `validate`."""
        settings, sizes = self.settings, self.settings.plan
        rounds = f"{len(sizes)} of {sizes[0]} rows, arm {settings.arm}, by {settings.generate}"
        facts = [("student", self.student.model), ("rounds", rounds), ("pool", self.pool.summary())]
        if settings.arm == "active":
            selection = self.choice.selection
            choice = f"{selection.strategy} ({selection.direction})"
            if settings.generate == "softsrv":
                choice = f"contexts {settings.contexts} ({selection.direction})"
            facts.append(("seeds by", f"{self.choice.scoring.criterion}, {choice}"))
        if self.test is not None:
            facts.append(("test", self.test.summary()))
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
    if section.arm == "active":
        check_criterion(config, section.pool.scoring, _CRITERION)
        if section.test is None:
            _check_checker(section.pool)
    check_prompt(section.teacher)
    mark = section.teacher.solution_mark
    test = section.test
    checker, contamination = None, None
    if test is not None:
        from metasynth.student.scoring.checking import make_checker

        try:
            checker = make_checker(test.checker)
        except RequestError as error:
            raise ConfigError(
                f"active.test.checker: {error.message}",
                hint=error.hint,
                code=error.code or "unknown_checker",
            ) from None
        tested = read_pool(test.path, mark, test.limit, key="active.test.path", answered=True)
        contamination = _contamination(tested, test.path, ngram=test.ngram)
    return ActivePlan(
        settings=section,
        student=config.student,
        choice=section.pool,
        pool=read_pool(section.pool.path, mark, section.pool.limit, key="active.pool.path"),
        test=tested if test is not None else None,
        checker=checker,
        contamination=contamination,
    )


def check_prompt(asking: AskingConfig) -> None:
    """Refuse a prompt that does not show the seed, or mentions what there is not.

    Raises:
        ConfigError: It says why (code `bad_prompt`).
    """
    try:
        shown = render_template(asking.prompt, _TRIAL)
    except ConfigError as error:
        reason = error.message.removeprefix("template.prompt: ")
        raise ConfigError(f"active.teacher.prompt: {reason}", code="bad_prompt") from None
    if _TRIAL["problem"] not in shown:
        raise ConfigError(
            "active.teacher.prompt: does not mention {{ problem }}", code="bad_prompt"
        )


def _check_checker(pool: PoolConfig) -> None:
    from metasynth.student.scoring.criterion import CRITERIA

    criterion = pool.scoring.criterion
    if "checker" in CRITERIA.facts(criterion).needs:
        raise ConfigError(
            f"active.test: its checker is needed by {_CRITERION}: {criterion}", code="no_checker"
        )


def _contamination(rows: PoolRows, path: Path, *, ngram: int) -> "Contamination":
    from metasynth.text.contamination import Contamination, PlacedText

    texts: Iterable[PlacedText] = (
        PlacedText(problem_of(row), f"{path.name}, line {row.line}") for row in rows.rows
    )
    return Contamination(texts, ngram=ngram)
