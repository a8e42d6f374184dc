"""A person's word before admission: an interrupt that Studio or the command line answers.

The graphs that write records share this node. It stands between the student's score and admission,
and records go through it where the run file says `review: true`. An edited text is measured again
as a draft of its own: what is not sound or not new does not enter the corpus, whoever wrote it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, Self, TypeVar

from langgraph.errors import GraphInterrupt
from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from metasynth.graphs.admission.gate import Draft, Verdict
from metasynth.graphs.run.nodes import Command
from metasynth.records.record import Message, Record, Review, Text

from .workspace import Workspace

CODE = "review"
Decision = Literal["accept", "edit", "reject", "send_back"]
Refused = TypeVar("Refused", bound=str)
Goto = TypeVar("Goto", bound=str)
_NO_NOTE = "a person decided so and gave no reason"
_NOBODY = "no conductor wrote this, so there is nobody to send it back to"


class Answer(BaseModel):
    """What a person says of a draft; a word alone, or `reject: REASON`, is an answer too."""

    model_config = ConfigDict(extra="forbid")

    decision: Decision = Field(description="what becomes of the draft")
    text: Text | None = Field(default=None, description="edit: the whole text as it shall be")
    messages: list[Message] | None = Field(
        default=None, description="edit, where the draft is a conversation: all its messages"
    )
    note: Text = Field(default="", description="why; the conductor reads it in what is sent back")

    @model_validator(mode="before")
    @classmethod
    def _word_alone(cls, data: Any) -> Any:
        if not isinstance(data, str):
            return data
        word, _, note = data.partition(":")
        return {"decision": word.strip().lower(), "note": note.strip()}

    @model_validator(mode="after")
    def _edit_is_whole(self) -> Self:
        if self.decision == "edit" and not (self.text or "").strip() and not self.messages:
            raise ValueError("an edit needs the whole `text`, or all `messages`")
        return self


class EditError(ValueError):
    """An edit has another form than the draft."""


async def ask(_workspace: Workspace, question: dict[str, Any]) -> Answer:
    """Stop the thread until somebody answers."""
    return interrupt(question, response_schema=Answer)


async def ask_in_worker(workspace: Workspace, question: dict[str, Any]) -> Answer:
    """As `ask`, for workers that share their run's thread.

    The command line has no thread for them and answers at once. In Studio the step ends when every
    worker has ended or asks, so one that asks lets another have its place until it is answered.
    """
    if workspace.reviewer is not None:
        return Answer.model_validate(await workspace.reviewer(question))
    assert workspace.quota is not None
    id_ = str(question["record_id"])
    await workspace.quota.take_up(id_)
    try:
        return await ask(workspace, question)
    except GraphInterrupt:
        await workspace.quota.put_aside(id_)
        raise


@dataclass(frozen=True)
class Approval(Generic[Refused]):
    """How a graph shows what it has written to a person, and what follows from the answer.

    Args:
        record: The record as it would enter the corpus.
        draft: What the gate is shown of it.
        edited: The update of the state that an edit makes.
        judge: What the gate says of a state.
        judged: The update that keeps what the gate said of an edit.
        reject: Where the graph goes to give the record up.
        send_back: Where it goes to have another draft written; None where no conductor writes.
        ask: How the person is asked.
    """

    record: Callable[[Workspace, Any], Awaitable[Record]]
    draft: Callable[[Any], Draft]
    edited: Callable[[Any, Answer], dict[str, Any]]
    judge: Callable[[Workspace, Any], Awaitable[Verdict]]
    reject: Callable[[Any, Verdict], Command[Literal["reject"]]]
    judged: Callable[[Verdict], Mapping[str, Any]] = lambda _verdict: {}
    send_back: Callable[[Workspace, Any, Verdict], Command[Refused]] | None = None
    ask: Callable[[Workspace, dict[str, Any]], Awaitable[Answer]] = ask

    async def __call__(
        self, workspace: Workspace, state: Any
    ) -> Command[Literal["admit", "approve", "reject"] | Refused]:
        """Ask, and go where the answer leads."""
        novelty = (await workspace.gate.novelty(self.draft(state))).novelty
        record = (await self.record(workspace, state)).model_copy(update={"novelty": novelty})
        answer = await self.ask(workspace, self._question(record, state.get("edit") or {}))
        mark = {"decision": answer.decision, "by": workspace.config.review.by, "note": answer.note}
        done: dict[str, Any] = {"review": mark, "edit": {}}
        verdict = Verdict(CODE, answer.note or _NO_NOTE)
        if answer.decision == "accept":
            return Command(update=done, goto="admit")
        if answer.decision == "edit":
            return await self._take_edit(workspace, state, answer, done)
        if answer.decision == "reject":
            return _with(self.reject(state, verdict), done)
        if self.send_back is None:
            return Command(update={"edit": {"refused": _NOBODY}}, goto="approve")
        return _with(self.send_back(workspace, state, verdict), done)

    def _question(self, record: Record, edit: dict[str, Any]) -> dict[str, Any]:
        asked = ["accept", "edit", "reject", *(["send_back"] if self.send_back else [])]
        shown = record.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        return {
            "question": f"{', '.join(asked)}?",
            "decisions": asked,
            "record_id": record.id,
            "draft": shown,
            **({"last_try": edit} if edit else {}),
        }

    async def _take_edit(
        self, workspace: Workspace, state: Any, answer: Answer, done: dict[str, Any]
    ) -> Command[Literal["admit", "approve"]]:
        """Measure the edited text; where it does not pass, ask again and say why."""
        try:
            update = self.edited(state, answer)
        except EditError as error:
            return _asked_again(answer, str(error))
        after = {**state, **update}
        if "artifacts" in update:
            after["artifacts"] = {**state["artifacts"], **update["artifacts"]}
        verdict = await self.judge(workspace, after)
        update = {**update, **self.judged(verdict)}
        if verdict.passed and workspace.screen is not None:
            verdict = await workspace.screen.judge(await self.record(workspace, after))
        if not verdict.passed:
            return _asked_again(answer, verdict.reason)
        return Command(update={**update, **done}, goto="admit")


def after_score(workspace: Workspace) -> Literal["approve", "admit"]:
    """The node that follows when gate and student have nothing against a draft."""
    return "approve" if workspace.config.review.ask else "admit"


def review_of(state: Any, reason: str | None = None) -> Review | None:
    """What a person decided about the record; nothing where something else decided after it."""
    mark = state.get("review")
    if not mark or (reason is not None and not reason.startswith(CODE)):
        return None
    decision = mark["decision"] if reason is None else "reject"
    return Review.model_validate({**mark, "decision": decision})


def turns_of(answer: Answer) -> list[dict[str, str]]:
    """The questions and answers of an edited conversation.

    Raises:
        EditError: It has another form.
    """
    messages = answer.messages or []
    roles = [message.role for message in messages]
    if not messages or roles != ["user", "assistant"] * (len(messages) // 2):
        raise EditError("the draft is a conversation: messages of user and assistant in turn")
    texts = [message.content.strip() for message in messages]
    return [
        {"question": question, "answer": said}
        for question, said in zip(texts[::2], texts[1::2], strict=True)
    ]


def text_of(answer: Answer) -> str:
    """The text of an edited document.

    Raises:
        EditError: It is a conversation.
    """
    if answer.text is None:
        raise EditError("the draft is a document: give its whole `text`")
    return answer.text.strip()


def _with(command: Command[Goto], update: dict[str, Any]) -> Command[Goto]:
    return Command(update={**command.update, **update}, goto=command.goto)


def _asked_again(answer: Answer, refused: str) -> Command[Literal["approve"]]:
    edit = answer.model_dump(mode="json", include={"text", "messages"}, exclude_none=True)
    return Command(update={"edit": {**edit, "refused": refused}}, goto="approve")
