"""Chains of deduction over made-up kinds: who is what, what every such thing is, yes or no."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from metasynth.domains.language.base import Check, Item, split_solution
from metasynth.domains.language.parts import NotUnderstoodError, longest, place_of, told, untold
from metasynth.domains.language.templates import readings, templates
from metasynth.domains.language.vocabulary import DAYS, plural, singular
from metasynth.domains.language.words import Cast, at, cast, theme_of
from metasynth.domains.story.sentences import SCENES

FORMS = (
    "logic puzzle",
    "logic diary",
    "logic report",
    "logic dialogue",
    "logic riddle",
    "logic notice",
)
KINDS = (
    "wug",
    "tove",
    "glim",
    "dax",
    "fep",
    "blick",
    "zorb",
    "mib",
    "plon",
    "rab",
    "snark",
    "vell",
    "quib",
    "jub",
    "trill",
    "grum",
    "yorp",
    "kell",
    "brone",
    "lim",
    "pask",
    "dwin",
    "fosk",
    "hune",
    "merl",
    "nush",
    "polt",
    "rusk",
    "selb",
    "tamp",
    "vosk",
    "wend",
    "zill",
    "cham",
    "drell",
)
PROPERTIES = (
    "kind",
    "calm",
    "bright",
    "quiet",
    "heavy",
    "round",
    "soft",
    "shiny",
    "warm",
    "cold",
    "gentle",
    "brave",
    "clever",
    "hungry",
    "noisy",
    "honest",
    "lazy",
    "polite",
    "proud",
    "strange",
    "careful",
    "friendly",
    "fast",
    "slow",
    "old",
    "red",
    "blue",
    "green",
    "yellow",
    "white",
    "black",
    "brown",
    "pink",
    "grey",
    "purple",
    "silver",
    "golden",
)

_OPENINGS = {
    "logic puzzle": templates(
        "{A} stands among the {items} {at}.",
        "{At}, {A} looks after the {items}.",
        "On {day}, {A} comes to see the {items} {at}.",
        "Among the {items} {at}, you find {A}.",
        "{A} spends {day} {at} with the {items}.",
        "Someone named {A} sorts the {items} {at}.",
        "{A} likes the {items} {at}.",
        "The {items} {at} belong to {A}.",
    ),
    "logic diary": templates(
        "Dear diary, I met {A} among the {items} {at}.",
        "{day} evening. I saw {A} with the {items} {at}.",
        "Today {A} showed me the {items} {at}.",
        "I was {at} when {A} came to see the {items}.",
        "What a day! I found {A} near the {items} {at}.",
        "My walk to the {place} led me to {A} and the {items}.",
        "{A} helped me with the {items} {at} on {day}.",
        "I keep thinking of {A} and the {items} {at}.",
    ),
    "logic report": templates(
        "Report from the {place}: {A} was seen with the {items}.",
        "{day} report: {A} looked after the {items} {at}.",
        "{A} was found near the {items} {at} on {day}.",
        "News from the {place}: {A} is in charge of the {items}.",
        "{At}, {A} checked the {items} on {day}.",
        "A guard saw {A} among the {items} {at}.",
        "On {day}, {A} was busy with the {items} {at}.",
        "This report is about {A} and the {items} {at}.",
    ),
    "logic dialogue": templates(
        "I met {A} {at}, next to the {items}.",
        "Do you know {A} from the {place}, with all the {items}?",
        "{A} is {at} again, close to the {items}.",
        "You should see {A} {at} with the {items}.",
        "On {day} I saw {A} and the {items} {at}.",
        "Listen, {A} works with the {items} {at}.",
        "Yesterday {A} sold me some {items} {at}.",
        "Guess who has the {items} {at}: it is {A}!",
    ),
    "logic riddle": templates(
        "What do you know of {A}, the stranger with the {items} {at}?",
        "A stranger called {A} hides behind the {items} {at}.",
        "Somewhere {at}, among {items}, sits {A}.",
        "Riddle of the {place}: {A} watches over the {items}.",
        "Who is {A}, waiting with the {items} {at}?",
        "They say that {A} guards the {items} {at}.",
        "{A} is a mystery among the {items} {at}.",
        "Look at {A}, the keeper of the {items} {at}.",
    ),
    "logic notice": templates(
        "Notice: {A} takes care of the {items} {at}.",
        "To everyone {at}: {A} is here for the {items}.",
        "Please greet {A}, who brings {items} to the {place}.",
        "From {day} on, {A} looks after our {items} {at}.",
        "Visitors {at} may ask {A} about the {items}.",
        "Our {items} {at} are now in the hands of {A}.",
        "Attention: {A} will count the {items} {at} on {day}.",
        "The {place} thanks {A} for the {items}.",
    ),
}
_FACTS = templates(
    "{A} is a {k}.", "As we know, {A} is a {k}.", "{A} belongs to the kind {k}.",
    "It is known that {A} is a {k}.",
)  # fmt: skip
_RULES = templates(
    "Every {k} is a {k2}.", "Each {k} is a {k2}.", "Any {k} is also a {k2}.",
    "Whoever is a {k} is a {k2}.", "If someone is a {k}, it is a {k2}.",
)  # fmt: skip
_HAVE = templates(
    "Every {k} is {prop}.", "Each {k} is {prop}.", "Any {k} is {prop}.",
    "If someone is a {k}, it is {prop}.",
)  # fmt: skip
_LACK = templates(
    "No {k} is {prop}.", "A {k} is never {prop}.", "Not one {k} is {prop}.",
    "If someone is a {k}, it is not {prop}.",
)  # fmt: skip
_WITNESS = templates(
    "{B} can confirm it.", "{B} says the same.", "We heard this from {B}.", "{B} knows it, too.",
)  # fmt: skip
_QUESTIONS = templates(
    "Is {A} {prop}?", "So is {A} {prop}?", "Can you say if {A} is {prop}?",
    "Is it true that {A} is {prop}?", "Tell me, is {A} {prop}?",
)  # fmt: skip
_SOLUTION = re.compile(r".+\. The answer is (yes|no)\.")


@dataclass(frozen=True, slots=True)
class Deduction(Item):
    """A deduction: `owner` is `kinds[0]`, each kind is the next one; the last has it or not."""

    owner: str
    thing: str
    place: str
    details: tuple[str, ...]
    kinds: tuple[str, ...]
    prop: str
    holds: bool
    teller: str
    asker: str
    witness: str
    solution: str


def proof(item: Deduction) -> str:
    """The chain spelt out, with the answer."""
    lines = [f"{item.owner} is a {item.kinds[0]}."]
    for kind, wider in zip(item.kinds, item.kinds[1:], strict=False):
        lines.append(f"Every {kind} is a {wider}, so {item.owner} is a {wider}.")
    rule, which = ("Every", "") if item.holds else ("No", "not ")
    lines.append(f"{rule} {item.kinds[-1]} is {item.prop}, so {item.owner} is {which}{item.prop}.")
    return " ".join([*lines, f"The answer is {'yes' if item.holds else 'no'}."])


class DeductionDomain:
    """Generator, parser and checker of deductions."""

    name = "deduction"
    forms = FORMS

    def generate(
        self,
        rng: random.Random,
        *,
        form: str | None = None,
        theme: str | None = None,
        keywords: Sequence[str] | None = None,
        length: int | None = None,
    ) -> Deduction:
        """Write a deduction; see `Domain.generate`.

        Raises:
            ValueError: the form or the theme is unknown.
        """
        form = form or rng.choice(FORMS)
        if form not in FORMS:
            raise ValueError(f"unknown form {form!r}; one of {', '.join(FORMS)}")
        lower = [word for word in keywords or () if word not in PROPERTIES and word not in KINDS]
        players = cast(rng, theme=theme, keywords=lower)
        if not keywords:
            players = players._replace(details=players.details[:1])
        props = [word for word in keywords or () if word in PROPERTIES] or [rng.choice(PROPERTIES)]
        given = [word for word in keywords or () if word in KINDS]
        free = [kind for kind in rng.sample(KINDS, 6) if kind not in given]
        kinds = tuple([*given, *free][: max(len(given), length or rng.choice((1, 2, 2, 3)))])
        item = Deduction(
            self.name,
            form,
            players.theme,
            _keywords(players, kinds, props[0]),
            "",
            "",
            players.owner,
            players.thing,
            players.place,
            players.details,
            kinds,
            props[0],
            rng.random() < 0.5,
            players.other if form == "logic dialogue" else "",
            players.third if form == "logic dialogue" else "",
            players.other if players.other_asked and form != "logic dialogue" else "",
            "",
        )
        return write_deduction(item, rng)

    def parse(self, text: str) -> Deduction | None:
        """Read a deduction with its solution; None unless every sentence is understood."""
        problem, solution = split_solution(text)
        match = _SOLUTION.fullmatch(solution)
        item = read_deduction(problem) if match else None
        if match is None or item is None:
            return None
        return replace(item, text=text, answer=match[1], solution=solution)

    def check(self, text: str) -> Check:
        """Verify the proof line by line against the rules, and the answer."""
        item = self.parse(text)
        if item is None:
            return Check(False, None, "not understood as a deduction with its proof")
        wanted = proof(item)
        if item.solution == wanted:
            return Check(True, True, f"the answer {item.answer} is right")
        pairs = zip(wanted.split(". "), item.solution.split(". "), strict=False)
        want, have = next((p for p in pairs if p[0] != p[1]), (wanted, item.solution))
        return Check(True, False, f"{have.removesuffix('.')}, expected {want.removesuffix('.')}")


def _keywords(players: Cast, kinds: Sequence[str], prop: str) -> tuple[str, ...]:
    return (players.place, players.thing, players.owner, kinds[0], prop, *players.details)


def write_deduction(item: Deduction, rng: random.Random) -> Deduction:
    """Put the structure of a deduction into words."""
    slots = {
        "A": item.owner,
        "items": plural(item.thing),
        "at": at(item.place),
        "At": at(item.place).capitalize(),
        "place": item.place,
        "day": rng.choice(DAYS),
        "prop": item.prop,
    }
    opening = rng.choice(_OPENINGS[item.form]).format(**slots)
    scenes = [rng.choice(SCENES).format(detail=d, place=item.place) for d in item.details]
    facts = [rng.choice(_FACTS).format(k=item.kinds[0], **slots)]
    for kind, wider in zip(item.kinds, item.kinds[1:], strict=False):
        facts.append(rng.choice(_RULES).format(k=kind, k2=wider))
    last = rng.choice(_HAVE if item.holds else _LACK)
    facts.append(last.format(k=item.kinds[-1], **slots))
    if rng.random() < 0.4:
        rng.shuffle(facts)
    witness = [rng.choice(_WITNESS).format(B=item.witness)] if item.witness else []
    body = " ".join([opening, *scenes, *facts, *witness])
    question = rng.choice(_QUESTIONS).format(**slots)
    if item.form == "logic dialogue":
        problem = told(item.teller, body, item.asker, question)
    else:
        problem = f"{body} {question}"
    solution = proof(item)
    answer = "yes" if item.holds else "no"
    text = f"{problem} Solution: {solution}"
    return replace(item, text=text, answer=answer, solution=solution)


def read_deduction(problem: str) -> Deduction | None:
    """The structure of a deduction without its solution, or None where a sentence is strange."""
    problem = " ".join(problem.split())
    turns = untold(problem)
    forms = ["logic dialogue"] if turns else [form for form in FORMS if form != "logic dialogue"]
    teller, asker, text = turns or ("", "", problem)
    for form in forms:
        for opening in readings(_OPENINGS[form], text):
            try:
                item = _read(form, opening.values, text, opening.end)
            except NotUnderstoodError:
                continue
            return replace(item, teller=teller, asker=asker)
    return None


def _read(form: str, values: dict[str, str], text: str, position: int) -> Deduction:
    owner, place, thing = values["A"], place_of(values), singular(values["items"])
    first, rules, ends = list[str](), dict[str, str](), list[tuple[str, str, bool]]()
    details, witness = list[str](), ""
    while not readings(_QUESTIONS, text, position):
        found = longest((*SCENES, *_FACTS, *_RULES, *_HAVE, *_LACK, *_WITNESS), text, position)
        got, position = found.values, found.end
        if found.template in _FACTS and got["A"] == owner:
            first.append(got["k"])
        elif found.template in _RULES and got["k"] not in rules:
            rules[got["k"]] = got["k2"]
        elif found.template in _HAVE or found.template in _LACK:
            ends.append((got["k"], got["prop"], found.template in _HAVE))
        elif found.template in SCENES and not (first or rules or ends):
            details.append(got["detail"])
        elif found.template in _WITNESS and not witness:
            witness = got["B"]
        else:
            raise NotUnderstoodError(text[position:])
    asked = longest(_QUESTIONS, text, position)
    if asked.end != len(text) or asked.values["A"] != owner or len(first) != 1 or len(ends) != 1:
        raise NotUnderstoodError(text[position:])
    kinds = [first[0]]
    while kinds[-1] in rules and len(kinds) <= len(rules):
        kinds.append(rules[kinds[-1]])
    kind, prop, holds = ends[0]
    if kind != kinds[-1] or len(kinds) != len(rules) + 1 or prop != asked.values["prop"]:
        raise NotUnderstoodError("the rules make no chain")
    keywords = (place, thing, owner, kinds[0], prop, *details)
    theme = theme_of(thing, place, *details)
    return Deduction(
        *("deduction", form, theme, keywords, "", "", owner, thing, place, tuple(details)),
        *(tuple(kinds), prop, holds, "", "", witness, ""),
    )
