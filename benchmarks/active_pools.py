"""What the study's students are asked to learn: seeds, a teacher that writes more of them, a test.

Seeds and test items are of levels 2 and 3; the base the students start from is level 1. In the pool
with unlearnable items a share of the seeds is of level 4 with an answer drawn at random: beyond the
teacher, who, shown such a seed, writes another one whose answer is wrong. The test has none.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from metasynth.domains.skills import SKILLS, SkillsDomain, split_line
from metasynth.randomness import generator
from metasynth.student.rows import StudentRow, make_row

PoolName = Literal["learnable", "unlearnable", "checked"]
POOLS: tuple[PoolName, ...] = ("learnable", "unlearnable", "checked")
"""`checked` is `unlearnable` behind a checker that removes what has a wrong answer."""

EASY, ASKED, BEYOND = (1, 2), (2, 3), 4
_TRIES = 30  # at something new; a skill of a low level has few items
_DOMAIN = SkillsDomain()


@dataclass(frozen=True)
class Sizes:
    """How many items of each kind."""

    seeds: int = 1200
    unlearnable: float = 0.25  # of the seeds, where there are such
    test: int = 960


@dataclass(frozen=True, slots=True)
class StudyItem:
    """An item with what the study knows of it, and the student does not."""

    row: StudentRow
    skill: str
    level: int

    @property
    def question(self) -> str:
        """What is asked."""
        return self.row.prompt[0].content

    @property
    def is_noise(self) -> bool:
        """Whether its answer was drawn at random."""
        return self.level == BEYOND


@dataclass
class Teacher:
    """Writes items; those of the level beyond it with an answer that only looks right.

    Attributes:
        forbidden: Questions that it must not write: those of the test.
        written: Questions that it wrote or was shown; it does not repeat them if it can help it.
        repeated: How often it could not.
    """

    forbidden: frozenset[str] = frozenset()
    written: set[str] = field(default_factory=set)
    repeated: int = 0

    def write(self, rng: random.Random, *, skill: str, level: int) -> StudyItem:
        """An item that is not of the test, and a new one where one is found.

        Raises:
            ValueError: The test has all items of the skill and level.
        """
        allowed = ""
        for _ in range(_TRIES):
            text = _DOMAIN.generate(rng, form=skill, level=level).text
            question, _ = split_line(text)
            if question in self.forbidden:
                continue
            allowed = text
            if question not in self.written:
                break
        else:
            self.repeated += 1
        if not allowed:
            raise ValueError(f"{skill}, level {level}: the test leaves nothing to learn from")
        question, answer = split_line(allowed)
        self.written.add(question)
        if level == BEYOND:
            answer = _wrong(rng, skill, answer)
        return item_of(question, answer, skill=skill, level=level)

    def child(self, rng: random.Random, seed: StudyItem) -> StudyItem:
        """Another item of the seed's skill and level."""
        return self.write(rng, skill=seed.skill, level=seed.level)


def test_items(sizes: Sizes, start: int) -> list[StudyItem]:
    """Different items, as many of each skill and level."""
    rng, teacher = generator(start, "test"), Teacher()
    kinds = [(skill, level) for skill in SKILLS for level in ASKED]
    return [
        teacher.write(rng, skill=skill, level=level)
        for skill, level in kinds
        for _ in range(sizes.test // len(kinds))
    ]


def easy_items(count: int, start: int, *, forbidden: Iterable[str]) -> list[StudyItem]:
    """What the base learns from."""
    rng, teacher = generator(start, "base"), Teacher(frozenset(forbidden))
    skills = list(SKILLS)
    return [
        teacher.write(rng, skill=skills[n % len(skills)], level=rng.choice(EASY))
        for n in range(count)
    ]


def seed_pool(
    name: PoolName, sizes: Sizes, start: int, *, forbidden: Iterable[str]
) -> list[StudyItem]:
    """The seeds of one start; what can be learnt in them is the same in every pool."""
    teacher = Teacher(frozenset(forbidden))
    noisy = 0 if name == "learnable" else round(sizes.seeds * sizes.unlearnable)
    rng = generator(start, "seeds")
    levels = [*(rng.choice(ASKED) for _ in range(sizes.seeds - noisy)), *[BEYOND] * noisy]
    skills = list(SKILLS)
    found = {}
    for level in levels:
        item = teacher.write(rng, skill=rng.choice(skills), level=level)
        found[item.row.id] = item  # a seed that comes twice is one
    return [one for one in found.values() if name != "checked" or is_correct(one)]


def is_correct(item: StudyItem) -> bool:
    """What the domain's checker says of an item's answer."""
    return _DOMAIN.check(f"{item.question} = {item.row.answer}").passed is True


def questions(items: Sequence[StudyItem]) -> frozenset[str]:
    """The questions of items."""
    return frozenset(item.question for item in items)


def _wrong(rng: random.Random, skill: str, right: str) -> str:
    """The answer to another question of that skill and level."""
    answer = right
    while answer == right:
        answer = _DOMAIN.generate(rng, form=skill, level=BEYOND).answer
    return answer


def item_of(question: str, answer: str, *, skill: str, level: int) -> StudyItem:
    """An item of a question and an answer."""
    return StudyItem(make_row({"prompt": question, "completion": answer}), skill, level)
