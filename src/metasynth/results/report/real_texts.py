"""The real texts that a run started from, for a report to set its records beside."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from metasynth.config.run import SeedsConfig
from metasynth.errors import MetaSynthError
from metasynth.records.documents import load_documents, load_instructions
from metasynth.records.seed_file import read_seeds
from metasynth.records.seeds import Seed, load_seeds
from metasynth.results.run.files import RunFiles
from metasynth.softsrv.run_folder import SoftSRVFolder
from metasynth.text.words import cut_words

if TYPE_CHECKING:
    from metasynth.student.rows import StudentRow

_LOADERS: Mapping[str, Callable[..., Sequence[Seed]]] = {
    "instruct": load_documents,
    "template_qa": load_documents,
    "self_instruct": load_instructions,
    "evol_instruct": load_instructions,
}
_MOST = 2000
_WORDS = 400


@dataclass(frozen=True)
class RealTexts:
    """What the run started from.

    Attributes:
        kind: What one of them is; "" where there are none.
        texts: By the ids that records name in `seed_ids` or `parent_ids`.
        are_texts: Whether they are texts of the kind that is written, not mere keywords.
        reason: Why there are none.
    """

    kind: str
    texts: Mapping[str, str]
    are_texts: bool = True
    reason: str = ""


def real_texts(run: RunFiles) -> RealTexts:
    """The contexts of SoftSRV, the pool of the rounds, or the seeds of the run file."""
    contexts = SoftSRVFolder(run.directory.softsrv).contexts
    if contexts.exists():
        rows = {str(row["id"]): str(row["text"]) for row in _rows(contexts)}
        return RealTexts("target row", _first(rows))
    pool = run.setting("active.pool.path")
    if pool:
        return _of_pool(Path(str(pool)))
    return _of_seeds(run)


def _of_pool(path: Path) -> RealTexts:
    if not path.exists():
        return RealTexts("", {}, reason=f"the pool {path.name} is not there any more")
    from metasynth.student.rows import BadRow, read_rows

    try:
        rows = [row for row in read_rows(path) if not isinstance(row, BadRow)]
    except (MetaSynthError, OSError) as error:
        return RealTexts("", {}, reason=f"the pool {path.name} cannot be read ({error})")
    return RealTexts("pool row", _first({row.id: _text(row) for row in rows}))


def _of_seeds(run: RunFiles) -> RealTexts:
    load = _LOADERS.get(run.graph, load_seeds)
    try:
        if kept := read_seeds(run.directory.seeds):
            return _of_kind(kept, load)
    except MetaSynthError as error:
        return RealTexts("", {}, reason=f"the seeds that were kept cannot be read ({error})")
    documents = str(run.setting("seeds.documents", ""))
    if documents.startswith("hf:"):
        return RealTexts("", {}, reason="the seeds lie on a hub, which a report does not call")
    try:
        config = SeedsConfig.model_validate(run.setting("seeds", {}))
        seeds = load(config, random_seed=int(run.setting("random_seed", 0)))
    except (MetaSynthError, ValidationError, OSError, ImportError) as error:
        first = str(error).partition("\n")[0]
        return RealTexts("", {}, reason=f"the seeds cannot be read any more ({first})")
    return _of_kind(seeds, load)


def _of_kind(seeds: Sequence[Seed], load: Callable[..., Sequence[Seed]]) -> RealTexts:
    texts = _first({seed.id: seed.text for seed in seeds})
    if all(seed.keywords for seed in seeds):
        return RealTexts("keyword seed", texts, are_texts=False)
    if load is load_instructions:
        return RealTexts("seed instruction", texts)
    # documents are not of the kind that is written where instructions are made of them
    return RealTexts("seed document", texts, are_texts=load is load_seeds)


def _first(texts: Mapping[str, str]) -> dict[str, str]:
    step = max(1, -(-len(texts) // _MOST))
    return {id_: cut_words(text, _WORDS) for id_, text in list(texts.items())[::step]}


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _text(row: "StudentRow") -> str:
    return row.text or "\n\n".join(message.content for message in row.messages)
