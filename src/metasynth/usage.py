"""Token counts at the door: what a server says it used, where that can be, else an estimate.

A count that is missing, zero, negative or far above what the texts can be would switch budgets off
or use them up at once, so it is replaced before the ledger or a pacer sees it.
"""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata

ESTIMATED = "usage_estimated"
"""The key of `response_metadata` that says so."""
MOST_TOKENS = 10**9
"""Of one call; more is no count."""
_TIMES = 8  # a token is a byte at least, and estimates take four
_HIDDEN_PROMPT = 50_000  # tokens that a server may put around a prompt
_HIDDEN_ANSWER = 300_000  # tokens of thinking that nobody is shown
_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")
_NAMES = {
    "prompt_tokens": (
        *("prompt_tokens", "input_tokens", "inputTokens", "promptTokens", "promptTokenCount"),
        *("prompt_token_count", "prompt_eval_count", "input_token_count"),
    ),
    "completion_tokens": (
        *("completion_tokens", "output_tokens", "outputTokens", "completionTokens"),
        *("candidatesTokenCount", "candidates_token_count", "generated_tokens", "eval_count"),
    ),
}


def estimate_tokens(value: object) -> int:
    """About how many tokens the strings inside a value are: one for four bytes."""
    return -(-_bytes(value) // 4)


def _bytes(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, dict):
        return sum(_bytes(key) + _bytes(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return sum(map(_bytes, value))
    return 0


def plain_count(value: object) -> int | None:
    """A count of tokens as a whole number, or None where the value is none."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= MOST_TOKENS or value != int(value):  # a NaN is no such number either
        return None
    return int(value)


def plain_usage(usage: object) -> dict[str, Any] | None:
    """A server's usage under OpenAI's names, without what is no count; None where nothing is left.

    Args:
        usage: As it came, in whatever form.
    """
    if not isinstance(usage, Mapping):
        return None
    plain: dict[str, Any] = {}
    for name, others in _NAMES.items():
        counts = (plain_count(usage.get(other)) for other in others)
        if (count := next((one for one in counts if one is not None), None)) is not None:
            plain[name] = count
    if not plain:
        return None
    for name in ("prompt_tokens_details", "completion_tokens_details"):
        if isinstance(details := usage.get(name), Mapping):
            plain[name] = {
                key: count for key, part in details.items() if (count := plain_count(part))
            }
    return {**plain, "total_tokens": sum(plain.get(name, 0) for name in _NAMES)}


def settle_usage(message: AIMessage, *, prompt: int) -> None:
    """Give an answer counts that can be; those that are estimates say so in `response_metadata`.

    Args:
        message: The answer, which is changed.
        prompt: Estimated tokens of what was asked.
    """
    said: Mapping[str, Any] = message.usage_metadata or {}
    answer = answer_tokens(message)
    tokens_in = plain_count(said.get("input_tokens"))
    tokens_out = plain_count(said.get("output_tokens"))
    sensible_in = tokens_in and tokens_in <= _TIMES * prompt + _HIDDEN_PROMPT
    sensible_out = tokens_out is not None and (
        0 < tokens_out <= _TIMES * answer + _HIDDEN_ANSWER or tokens_out == answer == 0
    )
    if not (sensible_in and sensible_out):
        message.response_metadata = {**message.response_metadata, ESTIMATED: True}
    count_in = tokens_in if tokens_in and sensible_in else max(1, prompt)
    count_out = tokens_out if tokens_out and sensible_out else max(1, answer)
    if tokens_out == 0 and sensible_out:
        count_out = 0
    usage = UsageMetadata(
        input_tokens=count_in, output_tokens=count_out, total_tokens=count_in + count_out
    )
    if details := _details(said.get("input_token_details"), count_in):
        usage["input_token_details"] = InputTokenDetails(**details)  # type: ignore[typeddict-item]
    if details := _details(said.get("output_token_details"), count_out):
        usage["output_token_details"] = OutputTokenDetails(**details)  # type: ignore[typeddict-item]
    if usage != said:
        message.usage_metadata = usage


def answer_tokens(message: AIMessage) -> int:
    """About how many tokens an answer is, with its calls and what is shown of its thinking."""
    calls = [call["args"] for call in (*message.tool_calls, *message.invalid_tool_calls)]
    thoughts = (estimate_tokens(message.additional_kwargs.get(name)) for name in _THOUGHTS)
    return estimate_tokens([message.content, calls]) + max(thoughts)


def _details(details: object, most: int) -> dict[str, int]:
    if not isinstance(details, Mapping):
        return {}
    counts = {name: plain_count(part) for name, part in details.items()}
    return {name: count for name, count in counts.items() if count is not None and count <= most}
