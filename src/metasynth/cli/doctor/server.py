"""What a server says of a model outside of answers: its context, its chat template."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from metasynth.agents.models.openai.chat import OpenAIChat
from metasynth.compose.prices import is_own_host
from metasynth.compose.sign_of_life import listed_models
from metasynth.errors import ModelCallError

_WINDOW = re.compile(r"context|n_?ctx|max_?model_?len|max_?input_?tokens|input_?token_?limit")
_TRAINED = re.compile(r"train|max|original")
_TOOLS = re.compile(r"\btools?\b|\bfunctions?\b")
_LEAST = 64  # a smaller number is no window


@dataclass(frozen=True)
class ServerFacts:
    """What is known of a served model.

    Attributes:
        window: Tokens of prompt and answer; None where nobody says.
        source: Who says so.
        knows_tools: Whether its chat template speaks of tools; None where that is not shown.
    """

    window: int | None = None
    source: str = ""
    knows_tools: bool | None = None


async def server_facts(chat: OpenAIChat) -> ServerFacts:
    """What the endpoint tells; a server of one's own is asked as llama.cpp and Ollama answer too.

    Nothing is raised: what an endpoint does not tell is unknown.
    """
    entries = await _asked(listed_models(chat)) or []
    entry = next((each for each in entries if each.get("id") == chat.model_name), None)
    if entry is None and len(entries) == 1:
        entry = entries[0]
    window, source, knows_tools = None, "", None
    if entry is not None and (pair := _window(entry)):
        window, source = pair[1], f"{pair[0]} of /v1/models"
    if is_own_host(chat.openai_api_base or ""):
        for path, ask in (("//props", None), ("//api/show", {"model": chat.model_name})):
            told = await _asked(chat.fetched(path, ask=ask))
            if not isinstance(told, dict):
                continue
            if pair := _window(told):
                window, source = pair[1], f"{pair[0]} of {path[1:]}"
            knows_tools = _knows_tools(told, knows_tools)
    return ServerFacts(window, source, knows_tools)


async def _asked(question: Any) -> Any:
    try:
        return await question
    except ModelCallError:
        return None  # it has no such address


def _window(told: dict[str, Any]) -> tuple[str, int] | None:
    """The key that names a window, and the window; what is loaded goes before what was trained."""
    pairs = [
        (key, value)
        for key, value in _numbers(told)
        if _WINDOW.search(key.lower()) and value >= _LEAST
    ]
    pairs.sort(key=lambda pair: bool(_TRAINED.search(pair[0].lower().replace("max_model", ""))))
    return pairs[0] if pairs else None


def _numbers(value: Any, key: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _numbers(item, str(name))
    elif isinstance(value, int) and not isinstance(value, bool):
        yield key, value


def _knows_tools(told: dict[str, Any], before: bool | None) -> bool | None:
    """What llama.cpp (`chat_template`) and Ollama (`capabilities`) say of tools."""
    if isinstance(abilities := told.get("capabilities"), list):
        return "tools" in abilities
    templates = [
        text for name, text in told.items() if "template" in name and isinstance(text, str)
    ]
    if any(templates):
        return any(_TOOLS.search(text) for text in templates)
    return before
