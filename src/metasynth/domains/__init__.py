"""Checkable small domains: worlds small enough that code can write, read and verify documents."""

from .base import FORMS, Check, Domain, Item, same_keyword, split_solution
from .catalogue import DOMAINS, AnyDomain, get_domain
from .deduction import (
    KINDS,
    PROPERTIES,
    Deduction,
    DeductionDomain,
    proof,
    read_deduction,
    write_deduction,
)
from .passage import Passage, PassageDomain, read_passage, reason, write_passage
from .story import StoryDomain
from .story_model import Step, Story, worked_solution
from .story_phrases import bend
from .story_read import read_problem
from .story_write import plan, write
from .vocabulary import NAMES, PLACE_OF, THEME_OF, THEMES, Theme, plural, singular
from .words import Cast, at, cast, theme_of

__all__ = [
    "DOMAINS",
    "FORMS",
    "KINDS",
    "NAMES",
    "PLACE_OF",
    "PROPERTIES",
    "THEMES",
    "THEME_OF",
    "AnyDomain",
    "Cast",
    "Check",
    "Deduction",
    "DeductionDomain",
    "Domain",
    "Item",
    "Passage",
    "PassageDomain",
    "Step",
    "Story",
    "StoryDomain",
    "Theme",
    "at",
    "bend",
    "cast",
    "get_domain",
    "plan",
    "plural",
    "proof",
    "read_deduction",
    "read_passage",
    "read_problem",
    "reason",
    "same_keyword",
    "singular",
    "split_solution",
    "theme_of",
    "worked_solution",
    "write",
    "write_deduction",
    "write_passage",
]
