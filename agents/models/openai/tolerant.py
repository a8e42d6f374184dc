"""Chat models of OpenAI's protocol that take answers which depart from it where that is plain."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI

from metasynth.agents.models.answers.completion import mend_completion
from metasynth.agents.models.received import note, own_call_fields, own_fields

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI as _Base
else:
    _Base = object

DELTA = "delta"
"""Where `generation_info` of a piece holds it as it came."""


class Tolerant(_Base):
    """For a class of `BaseChatOpenAI`: answers are mended before LangChain parses them.

    What came with an answer in fields of the endpoint's own is noted on the message.
    """

    @property
    def source(self) -> str:
        """Names endpoint and model, without their address."""
        raise NotImplementedError

    def _create_chat_result(
        self, response: Any, generation_info: dict[str, Any] | None = None
    ) -> ChatResult:
        if isinstance(response, str):
            raise json.JSONDecodeError("no JSON", response, 0)  # with the text, to be judged by
        mend_completion(response)
        is_dict = isinstance(response, dict)
        choices = response.get("choices") if is_dict else getattr(response, "choices", None)
        _check(choices)
        result = super()._create_chat_result(response, generation_info)
        for choice, generation in zip(choices or (), result.generations, strict=True):
            raw = choice["message"] if isinstance(choice, dict) else choice.message
            if isinstance(message := generation.message, AIMessage):
                fields = raw if isinstance(raw, dict) else raw.model_extra or {}
                calls = (raw if isinstance(raw, dict) else vars(raw)).get("tool_calls") or ()
                dicts = [call if isinstance(call, dict) else call.model_dump() for call in calls]
                note(message, own_fields(fields), own_call_fields(dicts), source=self.source)
        return result

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], *args: Any, **kwargs: Any
    ) -> ChatGenerationChunk | None:
        mend_completion(chunk)
        choices = chunk.get("choices") or ()
        _check(choices)
        converted = super()._convert_chunk_to_generation_chunk(chunk, *args, **kwargs)
        for choice in choices:
            delta = choice.get("delta") or {}
            if converted and (words := delta.get("refusal")):
                converted.message.additional_kwargs["refusal"] = words
            if converted and (
                own_fields(delta) or any(own_call_fields(delta.get("tool_calls") or ()))
            ):
                converted.generation_info = {**(converted.generation_info or {}), DELTA: delta}
        return converted


class TolerantChatOpenAI(Tolerant, ChatOpenAI):
    """`ChatOpenAI` whose answers are mended before LangChain parses them."""


def _check(choices: Any) -> None:
    """A router tells of a failure behind it in a choice, beside what had been written until then.

    Raises:
        ValueError: With what the choice says of it.
    """
    for choice in choices if isinstance(choices, list) else ():
        facts = choice if isinstance(choice, Mapping) else _facts(choice)
        error = facts.get("error")
        if error or facts.get("finish_reason") == "error":
            words = error or "the answer was broken off with finish_reason error"
            raise ValueError(error if isinstance(error, dict) else {"message": words})


def _facts(choice: Any) -> Mapping[str, Any]:
    own = getattr(choice, "model_extra", None) or {}
    return {"finish_reason": getattr(choice, "finish_reason", None), **own}
