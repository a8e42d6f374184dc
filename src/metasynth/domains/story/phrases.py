"""Event phrases of the story problems in every tense, for writing and for reading."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Literal, NamedTuple

from metasynth.domains.language.templates import NAME, Template
from metasynth.domains.language.vocabulary import THEMES, past, present

from .sentences import DOUBLINGS, GAINS, LEADS, LOSSES

Person = Literal["third", "first", "we"]
Tense = Literal["base", "present", "past"]


class Phrase(NamedTuple):
    """One verb phrase: how it is written in a tense, its base form, what it does."""

    template: Template
    base: str
    sign: str


def bend(base: str, tense: Tense) -> str:
    """A verb phrase in a tense: `sell {n} {items}` to `sold {n} {items}`."""
    verb, _, rest = base.partition(" ")
    if tense == "present":
        verb = present(verb)
    elif tense == "past":
        verb = past(verb)
    return f"{verb} {rest}"


@cache
def phrases(tense: Tense) -> Mapping[str, tuple[Phrase, ...]]:
    """Every event phrase in a tense, by its first word."""
    table: dict[str, tuple[Phrase, ...]] = {}
    gains = dict.fromkeys((*GAINS, *(p for theme in THEMES.values() for p in theme.gains)), "+")
    losses = dict.fromkeys((*LOSSES, *(p for theme in THEMES.values() for p in theme.losses)), "-")
    for base, sign in (gains | losses | dict.fromkeys(DOUBLINGS, "*")).items():
        phrase = Phrase(Template(bend(base, tense)), base, sign)
        verb = phrase.template.split()[0]
        table[verb] = (*table.get(verb, ()), phrase)
    return table


def tense_of(form: str, *, first_person: bool) -> Tense:
    """The tense that a form tells its events in."""
    if form in ("word problem", "riddle"):
        return "base" if first_person else "present"
    return "past"


def person_of(form: str, *, first_person: bool) -> Person:
    """Who a form lets tell its events."""
    if form == "notice":
        return "we"
    return "first" if first_person or form in ("diary entry", "dialogue") else "third"


LEAD = re.compile("|".join(re.escape(lead) for lead in sorted(LEADS, reverse=True)))
SUBJECT: Mapping[Person, re.Pattern[str]] = {
    "third": re.compile(rf"([Hh]e|[Ss]he) |({NAME}) "),
    "first": re.compile(r"(I) "),
    "we": re.compile(r"([Ww]e) "),
}
