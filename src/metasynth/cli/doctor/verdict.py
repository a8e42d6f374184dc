"""Whether a run could work with a model, and what of the run file to change where it could not."""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from metasynth.compose.asked_models import AskedModel
from metasynth.config.run import RunConfig

from .findings import Finding
from .interview import Answers

_SAFE_SHARE = 0.75  # of the window: tokens of a prompt are estimates
_ANSWER_TOKENS = 512  # left for an answer where no limit says so
_ADDRESS = ("unreachable", "no_api", "redirected")
_KEY = ("wrong_key", "forbidden", "no_quota", "missing_key")
_NAME = ("unknown_model", "not_found")


class Advice(NamedTuple):
    """What is in the way, the key of the run file to change, and its value."""

    text: str
    key: str
    value: str
    fatal: bool = True


def advice_on(
    asked: AskedModel,
    heard: Answers,
    findings: Mapping[str, Finding],
    config: RunConfig,
    offered: tuple[str, ...] = (),
) -> Iterator[Advice]:
    """What is in the way of the run, and what is good to know, one after the other.

    Args:
        offered: The models that the endpoint has.
    """
    if heard.error is not None:
        yield _no_answer(asked, heard, config, offered)
        return
    if asked.conducts:
        yield from _about_tools(heard, findings, config)
        yield from _about_window(asked, findings, config)
    if (failure := heard.plain.failure) is not None:
        cut = failure.code == "thinking_cut"
        yield Advice(
            f"no answer in words ({failure.message})",
            asked.key(config, "max_tokens" if cut else "model"),
            "null" if cut else "another model",
        )
    elif heard.plain.error is None and heard.limits.failure and heard.tightest is not None:
        yield _about_limits(asked, heard, findings, config)


def _no_answer(
    asked: AskedModel, heard: Answers, config: RunConfig, offered: tuple[str, ...]
) -> Advice:
    assert heard.error is not None
    code, text = heard.error.code, heard.error.message
    hint = f" ({heard.error.hint})" if heard.error.hint else ""
    name = asked.settings.model.partition(":")[2]
    if code in _ADDRESS:
        key, value = "base_url", "the server's address, up to /v1"
    elif code in _KEY or "is not set" in text:
        key = "api_key_env"
        value = f"the variable that holds a key of this endpoint{hint}"
    elif code in _NAME:
        near = difflib.get_close_matches(name, offered, n=1) or list(offered[:1])
        provider = asked.settings.model.partition(":")[0]
        key, value = "model", f"{provider}:{near[0]}" if near else "a model that the endpoint has"
    elif code == "thinking_cut":
        key, value = "max_tokens", "null"
    else:
        key, value = "model", f"another model{hint}"
    return Advice(text, asked.key(config, key), value)


def _about_tools(
    heard: Answers, findings: Mapping[str, Finding], config: RunConfig
) -> Iterator[Advice]:
    """A conductor must call, by tools or by a schema."""
    form = config.conductor.tools
    native = findings["tools"].value == "yes"
    by_schema = heard.schema_call.calls > 0
    if form != "schema" and native:
        return
    if heard.tools.error is not None and heard.tools.failure is None and form != "schema":
        return  # the budget was used up before
    reason = findings["tools"].words
    if form == "schema" and not by_schema:
        shown = heard.schema_call.shown
        yield Advice(
            f"it makes no calls by schema ({shown})",
            "conductor.tools" if native else "conductor.policy",
            "native" if native else "fixed",
        )
    elif form == "native":
        key, value = ("tools", "schema") if by_schema else ("policy", "fixed")
        yield Advice(f"it calls no tools: {reason}", f"conductor.{key}", value)
    elif form == "auto" and by_schema:
        yield Advice(
            f"it calls no tools, the run falls back to calls by schema: {reason}",
            "conductor.tools",
            "schema",
            fatal=False,
        )
    elif form == "auto":
        yield Advice(
            f"it calls no tools: {reason}; and none by schema: {heard.schema_call.shown}",
            "conductor.policy",
            "fixed",
        )


def _about_window(
    asked: AskedModel, findings: Mapping[str, Finding], config: RunConfig
) -> Iterator[Advice]:
    window = findings["context_window"].value
    most = config.conductor.max_prompt_tokens
    answer = asked.settings.max_tokens or _ANSWER_TOKENS
    if isinstance(window, int) and most + answer > window:
        room = max(256, int((window - answer) * _SAFE_SHARE))
        yield Advice(
            f"its context has {window} tokens, and prompts may have {most} beside an answer",
            "conductor.max_prompt_tokens",
            str(room),
            fatal=False,
        )


def _about_limits(
    asked: AskedModel, heard: Answers, findings: Mapping[str, Finding], config: RunConfig
) -> Advice:
    """An expert that cannot answer within its limit, or whose settings are refused for good."""
    assert heard.limits.error is not None
    text = f"an expert gets no answer: {findings['limits'].words}"
    words = heard.limits.error.message
    fields = [name for name in ("temperature", "max_tokens") if re.search(rf"\b{name}\b", words)]
    if heard.limits.error.code == "thinking_cut":
        return Advice(text, "experts.max_tokens", "null")
    if fields:
        return Advice(text, f"experts.{fields[0]}", "null")
    return Advice(text, asked.key(config, "model"), "another model")
