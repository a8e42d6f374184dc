"""What a local model may say, as a grammar: tool calls and JSON that are valid by construction.

Grammars are llguidance's, in its Lark dialect. A small model runs on for ever where it may, so
every string, list and number without a bound of its own gets one; how deep a schema that refers to
itself may nest is not bounded. What llguidance cannot express is refused by name, never ignored.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from metasynth.errors import ModelCallError, RequestError

from .bounded_schema import bounded_schema

if TYPE_CHECKING:
    import numpy as np
    from llguidance import LLMatcher, LLTokenizer
    from numpy.typing import NDArray

    from metasynth.lm.load import LoadedLM

OPEN, CLOSE = "<tool_call>", "</tool_call>"
MAX_PARALLEL_CALLS = 8
MAX_STRING_CHARACTERS = 2000
_DUMPS_STYLE = {
    "whitespace_flexible": False,
    "item_separator": ", ",  # json.dumps' default
    "key_separator": ": ",
}
_ESCAPES = 'nrbtf\\"'  # no \uXXXX: half a surrogate pair is no text


@dataclass(frozen=True)
class CallMarkers:
    """What stands around a tool call: special tokens where the tokenizer has them, else text."""

    open_id: int | None = None
    close_id: int | None = None

    @classmethod
    def of(cls, tokenizer: Any) -> "CallMarkers":
        """The markers of a tokenizer."""
        special = {
            token.content: number
            for number, token in tokenizer.added_tokens_decoder.items()
            if token.special
        }
        if OPEN in special and CLOSE in special:
            return cls(open_id=special[OPEN], close_id=special[CLOSE])
        return cls()

    @property
    def are_special(self) -> bool:
        """Whether they are tokens that no text can contain."""
        return self.open_id is not None


def json_grammar(schema: Mapping[str, Any], *, max_string: int = MAX_STRING_CHARACTERS) -> str:
    """The grammar of one JSON value that fits `schema`, keys in its order.

    Args:
        schema: A JSON schema.
        max_string: The bound of strings that have none in the schema, in characters.
    """
    return f"start: {_json_rule(schema, max_string)}\n"


def tools_grammar(
    tools: Sequence[Mapping[str, Any]],
    *,
    tool_choice: str = "auto",
    parallel: bool = True,
    markers: CallMarkers | None = None,
    max_string: int = MAX_STRING_CHARACTERS,
) -> str | None:
    """The grammar of an answer that may or must call tools.

    Args:
        tools: Tools in OpenAI's format.
        tool_choice: `auto` (text, calls, or text and then calls), `any` or `required` (at least one
            call), `none`, or the name of the one tool to call once.
        parallel: Whether there may be more than one call.
        markers: What stands around a call; plain text unless said.
        max_string: The bound of strings that have none in the schema, in characters.

    Returns:
        The grammar, or None where any text may come.

    Raises:
        RequestError: `tool_choice` names no tool.
    """
    functions = [tool["function"] for tool in tools]
    if tool_choice == "none" or not functions:
        return None
    least, most = 1, MAX_PARALLEL_CALLS if parallel else 1
    if tool_choice == "auto":
        least = 0
    elif tool_choice not in ("any", "required"):
        functions = [one for one in functions if one["name"] == tool_choice]
        most = 1
        if not functions:
            names = ", ".join(tool["function"]["name"] for tool in tools)
            raise RequestError(
                f"tool_choice names no tool: {tool_choice!r}",
                hint=f"tools: {names}",
                code="unknown_tool",
            )
    return _calls_rule(least, most, markers or CallMarkers()) + _body_rules(functions, max_string)


def _calls_rule(least: int, most: int, markers: CallMarkers) -> str:
    """The rules `start` and around it; the JSON between the markers is `body`."""
    if markers.are_special:
        call = f"call: <[{markers.open_id}]> body <[{markers.close_id}]>\n"
        if least:
            return f"start: call{{{least},{most}}}\n{call}"
        # a special token is no text, so the text ends where the first call begins
        return f"start: TEXT call{{0,{most}}}\nTEXT: /(.|\\n)*/\n{call}"
    close = f"BREAK body BREAK {json.dumps(CLOSE)}\nBREAK: /\\n?/\n"
    if least:
        return (
            f"start: call{{{least},{most}}}\n"
            f"call: BREAK {json.dumps(OPEN)} {close}"  # some models were taught a line each
        )
    return (
        f"start: call{{0,{most}}} tail\ntail: TEXT\nTEXT: /(.|\\n)*/\n"
        f"head[lazy]: TEXT {json.dumps(OPEN)}\ncall: head {close}"
    )


def _body_rules(functions: Sequence[Mapping[str, Any]], max_string: int) -> str:
    names = [f"call_{index}" for index in range(len(functions))]
    rules = [f"body: {' | '.join(names)}"]
    for name, function in zip(names, functions, strict=True):
        frame = f'{{"name": {json.dumps(function["name"], ensure_ascii=False)}, "arguments": '
        schema = function.get("parameters") or {"type": "object", "properties": {}}
        arguments = _json_rule(schema, max_string)
        rules.append(f'{name}: {json.dumps(frame)} {name}_arguments "}}"')
        rules.append(f"{name}_arguments: {arguments}")
    return "\n".join(rules) + "\n"


def _json_rule(schema: Mapping[str, Any], max_string: int) -> str:
    bounded = bounded_schema(schema, max_string=max_string)
    text = json.dumps(bounded, ensure_ascii=False)
    # a control character in a constant can be written in no other way
    escapes = _ESCAPES + "u" if "\\u" in text else _ESCAPES
    style = json.dumps({**_DUMPS_STYLE, "json_allowed_escapes": escapes})
    return f'%json {{"x-guidance": {style}, {text[1:]}'


class GrammarCompiler:
    """Grammars for one model, each compiled once: calls of the same kind share the work."""

    def __init__(self, lm: "LoadedLM") -> None:
        self._tokenizer = _guidance_tokenizer(lm)
        self._lock = threading.Lock()
        self._compiled = lru_cache(maxsize=256)(self._compile)

    def constraint(self, grammar: str) -> "GrammarConstraint":
        """A fresh constraint for one answer.

        Raises:
            RequestError: The grammar (most often a JSON schema in it) says what cannot be enforced.
        """
        with self._lock:
            return GrammarConstraint(self._compiled(grammar).deep_copy())

    def _compile(self, grammar: str) -> "LLMatcher":
        from llguidance import LLMatcher

        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            reason = matcher.get_error().partition("\n")[0]
            raise RequestError(
                f"a tool or an output schema cannot be enforced: {reason}",
                hint="take the keyword out of the schema, or say the same in simpler keywords",
                code="unsupported_schema",
            )
        return matcher


class GrammarConstraint:
    """One answer on its way through a grammar: a `TokenConstraint` of the generation engine."""

    def __init__(self, matcher: "LLMatcher") -> None:
        self._matcher = matcher

    def allowed(self) -> "NDArray[np.bool_]":
        """The tokens that may follow, [vocabulary]."""
        import numpy as np

        bias = self._matcher.compute_logit_bias()
        self._check()
        return np.frombuffer(bias, dtype=np.uint8).astype(np.bool_)

    def accept(self, token: int, /) -> None:
        """Take a token that was allowed."""
        self._matcher.consume_token(token)
        self._check()

    def is_finished(self) -> bool:
        """Whether the grammar leaves nothing to add."""
        return self._matcher.is_stopped()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise ModelCallError(
                f"constrained decoding failed: {self._matcher.get_error()[:300]}",
                code="failed_decoding",
            )


def _guidance_tokenizer(lm: "LoadedLM") -> "LLTokenizer":
    from llguidance.hf import from_tokenizer
    from transformers import PreTrainedTokenizerFast

    if not isinstance(lm.tokenizer, PreTrainedTokenizerFast):
        raise RequestError(
            f"model {lm.name!r} has no fast tokenizer, so tool calls and JSON cannot be enforced",
            hint="take a model that has a tokenizer.json",
            code="no_fast_tokenizer",
        )
    model: Any = lm.model
    head = model.get_output_embeddings()
    vocabulary = head.weight.shape[0] if head is not None else model.config.vocab_size
    ends = sorted(lm.end_token_ids) or None
    # llguidance knows tokenizers from before transformers renamed its types
    tokenizer: Any = lm.tokenizer
    return from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=ends)
