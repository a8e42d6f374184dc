"""The models of this process: each is loaded once, whoever asks for it."""

import atexit
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from metasynth.lm.load import Dtype, LoadedLM, load_lm

from .chat_template import PromptRenderer
from .grammar import CallMarkers, GrammarCompiler

if TYPE_CHECKING:
    from metasynth.lm.engine.loop import BatchEngine


class ModelSource(NamedTuple):
    """What decides which weights are loaded, and how."""

    path_or_id: str
    device: str = "auto"
    dtype: Dtype = "auto"
    trust_remote_code: bool = False
    revision: str | None = None


@dataclass(frozen=True)
class LocalRuntime:
    """A loaded model with what turns messages into tokens and bounds its answers."""

    lm: LoadedLM
    engine: "BatchEngine"
    renderer: PromptRenderer
    markers: CallMarkers

    @cached_property
    def grammars(self) -> GrammarCompiler:
        """Compiled when the first call with tools or a schema comes."""
        return GrammarCompiler(self.lm)


_lock = threading.Lock()
_models: dict[ModelSource, LoadedLM] = {}
_runtimes: dict[tuple[ModelSource, int], LocalRuntime] = {}


def local_runtime(source: ModelSource, *, max_batch: int) -> LocalRuntime:
    """The runtime of a model, loaded now if it is the first time.

    Raises:
        RequestError: The model cannot be loaded or run.
    """
    from metasynth.lm.engine.loop import BatchEngine

    with _lock:
        key = (source, max_batch)
        if key not in _runtimes:
            if source not in _models:
                _models[source] = _load(source)
            lm = _models[source]
            _runtimes[key] = LocalRuntime(
                lm=lm,
                engine=BatchEngine(lm, max_batch=max_batch),
                renderer=PromptRenderer(lm),
                markers=CallMarkers.of(lm.tokenizer),
            )
        return _runtimes[key]


def close_local_models() -> None:
    """Stop the threads and let go of the weights; the next call loads again."""
    with _lock:
        for runtime in _runtimes.values():
            runtime.engine.close()
        _runtimes.clear()
        _models.clear()


def _load(source: ModelSource) -> LoadedLM:
    return load_lm(
        source.path_or_id,
        device=source.device,
        dtype=source.dtype,
        trust_remote_code=source.trust_remote_code,
        revision=source.revision,
    )


atexit.register(close_local_models)
