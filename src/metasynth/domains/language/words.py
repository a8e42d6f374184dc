"""From keywords, or from chance, to who and what a document is about."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from .vocabulary import NAMES, PLACE_OF, THEME_OF, THEMES, plural, singular


class Cast(NamedTuple):
    """People, thing, place and details of one document."""

    theme: str
    owner: str
    other: str
    third: str
    thing: str  # singular
    place: str  # one word; `PLACE_OF` has the preposition
    details: tuple[str, ...]
    other_asked: bool  # the keywords name the second person


def at(place: str) -> str:
    """`in the garden`; a place that we do not know gets `at`."""
    return PLACE_OF.get(place, f"at the {place}")


def theme_of(*words: str) -> str:
    """Theme of the first word that belongs to one, else ""."""
    return next((THEME_OF[word] for word in words if word in THEME_OF), "")


def cast(
    rng: random.Random, *, theme: str | None = None, keywords: Sequence[str] | None = None
) -> Cast:
    """Choose the cast so that every keyword is used; words that we do not know become details.

    Raises:
        ValueError: the theme is unknown.
    """
    if theme is not None and theme not in THEMES:
        raise ValueError(f"unknown theme {theme!r}; one of {', '.join(THEMES)}")
    names, lower = _sorted_out(keywords or ())
    known = theme or theme_of(*lower)
    world = THEMES[known] if known else rng.choice(list(THEMES.values()))
    places = [word for word in lower if word in PLACE_OF]
    things = [word for word in lower if word not in places and _is_thing(word)]
    place = places[0] if places else rng.choice(world.places).split()[-1]
    thing = singular(things[0]) if things else rng.choice(world.items)
    details = [word for word in lower if word not in (place, thing, plural(thing), world.name)]
    if not keywords:
        details = rng.sample(world.details, rng.choice((0, 0, 1, 1, 2)))
    pool = [name for name in rng.sample(NAMES, 6) if name not in names]
    people = [*names, *pool]
    return Cast(
        theme_of(thing, place, *details),
        people[0],
        people[1],
        people[2],
        thing,
        place,
        tuple(dict.fromkeys(details))[:3],
        len(names) > 1,
    )


def _sorted_out(keywords: Sequence[str]) -> tuple[list[str], list[str]]:
    words = [word.strip() for word in keywords if word.strip().replace("-", "").isalpha()]
    names = [word for word in words if word[:1].isupper() and word[1:].islower()]
    return names, [word.lower() for word in words if word not in names]


def _is_thing(word: str) -> bool:
    owner = THEME_OF.get(word)
    return owner is not None and singular(word) in THEMES[owner].items
