"""Judges: what a chat model is asked about a student's answer, and how its reply is read.

What students and rows say stands between tags that occur nowhere in it, and only the last line of a
judge's reply is read, so no text can grade itself.
"""

import hashlib
import re
from typing import Protocol

from metasynth.student.rows import BadRowError, StudentRow

TEMPERATURE = 0.2
TRIES = 2


class AskJudge(Protocol):
    """A chat model: a prompt to a reply; `step` names the call in a ledger."""

    async def __call__(self, prompt: str, *, step: str, temperature: float) -> str:
        """The reply's text."""
        ...


async def numbers(
    ask: AskJudge, prompt: str, pattern: re.Pattern[str], *, step: str
) -> tuple[float, ...]:
    """The numbers that the last line of a reply with them holds, each from 1 to 10.

    Raises:
        BadRowError: No reply of two held them.
    """
    for number in range(TRIES):
        reply = await ask(prompt, step=f"{step} {number}", temperature=TEMPERATURE)
        last = reply.strip().rpartition("\n")[2]
        if match := pattern.search(last):
            values = tuple(float(group) for group in match.groups())
            if all(1 <= value <= 10 for value in values):
                return values
    raise BadRowError(f"no grade in the judge's reply, asked {TRIES} times")


def question(row: StudentRow) -> str:
    """The turns before the answer, between tags."""
    return fenced("question", "\n\n".join(turn.content for turn in row.prompt))


def fenced(name: str, text: str) -> str:
    """A text between tags that it does not contain."""
    tag = f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    while tag in text:
        tag += "x"
    return f"<{tag}>\n{text}\n</{tag}>"
