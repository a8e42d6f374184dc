"""What every expert should answer, as a pure function over text."""

import random
import re
from collections.abc import Sequence

from metasynth.agents.models.embedded.prompts import ANOTHER, HARDER
from metasynth.domains.language.vocabulary import NAMES, PLACE_OF, THEME_OF, THEMES, singular
from metasynth.domains.language.words import theme_of

from .chat import Attachment
from .crafts import CRAFTS, Craft, craft_for, craft_of

ROLES = (
    "seed_keyword_extraction",
    "seed_keyword_expansion",
    "domain_expert",
    "summarizer",
    "topic_label",
    "content_analyst",
    "editor",
    "solution_expert",
)
CHANGES = {
    "Rewrite with other names and numbers.": "other names",
    HARDER: "harder",
    "Make it easier.": "easier",
    ANOTHER: "another",
    "Tell it in the first person.": "first person",
    "Correct the answer.": "correct",
}
"""The editor's instructions beside `Rewrite as a FORM.`"""


def title(role: str) -> str:
    """First line of the system message: `You are the Domain Expert.`"""
    words = role.replace("_", " ").title().removesuffix(" Expert")
    return f"You are the {words} Expert."


def words_of(text: str) -> tuple[str, ...]:
    """The keywords of a comma list."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def expert_oracle(
    role: str, instruction: str, attachments: Sequence[Attachment], rng: random.Random
) -> str:
    """The answer of one expert; an expert that is none of ours gives a note on the draft."""
    texts = {attachment.kind: attachment.text for attachment in attachments}
    if role == "seed_keyword_extraction":
        return extract(texts.get("seed", ""))
    if role == "seed_keyword_expansion":
        return ", ".join(expand(words_of(texts.get("keywords", "")), rng))
    if role == "domain_expert":
        craft, form = _asked(instruction, rng)
        keywords = words_of(texts.get("keywords", ""))
        return craft.draft(rng, form=form, keywords=keywords).text
    draft = texts.get("draft", "")
    found = craft_of(draft) or _nearest(draft, rng)
    craft, item = found
    if role == "summarizer":
        return craft.summary(item, rng)
    if role == "topic_label":
        return craft.label(item)
    if role == "solution_expert":
        return craft.solution(item)
    if role == "content_analyst":
        return _compare(craft.subject(item), texts.get("neighbours", ""))
    if role == "editor":
        return craft.change(item, _change(instruction), rng).text
    return f"The draft is a {item.form} about {craft.subject(item)}, and it is clear."


def _asked(instruction: str, rng: random.Random) -> tuple[Craft, str]:
    forms = [form for craft in CRAFTS for form in craft.forms if form in instruction]
    if not forms:
        return CRAFTS[0], rng.choice(CRAFTS[0].forms)
    form = max(forms, key=len)
    return craft_for(form), form


def _change(instruction: str) -> str:
    form = re.fullmatch(r"Rewrite as an? (.+)\.", instruction)
    return f"form {form[1]}" if form else CHANGES.get(instruction, "other names")


def _nearest(text: str, rng: random.Random):  # type: ignore[no-untyped-def]
    craft = CRAFTS[0]
    form = "dialogue" if ': "' in text else rng.choice(craft.forms)
    return craft, craft.draft(rng, form=form, keywords=words_of(extract(text)))


def extract(seed: str) -> str:
    """The keywords of a document, or of a list: then all of it, at most five."""
    found = craft_of(seed)
    if found:
        return ", ".join(found[1].keywords[:5])
    if "." not in seed and "," in seed:
        return ", ".join(in_order(words_of(seed)[:5]))
    words = re.findall(r"[A-Za-z]+", seed)
    known = [singular(word) for word in words if word in THEME_OF]
    names = [word for word in words if word in NAMES]
    return ", ".join(list(dict.fromkeys([*known[:3], *names[:2]])) or words[:3])


def in_order(keywords: Sequence[str]) -> list[str]:
    """Places, things, names, then all else: each next word is known by its kind.

    A small model learns to pick the next word by kind long before it learns to copy a list.
    """

    def kind(word: str) -> int:
        if word in PLACE_OF:
            return 0
        owner = THEME_OF.get(word)
        if owner is not None and singular(word) in THEMES[owner].items:
            return 1
        return 2 if word[:1].isupper() else 3

    return sorted(dict.fromkeys(keywords), key=kind)


def expand(keywords: Sequence[str], rng: random.Random) -> list[str]:
    """The keywords with one to three more of the same theme: what is missing comes first."""
    theme = THEMES.get(theme_of(*keywords)) or rng.choice(list(THEMES.values()))
    missing = []
    if not any(word in PLACE_OF for word in keywords):
        missing.append(rng.choice(theme.places).split()[-1])
    if not any(word in theme.items for word in keywords):
        missing.append(rng.choice(theme.items))
    if not any(word[:1].isupper() for word in keywords):
        missing.append(rng.choice(NAMES))
    free = [word for word in theme.details if word not in keywords]
    room = max(0, min(3 - len(missing), 5 - len(keywords) - len(missing)))
    more = rng.sample(free, min(len(free), rng.randint(0 if missing else 1, max(room, 1))))
    return in_order([*keywords, *missing[:3], *more[: max(room, 0 if missing else 1)]])


def _compare(subject: str, neighbours: str) -> str:
    words = re.findall(r"[a-z]+", neighbours)
    thing = next((w for w in words if _is_thing(w)), "")
    place = next((PLACE_OF[w] for w in words if w in PLACE_OF), "")
    if not thing and not place:
        return f"The draft tells of {subject}; there is no neighbour to compare it with. Keep it."
    other = " ".join(part for part in (thing or "something else", place) if part)
    if thing and thing in subject:
        advice = "Choose another form and other events."
    elif place and place in subject:
        advice = "Move it to another place."
    else:
        advice = "They differ enough; keep it."
    return f"The draft tells of {subject}; the neighbour tells of {other}. {advice}"


def _is_thing(word: str) -> bool:
    owner = THEME_OF.get(word)
    return owner is not None and word != singular(word) and singular(word) in THEMES[owner].items
