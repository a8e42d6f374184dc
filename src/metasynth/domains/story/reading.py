"""From the text of a story problem to its structure; strict, sentence by sentence."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from metasynth.domains.language.base import FORMS
from metasynth.domains.language.templates import NAME, Reading, readings
from metasynth.domains.language.vocabulary import pronoun, singular
from metasynth.domains.language.words import theme_of

from .model import Step, Story
from .phrases import LEAD, SUBJECT, Person, Tense, person_of, phrases, tense_of
from .sentences import OPENINGS, QUESTIONS, REACTIONS, SCENES, SIGNATURES

_TURN = re.compile(rf'({NAME}): "([^"]+)"(?: |$)')


class NotUnderstoodError(ValueError):
    """A sentence that no template reads, or words that contradict earlier ones."""


@dataclass
class _Reader:
    """What was understood so far."""

    form: str
    first_person: bool
    facts: dict[str, str] = field(default_factory=dict)
    details: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def learn(self, values: Mapping[str, str | None]) -> None:
        """Keep a reading's values; who and what a story is about must stay the same."""
        for slot, value in values.items():
            key = {"At": "place", "at": "place"}.get(slot, slot)
            if value is None or key in ("day", "persona", "B"):
                continue
            word = value.split()[-1] if key == "place" else value
            if self.facts.setdefault(key, word) != word:
                raise NotUnderstoodError(f"{word} where {self.facts[key]} was expected")

    def event(self, text: str, start: int) -> int | None:
        """Read one event sentence, one or two phrases; where it ends, or None."""
        person: Person = person_of(self.form, first_person=self.first_person)
        lead = LEAD.match(text, start)
        position = lead.end() if lead else start
        subject = SUBJECT[person].match(text, position)
        if subject is None or not self._is_owner(subject):
            return None
        position = subject.end()
        tense = tense_of(self.form, first_person=self.first_person)
        steps: list[Step] = []
        while True:
            found = self._phrase(text, position, tense)
            if found is None:
                return None
            step, position = found
            steps.append(step)
            if text.startswith(" and then ", position):
                position += len(" and then ")
            elif text[position : position + 1] == "." and text[position + 1 : position + 2] in (
                "",
                " ",
            ):
                self.steps += steps
                return position + 2
            else:
                return None

    def _is_owner(self, subject: re.Match[str]) -> bool:
        if subject.re is not SUBJECT["third"]:
            return True
        he, name = subject.groups()
        if name:
            return bool(name == self.facts.get("A"))
        return he.lower() == (pronoun(self.facts.get("A", "")) or he.lower())

    def _phrase(self, text: str, start: int, tense: Tense) -> tuple[Step, int] | None:
        verb = text[start:].partition(" ")[0]
        for phrase in phrases(tense).get(verb, ()):
            match = phrase.template.regex.match(text, start)
            if match is None or not re.match(r"\.(?: |$)| and then ", text[match.end() :]):
                continue
            values = match.groupdict()
            if values.get("items", self.facts["items"]) != self.facts["items"]:
                continue
            amount = 2 if phrase.sign == "*" else int(values["n"])
            return Step(phrase.sign, amount, phrase.base, values.get("B", "")), match.end()
        return None

    def sentences(self, text: str, start: int = 0, *, question: bool = True) -> str:
        """Read scenes, events and then the question; what is left after it."""
        position = start
        person = person_of(self.form, first_person=self.first_person)
        asks = QUESTIONS["riddle" if self.form == "riddle" else person]
        while position < len(text):
            if question and self.steps and (asked := _longest(readings(asks, text, position))):
                self.learn(asked.values)
                return text[asked.end :]
            end = self.event(text, position)
            if end is None:
                scene = _longest(readings(SCENES, text, position))
                if scene is None or self.steps:
                    raise NotUnderstoodError(text[position:])
                self.details.append(scene.values["detail"])
                self.learn({"place": scene.values.get("place")})
                end = scene.end
            position = end
        if question:
            raise NotUnderstoodError("no question")
        return ""


def _longest(found: list[Reading]) -> Reading | None:
    return max(found, key=lambda reading: reading.end, default=None)


def read_problem(problem: str) -> Story | None:
    """The structure of a problem without its solution, or None where a sentence is strange."""
    for story in _attempts(" ".join(problem.split())):
        return story
    return None


def _attempts(problem: str) -> Iterator[Story]:
    if _TURN.match(problem):
        yield from _tried(problem, "dialogue", first_person=False)
        return
    for form in FORMS:
        if form != "dialogue":
            yield from _tried(problem, form, first_person=False)
    yield from _tried(problem, "word problem", first_person=True)


def _tried(problem: str, form: str, *, first_person: bool) -> Iterator[Story]:
    table = OPENINGS["first person" if first_person else "tell" if form == "dialogue" else form]
    speaker = ""
    for opening in [None] if form == "dialogue" else readings(table, problem):
        reader = _Reader(form, first_person)
        try:
            if opening is None:
                speaker = _dialogue(reader, problem)
            else:
                reader.learn(opening.values)
                _ending(reader, reader.sentences(problem, opening.end))
            if "A" in reader.facts and "place" in reader.facts:
                yield _story(reader, speaker)
        except NotUnderstoodError:
            continue


def _ending(reader: _Reader, rest: str) -> None:
    signatures = SIGNATURES.get(reader.form)
    if signatures is None:
        if rest:
            raise NotUnderstoodError(rest)
        return
    signed = [reading for reading in readings(signatures, rest) if reading.end == len(rest)]
    if not signed:
        raise NotUnderstoodError(rest)
    reader.learn(signed[0].values)


def _dialogue(reader: _Reader, problem: str) -> str:
    """Read the turns of a dialogue; who asks."""
    turns, position = list[tuple[str, str]](), 0
    while match := _TURN.match(problem, position):
        turns.append((match[1], match[2]))
        position = match.end()
    if position != len(problem) or len(turns) not in (3, 5):
        raise NotUnderstoodError(problem[position:])
    asker, teller = turns[0][0], turns[1][0]
    if [who for who, _ in turns] != ([asker, teller] * 3)[: len(turns)] or asker == teller:
        raise NotUnderstoodError("the speakers do not take turns")
    if len(turns) == 5 and turns[2][1] not in REACTIONS:
        raise NotUnderstoodError(turns[2][1])
    reader.learn({"A": teller})
    ask = _longest(readings(OPENINGS["ask"], turns[0][1]))
    opening = _longest(readings(OPENINGS["tell"], turns[1][1]))
    if ask is None or ask.end != len(turns[0][1]) or opening is None:
        raise NotUnderstoodError(turns[0][1])
    reader.learn(ask.values)
    reader.learn(opening.values)
    reader.sentences(turns[1][1], opening.end, question=False)
    if len(turns) == 5:
        reader.sentences(turns[3][1], question=False)
    question = _longest(readings(QUESTIONS["you"], turns[-1][1]))
    if question is None or question.end != len(turns[-1][1]) or not reader.steps:
        raise NotUnderstoodError(turns[-1][1])
    reader.learn(question.values)
    return asker


def _story(reader: _Reader, speaker: str) -> Story:
    facts, details = reader.facts, tuple(reader.details)
    thing, place = singular(facts["items"]), facts["place"]
    return Story(
        domain="story",
        form=reader.form,
        theme=theme_of(thing, place, *details),
        keywords=(place, thing, facts["A"], *details),
        text="",
        answer="",
        first_person=reader.first_person,
        owner=facts["A"],
        speaker=speaker,
        thing=thing,
        place=place,
        details=details,
        start=int(facts["n"]),
        steps=tuple(reader.steps),
        solution="",
    )
