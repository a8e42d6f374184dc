"""What is found out about a model, and what of a run file must be changed for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from metasynth.config.lines import Place

NAMES = (
    *("answers", "tools", "required_choice", "several_calls", "system_role", "temperature"),
    *("seed", "json_schema", "usage", "thinking", "limits", "context_window"),
)
"""Of all findings, in the order in which they are shown; `--json` has these keys."""


@dataclass(frozen=True)
class Finding:
    """One thing about a model.

    Attributes:
        value: `yes`, `no`, `refused`, `not sent`, `unknown`, or a number of tokens.
        words: What shows it; where something was refused, the server's own.
    """

    value: str | int
    words: str = ""


UNKNOWN = Finding("unknown")


@dataclass(frozen=True)
class Problem:
    """What is in the way of the run.

    Attributes:
        text: What it is.
        key: Of the run file, which is to be changed
        value: to this, as YAML, or what it must be in words.
        place: Where the key stands or belongs.
        fatal: Whether the run could not work; otherwise it is worth knowing.
    """

    text: str
    key: str
    value: str
    place: Place
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.text}; {self.place}: write {self.key}: {self.value}"


@dataclass
class Report:
    """What is known of a model after it was asked.

    Attributes:
        parts: What it is in the run.
        address: Where it was asked, without secrets; "" where it is in this process.
        findings: By their names; see `NAMES`.
        adapted: What was changed in requests for it, with the words of the refusals.
        code: Of the error with which it does not answer; "" where it does.
        calls: Answers that it took.
        tokens: In and out.
    """

    parts: tuple[str, ...]
    model: str
    address: str = ""
    findings: dict[str, Finding] = field(default_factory=dict)
    adapted: Mapping[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    code: str = ""
    calls: int = 0
    tokens: int = 0

    @property
    def works(self) -> bool:
        """Whether nothing is in the way of the run."""
        return not any(problem.fatal for problem in self.problems)

    def as_json(self) -> dict[str, Any]:
        """For programs; the keys stay."""
        return {
            "parts": list(self.parts),
            "model": self.model,
            "address": self.address,
            "works": self.works,
            "code": self.code,
            "findings": {
                name: {"value": finding.value, "words": finding.words}
                for name in NAMES
                if (finding := self.findings.get(name, UNKNOWN))
            },
            "adapted": [{"change": what, "words": words} for what, words in self.adapted.items()],
            "problems": [
                {
                    "text": problem.text,
                    "key": problem.key,
                    "value": problem.value,
                    "file": str(problem.place.path),
                    "line": problem.place.line,
                    "present": problem.place.present,
                    "fatal": problem.fatal,
                }
                for problem in self.problems
            ],
            "calls": self.calls,
            "tokens": self.tokens,
        }
