"""What the gate is shown, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metasynth.records.record import CheckerResult, Novelty


@dataclass(frozen=True)
class Draft:
    """What the gate is shown; `parent` is the document that an instruction is made from."""

    text: str
    summary: str
    topic: str
    seed_set: tuple[str, ...]
    cut: bool = False
    parent: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the gate or a check says: a code and a sentence where it refuses."""

    code: str | None = None
    detail: str = ""
    novelty: Novelty | None = None
    checker: CheckerResult | None = None
    nearest_summary: str = ""

    @property
    def passed(self) -> bool:
        """True when nothing speaks against the draft."""
        return self.code is None

    @property
    def reason(self) -> str:
        """Code and sentence, as kept in a rejected record."""
        return f"{self.code}: {self.detail}" if self.code else ""

    def dump(self) -> dict[str, Any]:
        """Plain values, as the state of a graph keeps them."""
        return {
            "code": self.code,
            "detail": self.detail,
            "novelty": self.novelty.model_dump() if self.novelty else None,
            "checker": self.checker.model_dump() if self.checker else None,
            "nearest_summary": self.nearest_summary,
        }

    @classmethod
    def load(cls, data: Mapping[str, Any] | None) -> "Verdict":
        """The verdict that `dump` gave; one that has nothing to say for None or {}."""
        data = data or {}
        novelty, checker = data.get("novelty"), data.get("checker")
        return cls(
            code=data.get("code"),
            detail=data.get("detail", ""),
            novelty=Novelty.model_validate(novelty) if novelty else None,
            checker=CheckerResult.model_validate(checker) if checker else None,
            nearest_summary=data.get("nearest_summary", ""),
        )
