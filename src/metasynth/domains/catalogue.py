"""The domains by name, and the one that tries them all."""

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from metasynth.domains.language.base import Check, Domain, Item
from metasynth.domains.story.domain import StoryDomain

from .deduction import DeductionDomain
from .passage import PassageDomain


class AnyDomain:
    """Every domain at once: a text belongs to the first that understands it."""

    name = "any"

    def __init__(self, domains: Sequence[Domain]) -> None:
        self._domains = tuple(domains)

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms of all domains."""
        return tuple(form for domain in self._domains for form in domain.forms)

    def generate(
        self,
        rng: random.Random,
        *,
        form: str | None = None,
        theme: str | None = None,
        keywords: Sequence[str] | None = None,
    ) -> Item:
        """Write a document of the domain that has the form; see `Domain.generate`.

        Raises:
            ValueError: the form or the theme is unknown.
        """
        able = [domain for domain in self._domains if form is None or form in domain.forms]
        if not able:
            raise ValueError(f"unknown form {form!r}; one of {', '.join(self.forms)}")
        return rng.choice(able).generate(rng, form=form, theme=theme, keywords=keywords)

    def parse(self, text: str) -> Item | None:
        """Read a document of any domain."""
        return next((item for d in self._domains if (item := d.parse(text)) is not None), None)

    def check(self, text: str) -> Check:
        """Verify a document by the domain that understands it."""
        for domain in self._domains:
            check = domain.check(text)
            if check.parsed:
                return check
        return Check(False, None, "not understood as a document of any domain")


_EACH: tuple[Domain, ...] = (StoryDomain(), DeductionDomain(), PassageDomain())
DOMAINS: Mapping[str, Domain] = MappingProxyType(
    {**{domain.name: domain for domain in _EACH}, "any": AnyDomain(_EACH)}
)


def get_domain(name: str) -> Domain:
    """The domain of a name.

    Raises:
        ValueError: no domain has that name.
    """
    if name not in DOMAINS:
        raise ValueError(f"unknown domain {name!r}; one of {', '.join(DOMAINS)}")
    return DOMAINS[name]
