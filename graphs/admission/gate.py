"""The gate: decides in code whether a draft is sound enough and new enough.

What a model says about its own output is advice; nothing here asks a model. Each refusal has a code
that the conductor acts on, and a sentence for whoever reads it.
"""

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from metasynth.agents.models.answers.marks import holds_marks
from metasynth.config.run import GateConfig
from metasynth.records.record import CheckerResult, Novelty, Record
from metasynth.text.words import NgramIndex, Overlap, count_words, keywords_used, opening, words
from metasynth.vectors.vocabulary import Readable

from .draft import Draft, Verdict
from .likeness import NoLikeness

_I = r"(?:i(?:'|’)m|i am|i)"
# an apology may come first, but alone it is no refusal: documents may be sorry or afraid too
_REFUSAL = re.compile(
    r"^[\s*_#>-]*(?:(?:i(?:'|’)?m (?:very |so )?sorry|i am (?:very |so )?sorry|sorry|unfortunately|"
    r"i apologi[sz]e|my apologies|i(?:'|’)m afraid|i am afraid)\b[^\n.!?]{0,60}?[,.!?:]?\s*"
    r"(?:but |that |however,? )*)?(?:"
    r"(?:i (?:really )?(?:cannot|can(?:'|’)?t|can not|won(?:'|’)?t|will not|must decline to|"
    r"have to decline to|(?:do not|don(?:'|’)?t) feel comfortable)|"
    + _I
    + r" (?:unable to|not able to|not comfortable|not allowed to|not permitted to))\b"
    r"(?! help (?:but|\w+ing)\b)[^\n.!?]{0,30}?\b"
    r"(?:help|assist|provid|creat|writ|compl|fulfil|generat|produc|continu|do that|answer|engag|"
    r"discuss|support|respond)|"
    r"i must decline|i have to decline|(?:as|i(?:'|’)m|i am) (?:just |only )?an? (?:ai\b|"
    r"artificial intelligence|large language model|language model|virtual assistant))",
    re.IGNORECASE,
)
_META_OPENING = re.compile(
    r"^[\s*_#>-]*(?:(?:sure|certainly|of course|absolutely|okay|great)\b[,!.: ]*(?:thing\b[,!. ]*)?"
    r"(?:here|i(?:'|’)?(?:d|ll| can| will| have|(?:'|’)ve)\b|let me|below|the following)|"
    r"(?:here(?:(?:'|’)s| is| are)|below is) (?:the|a|an|your|my)\b[\w\s-]{0,40}?\b"
    r"(?:document|draft|text|version|rewrite|story|article|essay|passage|entry|report|riddle|"
    r"notice|dialogue|problem)\b[^\n:.!]{0,80}(?::|[.!]?[*_]*\n)|"
    r"(?:document|draft|title|revised (?:document|draft|version))\b[*_]*\s*:)",
    re.IGNORECASE,
)
_META_ENDING = re.compile(
    r"(?:^|[.!?)\]\"”]\s|[*_(\[])\W*(?:let me know if you(?:(?:'|’)d| would)? "
    r"(?:like|need|want|have any)|i hope this (?:helps|meets)|would you like me to|"
    r"(?:feel free to|please) (?:ask|let me know) if you|(?:total )?word count\W{0,3}[:=])",
    re.IGNORECASE,
)
_LOOKED_AT = 400  # characters at either end, so that no text can keep the patterns busy
_LANGUAGE_NEEDS_WORDS = 20
_LANGUAGES = threading.Event()
# Threads that ask first at the same time would each load py3langid's model, of 70 MiB.
_CLASSIFYING = threading.Lock()


def declines(text: str) -> bool:
    """Whether a text opens by declining to do what was asked."""
    return _REFUSAL.match(text.lstrip()[:_LOOKED_AT]) is not None


class Check(Protocol):
    """What a checker says of a text."""

    @property
    def passed(self) -> bool | None: ...
    @property
    def detail(self) -> str: ...


class Checker(Protocol):
    """An exact verifier of the answer in a text."""

    def check(self, text: str) -> Check: ...


class Neighbour(Protocol):
    """An earlier record beside a draft; distances are cosine, 0 to 2."""

    @property
    def id(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def distance(self) -> float: ...
    @property
    def summary_distance(self) -> float | None: ...
    @property
    def opening_distance(self) -> float | None: ...


class Neighbours(Protocol):
    """What finds the earlier records that are nearest to a draft."""

    async def nearest(self, *, summary: str, opening: str, k: int) -> list[Any]: ...


class _Repetition(NamedTuple):
    """What a draft has in common with the texts that were learnt."""

    repeated: str  # a sentence about the one it nearly repeats, or ""
    overlap: Overlap
    same_opening: int
    openings: int


class Gate:
    """All checks of one run; it learns each accepted record through `learn`.

    What takes longer than a thread's start runs in threads, a user's checker included, so that no
    draft keeps other chains waiting; what was learnt is read and written by one thread at a time.
    """

    def __init__(
        self,
        config: GateConfig,
        memory: Neighbours,
        *,
        checker: Checker | None = None,
        language: str = "en",
        opening_words: int = 16,
        likeness: NoLikeness | None = None,
        readable: Readable | None = None,
    ) -> None:
        self._readable = readable or Readable()
        self.likeness = likeness or NoLikeness()
        self._config = config
        self._memory = memory
        self._checker = checker
        self._language = language
        self._opening_words = opening_words
        self._ngrams = NgramIndex(config.ngram)
        self._openings: Counter[str] = Counter()
        self._opened = 0
        self._learnt = threading.Lock()

    def learn(self, records: Iterable[Record]) -> None:
        """Compare later drafts with these records too."""
        for record in records:
            with self._learnt:
                self._ngrams.add(record.id, record.body)
                self._openings[opening(record.body, self._config.opening_words)] += 1
                self._opened += 1
                self.likeness.learn(record)

    def learn_sources(self, texts: Iterable[tuple[str, str]]) -> None:
        """Compare later drafts with texts that models are shown: their ids and themselves.

        What is shorter than two n-grams is a keyword or a line, which a draft may well repeat.
        """
        for id_, text in texts:
            if count_words(text) >= 2 * self._config.ngram:
                with self._learnt:
                    self._ngrams.add(id_, text)

    async def judge(self, draft: Draft, *, needs_summary: bool = True) -> Verdict:
        """Soundness first, which costs nothing, then novelty."""
        if self._checker is None and (_knows_languages() or not self._config.check_language):
            verdict = self.sound(draft, needs_summary=needs_summary)
        else:
            verdict = await asyncio.to_thread(self.sound, draft, needs_summary=needs_summary)
        if not verdict.passed:
            return verdict
        novelty = await self.novelty(draft)
        return Verdict(
            code=novelty.code,
            detail=novelty.detail,
            novelty=novelty.novelty,
            checker=verdict.checker,
            nearest_summary=novelty.nearest_summary,
        )

    def sound(self, draft: Draft, *, needs_summary: bool = True) -> Verdict:
        """Form, length, language, seed set and answer; blocks as long as the checker takes."""
        for problem in (
            self._formal_problem(draft, needs_summary=needs_summary),
            self._length_problem(draft),
            self._language_problem(draft),
            self._seed_problem(draft),
        ):
            if problem is not None:
                return problem
        return self.checked(draft.text)

    def turn(self, text: str, *, cut: bool = False) -> Verdict:
        """Form, greatest length and language of one turn of a conversation."""
        draft = Draft(text, summary="", topic="", seed_set=(), cut=cut)
        length = self._length_problem(draft)
        too_long = length if length is not None and length.code == "too_long" else None
        formal = self._formal_problem(draft, needs_summary=False)
        return formal or too_long or self._language_problem(draft) or Verdict()

    async def novelty(self, draft: Draft) -> Verdict:
        """Distance, n-gram overlap and opening, against everything learnt and remembered.

        Where the embedder cannot read summary and opening, there is no distance.
        """
        limits = self._config
        nearest: Neighbour | None = None
        if limits.min_distance > 0:  # else nothing asks, and the draft is not embedded
            head = opening(draft.text, self._opening_words)
            measured = f"{draft.summary}\n{head}"
            matches = []
            if measured.isascii() or await asyncio.to_thread(self._readable, measured):
                matches = await self._memory.nearest(summary=draft.summary, opening=head, k=1)
            nearest = matches[0] if matches else None
        if self.likeness.takes_long:
            repetition = await asyncio.to_thread(self._repetition, draft)
        else:
            repetition = self._repetition(draft)
        repeated, overlap, same, openings = repetition
        novelty = Novelty(
            nearest_id=nearest.id if nearest else overlap.id,
            distance=nearest.distance if nearest else None,
            summary_distance=nearest.summary_distance if nearest else None,
            opening_distance=nearest.opening_distance if nearest else None,
            opening_overlap=same / max(1, openings),
            ngram_overlap=overlap.share,
        )
        code, detail = None, ""
        if repeated:
            code, detail = "too_close", repeated
        elif nearest is not None and nearest.distance < limits.min_distance:
            code = "too_close"
            detail = (
                f"lies {nearest.distance:.3f} from {nearest.id} (at least "
                f"{limits.min_distance} is asked): {nearest.summary}"
            )
        elif overlap.share > limits.max_ngram_overlap:
            code = "overlap"
            detail = f"{overlap.share:.0%} of its {limits.ngram}-word runs stand in {overlap.id}"
        elif same >= limits.max_same_opening:
            code = "stock_opening"
            detail = f"{same} earlier documents open with the same {limits.opening_words} words"
        return Verdict(code, detail, novelty, nearest_summary=nearest.summary if nearest else "")

    def _repetition(self, draft: Draft) -> _Repetition:
        with self._learnt:
            return _Repetition(
                self.likeness.repeated(draft.parent, draft.text),
                self._ngrams.overlap(draft.text),
                self._openings[opening(draft.text, self._config.opening_words)],
                self._opened,
            )

    def _formal_problem(self, draft: Draft, *, needs_summary: bool) -> Verdict | None:
        if needs_summary and not draft.summary.strip():
            return Verdict("summary_missing", "consult the summarizer about this draft first")
        if needs_summary and not draft.topic.strip():
            return Verdict("topic_missing", "consult the topic label expert about this draft first")
        head, tail = draft.text.lstrip()[:_LOOKED_AT], _last_line(draft.text)[-_LOOKED_AT:]
        if declines(draft.text):
            return Verdict("refusal", "the text declines to write the document")
        if _META_OPENING.match(head) or _META_ENDING.search(tail):
            return Verdict("meta_talk", "the text speaks of itself instead of being the document")
        if holds_marks(draft.text):
            return Verdict("marks", "the text has marks of a model's thinking or special tokens")
        return None

    def _length_problem(self, draft: Draft) -> Verdict | None:
        count, limits = count_words(draft.text), self._config
        if draft.cut:
            return Verdict("too_long", "the answer was cut at the token limit")
        if count > limits.max_words:
            return Verdict("too_long", f"{count} words, at most {limits.max_words} are asked")
        if count < limits.min_words:
            return Verdict("too_short", f"{count} words, at least {limits.min_words} are asked")
        return None

    def _language_problem(self, draft: Draft) -> Verdict | None:
        tokens = words(draft.text)
        if not self._config.check_language or len(tokens) < _LANGUAGE_NEEDS_WORDS:
            return None
        language = _language_of(draft.text)
        if language == self._language:
            return None
        return Verdict("language", f"reads as {language!r}, {self._language!r} is asked")

    def _seed_problem(self, draft: Draft) -> Verdict | None:
        if not draft.seed_set:
            return None
        used = keywords_used(draft.text, list(draft.seed_set))
        if len(used) / len(draft.seed_set) >= self._config.min_seed_words - 1e-9:
            return None
        missing = [word for word in draft.seed_set if word not in used]
        return Verdict("seeds_missing", f"does not speak of: {', '.join(missing)}")

    def checked(self, text: str) -> Verdict:
        """What the checker says, where there is one; blocks as long as that takes."""
        if self._checker is None:
            return Verdict()
        check = self._checker.check(text)
        result = CheckerResult(passed=check.passed, detail=check.detail)
        if check.passed is None:
            return Verdict("not_checkable", check.detail, checker=result)
        if not check.passed:
            return Verdict("wrong_answer", check.detail, checker=result)
        return Verdict(checker=result)


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2]


def _language_of(text: str) -> str:
    """The ISO 639-1 code of the language that `text` is most likely written in."""
    import py3langid  # type: ignore[import-untyped]

    with _CLASSIFYING:
        language = str(py3langid.classify(text)[0])
    _LANGUAGES.set()
    return language


def _knows_languages() -> bool:
    """Whether the languages' statistics are loaded, which takes seconds; a text then takes none."""
    return _LANGUAGES.is_set()
