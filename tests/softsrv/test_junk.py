"""What the junk filter takes out, and that it lets real texts pass."""

import random
import string
from collections import Counter
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.config.softsrv import PostprocessConfig
from metasynth.softsrv.postprocess.junk import junk_reasons
from tests.shared_data import data_texts

Need = Literal["question_mark", "number", "code"]
CONFIG = PostprocessConfig()
CLEAN = "Ann has 5 red lamps and buys 7 more. How many lamps does she have now?"
ASKED = "Write a Python function that adds two numbers."


def reasons(text: str, *needs: Need, stopped: bool = True) -> list[str]:
    config = CONFIG.model_copy(update={"needs": needs})
    return list(junk_reasons(text, config, stopped=stopped))


@pytest.mark.parametrize(
    "text",
    [
        CLEAN,
        "What is then 12*34+56?",
        "Compute (3 + 4) * 5 - 2 now?",
        r"Find $\frac{1}{2}+\sqrt{3}$ to two places.",
        r"Compute $\dbinom{4}{0}+\dbinom{4}{1}+\dbinom{4}{2}+\dbinom{4}{3}$.",
        "What is $f(f(f(f(f(f(2))))))$ for this f?",
        "No, no, no, no! said Ann at last.",
        "Is [0, 0, 0, 0, 0, 0, 0, 0, 0] sorted or not?",
        "A quadrillion is 1000000000000000, they say.",
        "安妮有五盏灯，又买了七盏，现在有几盏？",
        "Сколько ламп у Анны теперь?",
        "अन्ना के पास कितने दीपक हैं?",
        "Naïve Zoë's café — “very” good… isn’t it?",
        f"{ASKED}\n```python\ndef add(a, b):\n    return a + b\n```",
        "Fill in: the lamp is ______________ the tray.",
    ],
)
def test_texts_of_many_kinds_are_clean(text: str) -> None:
    assert reasons(text) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "too_short"),
        ("How many lamps?", "too_short"),
        ("lamp tray " * 201, "too_long"),
        ("The lamp lamp lamp lamp lamp is red.", "repetition"),
        ("She said and then and then and then and then she left.", "repetition"),
        ("Is the red lamp old? Is the red lamp old? Is the red lamp old?", "repetition"),
        ("It is so hahahahahahahahaha funny to them.", "repetition"),
        ("The aaaaaaaaaaaaaaaa is very long indeed.", "repetition"),
        ("How many \ufffd lamps are there?", "not_language"),
        ("How many \x00 lamps are there?", "not_language"),
        ("How many \ue000 lamps are there?", "not_language"),
        ("{}[]() <> ;;; ++ -- == lamp !! ??", "not_language"),
        ("-- ++ == !!", "not_language"),
        ("Howmanylampsarethereintheoldshopbytheriverinthetown is it then?", "not_language"),
        ("The xkcd qwrt zxcv bnmp lamp rtgh stands.", "not_language"),
    ],
)
def test_each_reason_is_found(text: str, reason: str) -> None:
    assert reason in reasons(text)


def test_what_was_cut_off_is_junk() -> None:
    assert reasons(CLEAN, stopped=False) == ["truncated"]
    assert reasons("Ann", stopped=False) == ["truncated", "too_short"]


def test_lengths_are_settings() -> None:
    config = PostprocessConfig(min_words=1, max_words=5)
    assert junk_reasons("lamp", config) == []
    assert junk_reasons("one lamp stands on the tray", config) == ["too_long"]


@pytest.mark.parametrize("mark", ["?", "？", "؟"])
def test_a_question_mark_may_stand_anywhere(mark: str) -> None:
    asked = f"How many lamps has Ann{mark} Round to the nearest ten."
    assert reasons(asked, "question_mark") == []
    assert reasons("Tell me the number of lamps.", "question_mark") == ["no_question_mark"]


@pytest.mark.parametrize("number", ["5", "half", "twenty-one", "½", "٣", "五", "Two", "three-fold"])
def test_numbers_are_digits_or_words(number: str) -> None:
    assert reasons(f"There are {number} of the lamps here.", "number") == []


def test_mathematics_without_a_number_is_junk() -> None:
    assert reasons("There are one or more lamps, often and again.", "number") == ["no_number"]


@pytest.mark.parametrize(
    "text",
    [
        f"{ASKED}\n```python\ndef add(a, b):\n    return a + b\n```\nThen:\n```\nadd(1, 2)\n```",
        f"{ASKED}\n```\nx = 1\n",
        f"{ASKED}\n\nassert add(1, 2) == 3\nassert add(0, 0) == 0",
        f"{ASKED}\ndef add(a, b):\n    return a + b",
        f"{ASKED}\nprint('\\d')\n",
        "import math\nx = math.pi + math.e",
    ],
)
def test_code_that_parses_is_code(text: str) -> None:
    assert reasons(text, "code") == []


@pytest.mark.parametrize(
    "text",
    [
        ASKED,
        f"{ASKED}\n```python\ndef add(a, b:\n    return a + b\n```",
        f"{ASKED}\n```python\ndef add(a, b):\n    return a + b\n```\n```python\nadd(1,\n```",
        f"{ASKED}\n```java\nint x = 1;\n```",
        f"{ASKED}\n```\nlamp\n```",
        f"{ASKED}\ndef add(a, b):\nreturn a + b",
        f"{ASKED}\nassert add({'(' * 300}1, 2)",
        f"{ASKED}\nx = '\x00'",
        "if only I had a lamp or two and more",
    ],
)
def test_code_that_does_not_parse_is_junk(text: str) -> None:
    assert "no_code" in reasons(text, "code")


@given(text=st.text(st.characters(exclude_categories=()), max_size=80), stopped=st.booleans())
def test_any_text_is_judged(text: str, stopped: bool) -> None:
    found = reasons(text, "question_mark", "number", "code", stopped=stopped)
    assert len(found) == len(set(found))
    assert ("truncated" in found) != stopped


def test_random_letters_are_mostly_found() -> None:
    rng = random.Random(0)
    texts = [
        " ".join(
            "".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 9))) for _ in range(30)
        )
        for _ in range(200)
    ]
    assert sum("not_language" in reasons(text) for text in texts) > 100


REAL: list[tuple[str, str, tuple[Need, ...], float]] = [
    ("gsm8k/train.jsonl.gz", "question", ("question_mark", "number"), 0.045),
    ("mbpp/train.jsonl.gz", "text", (), 0.01),
    ("mbpp/train.jsonl.gz", "code", ("code",), 0.05),
    ("boolq/dev.jsonl.gz", "passage", (), 0.03),
    ("math_l13/test.jsonl.gz", "problem", (), 0.05),
]


@pytest.mark.parametrize(("name", "field", "needs", "most"), REAL)
def test_real_texts_pass(name: str, field: str, needs: tuple[Need, ...], most: float) -> None:
    texts = data_texts(name, field)[:1500]
    found = [reasons(text, *needs) for text in texts]
    share = sum(map(bool, found)) / len(texts)
    assert share <= most, Counter(reason for each in found for reason in each)
