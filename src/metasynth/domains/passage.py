"""Short passages of who did what, where and when, with a yes/no question and its reason."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from metasynth.domains.language.base import Check, Item, split_solution
from metasynth.domains.language.parts import NotUnderstoodError, longest, told, untold
from metasynth.domains.language.templates import Template, readings, templates
from metasynth.domains.language.vocabulary import DAYS, NAMES, PLACE_OF, THEMES, past
from metasynth.domains.language.words import at, cast, theme_of

FORMS = (
    "reading passage",
    "reading diary",
    "reading report",
    "reading dialogue",
    "reading quiz",
    "reading notice",
)
VERBS = ("paint", "clean", "polish", "find", "draw", "check", "move", "describe", "admire", "watch")

_OPENINGS = {
    "reading passage": templates(
        "It was a busy week for {A}.", "{A} and {B} are good friends.",
        "Here is what happened around {A}.", "{A} told this to {B}.", "{B} was watching {A}.",
        "Much was done that week, first by {A}.", "{A} and {B} shared the work.",
        "Few people know what {A} did.",
    ),
    "reading diary": templates(
        "Dear diary, {A} and I had a good week.", "I must write about {A} and {B}.",
        "Diary, listen to what {A} did.", "{A} came to see me, and so did {B}.",
        "My week with {A} is over.", "I saw a lot of {A} this week.",
        "Tonight I think of {A}.", "{B} told me about {A} at dinner.",
    ),
    "reading report": templates(
        "Report of the week on {A}.", "This report lists the work of {A} and {B}.",
        "{A} and {B} sent in their report.", "Work done by {A} and others is listed here.",
        "The week of {A} in short.", "{B} checked this report on {A}.",
        "For the record, here is what {A} and {B} did.", "News of {A} and {B}.",
    ),
    "reading dialogue": templates(
        "I talked to {A} about the week.", "Do you know what {A} did?",
        "Let me tell you about {A}.", "I have news of {A} and {B}.",
        "You will not believe what {A} did.", "{A} told me everything.",
        "I was with {A} this week.", "Everybody talks about {A}.",
    ),
    "reading quiz": templates(
        "Read about {A} and answer.", "A quiz about {A} and {B}.",
        "How well can you read about {A}?", "Watch what {A} and {B} do.",
        "Keep {A} and {B} in mind.", "Here is a quiz from {A}.",
        "Pay attention to {A}.", "{A} has a question for you.",
    ),
    "reading notice": templates(
        "Notice: thanks go to {A}.", "To all, with thanks to {A} and {B}.",
        "We thank {A} for a good week.", "Please note the work of {A}.",
        "Our team is proud of {A}.", "Public thanks to {A} and {B}.",
        "{A} and {B} did good work.", "A word about {A} and friends.",
    ),
}  # fmt: skip
_FACTS = templates(
    "{A} {past} the {thing} {at} on {day}.",
    "On {day}, {A} {past} the {thing} {at}.",
    "{At}, {A} {past} the {thing} on {day}.",
    "It was {day} when {A} {past} the {thing} {at}.",
    "The one who {past} the {thing} {at} on {day} was {A}.",
)
_ASK = {
    "day": templates(
        "Did {A} {verb} the {thing} on {day}?", "Is it true that {A} {past} the {thing} on {day}?",
        "Was it on {day} that {A} {past} the {thing}?",
    ),
    "place": templates(
        "Did {A} {verb} the {thing} {at}?", "Is it true that {A} {past} the {thing} {at}?",
        "Was it {at} that {A} {past} the {thing}?",
    ),
    "person": templates(
        "Was it {A} who {past} the {thing}?", "Did {A} {verb} the {thing}?",
        "Is it true that {A} {past} the {thing}?",
    ),
}  # fmt: skip
_SOLUTION = re.compile(r".+\. The answer is (yes|no)\.")


class Fact(NamedTuple):
    """Someone did something with a thing, at a place, on a day."""

    who: str
    verb: str
    thing: str
    place: str
    day: str


@dataclass(frozen=True, slots=True)
class Passage(Item):
    """A passage. The question asks whether `asked` is the `about` of fact number `index`."""

    facts: tuple[Fact, ...]
    about: str  # day, place or person
    index: int
    asked: str
    teller: str
    asker: str
    solution: str

    @property
    def fact(self) -> Fact:
        """The fact that the question is about."""
        return self.facts[self.index]


def reason(item: Passage) -> str:
    """What the text says, how it fits the question, and the answer."""
    fact = item.fact
    told_ = f"{fact.who} {past(fact.verb)} the {fact.thing} {at(fact.place)} on {fact.day}"
    real = {"day": fact.day, "place": fact.place, "person": fact.who}[item.about]
    say = {"day": "on {}", "place": "{}", "person": "{}"}[item.about].format
    names = (at(real), at(item.asked)) if item.about == "place" else (real, item.asked)
    yes = real == item.asked
    fit = "as asked" if yes else f"not {say(names[1])}"
    answer = "yes" if yes else "no"
    return f"The text says that {told_}. It was {say(names[0])}, {fit}. The answer is {answer}."


class PassageDomain:
    """Generator, parser and checker of passages."""

    name = "passage"
    forms = FORMS

    def generate(
        self,
        rng: random.Random,
        *,
        form: str | None = None,
        theme: str | None = None,
        keywords: Sequence[str] | None = None,
    ) -> Passage:
        """Write a passage; see `Domain.generate`.

        Raises:
            ValueError: the form or the theme is unknown.
        """
        form = form or rng.choice(FORMS)
        if form not in FORMS:
            raise ValueError(f"unknown form {form!r}; one of {', '.join(FORMS)}")
        players = cast(rng, theme=theme, keywords=keywords)
        world = THEMES[players.theme] if players.theme else rng.choice(list(THEMES.values()))
        count = min(3, max(rng.choice((2, 2, 3)), 1 + len(players.details))) if keywords else 2
        spare = [item for item in rng.sample(world.items, 5) if item != players.thing]
        used = players.details if keywords else ()
        things = [players.thing, *[d for d in used if d != players.thing], *spare][:count]
        places = [players.place, *rng.sample([p.split()[-1] for p in world.places], 3)]
        people = (players.owner, players.other, players.third)
        days = rng.sample(DAYS, 3)
        facts = tuple(
            Fact(people[i], rng.choice(VERBS), things[i], places[0 if i == 0 else i], days[i])
            for i in range(count)
        )
        about = rng.choice(("day", "place", "person"))
        index = rng.randrange(count)
        item = Passage(
            *(self.name, form, "", (), "", "", facts, about, index),
            *(_asked(facts, about, index, rng), "", "", ""),
        )
        if form == "reading dialogue":
            free = [name for name in rng.sample(NAMES, 6) if name not in people[:count]]
            item = replace(item, teller=free[0], asker=free[1])
        return write_passage(item, rng)

    def parse(self, text: str) -> Passage | None:
        """Read a passage with its solution; None unless every sentence is understood."""
        problem, solution = split_solution(text)
        match = _SOLUTION.fullmatch(solution)
        item = read_passage(problem) if match else None
        if match is None or item is None:
            return None
        return replace(item, text=text, answer=match[1], solution=solution)

    def check(self, text: str) -> Check:
        """Verify the reason against the passage, and the answer."""
        item = self.parse(text)
        if item is None:
            return Check(False, None, "not understood as a passage with a yes/no question")
        wanted = reason(item)
        if item.solution == wanted:
            return Check(True, True, f"the answer {item.answer} is right")
        pairs = zip(wanted.split(". "), item.solution.split(". "), strict=False)
        want, have = next((p for p in pairs if p[0] != p[1]), (wanted, item.solution))
        return Check(True, False, f"{have.removesuffix('.')}, expected {want.removesuffix('.')}")


def _asked(facts: Sequence[Fact], about: str, index: int, rng: random.Random) -> str:
    """What the question supposes: the truth half of the time."""
    fact = facts[index]
    real = {"day": fact.day, "place": fact.place, "person": fact.who}[about]
    if rng.random() < 0.5:
        return real
    others: Sequence[str] = [other.who for other in facts]
    if about == "day":
        others = DAYS
    elif about == "place":
        theme = theme_of(fact.place, fact.thing)
        table = [p for p in PLACE_OF if theme_of(p) == theme] or list(PLACE_OF)
        others = table
    return rng.choice([other for other in others if other != real])


def write_passage(item: Passage, rng: random.Random) -> Passage:
    """Put the structure of a passage into words."""
    people = [fact.who for fact in item.facts]
    slots = {"A": people[0], "B": people[1]}
    sentences = [rng.choice(_OPENINGS[item.form]).format(**slots)]
    for fact in item.facts:
        where = at(fact.place)
        sentences.append(
            rng.choice(_FACTS).format(
                A=fact.who, past=past(fact.verb), thing=fact.thing, day=fact.day,
                at=where, At=where.capitalize(),
            )
        )  # fmt: skip
    fact = item.fact
    question = rng.choice(_ASK[item.about]).format(
        A=item.asked if item.about == "person" else fact.who,
        verb=fact.verb, past=past(fact.verb), thing=fact.thing,
        day=item.asked, at=at(item.asked),
    )  # fmt: skip
    body = " ".join(sentences)
    if item.form == "reading dialogue":
        problem = told(item.teller, body, item.asker, question)
    else:
        problem = f"{body} {question}"
    solution = reason(item)
    theme, keywords = _about(item.facts)
    return replace(
        item,
        theme=theme,
        keywords=keywords,
        text=f"{problem} Solution: {solution}",
        answer=solution.removesuffix(".").rsplit(" ", 1)[-1],
        solution=solution,
    )


def _about(facts: Sequence[Fact]) -> tuple[str, tuple[str, ...]]:
    """Theme and keywords."""
    first = facts[0]
    keywords = (first.place, first.thing, first.who, *(fact.thing for fact in facts[1:]))
    return theme_of(first.thing, first.place), keywords


def _verb_of(done: str) -> str:
    for verb in VERBS:
        if past(verb) == done:
            return verb
    raise NotUnderstoodError(done)


def read_passage(problem: str) -> Passage | None:
    """The structure of a passage without its solution, or None where a sentence is strange."""
    problem = " ".join(problem.split())
    turns = untold(problem)
    forms = ["reading dialogue"] if turns else [f for f in FORMS if f != "reading dialogue"]
    teller, asker, text = turns or ("", "", problem)
    for form in forms:
        for opening in readings(_OPENINGS[form], text):
            try:
                item = _read(form, opening.values, text, opening.end)
            except NotUnderstoodError:
                continue
            theme, keywords = _about(item.facts)
            return replace(item, theme=theme, keywords=keywords, teller=teller, asker=asker)
    return None


def _questions(text: str, start: int) -> list[tuple[str, Template, dict[str, str]]]:
    return [
        (about, reading.template, reading.values)
        for about, table in _ASK.items()
        for reading in readings(table, text, start)
        if reading.end == len(text)
    ]


def _read(form: str, named: dict[str, str], text: str, position: int) -> Passage:
    facts: list[Fact] = []
    while not (found := _questions(text, position)):
        values = (reading := longest(_FACTS, text, position)).values
        where = (values.get("at") or values["At"]).split()[-1]
        verb = _verb_of(values["past"])
        facts.append(Fact(values["A"], verb, values["thing"], where, values["day"]))
        position = reading.end
    about, _, values = found[0]
    people = [fact.who for fact in facts]
    if len(facts) < 2 or len(set(people)) < len(people):
        raise NotUnderstoodError("not two facts of different people")
    if named["A"] != people[0] or named.get("B", people[1]) != people[1]:
        raise NotUnderstoodError("the opening names others")
    verb = values.get("verb") or _verb_of(values["past"])
    same = [i for i, f in enumerate(facts) if (f.verb, f.thing) == (verb, values["thing"])]
    if about != "person":
        same = [i for i in same if facts[i].who == values["A"]]
    if len(same) != 1:
        raise NotUnderstoodError("the question is about nothing in the text")
    asked = values["A"] if about == "person" else values.get("day") or values["at"].split()[-1]
    return Passage(
        *("passage", form, "", (), "", "", tuple(facts), about, same[0], asked, "", "", "")
    )
