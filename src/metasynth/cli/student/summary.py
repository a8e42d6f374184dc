"""What `student score` ends with: how many rows, how the scores lie, and which rows have none."""

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

from metasynth.cli.screen.terminal import tell
from metasynth.config.student import ScoringConfig
from metasynth.student.scoring.criterion import CRITERIA

_SAMPLE = 10_000  # scores by which the quartiles are told
_LINES = 12  # of each reason that are named
_REASONS = 20


@dataclass
class _Unscored:
    count: int = 0
    lines: list[int] = field(default_factory=list)


class ScoreSummary:
    """Counts of a scoring, in memory that does not grow with it."""

    def __init__(self, config: ScoringConfig, model: str) -> None:
        self._config = config
        self._model = model
        self.rows = 0
        self.scored = 0
        self._sample: list[float] = []
        self._draw = random.Random(0)
        self._least = self._most = 0.0
        self._answers = self._cut = 0
        self._unscored: dict[str, _Unscored] = defaultdict(_Unscored)

    def add(self, line: Mapping[str, Any]) -> None:
        """Count a line of the result."""
        self.rows += 1
        if line["score"] is None:
            self._add_unscored(line)
            return
        self._add_score(float(line["score"]))
        ended = line.get("detail", {}).get("ended")
        if ended is not None:
            self._answers += 1
            self._cut += not ended

    @property
    def main_reason(self) -> str:
        """Why most of the rows that have no score have none."""
        reason = max(self._unscored, key=lambda name: self._unscored[name].count)
        return f"most because of: {reason}"

    def tell(self, out: Path | None) -> None:
        """Print it; to stderr where stdout holds the scores."""
        err, spec = out is None, CRITERIA[self._config.criterion]
        tell(
            f"{self.scored:,} of {self.rows:,} rows scored by {self._config.criterion} "
            f"with {self._model}",
            err=err,
        )
        tell(f"  score       {spec.formula}", err=err)
        turned = ": the value with its sign turned" if spec.hard == "low" else ""
        tell(f"              high is hard{turned}", err=err)
        if self._sample:
            told = " · ".join(f"{value:.4g}" for value in self._five())
            of = f", of a sample of {_SAMPLE:,}" if self.scored > _SAMPLE else ""
            tell(f"  quartiles   {told} (least, three quartiles{of}, greatest)", err=err)
        if "own answer" in spec.needs:
            tell(f"  own answer  {self._decoding()}", err=err)
        if self._unscored:
            tell(f"  not scored  {self.rows - self.scored:,}", err=err)
            for reason, found in self._unscored.items():
                tell(f"    {reason}: {found.count:,} ({_lines(found)})", err=err)
        if out is not None:
            tell(f"  scores      {out}")

    def _add_score(self, score: float) -> None:
        self._least = min(self._least, score) if self.scored else score
        self._most = max(self._most, score) if self.scored else score
        self.scored += 1
        if len(self._sample) < _SAMPLE:
            self._sample.append(score)
        elif (place := self._draw.randrange(self.scored)) < _SAMPLE:
            self._sample[place] = score

    def _add_unscored(self, line: Mapping[str, Any]) -> None:
        # what stands behind the colon is about one row alone
        reason = str(line["reason"]).partition(":")[0]
        if reason not in self._unscored and len(self._unscored) >= _REASONS:
            reason = "other reasons"
        found = self._unscored[reason]
        found.count += 1
        if len(found.lines) < _LINES:
            found.lines.append(int(line["line"]))

    def _five(self) -> list[float]:
        inner = quantiles(self._sample, n=4) if len(self._sample) > 1 else self._sample * 3
        return [self._least, *inner, self._most]

    def _decoding(self) -> str:
        config = self._config
        drawn = f"at temperature {config.temperature:g}" if config.temperature else "greedily"
        told = f"decoded {drawn}, at most {config.max_new_tokens} tokens"
        return f"{told}; {self._cut:,} of {self._answers:,} were cut" if self._answers else told


def _lines(found: _Unscored) -> str:
    named = ", ".join(map(str, found.lines))
    more = found.count - len(found.lines)
    return f"line{'s' if found.count > 1 else ''} {named}" + (f" and {more:,} more" if more else "")
