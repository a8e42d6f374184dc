"""What can be wrong with a question or an answer, as far as code can tell.

An instruction is read without the document that it was made from. So it may not point at what its
reader does not see, and its question may not hold its answer.
"""

import re
from collections.abc import Sequence

from metasynth.text.words import count_words, word_ngrams, words

_LABEL = re.compile(
    r"^[\s*_#>]*(?:question|instruction|task|problem|prompt|user|answer|assistant)\b[*_]*"
    r"(?: \d{1,2})?[*_]*\s*:[*_]*\s*",
    re.IGNORECASE,
)
_TEXT = r"(?:source )?(?:document|text|passage|article|excerpt|paragraph|extract|snippet)"
_SEEN = r"(?:given |above |following |provided |attached |original |supplied |present |same )*"
_MENTION = re.compile(
    rf"\b(?:according to|based on|drawing on|relying on|referring to|in light of|"
    rf"as (?:stated|described|mentioned|noted|discussed|explained|given|shown|reported) (?:in|by)|"
    rf"(?:mentioned|described|discussed|stated|listed|given|provided|contained|found) (?:in|by)|"
    rf"from|in|per|using|read|summari[sz]e|analy[sz]e|rewrite|translate|paraphrase) "
    rf"(?:the|this|that|your) {_SEEN}{_TEXT}s?\b(?! of\b)(?!-)|"
    rf"\b(?:the|this|that) {_SEEN}{_TEXT} (?:above|below|says?|states?|describes?|mentions?|"
    rf"claims?|suggests?|explains?|reports?|notes?|shows?|provided|given|gives|does not|"
    rf"doesn(?:'|’)t|indicates?|implies|discusses|tells)\b|"
    rf"\b(?:above|attached|provided) {_TEXT}\b|\b(?:given|provided|above) context\b|"
    rf"\bthe author of (?:the|this) {_TEXT}\b",
    re.IGNORECASE,
)
_CARRIED = re.compile(r"[^:.?!\n]{0,40}:\s*\S+\s+\S+\s+\S")  # "this text: …"
_QUOTED = re.compile(r"[\"“„«][^\"”“«»]{80,}[\"”“»]|^[~`>|-].{60,}$", re.MULTILINE)
_QUOTE_WORDS = 25
_RUN = 10  # words in a row that are a quotation of the document
_SOLVED = re.compile(
    r"\b(?:solution|(?:(?:correct|final|model|expected|right) )?answer)[*_]*\s*(?::|is\b)[*_]*\s*",
    re.IGNORECASE,
)
_AFTER = 12  # words looked at after such a mark
_TOLD = 3  # words in a row of an answer that are told after such a mark
_GRAM = 4  # words: the least that is no chance in two texts about one thing
_LOOKED_AT = 20_000  # characters, so that no text can keep the patterns busy


def without_label(text: str) -> str:
    """`text` without a first word such as `Question:`, which is no part of it."""
    label = _LABEL.match(text)
    return text[label.end() :] if label else text


def unseen_mention(text: str, document: str, *, question: str = "") -> str:
    """What in a text speaks of a document that its reader does not see; "" for nothing.

    Args:
        document: What the instruction was made from.
        question: Where `text` is an answer, what it answers: its reader sees that as well, and
            what it carries may be spoken of.
    """
    mention = _MENTION.search(text[:_LOOKED_AT])
    if mention is None or _carries_text(question or text, document):
        return ""
    if not question and _CARRIED.match(text, mention.end()):
        return ""
    return " ".join(mention.group().split())


def leaked_answer(question: str, answer: str) -> str:
    """How a question gives its answer away by a mark such as `Solution:`; "" where it does not."""
    answer_words = words(answer)
    for mark in _SOLVED.finditer(question[:_LOOKED_AT]):
        after = words(question[mark.end() : mark.end() + 40 * _AFTER])[:_AFTER]
        runs = _runs(after, min(_TOLD, len(after)))
        if runs and 2 * len(runs & _runs(answer_words, min(_TOLD, len(after)))) > len(runs):
            return " ".join([mark.group().strip(), *after])
    return ""


def _runs(tokens: Sequence[str], size: int) -> set[tuple[str, ...]]:
    """All that stand in a row, `size` words at a time; single words are common to any two texts."""
    if size == 0:
        return set()
    return {tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)}


def answer_share(question: str, answer: str) -> float:
    """The share of an answer's runs of four words that stand in its question, 0 to 1."""
    grams = set(word_ngrams(answer, _GRAM))
    return len(grams & set(word_ngrams(question, _GRAM))) / len(grams) if grams else 0.0


def _carries_text(text: str, document: str) -> bool:
    """Whether a text quotes what it speaks of: from the document, or between marks."""
    if any(count_words(part.group()) >= _QUOTE_WORDS for part in _QUOTED.finditer(text)):
        return True
    parts = [part for part in text.split("\n\n") if count_words(part) >= _QUOTE_WORDS]
    if len(parts) > 1:  # a block of its own beside the question
        return True
    quoted = set(word_ngrams(text, _RUN)) & set(word_ngrams(document, _RUN))
    return len(quoted) + _RUN > _QUOTE_WORDS and bool(quoted)
