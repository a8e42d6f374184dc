"""The stream of training examples: every expert's task and the conductor's conversations."""

import random
from collections.abc import Callable, Mapping, Sequence

from metasynth.domains import NAMES, THEMES, Item

from .chat import Attachment, Message
from .conductor import BRIEF, INSTRUCTIONS, INVENTED, MAX_REFUSALS, REFUSALS, TITLE
from .conductor import conductor_policy as next_turn
from .crafts import CRAFTS, Craft
from .oracle import CHANGES, expand, expert_oracle, extract, title, words_of

STAGES: Mapping[str, Mapping[str, float]] = {
    "story": {"story": 1.0},
    "deduction": {"story": 0.65, "deduction": 0.35},
    "all": {"story": 0.55, "deduction": 0.22, "passage": 0.23},
}
"""Share of each domain, by stage of the curriculum."""

TASKS: Mapping[str, float] = {
    "write": 30,
    "extract": 5,
    "expand": 4,
    "summarize": 8,
    "label": 4,
    "compare": 5,
    "edit": 17,
    "solve": 10,
    "note": 1,
    "copy": 4,
    "conduct": 8,
}
"""Weight of each task in the stream."""

_ONSETS = "b br c ch d dr f fl g gl h j k l m n p pl r s sh st t tr v w z".split()
_RHYMES = (
    "a ab ado al an ar ast e ek el en er ib ide il im in ion o ol on or ost u ug um un y".split()
)


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
    if rng.random() < 0.08:
        words.append(invented_word(rng))
    if rng.random() < 0.15:
        words.append(rng.choice([n for n in NAMES if n != name]))
    rng.shuffle(words)
    return words[: rng.randint(2, 5)] if rng.random() < 0.5 else words[:5]


class Stream:
    """Training examples by number: example `i` of a seed is always the same."""

    def __init__(self, *, stage: str = "story", seed: int = 0) -> None:
        shares = STAGES[stage]
        self._crafts = [craft for craft in CRAFTS if craft.name in shares]
        self._shares = [shares[craft.name] for craft in self._crafts]
        self._seed = seed

    def example(self, number: int, *, task: str | None = None) -> list[Message]:
        """One conversation that ends with an answer."""
        rng = random.Random(f"{self._seed}:{number}")
        craft = rng.choices(self._crafts, self._shares)[0]
        chosen = task or rng.choices(list(TASKS), list(TASKS.values()))[0]
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
    if rng.random() < 0.6:
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
    return _expert("solution_expert", "Solve the problem.", [Attachment("draft", text)], rng)


def _note(craft: Craft, rng: random.Random) -> list[Message]:
    draft = Attachment("draft", _item(craft, rng).text)
    return _expert(rng.choice(INVENTED), "Give a note on the draft.", [draft], rng)


def _copy(craft: Craft, rng: random.Random) -> list[Message]:
    text = _item(craft, rng).text
    if rng.random() < 0.5:
        words = [invented_word(rng) for _ in range(rng.randint(2, 8))]
        text = ", ".join(w.capitalize() if rng.random() < 0.4 else w for w in words)
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
    for _ in range(40):
        calls = next_turn(messages, rng)
        messages.append(Message("assistant", tool_calls=tuple(calls)))
        if calls[0].name == "give_up" or (calls[0].name == "submit" and rng.random() < accept):
            break
        for call in calls:
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
    "error: unknown reference draft-9",
    "error: the model gave an empty answer",
    "error: attach must be a list of references",
    "error: the expert did not answer",
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
}
