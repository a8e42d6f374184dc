"""The students of a run: the base, and what each round's training made of it."""

import threading
from typing import TYPE_CHECKING

from metasynth.config.student import StudentConfig
from metasynth.graphs.run.progress import Progress
from metasynth.lm.weights import load_weights
from metasynth.student.rounds_folder import RoundsFolder

if TYPE_CHECKING:
    from metasynth.lm.load import LoadedLM


class Students:
    """Loads students when they are needed; two are held: the base, and the one used last.

    Args:
        config: The base, and whether a round starts from it or goes on.
        folder: RUN/student, where rounds lie if there are any.

    Attributes:
        round: The round in work, from 1 up; 0 in a run without rounds. What scores, in the pool and
            among candidates, is the student that this round began with.
        progress: Which student is being loaded.
    """

    def __init__(self, config: StudentConfig, folder: RoundsFolder) -> None:
        self.config = config
        self.round = 0
        self.progress = Progress()
        self._folder = folder
        self._lock = threading.RLock()
        self._base: LoadedLM | None = None
        self._trained: tuple[int, LoadedLM] | None = None

    @property
    def name(self) -> str:
        """What the student in use is called in reports."""
        return self.name_after(self._before)

    def in_use(self) -> "LoadedLM":
        """The student that scores now; blocks while it is loaded.

        Raises:
            RequestError: It cannot be loaded.
        """
        return self.after(self._before)

    def name_after(self, number: int) -> str:
        """What the student after round `number` is called."""
        trained = self.trained_in(number)
        return self.config.model if trained == 0 else f"{self.config.model}, round {trained}"

    def trained_in(self, number: int) -> int:
        """The last round up to `number` that had a training; 0: none."""
        for earlier in range(number, 0, -1):
            # its report is written last
            if (self._folder.round(earlier).trained / "training.json").is_file():
                return earlier
        return 0

    def after(self, number: int) -> "LoadedLM":
        """The student as round `number` left it; blocks while it is loaded.

        Raises:
            RequestError: It cannot be loaded.
        """
        with self._lock:
            trained = self.trained_in(number)
            if trained == 0:
                return self._load_base()
            if self._trained is None or self._trained[0] != trained:
                self._trained = (trained, self._load(trained))
            return self._trained[1]

    def start_of(self, number: int) -> "LoadedLM":
        """What round `number` trains from."""
        return self.after(0) if self.config.start == "base" else self.after(number - 1)

    @property
    def _before(self) -> int:
        return max(0, self.round - 1)

    def _load(self, number: int) -> "LoadedLM":
        from metasynth.student.training.fine_tuning import load_trained

        start = self.start_of(number)
        with self.progress.stage(f"loading {self.name_after(number)}"):
            return load_trained(start, self._folder.round(number).trained)

    def _load_base(self) -> "LoadedLM":
        if self._base is None:
            with self.progress.stage(f"loading {self.config.model}"):
                self._base = load_weights(self.config)
        return self._base
