"""What a model that follows no prompt is asked: the embedded one knows tasks by roles and words.

It was trained (`training/tasks.py`, `training/instruct_tasks.py`) on the titles of the package's
roles with the short instructions below, and on nothing that explains a task. A new wording is
therefore a new training.
"""

from collections.abc import Mapping

from langchain_core.messages import BaseMessage

from metasynth.agents.expert import expert_messages
from metasynth.agents.messages import Attachment
from metasynth.agents.roles.book import RoleBook

EDITOR, SOLVER = "editor", "solution_expert"
ANOTHER = "Write another like this."
HARDER = "Make it harder."
TO_QUESTION = "Turn the document into a question."
SOLVE = "Solve the problem."
SOLUTION_MARK = "Solution:"
"""What stands between a problem and its solution in the texts that it was trained on."""
START = "<|ai|>"
"""The token that a document begins with; the tokenizer has no BOS."""

Variables = Mapping[str, object]


def another_like(text: str, roles: RoleBook, variables: Variables) -> list[BaseMessage]:
    """Asks the editor for another text like `text`."""
    return expert_messages(roles[EDITOR], ANOTHER, [_draft(text)], variables)


def harder_than(text: str, roles: RoleBook, variables: Variables) -> list[BaseMessage]:
    """Asks the editor for a harder version of a problem."""
    return expert_messages(roles[EDITOR], HARDER, [_draft(text)], variables)


def question_about(document: str, roles: RoleBook, variables: Variables) -> list[BaseMessage]:
    """Asks for a question that a document answers."""
    attached = [Attachment("document-1", "document", document)]
    return expert_messages(roles["document_transformation"], TO_QUESTION, attached, variables)


def solution_of(problem: str, roles: RoleBook, variables: Variables) -> list[BaseMessage]:
    """Asks the solution expert to solve a problem."""
    return expert_messages(roles[SOLVER], SOLVE, [_draft(problem)], variables)


def document_with(
    keywords: str, genre: str, roles: RoleBook, variables: Variables
) -> list[BaseMessage]:
    """Asks the domain expert for a document of a form that uses keywords, given as `a, b`."""
    attached = [Attachment("keywords-1", "keywords", keywords)]
    instruction = f"Write a {genre or 'document'}."
    return expert_messages(roles["domain_expert"], instruction, attached, variables)


def _draft(text: str) -> Attachment:
    return Attachment("draft-1", "draft", text)
