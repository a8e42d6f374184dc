"""Answers of a model to the tasks of instructions, against what the oracle says."""

import random
from collections.abc import Sequence

from .chat import Attachment, Message
from .crafts import craft_of
from .instruct_oracle import INSTRUCT_ROLES, instruct_oracle
from .oracle import title

_ROLE = {title(role): role for role in INSTRUCT_ROLES}
_SEEDS = 40  # of the oracle, whose advice has a few wordings
Row = tuple[bool | None, bool | None, bool | None]
"""Parsed, right, copied of one answer."""


def judge_instruct_task(messages: Sequence[Message], text: str) -> Row:
    """Advice and critique word for word; a question by its form, its things and what it asks."""
    role, prompt = _ROLE[messages[0].content], messages[1]
    if role in ("persona_suggestion", "complexity_suggestion", "answer_critic"):
        return None, text in _options(role, prompt), None
    found = craft_of(text)
    if found is None or "Solution:" in text:
        return False, False, False
    after = found[1]
    wanted = [craft_of(option) for option in _options(role, prompt)]
    items = [each[1] for each in wanted if each is not None]
    before = craft_of(prompt.attachments[0].text)
    assert before is not None
    kept = set(before[1].keywords[:2]) <= set(after.keywords)
    same_form = any(after.form == item.form for item in items)
    if role == "document_transformation":  # retold, it asks for the same
        return True, same_form and after.keywords[:3] == before[1].keywords[:3], kept
    return True, same_form, kept


def _options(role: str, prompt: Message) -> set[str]:
    attached: Sequence[Attachment] = prompt.attachments
    return {
        instruct_oracle(role, prompt.content, attached, random.Random(seed))
        for seed in range(_SEEDS)
    }
