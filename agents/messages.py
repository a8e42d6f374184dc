"""Messages to models: an instruction with documents attached.

A hosted model reads the message's text, in which each attachment stands between fences longer than
any run of tildes inside it. A local model's chat template may use the two extra fields instead,
`instruction` and `attachments`, which never leave for an endpoint.
"""

import re
from dataclasses import asdict, dataclass

import regex  # type: ignore[import-untyped]
from langchain_core.messages import HumanMessage


@dataclass(frozen=True)
class Attachment:
    """A text that is passed by reference."""

    ref: str
    kind: str
    text: str


def instruction_message(
    instruction: str, attachments: list[Attachment], *, text: str = ""
) -> HumanMessage:
    """A human message; `text` replaces the instruction in what a hosted model reads."""
    content = text or "\n\n".join([instruction, *map(fenced, attachments)])
    return HumanMessage(
        content=content,
        additional_kwargs={
            "instruction": instruction,
            "attachments": [asdict(attachment) for attachment in attachments],
        },
    )


def fenced(attachment: Attachment) -> str:
    """The attachment's text between fences that cannot occur inside it."""
    longest = max((len(run) for run in re.findall(r"~+", attachment.text)), default=0)
    fence = "~" * max(4, longest + 1)
    return f"{attachment.ref} ({attachment.kind}):\n{fence}\n{attachment.text}\n{fence}"


_NO_KEYWORD = regex.compile(r"[^\p{L}\p{M}\p{N}\s'’&+./%-]")
_LIST_MARK = re.compile(r"(?:\W*\b\d{1,2}[.)]\s+)+|\W*(?:\w+\W+){0,2}keywords?\W*:", re.IGNORECASE)
_KEYWORD_CHARACTERS = 60
_WORD_CHARACTERS = 12  # of a line's words on average, so that no script makes it long


def parse_keywords(text: str, *, most: int = 16) -> list[str]:
    """The keywords in a model's comma list: cleaned of markup, at most five words each.

    Keywords are shown to the conductor, so nothing but words, digits and inner punctuation stays.
    """
    found: dict[str, str] = {}
    for part in re.split(r"[,;\n，、；・،؛]", text):
        mark = _LIST_MARK.match(part)
        words = _NO_KEYWORD.sub(" ", part[mark.end() :] if mark else part).split()
        keyword = " ".join(words[:5])[:_KEYWORD_CHARACTERS].strip("-. ")
        if any(char.isalnum() for char in keyword):
            found.setdefault(keyword.lower(), keyword)
    return list(found.values())[:most]


def one_line(text: str, *, most_words: int) -> str:
    """`text` without control characters and line breaks, cut to `most_words`."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    words = printable.split()
    line = " ".join(words[:most_words])
    cut = line[: most_words * _WORD_CHARACTERS].rstrip()
    return cut + (" …" if len(words) > most_words or cut != line else "")
