"""The teacher as the template baselines ask it: a prompt in, a text out, all in the ledger."""

import logging
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage

from metasynth.agents.models.embedded.prompts import another_like
from metasynth.errors import PromptError
from metasynth.graphs.workspace import Workspace
from metasynth.text.words import encodable

_AGENT = "template"
_CHAIN = "questions"
_LOG = logging.getLogger("metasynth")


def writer_messages(workspace: Workspace, prompt: str) -> Sequence[BaseMessage]:
    """What the teacher is sent, so that it writes a question.

    The embedded model follows no prompt. As the editor it can write another document like the one
    that it is shown, so for it the prompt must be the exemplar alone.
    """
    if workspace.voices.experts.follows_prompts:
        return [HumanMessage(prompt)]
    return another_like(prompt, workspace.roles, workspace.variables())


class TeacherAsk:
    """Sends the prompt to the teacher; see `writer_messages` for what it may say."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def __call__(self, prompt: str, *, step: str, temperature: float) -> str:
        """The reply, from the ledger where it was given before; "" where this prompt gets none.

        A prompt that is refused, too long or answered with nothing costs its row alone.
        """
        settings: dict[str, Any] = {"temperature": temperature}
        try:
            reply = await self._workspace.caller.call(
                self._workspace.voices.experts,
                writer_messages(self._workspace, prompt),
                chain=_CHAIN,
                step=step,
                agent=_AGENT,
                record_id="",
                settings=settings,
            )
        except PromptError as error:
            _LOG.warning("%s: no question: %s", step, error)
            return ""
        return encodable(str(reply.text))
