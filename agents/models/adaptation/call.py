"""One call, which is sent again otherwise where its endpoint refuses it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from .adaptation import MOST_CHANGES, Adaptation
from .change import Change, Json
from .reading import LIMITS
from .refusal import refusal_of


@dataclass
class Sent:
    """A request as it went out.

    Attributes:
        payload: It.
        changes: What was known of the endpoint then.
        adaptation: In words what was changed for the endpoint; "" for nothing.
    """

    payload: Json = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    adaptation: str = ""


@dataclass
class AdaptedCall:
    """One call with what it has learned of the endpoint.

    Attributes:
        payload: The request before anything was changed for the endpoint.
        adaptation: What is known of the endpoint.
    """

    payload: Json
    adaptation: Adaptation
    _learned: list[Change] = field(default_factory=list, init=False)
    _refusals: int = field(default=0, init=False)

    def now(self) -> Json:
        """The request as it would go out at this moment."""
        return self.adaptation.adapted(self.payload)[0]

    def sent(self) -> Sent:
        """The same, to be sent."""
        changes = self.adaptation.changes
        payload, adaptation = self.adaptation.adapted(self.payload)
        return Sent(payload, changes, adaptation)

    def adapts(self, error: Exception, sent: Sent) -> bool:
        """Whether the request is to be sent again otherwise; what led nowhere is given up."""
        if sent.payload and self._refusals < MOST_CHANGES:
            changes = self.adaptation.learn(error, sent.payload, sent.changes)
            if changes is not None:
                self._refusals += 1
                self._learned += changes
                return True
        if refusal_of(error) is not None:
            self.adaptation.forget(self._learned)
            self._learned.clear()
        return False


def configured_changes(
    *, tool_choice: str | None, limit: str | None, system_role: bool
) -> Iterator[Change]:
    """What a model's own settings change in every request.

    Args:
        tool_choice: What is sent where a call of a tool is wanted; None for nothing.
        limit: The name of the limit of an answer's tokens; None where it keeps its own.
        system_role: False: system messages go at the head of the first user message.
    """
    if limit is not None:
        yield from (Change("rename", name, limit) for name in LIMITS if name != limit)
    if tool_choice is None:
        yield Change("leave out", "tool_choice")
    elif tool_choice != "required":
        yield Change("set", "tool_choice", tool_choice)
    if not system_role:
        yield Change("merge system")
