"""Deductions, passages and the domain that tries them all."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasynth.domains.catalogue import DOMAINS, get_domain
from metasynth.domains.language.base import same_keyword

SHORT = ("deduction", "passage")
RNGS = st.integers(0, 2**32).map(random.Random)


@settings(max_examples=300, deadline=None)
@given(RNGS, st.sampled_from(SHORT))
def test_what_is_written_is_read_back(rng: random.Random, name: str) -> None:
    domain = get_domain(name)
    item = domain.generate(rng)
    assert domain.parse(item.text) == item
    assert domain.check(item.text).passed is True


@settings(max_examples=150, deadline=None)
@given(RNGS, st.sampled_from(SHORT))
def test_the_other_answer_fails(rng: random.Random, name: str) -> None:
    domain = get_domain(name)
    item = domain.generate(rng)
    other = "no" if item.answer == "yes" else "yes"
    check = domain.check(item.text.replace(f"answer is {item.answer}.", f"answer is {other}."))
    assert check.parsed
    assert check.passed is False
    assert "expected The answer is" in check.detail


@settings(max_examples=150, deadline=None)
@given(RNGS, st.sampled_from(SHORT), st.data())
def test_keywords_are_used(rng: random.Random, name: str, data: st.DataObject) -> None:
    domain = get_domain(name)
    keywords = ["bakery", "roll", "oven", data.draw(st.sampled_from(["Mia", "Zorvan"]))]
    form = data.draw(st.sampled_from(domain.forms))
    text = domain.generate(rng, form=form, keywords=keywords).text
    assert all(same_keyword(word, text) for word in keywords)
    assert domain.check(text).passed is True


@pytest.mark.parametrize("name", SHORT)
def test_a_strange_sentence_is_not_understood(name: str) -> None:
    domain = get_domain(name)
    text = domain.generate(random.Random(1), form=domain.forms[0]).text
    first, rest = text.split(". ", 1)
    assert domain.check(f"{first}. The moon is made of cheese. {rest}").passed is None


def test_each_text_belongs_to_one_domain() -> None:
    rng = random.Random(2)
    names = ("story", *SHORT)
    for name in names:
        for form in get_domain(name).forms:
            text = get_domain(name).generate(rng, form=form).text
            assert [other for other in names if get_domain(other).parse(text)] == [name]
            item = get_domain("any").parse(text)
            assert item is not None
            assert (item.domain, item.form) == (name, form)


def test_any_knows_every_form_and_says_so_of_others() -> None:
    domain = get_domain("any")
    assert len(domain.forms) == len(set(domain.forms)) == 18
    assert domain.generate(random.Random(0), form="logic riddle").domain == "deduction"
    assert domain.check("Nothing of the kind.").passed is None
    with pytest.raises(ValueError, match="unknown form"):
        domain.generate(random.Random(0), form="sonnet")


def test_unknown_domains_are_refused() -> None:
    with pytest.raises(ValueError, match="one of story, deduction, passage, any"):
        get_domain("chess")
    assert set(DOMAINS) == {"story", "deduction", "passage", "any"}
