"""Causal language models in this process: load one, from a folder or from a hub.

Weights are safetensors and nothing that a model brings along is executed unless the caller asks for
it. What the model then does lives beside this module: `lm_engine` generates in batches.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from metasynth.errors import RequestError
from metasynth.loading_lock import ONE_AT_A_TIME

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Dtype = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class LoadedLM:
    """A model ready to run, in eval mode, without gradients.

    Attributes:
        name: What the user called it: a folder or a hub id.
        context_length: The longest prompt and answer together, in tokens.
        end_token_ids: The tokens that end an answer.
    """

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    device: "torch.device"
    context_length: int
    name: str
    end_token_ids: frozenset[int]


def load_lm(
    path_or_id: str | Path,
    *,
    device: str = "auto",
    dtype: Dtype = "auto",
    trust_remote_code: bool = False,
    revision: str | None = None,
    architecture: Literal["causal", "classifier"] = "causal",
) -> LoadedLM:
    """Load a language model and its tokenizer.

    Args:
        path_or_id: A folder, or a name on the hub.
        device: A torch device; `auto` takes an accelerator where there is one.
        dtype: `auto` is float32 on a CPU (half precision is slow there, and not reproducible across
            batch sizes) and what the weights are stored in elsewhere.
        trust_remote_code: Whether Python code that comes with the model may run.
        revision: Branch, tag or commit on the hub.
        architecture: A model that predicts tokens, or one that gives a text some numbers (as reward
            models do).

    Raises:
        RequestError: There is no such model, it cannot be reached, has no safetensors weights, or
            needs code of its own that the caller did not allow.
    """
    import torch

    source, local = _locate(path_or_id)
    target = _pick_device(device)
    weights = dtype if dtype != "auto" else ("float32" if target.type == "cpu" else "auto")
    options: dict[str, Any] = {
        "revision": revision,
        "trust_remote_code": trust_remote_code,
        "local_files_only": local,
    }
    with quiet_transformers(), _told_in_one_line(source, trust_remote_code=trust_remote_code):
        import transformers

        tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
        kind: Any = (
            transformers.AutoModelForCausalLM
            if architecture == "causal"
            else transformers.AutoModelForSequenceClassification
        )
        model = kind.from_pretrained(
            source,
            dtype=weights if weights == "auto" else getattr(torch, weights),
            use_safetensors=True,
            **options,
        )
    model.to(target)
    return wrap_lm(model, tokenizer, name=str(path_or_id))


def load_tokenizer(path_or_id: str | Path) -> "PreTrainedTokenizerBase":
    """A model's tokenizer alone; its folder needs no weights.

    Raises:
        RequestError: There is none, it cannot be reached, or it needs code of its own.
    """
    path = Path(path_or_id).expanduser()
    source, local = (str(path), True) if path.is_dir() else _locate(path_or_id)
    with quiet_transformers(), _told_in_one_line(source, trust_remote_code=False):
        import transformers

        tokenizer: PreTrainedTokenizerBase = transformers.AutoTokenizer.from_pretrained(
            source, trust_remote_code=False, local_files_only=local
        )
    return tokenizer


def wrap_lm(model: Any, tokenizer: Any, *, name: str) -> LoadedLM:
    """A `LoadedLM` from a model and a tokenizer that are already in memory."""
    model.eval().requires_grad_(False)
    return LoadedLM(
        model=model,
        tokenizer=tokenizer,
        device=model.device,
        context_length=_context_length(model, tokenizer),
        name=name,
        end_token_ids=_end_tokens(model, tokenizer),
    )


def vocabulary_size(lm: LoadedLM) -> int:
    """How many tokens have an embedding (a tokenizer may know fewer)."""
    embeddings: Any = lm.model.get_input_embeddings()
    return int(embeddings.num_embeddings)


def _locate(path_or_id: str | Path) -> tuple[str, bool]:
    """What to hand to transformers, and whether it is a folder on this machine."""
    text = str(path_or_id)
    path = Path(text).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise RequestError(
                f"{text} is no model folder: it has no config.json",
                hint="give a folder that save_pretrained() wrote, or a name on the hub",
                code="no_model",
            )
        return str(path), True
    looks_local = isinstance(path_or_id, Path) or text.startswith(("/", "./", "../", "~"))
    if looks_local or text.count("/") > 1 or not text:
        raise RequestError(
            f"no model folder at {text!r}",
            hint="check the path, or give a name on the hub: OWNER/NAME",
            code="no_model",
        )
    return text, False


def _pick_device(device: str) -> "torch.device":
    import torch

    if device != "auto":
        try:
            return torch.device(device)
        except RuntimeError as error:
            raise RequestError(
                f"unknown device {device!r}",
                hint="auto, cpu, cuda, cuda:0, mps",
                code="unknown_device",
            ) from error
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@contextmanager
def _told_in_one_line(source: str, *, trust_remote_code: bool) -> Iterator[None]:
    """Turn what transformers raises about a source into one line for the user."""
    try:
        yield
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        if "trust_remote_code" in reason and not trust_remote_code:
            raise RequestError(
                f"model {source!r} comes with Python code of its own, which is not executed",
                hint="read that code; if you trust it, set trust_remote_code: true",
                code="code_not_allowed",
            ) from error
        if "safetensors" in reason:
            raise RequestError(
                f"model {source!r} has no weights in safetensors format",
                hint="convert it, or take a model that has model.safetensors",
                code="no_safetensors",
            ) from error
        raise RequestError(
            f"cannot load model {source!r}: {reason[:300]}",
            hint="check the name, the network, or give a local folder",
            code="bad_model",
        ) from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """One at a time, without progress bars or a remote service that converts foreign weights."""
    from transformers.utils import logging

    with ONE_AT_A_TIME:
        shown = logging.is_progress_bar_enabled()
        before = os.environ.get("DISABLE_SAFETENSORS_CONVERSION")
        os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            if shown:
                logging.enable_progress_bar()  # type: ignore[no-untyped-call]
            if before is None:
                del os.environ["DISABLE_SAFETENSORS_CONVERSION"]


def _context_length(model: Any, tokenizer: Any) -> int:
    config = model.config.get_text_config()
    for key in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
        if isinstance(length := getattr(config, key, None), int) and length > 0:
            return length
    length = int(tokenizer.model_max_length)
    return length if length < 10**7 else 2048  # transformers' "unknown" is 10**30


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    ends: set[int] = set()
    generation = getattr(model, "generation_config", None)  # a classifier has none
    for value in (getattr(generation, "eos_token_id", None), tokenizer.eos_token_id):
        ends.update([value] if isinstance(value, int) else value or [])
    return frozenset(ends)
