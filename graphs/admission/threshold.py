"""A threshold that follows the student's own recent scores."""

from collections import deque
from typing import NamedTuple

import numpy as np

from metasynth.config.active import CandidatesConfig

_CODES = {"high": "student_easy", "low": "student_hard", "middle": "student_apart"}


class Limit(NamedTuple):
    """Which scores pass at a moment.

    Attributes:
        value: The least score that passes, the greatest, or the greatest distance from `centre`.
        centre: The median of the recent scores where the middle is wanted, else None.
        quantile: Of the recent scores, or of their distances from the centre.
        of: How many recent scores it follows.
    """

    value: float
    centre: float | None
    quantile: float
    of: int


class FollowingThreshold:
    """Says from the scores that came before whether one passes, then takes it among them.

    The share that is refused stays near `quantile` however the scores drift, for refused ones
    count among the recent too. Equal scores pass together.
    """

    def __init__(self, settings: CandidatesConfig) -> None:
        self._settings = settings
        self._recent: deque[float] = deque(maxlen=settings.window)

    @property
    def limit(self) -> Limit | None:
        """Which scores pass now; None as long as all do."""
        settings, of = self._settings, len(self._recent)
        if of < settings.warmup:
            return None
        scores = np.asarray(self._recent)
        if settings.direction == "high":
            return Limit(float(np.quantile(scores, settings.quantile)), None, settings.quantile, of)
        share = round(1 - settings.quantile, 9)
        if settings.direction == "low":
            return Limit(float(np.quantile(scores, share)), None, share, of)
        centre = float(np.median(scores))
        return Limit(float(np.quantile(np.abs(scores - centre), share)), centre, share, of)

    @property
    def code(self) -> str:
        """What a refusal is called."""
        return _CODES[self._settings.direction]

    def add(self, score: float) -> None:
        """Follow this score too."""
        self._recent.append(score)

    def refusal(self, score: float, limit: Limit | None) -> str:
        """Why a score does not pass, in a few words; "" where it does."""
        if limit is None:
            return ""
        where = f"(quantile {limit.quantile:g} of the last {limit.of})"
        if limit.centre is not None:
            distance = abs(score - limit.centre)
            if distance <= limit.value:
                return ""
            return (
                f"{score:.3f} is {distance:.3f} from the median {limit.centre:.3f}, more than "
                f"{limit.value:.3f} {where}"
            )
        if self._settings.direction == "high":
            return f"{score:.3f} below {limit.value:.3f} {where}" if score < limit.value else ""
        return f"{score:.3f} above {limit.value:.3f} {where}" if score > limit.value else ""
