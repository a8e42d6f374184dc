"""What a template shows beside its prompt: real documents, and earlier ones of the run."""

import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from metasynth.agents.messages import Attachment, fenced
from metasynth.config.template import TemplateConfig
from metasynth.errors import MetaSynthError
from metasynth.memory.corpus import Corpus
from metasynth.records.seeds import Seed
from metasynth.text.words import cut_words

_REAL = (
    "Here are real documents of this kind. Write another one that could stand among them, and take "
    "nothing over from them."
)
_EARLIER = "Here are documents that were written for this before. Write something unlike them."


class Shown(NamedTuple):
    """Texts that are shown, each with its id, cut to what the run file allows."""

    exemplars: list[tuple[str, str]]
    earlier: list[tuple[str, str]]

    @property
    def ids(self) -> list[str]:
        """The ids of all of them."""
        return [id_ for id_, _ in (*self.exemplars, *self.earlier)]


class Shelf:
    """Where the texts come from."""

    def __init__(self, config: TemplateConfig, exemplars: Sequence[Seed], corpus: Corpus) -> None:
        self._config = config
        self._exemplars = {one.id: one.text for one in exemplars}
        self._corpus = corpus

    @property
    def reads_corpus(self) -> bool:
        """Whether earlier records are shown, which are read from their file."""
        return self._config.grade == "earlier"

    def draw(self, rng: random.Random) -> Shown:
        """What the next prompt shows: drawn evenly, without one twice."""
        config = self._config
        real: list[str] = []
        if config.grade != "fixed":
            real = _some(list(self._exemplars), config.exemplars_shown, rng)
        own: list[str] = []
        if config.grade == "earlier":
            own = _some(self._corpus.accepted_ids(), config.earlier_shown, rng)
        return self.by_ids([*real, *own])

    def by_ids(self, ids: Sequence[str]) -> Shown:
        """The texts that were drawn before.

        Raises:
            MetaSynthError: One is gone.
        """
        shown = Shown([], [])
        for id_ in ids:
            if id_ in self._exemplars:
                shown.exemplars.append((id_, self._cut(self._exemplars[id_])))
                continue
            record = self._corpus.find(id_)
            if record is None:
                raise MetaSynthError(
                    f"{id_}: was shown before and is not in the corpus any more", code="no_record"
                )
            shown.earlier.append((id_, self._cut(record.body)))
        return shown

    def _cut(self, text: str) -> str:
        return cut_words(text, self._config.max_shown_words)


def shown_variables(shown: Shown) -> Mapping[str, object]:
    """What a template may mention of them."""
    return {
        "exemplars": [text for _, text in shown.exemplars],
        "earlier": [text for _, text in shown.earlier],
    }


def shown_text(shown: Shown, *, without: AbstractSet[str]) -> list[str]:
    """The paragraphs that follow a prompt; `without` are the variables that it mentions itself."""
    parts: list[str] = []
    for name, introduction, texts in (
        ("exemplars", _REAL, shown.exemplars),
        ("earlier", _EARLIER, shown.earlier),
    ):
        if texts and name not in without:
            parts.append(introduction)
            parts += [
                fenced(Attachment(f"{name}-{number}", "document", text))
                for number, (_, text) in enumerate(texts, start=1)
            ]
    return parts


def _some(ids: Sequence[str], count: int, rng: random.Random) -> list[str]:
    return rng.sample(ids, min(count, len(ids)))
