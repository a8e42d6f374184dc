"""Story problems: what is written is read back, and only right answers pass."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasynth.domains.language.base import FORMS, same_keyword
from metasynth.domains.language.vocabulary import THEMES, plural, singular
from metasynth.domains.story.domain import StoryDomain
from metasynth.domains.story.model import worked_solution

STORY = StoryDomain()
RNGS = st.integers(0, 2**32).map(random.Random)


@settings(max_examples=300, deadline=None)
@given(RNGS, st.sampled_from(FORMS))
def test_what_is_written_is_read_back(rng: random.Random, form: str) -> None:
    story = STORY.generate(rng, form=form)
    assert STORY.parse(story.text) == story
    assert STORY.check(story.text).passed is True


@settings(max_examples=200, deadline=None)
@given(RNGS)
def test_numbers_stay_small(rng: random.Random) -> None:
    story = STORY.generate(rng)
    assert 3 <= story.start <= 20
    assert 1 <= len(story.steps) <= 3
    assert all(0 <= value <= 50 for value in story.values)
    assert all(2 <= step.amount <= 12 for step in story.steps)


@settings(max_examples=150, deadline=None)
@given(RNGS, st.data())
def test_a_changed_number_in_the_solution_fails(rng: random.Random, data: st.DataObject) -> None:
    story = STORY.generate(rng)
    problem, solution = story.text.split(" Solution: ")
    words = solution.split(" ")
    places = [i for i, word in enumerate(words) if word.rstrip(".").isdigit()]
    place = data.draw(st.sampled_from(places))
    words[place] = words[place].replace(words[place].rstrip("."), "77")
    check = STORY.check(f"{problem} Solution: {' '.join(words)}")
    assert check.parsed
    assert check.passed is False


@settings(max_examples=200, deadline=None)
@given(RNGS, st.sampled_from(sorted(THEMES)), st.sampled_from(FORMS))
def test_keywords_are_used_also_words_that_nobody_knows(
    rng: random.Random, theme: str, form: str
) -> None:
    world = THEMES[theme]
    keywords = [world.items[0], world.places[0].split()[-1], "Zorvan", world.details[1], "blimfrog"]
    rng.shuffle(keywords)
    story = STORY.generate(rng, form=form, keywords=keywords)
    assert all(same_keyword(word, story.text) for word in keywords)
    assert STORY.parse(story.text) == story


def test_what_is_wrong_is_told() -> None:
    text = (
        "Nate has 17 lamps in the garden. He gives 5 lamps to Mia and then buys 3 more. "
        "How many lamps does Nate have now? Solution: 17 - 5 = 12. 12 + 3 = 16. The answer is 16."
    )
    check = STORY.check(text)
    assert check.passed is False
    assert check.detail == "12 + 3 = 16, expected 15"
    right = text.replace("16", "15")
    assert STORY.check(right).passed is True


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Solution: 1 + 1 = 2. The answer is 2.",
        "Nate has 17 lamps in the garden. How many lamps does Nate have now?",
        "Nate has 17 lamps in the garden. He flies to Mia. How many lamps does Nate have now? "
        "Solution: 17 - 5 = 12. The answer is 12.",
        "Nate has 17 lamps in the garden. He sells 5 rolls. How many lamps does Nate have now? "
        "Solution: 17 - 5 = 12. The answer is 12.",
        "Nate has 17 lamps in the garden. Mia sells 5 lamps. How many lamps does Nate have now? "
        "Solution: 17 - 5 = 12. The answer is 12.",
        "Nate has 17 lamps in the garden. She sells 5 lamps. How many lamps does Nate have now? "
        "Solution: 17 - 5 = 12. The answer is 12.",
    ],
)
def test_nothing_is_claimed_of_a_text_that_is_not_understood(text: str) -> None:
    check = STORY.check(text)
    assert (check.parsed, check.passed) == (False, None)


def test_a_number_below_zero_fails() -> None:
    text = (
        "Nate has 3 lamps in the garden. Nate sells 5 lamps. How many lamps does Nate have now? "
        "Solution: 3 - 5 = -2. The answer is -2."
    )
    assert STORY.check(text).passed is False


def test_openings_are_many() -> None:
    rng = random.Random(5)
    for form in FORMS:
        texts = [STORY.generate(rng, form=form, theme="bakery").text for _ in range(120)]
        assert len({" ".join(text.split()[:5]) for text in texts}) >= 40


def test_every_noun_has_a_plural_that_leads_back() -> None:
    for theme in THEMES.values():
        for item in theme.items:
            assert singular(plural(item)) == item
            assert plural(item).startswith(item)


def test_unknown_forms_and_themes_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown form 'sonnet'"):
        STORY.generate(random.Random(0), form="sonnet")
    with pytest.raises(ValueError, match="unknown theme 'opera'"):
        STORY.generate(random.Random(0), theme="opera")


def test_a_solution_is_worked_step_by_step() -> None:
    story = STORY.generate(random.Random(3), steps=3)
    assert worked_solution(story.start, story.steps) == story.solution
    assert story.solution.count("=") == 3
