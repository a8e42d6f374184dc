"""From the structure of a story problem to its text."""

import random
from collections.abc import Sequence
from dataclasses import replace

from metasynth.domains.language.templates import Template
from metasynth.domains.language.vocabulary import DAYS, THEMES, plural, pronoun
from metasynth.domains.language.words import Cast, at

from .model import MAX_OPERAND, MAX_RESULT, Step, Story, apply, worked_solution
from .phrases import bend, person_of, tense_of
from .sentences import (
    DOUBLINGS,
    GAINS,
    LEADS,
    LOSSES,
    OPENINGS,
    QUESTIONS,
    REACTIONS,
    SCENES,
    SIGNATURES,
)


def plan(story: Story, players: Cast, rng: random.Random, *, count: int | None = None) -> Story:
    """Give a story its events: 1 to 3 unless `count` says, every number within its bounds."""
    names = [name for name in (players.other, players.third) if name != story.speaker]
    value, steps = story.start, list[Step]()
    for position in range(count or rng.choice((1, 2, 2, 2, 3, 3))):
        must_name = position == 0 and players.other_asked and not story.speaker
        sign = _sign(value, rng, doubling=not must_name)
        phrase = _phrase(sign, players.theme, rng, must_name=must_name)
        most = 2 if sign == "*" else MAX_RESULT - value if sign == "+" else value
        amount = rng.randint(2, min(most, MAX_OPERAND))
        other = (names[0] if must_name else rng.choice(names)) if "{B}" in phrase else ""
        steps.append(Step(sign, amount, phrase, other))
        value = apply(value, steps[-1])
    return replace(story, steps=tuple(steps))


def _sign(value: int, rng: random.Random, *, doubling: bool) -> str:
    if doubling and 2 <= value * 2 <= MAX_RESULT and rng.random() < 0.06:
        return "*"
    if value < 2:
        return "+"
    return "-" if value > MAX_RESULT - 2 else rng.choice("+-")


def _phrase(sign: str, theme: str, rng: random.Random, *, must_name: bool) -> str:
    common = {"+": GAINS, "-": LOSSES, "*": DOUBLINGS}[sign]
    if must_name:
        return rng.choice([phrase for phrase in common if "{B}" in phrase])
    if theme not in THEMES or sign == "*" or rng.random() < 0.5:
        return rng.choice(common)
    return rng.choice(THEMES[theme].gains if sign == "+" else THEMES[theme].losses)


def write(story: Story, players: Cast, rng: random.Random) -> Story:
    """Put a planned story into words and work its solution out."""
    slots = {
        "A": story.owner,
        "B": story.speaker or players.other,
        "n": str(story.start),
        "items": plural(story.thing),
        "at": at(story.place),
        "At": at(story.place).capitalize(),
        "place": story.place,
        "day": rng.choice(DAYS),
        "persona": rng.choice(THEMES[story.theme].personas if story.theme else ("a friend",)),
    }

    def say(table: Sequence[Template], **more: str) -> str:
        return rng.choice(table).format(**slots, **more)

    scenes = [say(SCENES, detail=detail) for detail in story.details]
    events = _events(story, rng)
    opening = "first person" if story.first_person else story.form
    if story.form == "dialogue":
        problem = _dialogue(
            story,
            [say(OPENINGS["tell"]), *scenes, *events],
            rng,
            say(OPENINGS["ask"]),
            say(QUESTIONS["you"]),
        )
    else:
        person = person_of(story.form, first_person=story.first_person)
        question = say(QUESTIONS["riddle" if story.form == "riddle" else person])
        sentences = [say(OPENINGS[opening]), *scenes, *events, question]
        if story.form in SIGNATURES:
            sentences.append(say(SIGNATURES[story.form]))
        problem = " ".join(sentences)
    solution = worked_solution(story.start, story.steps)
    return replace(
        story,
        text=f"{problem} Solution: {solution}",
        answer=str(story.values[-1]),
        solution=solution,
    )


def _dialogue(
    story: Story, told: Sequence[str], rng: random.Random, ask: str, question: str
) -> str:
    """The teller's sentences in one or two turns, between the asker's."""
    cut = rng.randint(1, len(told) - 1) if len(told) > 1 and rng.random() < 0.7 else len(told)
    turns = [(story.speaker, ask), (story.owner, " ".join(told[:cut]))]
    if cut < len(told):
        turns += [(story.speaker, rng.choice(REACTIONS)), (story.owner, " ".join(told[cut:]))]
    turns.append((story.speaker, question))
    return " ".join(f'{who}: "{words}"' for who, words in turns)


def _events(story: Story, rng: random.Random) -> list[str]:
    tense = tense_of(story.form, first_person=story.first_person)
    person = person_of(story.form, first_person=story.first_person)
    sentences: list[str] = []
    named = False
    for position, step in enumerate(story.steps):
        words = bend(step.phrase, tense).format(
            n=step.amount, items=plural(story.thing), B=step.other
        )
        joins = position > 0 and rng.random() < 0.25 and " and then " not in sentences[-1]
        if joins:
            sentences[-1] = f"{sentences[-1][:-1]} and then {words}."
            continue
        lead = rng.choice(LEADS) if rng.random() < 0.7 else ""
        subject = {"first": "I", "we": "we"}.get(person, story.owner)
        if person == "third" and named and pronoun(story.owner) and rng.random() < 0.5:
            subject = pronoun(story.owner) or story.owner
        named = True
        if not lead:
            subject = subject.capitalize() if subject != story.owner else subject
        sentences.append(f"{lead}{subject} {words}.")
    return sentences
