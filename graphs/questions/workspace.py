"""The workspace of graphs whose workers take questions: softsrv, and active."""

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from metasynth.graphs.workspace import Workspace

from .queue import QuestionQueue

W = TypeVar("W", bound=Workspace)


@dataclass(frozen=True, eq=False, kw_only=True)
class QuestionWorkspace(Workspace):
    """A workspace with the questions that wait for a worker."""

    queue: QuestionQueue = field(default_factory=QuestionQueue)


def queue_of(workspace: Workspace) -> QuestionQueue:
    """The queue of a run whose workers take questions."""
    assert isinstance(workspace, QuestionWorkspace), "compose opens one for these graphs"
    return workspace.queue


def extended(workspace: Workspace, kind: type[W], **more: Any) -> W:
    """The same run as a workspace of another kind.

    Args:
        more: The fields that this kind has besides, and those that are to be others.
    """
    own = {part.name: getattr(workspace, part.name) for part in fields(Workspace)}
    return kind(**{**own, **more})
