"""The teacher as the template baselines ask it: a prompt in, a text out, all in the ledger."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage

from metasynth.agents.models.embedded.prompts import another_like
from metasynth.text.words import encodable

from .workspace import Workspace

_AGENT = "template"
_CHAIN = "questions"


class TeacherAsk:
    """Sends the prompt to the teacher.

    The embedded model follows no prompt. As the editor it can write another document like the one
    that it is shown, so for it the prompt must be the exemplar alone.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def __call__(self, prompt: str, *, step: str, temperature: float) -> str:
        """The reply, from the ledger where it was given before."""
        settings: dict[str, Any] = {"temperature": temperature}
        reply = await self._workspace.caller.call(
            self._workspace.voices.experts,
            self._messages(prompt),
            chain=_CHAIN,
            step=step,
            agent=_AGENT,
            record_id="",
            settings=settings,
        )
        return encodable(str(reply.text))

    def _messages(self, prompt: str) -> Sequence[BaseMessage]:
        workspace = self._workspace
        if workspace.voices.experts.follows_prompts:
            return [HumanMessage(prompt)]
        return another_like(prompt, workspace.roles, workspace.variables())
