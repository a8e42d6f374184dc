"""The stream of training examples: every expert's task and the conductor's conversations."""

import random
from collections.abc import Callable, Mapping, Sequence

from metasynth.agents.models.embedded.prompts import SOLVE
from metasynth.domains.language.base import Item
from metasynth.domains.language.vocabulary import NAMES, THEME_OF, THEMES

from .chat import Attachment, Message
from .conductor import BRIEF, INSTRUCTIONS, INVENTED, MAX_REFUSALS, REFUSALS, TITLE
from .conductor import conductor_policy as next_turn
from .crafts import CRAFTS, Craft
from .instruct_tasks import INSTRUCT_MAKERS, INSTRUCT_TASKS
from .oracle import CHANGES, expand, expert_oracle, extract, title, words_of

STAGES: Mapping[str, Mapping[str, float]] = {
    "drill": {"story": 1.0},
    "story": {"story": 1.0},
    "deduction": {"story": 0.65, "deduction": 0.35},
    "all": {"story": 0.55, "deduction": 0.22, "passage": 0.23},
}
"""Share of each domain, by stage of the curriculum."""

TASKS: Mapping[str, float] = {
    "write": 45,
    "extract": 9,
    "expand": 8,
    "summarize": 8,
    "label": 5,
    "compare": 2,
    "edit": 13,
    "solve": 8,
    "note": 0.5,
    "copy": 1,
    "conduct": 4,
    **INSTRUCT_TASKS,
}
"""Weight of each task in the stream."""

COPYING = 60.0
"""Weight of copying in the stage `drill`, which goes before anything that builds on it."""

_ONSETS = [
    "b",
    "br",
    "c",
    "ch",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "gl",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "r",
    "s",
    "sh",
    "st",
    "t",
    "tr",
    "v",
    "w",
    "z",
]
_RHYMES = [
    "a",
    "ab",
    "ado",
    "al",
    "an",
    "ar",
    "ast",
    "e",
    "ek",
    "el",
    "en",
    "er",
    "ib",
    "ide",
    "il",
    "im",
    "in",
    "ion",
    "o",
    "ol",
    "on",
    "or",
    "ost",
    "u",
    "ug",
    "um",
    "un",
    "y",
]


_COMMON = (*NAMES, *THEME_OF, *map(str, range(2, 51)))


def invented_word(rng: random.Random) -> str:
    """A word that is in no list, to be copied."""
    return "".join(rng.choice(_ONSETS) + rng.choice(_RHYMES) for _ in range(rng.choice((2, 2, 3))))


def some_keywords(rng: random.Random, theme: str | None = None) -> list[str]:
    """Keywords to start from: of one theme mostly, with words that nobody knows now and then."""
    world = THEMES[theme] if theme else rng.choice(list(THEMES.values()))
    other = world if rng.random() < 0.85 else rng.choice(list(THEMES.values()))
    name = rng.choice(NAMES) if rng.random() < 0.93 else invented_word(rng).capitalize()
    words = [rng.choice(other.places).split()[-1], rng.choice(world.items), name]
    words += rng.sample(world.details, rng.choice((0, 1, 1, 2)))
    if rng.random() < 0.03:
        words.append(invented_word(rng))
    if rng.random() < 0.15:
        words.append(rng.choice([n for n in NAMES if n != name]))
    rng.shuffle(words)
    return words[: rng.randint(2, 5)] if rng.random() < 0.5 else words[:5]


class Stream:
    """Training examples by number: example `i` of a seed is always the same."""

    def __init__(self, *, stage: str = "story", seed: int = 0, only: str = "") -> None:
        shares = STAGES[stage]
        self._crafts = [c for c in CRAFTS if c.name in shares and only in ("", c.name)]
        self._shares = [shares[craft.name] for craft in self._crafts]
        self._seed = seed
        self._copying = COPYING if stage == "drill" else TASKS["copy"]

    def example(self, number: int, *, task: str | None = None) -> list[Message]:
        """One conversation that ends with an answer."""
        rng = random.Random(f"{self._seed}:{number}")
        craft = rng.choices(self._crafts, self._shares)[0]
        weights = [self._copying if name == "copy" else TASKS[name] for name in TASKS]
        chosen = task or rng.choices(list(TASKS), weights)[0]
        return _MAKERS[chosen](craft, rng)


def _item(craft: Craft, rng: random.Random) -> Item:
    keywords = some_keywords(rng) if rng.random() < 0.6 else ()
    return craft.draft(rng, form=rng.choice(craft.forms), keywords=keywords)


def _expert(
    role: str, instruction: str, attachments: Sequence[Attachment], rng: random.Random
) -> list[Message]:
    answer = expert_oracle(role, instruction, attachments, rng)
    return [
        Message("system", title(role)),
        Message("user", instruction, tuple(attachments)),
        Message("assistant", answer),
    ]


def _neighbours(craft: Craft, rng: random.Random) -> Attachment:
    count = rng.choice((0, 1, 1, 2, 3))
    lines = [craft.summary(_item(craft, rng), rng) for _ in range(count)]
    return Attachment("neighbours", rng.choice(("\n", " ", "\n- ")).join(lines) or "none yet")


def _write(craft: Craft, rng: random.Random) -> list[Message]:
    keywords = some_keywords(rng)
    if rng.random() < 0.8:
        keywords = expand(keywords, rng)
    attachments = [Attachment("keywords", ", ".join(keywords))]
    if rng.random() < 0.12:
        attachments.append(_neighbours(craft, rng))
    form = rng.choice(craft.forms)
    return _expert("domain_expert", f"Write a {form}.", attachments, rng)


def _extract(craft: Craft, rng: random.Random) -> list[Message]:
    seed = _item(craft, rng).text if rng.random() < 0.5 else ", ".join(some_keywords(rng))
    instruction = INSTRUCTIONS["seed_keyword_extraction"]
    return _expert("seed_keyword_extraction", instruction, [Attachment("seed", seed)], rng)


def _expand(craft: Craft, rng: random.Random) -> list[Message]:
    keywords = some_keywords(rng)
    if rng.random() < 0.4:
        keywords = list(words_of(extract(_item(craft, rng).text)))
    role = "seed_keyword_expansion"
    attached = [Attachment("keywords", ", ".join(keywords))]
    return _expert(role, INSTRUCTIONS[role], attached, rng)


def _of_draft(role: str) -> Callable[[Craft, random.Random], list[Message]]:
    def make(craft: Craft, rng: random.Random) -> list[Message]:
        draft = Attachment("draft", _item(craft, rng).text)
        return _expert(role, INSTRUCTIONS[role], [draft], rng)

    return make


def _compare(craft: Craft, rng: random.Random) -> list[Message]:
    item = _item(craft, rng)
    neighbours = _neighbours(craft, rng)
    if rng.random() < 0.4:
        near = craft.draft(rng, form=rng.choice(craft.forms), keywords=(), theme=item.theme or None)
        neighbours = Attachment("neighbours", craft.summary(near, rng))
    role = "content_analyst"
    return _expert(role, INSTRUCTIONS[role], [Attachment("draft", item.text), neighbours], rng)


def _edit(craft: Craft, rng: random.Random) -> list[Message]:
    item = _item(craft, rng)
    instruction = rng.choice([*CHANGES, *["Rewrite as a "] * 3])
    if instruction.endswith(" "):
        instruction += f"{rng.choice([form for form in craft.forms if form != item.form])}."
    text = item.text
    if instruction.startswith("Correct") and rng.random() < 0.9:
        text = craft.spoil(item, rng)
    return _expert("editor", instruction, [Attachment("draft", text)], rng)


def _solve(craft: Craft, rng: random.Random) -> list[Message]:
    item = _item(craft, rng)
    text = item.text.partition(" Solution:")[0]
    if rng.random() < 0.3:
        text = craft.spoil(item, rng)
    return _expert("solution_expert", SOLVE, [Attachment("draft", text)], rng)


def _note(craft: Craft, rng: random.Random) -> list[Message]:
    draft = Attachment("draft", _item(craft, rng).text)
    return _expert(rng.choice(INVENTED), "Give a note on the draft.", [draft], rng)


def _copy(craft: Craft, rng: random.Random) -> list[Message]:
    chance = rng.random()
    if chance < 0.2:
        text = _item(craft, rng).text
    elif chance < 0.3:
        words = [invented_word(rng) for _ in range(rng.randint(2, 6))]
        text = ", ".join(w.capitalize() if rng.random() < 0.4 else w for w in words)
    else:
        # without commas the word before tells the next one, which is the first thing to learn
        between = ", " if rng.random() < 0.3 else " "
        text = between.join(rng.choice(_COMMON) for _ in range(rng.randint(4, 24)))
    return [
        Message("system", title("editor")),
        Message("user", "Copy the draft.", (Attachment("draft", text),)),
        Message("assistant", text),
    ]


def _conduct(craft: Craft, rng: random.Random) -> list[Message]:
    """A whole conversation of the conductor with simulated results."""
    forms = rng.sample(craft.forms, rng.choice((1, 2, 3, 3)))
    attached = (
        Attachment("seed", "seed-1", "seed-1"),
        Attachment("forms", ", ".join(forms), "forms"),
    )
    messages = [Message("system", TITLE), Message("user", BRIEF, attached)]
    counts: dict[str, int] = {}
    keywords = expand(some_keywords(rng), rng)
    accept = rng.choice((0.2, 0.5, 0.8))
    alone = rng.random() < 0.3  # no record was written yet, so that there are no neighbours
    for _ in range(40):
        calls = next_turn(messages, rng)
        messages.append(Message("assistant", tool_calls=tuple(calls)))
        if calls[0].name == "give_up" or (calls[0].name == "submit" and rng.random() < accept):
            break
        for call in calls:
            if alone and "neighbours" in call.arguments.get("attach", ()):
                result = "error: nothing is called neighbours"
            else:
                result = _result(call.name, call.arguments, counts, keywords, rng)
            messages.append(Message("tool", result))
    return messages


_KIND = {
    "seed_keyword_extraction": "keywords",
    "seed_keyword_expansion": "keywords",
    "domain_expert": "draft",
    "editor": "draft",
    "summarizer": "summary",
    "topic_label": "topic",
    "content_analyst": "analysis",
    "solution_expert": "draft",
}
_ERRORS = (
    "error: nothing is called draft-9",
    "error: summarizer gave an empty answer; ask again",
    "error: consult: attach: Input should be a valid list",
    "error: the prompt is longer than the context",
)


def _result(
    name: str,
    arguments: Mapping[str, str | Sequence[str]],
    counts: dict[str, int],
    keywords: Sequence[str],
    rng: random.Random,
) -> str:
    if rng.random() < 0.015:
        return rng.choice(_ERRORS)
    if name == "set_seeds":
        return f"seed set: {', '.join(keywords)}"
    if name == "submit":
        likely = REFUSALS[:6]
        reason = rng.choice(likely if rng.random() < 0.8 else REFUSALS)
        return f"refused {arguments['draft']}: {reason}"
    expert = str(arguments["expert"])
    kind = _KIND.get(expert, "note")
    counts[kind] = counts.get(kind, 0) + 1
    return f"{kind}-{counts[kind]} by {expert}"


assert MAX_REFUSALS < 40

_MAKERS: Mapping[str, Callable[[Craft, random.Random], list[Message]]] = {
    "write": _write,
    "extract": _extract,
    "expand": _expand,
    "summarize": _of_draft("summarizer"),
    "label": _of_draft("topic_label"),
    "compare": _compare,
    "edit": _edit,
    "solve": _solve,
    "note": _note,
    "copy": _copy,
    "conduct": _conduct,
    **INSTRUCT_MAKERS,
}
