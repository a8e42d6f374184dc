"""How a local call is drawn: what the call says, else the chat model, else the weights."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metasynth.errors import ContextLimitError
from metasynth.lm.engine.requests import GenerationSettings

if TYPE_CHECKING:
    from metasynth.lm.load import LoadedLM

DEFAULT_MAX_TOKENS = 1024


def settings_of(
    lm: "LoadedLM", prompt_ids: Sequence[int], wishes: Mapping[str, Any]
) -> GenerationSettings:
    """The settings of one call.

    Args:
        lm: The model; its generation config says what nobody else says. A `chat_temperature_scale`
            in its config multiplies every temperature: roles ask for those of large models, and a
            very small one needs less, while its weights keep the probabilities that it learnt.
        prompt_ids: The prompt. It goes into the seed, so that calls with other messages draw other
            numbers from the same seed.
        wishes: `temperature`, `top_p`, `top_k`, `max_tokens`, `seed`, `stop`; None is no wish.

    Raises:
        ContextLimitError: The prompt leaves no room for an answer.
    """

    def chosen(name: str, default: float) -> float:
        value = wishes.get(name)
        if value is None:
            value = getattr(lm.model.generation_config, name, None)
        return default if value is None else value

    scale = float(getattr(lm.model.config, "chat_temperature_scale", 1.0))
    asked = wishes.get("max_tokens") or wishes.get("max_completion_tokens")
    return GenerationSettings(
        max_new_tokens=_room(lm, len(prompt_ids), asked),
        temperature=float(chosen("temperature", 1.0)) * scale,
        top_p=float(chosen("top_p", 1.0)),
        top_k=int(chosen("top_k", 0)),
        seed=_own_seed(wishes.get("seed"), prompt_ids),
        stop=tuple(wishes.get("stop") or ()),
    )


def _room(lm: "LoadedLM", prompt: int, asked: int | None) -> int:
    """How many tokens the answer may have: what is asked for is the most, not a promise."""
    left = lm.context_length - prompt
    if left >= 1:
        return min(left, asked or DEFAULT_MAX_TOKENS)
    raise ContextLimitError(
        f"prompt of {prompt} tokens fills the context of {lm.context_length} tokens of {lm.name}",
        hint="attach less, or take a model with a longer context",
        code="context_limit",
    )


def _own_seed(seed: int | None, prompt_ids: Sequence[int]) -> int:
    if seed is None:
        return secrets.randbits(63)
    text = f"{seed}\x1f" + ",".join(map(str, prompt_ids))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
