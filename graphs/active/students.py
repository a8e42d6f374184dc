"""The students of a run: the base, and what each round's training made of it."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from metasynth.config.student import StudentConfig
from metasynth.lm.weights import load_weights
from metasynth.student.rounds_folder import RoundsFolder

if TYPE_CHECKING:
    from metasynth.lm.load import LoadedLM


class RoundStudents:
    """Loads students when they are needed; two are held: the base, and the one used last.

    Args:
        config: The base, and whether a round starts from it or goes on.
        folder: Where rounds lie.
    """

    def __init__(self, config: StudentConfig, folder: RoundsFolder) -> None:
        self.config = config
        self._folder = folder
        self._lock = threading.RLock()
        self._base: LoadedLM | None = None
        self._held: tuple[int, LoadedLM] | None = None

    def name(self, number: int) -> str:
        """What the student after round `number` is called in reports."""
        known = self.trained_in(number)
        return self.config.model if known == 0 else f"{self.config.model}, round {known}"

    def trained_in(self, number: int) -> int:
        """The last round up to `number` that had a training; 0: none."""
        for known in range(number, 0, -1):
            if is_trained(self._folder.round(known).trained):
                return known
        return 0

    def after(self, number: int) -> "LoadedLM":
        """The student as round `number` left it; blocks while it is loaded.

        Raises:
            RequestError: It cannot be loaded.
        """
        with self._lock:
            known = self.trained_in(number)
            if known == 0:
                return self._load_base()
            if self._held is None or self._held[0] != known:
                self._held = (known, self._load(known))
            return self._held[1]

    def start_of(self, number: int) -> "LoadedLM":
        """What round `number` trains from."""
        return self.after(0) if self.config.start == "base" else self.after(number - 1)

    def loader(self, number: int) -> "Callable[[], LoadedLM]":
        """Gives `after(number)` when it is called."""
        return lambda: self.after(number)

    def _load(self, number: int) -> "LoadedLM":
        from metasynth.student.training.fine_tuning import load_trained

        folder = self._folder.round(number).trained
        if self.config.start == "base":
            return load_trained(self._load_base(), folder)
        return load_trained(self.after(number - 1), folder)

    def _load_base(self) -> "LoadedLM":
        if self._base is None:
            self._base = load_weights(self.config)
        return self._base


def is_trained(folder: Path) -> bool:
    """Whether a round's training has ended: its report is written last."""
    return (folder / "training.json").is_file()
