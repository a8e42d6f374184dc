"""SoftSRV as what makes a round's questions: from contexts to questions that a teacher answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from metasynth.blocking import Check, in_thread
from metasynth.config.active import ActiveConfig
from metasynth.graphs.run.questions import Question
from metasynth.graphs.softsrv.steering import Steering
from metasynth.student.rounds_folder import RoundFolder

from .contexts import RoundContexts, ScoredContexts
from .plan import problem_of
from .selection import Selected

if TYPE_CHECKING:
    from metasynth.softsrv.baselines.task_templates import TaskTemplates
    from metasynth.softsrv.sampling.samples import Sample
    from metasynth.student.contexts.gates import Gate
    from metasynth.student.fidelity import Pair
    from metasynth.student.rows import StudentRow

_STATIC = 64  # samples of A0 that the share of junk is compared with, at most


class Drawn(NamedTuple):
    """A question that was decoded from a context."""

    text: str
    context_id: str


class RoundSampling:
    """Decodes questions instead of asking a teacher for them; the teacher answers.

    Args:
        settings: The section of the run file.
        steering: The frozen model and its soft prompt.
        templates: The prompts of its task, for answers.
        seed: The run's.
    """

    def __init__(
        self, settings: ActiveConfig, steering: Steering, templates: "TaskTemplates", *, seed: int
    ) -> None:
        self._contexts = RoundContexts(settings, steering, seed=seed)
        self._steering = steering
        self._templates = templates
        self._given: ScoredContexts | None = None
        self._faults: list[list[str]] = []
        self._drawn = 0

    @property
    def model(self) -> str:
        """The frozen model."""
        return self._contexts.model

    @property
    def stage(self) -> str:
        """What is being made ready, or how many questions are decoded."""
        return self._contexts.stage or (f"{self._drawn} questions decoded" if self._drawn else "")

    @property
    def goes_by_scores(self) -> bool:
        """Whether the strategy looks at scores."""
        return self._contexts.strategy not in ("static", "random")

    def choose(
        self,
        folder: RoundFolder,
        rows: "Sequence[StudentRow]",
        scores: Sequence[float] | None,
        count: int,
        check: Check,
        *,
        number: int,
        before: int,
    ) -> list[Selected]:
        """The contexts of a round's rows, written down; blocks."""
        given = self._contexts.of_rows(
            [row.id for row in rows], [problem_of(row) for row in rows], scores, check
        )
        chosen = self._contexts.choose(given, count, number=number, before=before)
        self._contexts.keep(folder.contexts, chosen, given)
        return [
            Selected(
                place,
                tuple(given.ids[row] for row in one.parents),
                None if scores is None else _score(given, one),
                int(given.clusters[one.parents[0]]),
            )
            for place, one in enumerate(chosen, start=1)
        ]

    async def questions(
        self, folder: RoundFolder, selected: Sequence[Selected], number: int, check: Check
    ) -> Sequence[Question]:
        """One question from each context, in the order of the rows."""
        names = [one.seed_ids[0] for one in selected]
        try:
            samples = await in_thread(
                lambda checked: self._questions(folder, names, number, checked), check
            )
        finally:
            self._drawn = 0
        return [Drawn(sample.text, sample.context_id) for sample in samples]

    def fault(self, place: int) -> str:
        """Why a question is not worth an answer; "" for nothing."""
        return ", ".join(self._faults[place - 1])

    def answer_prompt(self, question: str) -> str | None:
        """What the teacher is asked for an answer; None where questions stay without one."""
        from metasynth.graphs.softsrv.questions import answer_prompt

        return answer_prompt(self._steering.settings.answers, self._templates, question)

    def gates(self, folder: RoundFolder, pairs: "Sequence[Pair]") -> "list[Gate]":
        """The gates of adaptive contexts; blocks."""
        samples = _samples(folder.drawn)
        if not samples:
            return []
        statics = _samples(_static(folder))
        junk, static_junk = (
            (sum(bool(self._contexts.faults(one)) for one in some), len(some))
            for some in (samples, statics or samples)
        )
        return self._contexts.gates(folder.contexts, pairs, junk=junk, static_junk=static_junk)

    def _questions(
        self, folder: RoundFolder, names: Sequence[str], number: int, check: Check
    ) -> "list[Sample]":
        z = self._contexts.kept(folder.contexts)
        found = self._decoded(folder.drawn, z, names, check, number=number)
        self._faults = [self._contexts.faults(sample) for sample in found]
        if self.goes_by_scores or self._contexts.strategy == "random":
            in_turn = self._contexts.in_turn(folder.contexts, min(_STATIC, len(names)))
            some = [f"static-{place}" for place in range(len(in_turn))]
            self._decoded(_static(folder), in_turn, some, check, number=-number)
        return found

    def _decoded(
        self, path: Path, z: Any, names: Sequence[str], check: Check, *, number: int
    ) -> "list[Sample]":
        from metasynth.softsrv.sampling.samples import SampleFile

        with SampleFile(path) as file:
            start = file.next_number
            for sample in self._contexts.draw(z, names, check, number=number, start=start):
                file.append(sample)
                self._drawn = sample.number + 1
        return _samples(path)


def _score(given: ScoredContexts, chosen: Any) -> float:
    """The score of a context: of a mixture, its parents' in the same shares."""
    shares = (1.0,) if len(chosen.parents) == 1 else (chosen.lam, 1 - chosen.lam)
    pairs = zip(shares, chosen.parents, strict=True)
    return float(sum(share * given.scores[row] for share, row in pairs))


def _static(folder: RoundFolder) -> Path:
    return folder.drawn.with_name("drawn-static.jsonl")


def _samples(path: Path) -> "list[Sample]":
    from metasynth.softsrv.sampling.samples import read_samples

    return list(read_samples(path)) if path.exists() else []
