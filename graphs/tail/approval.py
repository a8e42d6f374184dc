"""What a person decides about a draft before admission, and how they are asked.

Studio or the command line answers an interrupt of the node `approve`, which stands between the
student's score and admission where the run file says `review: true`.
"""

from collections.abc import Sequence
from typing import Any

from langgraph.errors import GraphInterrupt

from metasynth.graphs.run.review import ReviewDecision
from metasynth.graphs.workspace import Workspace
from metasynth.records.record import Record, Review

CODE = "review"
NO_NOTE = "a person decided so and gave no reason"
NOBODY = "no conductor wrote this, so there is nobody to send it back to"


class EditError(ValueError):
    """An edit has another form than the draft."""


async def ask_in_worker(workspace: Workspace, question: dict[str, Any]) -> ReviewDecision:
    """Ask from a worker, which shares its run's thread with others.

    In Studio the step ends when every worker has ended or asks, so one that asks lets another have
    its place until it is answered.
    """
    id_ = str(question["record_id"])
    await workspace.quota.take_up(id_)
    try:
        return ReviewDecision.model_validate(await workspace.reviewer(question))
    except GraphInterrupt:
        await workspace.quota.put_aside(id_)
        raise


def question_about(record: Record, last_try: dict[str, Any], *, sends_back: bool) -> dict[str, Any]:
    """What a person is asked about a record as it would enter the corpus.

    Args:
        last_try: An edit that was refused, with the reason; {} where there was none.
        sends_back: Whether a conductor wrote it, who can be told to write another.
    """
    decisions: Sequence[str] = ["accept", "edit", "reject", *(["send_back"] if sends_back else [])]
    return {
        "question": f"{', '.join(decisions)}?",
        "decisions": decisions,
        "record_id": record.id,
        "draft": record.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
        **({"last_try": last_try} if last_try else {}),
    }


def review_of(state: Any, reason: str | None = None) -> Review | None:
    """What a person decided about the record; nothing where something else decided after it."""
    mark = state.get("review")
    if not mark or (reason is not None and not reason.startswith(CODE)):
        return None
    decision = mark["decision"] if reason is None else "reject"
    return Review.model_validate({**mark, "decision": decision})


def turns_of(decision: ReviewDecision) -> list[dict[str, str]]:
    """The questions and answers of an edited conversation.

    Raises:
        EditError: It has another form.
    """
    messages = decision.messages or []
    roles = [message.role for message in messages]
    if not messages or roles != ["user", "assistant"] * (len(messages) // 2):
        raise EditError("the draft is a conversation: messages of user and assistant in turn")
    texts = [message.content.strip() for message in messages]
    return [
        {"question": question, "answer": answer}
        for question, answer in zip(texts[::2], texts[1::2], strict=True)
    ]


def text_of(decision: ReviewDecision) -> str:
    """The text of an edited document.

    Raises:
        EditError: It is a conversation.
    """
    if decision.text is None:
        raise EditError("the draft is a document: give its whole `text`")
    return decision.text.strip()
