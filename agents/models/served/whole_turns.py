"""Packages that speak OpenAI's protocol give back what came with a turn, as their base does not."""

from types import new_class
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_openai.chat_models.base import BaseChatOpenAI

from metasynth.agents.models.openai.tolerant import Tolerant
from metasynth.agents.models.received import give_back


class _WholeTurns(Tolerant):
    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        payload: dict[str, Any] = super()._get_request_payload(input_, stop=stop, **kwargs)
        messages = self._convert_input(input_).to_messages()
        for wire, message in zip(payload.get("messages") or (), messages, strict=False):
            give_back(wire, message, source=self.source)
        return payload


def with_whole_turns(chat: type[BaseChatModel], source: str) -> type[BaseChatModel]:
    """The class with tolerant answers and whole turns, where it is of OpenAI's protocol.

    Args:
        chat: A package's class.
        source: Names endpoint and model.
    """
    if not issubclass(chat, BaseChatOpenAI):
        return chat
    own = {"__module__": chat.__module__, "source": property(lambda _: source)}
    made: type[BaseChatModel] = new_class(
        chat.__name__, (_WholeTurns, chat), exec_body=lambda body: body.update(own)
    )
    return made
