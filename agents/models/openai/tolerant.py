"""`ChatOpenAI` that takes answers which depart from the protocol where their meaning is plain."""

import json
from typing import Any

from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI

from metasynth.agents.models.answers.completion import mend_completion


class TolerantChatOpenAI(ChatOpenAI):
    """`ChatOpenAI` whose answers are mended before LangChain parses them."""

    def _create_chat_result(
        self, response: Any, generation_info: dict[str, Any] | None = None
    ) -> ChatResult:
        if isinstance(response, str):
            raise json.JSONDecodeError("no JSON", response, 0)  # with the text, to be judged by
        mend_completion(response)
        return super()._create_chat_result(response, generation_info)

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], *args: Any, **kwargs: Any
    ) -> ChatGenerationChunk | None:
        mend_completion(chunk)
        return super()._convert_chunk_to_generation_chunk(chunk, *args, **kwargs)
