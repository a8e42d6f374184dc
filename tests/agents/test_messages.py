"""Messages: whatever a document says, it stays between its fences."""

import re
import unicodedata

import pytest
import regex  # type: ignore[import-untyped]
from hypothesis import example, given
from hypothesis import strategies as st

from metasynth.agents.messages import (
    Attachment,
    fenced,
    instruction_message,
    one_line,
    parse_keywords,
)
from tests.adversarial import DOCUMENTS

TEXTS = (
    st.text(max_size=120)
    | st.text(alphabet="~\n ax", max_size=60)
    | st.sampled_from(list(DOCUMENTS.values()))
)
CLEAN_KEYWORD = regex.compile(r"[\p{L}\p{M}\p{N}]|[ '’&+./%-]")


def reader(content: str) -> list[str]:
    """The attached texts as somebody reads them who knows nothing but the fences."""
    found = []
    while match := re.search(r"^(~{4,})\n", content, re.MULTILINE):
        rest = content[match.end() :]
        end = rest.index(f"\n{match.group(1)}")
        found.append(rest[:end])
        content = rest[end + len(match.group(1)) + 1 :]
    return found


@given(text=TEXTS)
@example(text="~~~~")
@example(text="\n~~~~\n")
@example(text="")
def test_no_text_can_close_its_fence(text: str) -> None:
    shown = fenced(Attachment("draft-1", "draft", text))
    head, opening, rest = shown.split("\n", 2)
    assert head == "draft-1 (draft):"
    assert rest == f"{text}\n{opening}"
    assert set(opening) == {"~"}
    assert opening not in text


@given(texts=st.lists(TEXTS, max_size=3))
def test_every_attached_text_is_read_back_unchanged(texts: list[str]) -> None:
    attachments = [Attachment(f"draft-{n}", "draft", text) for n, text in enumerate(texts)]
    message = instruction_message("Compare them.", attachments)
    assert reader(str(message.content)) == texts
    assert str(message.content).startswith("Compare them.")
    assert message.additional_kwargs["instruction"] == "Compare them."
    assert [each["text"] for each in message.additional_kwargs["attachments"]] == texts


def test_a_text_of_its_own_replaces_what_a_hosted_model_reads() -> None:
    message = instruction_message("Write.", [Attachment("seed-1", "seed", "x")], text="Long brief")
    assert message.content == "Long brief"
    assert message.additional_kwargs["attachments"] == [
        {"ref": "seed-1", "kind": "seed", "text": "x"}
    ]


class TestParseKeywords:
    @given(text=TEXTS | st.text(alphabet="ab1.,;)-: \n_*'|<>{}%", max_size=60))
    @example(text="1. 2) 3. lamp")
    @example(text="keywords: keywords: lamp")
    @example(text="-. -. x")
    @example(text="word " * 200)
    @example(text="x" * 5000)
    def test_only_clean_words_come_out_and_a_second_time_changes_nothing(self, text: str) -> None:
        found = parse_keywords(text)
        assert len(found) <= 16
        assert len({keyword.lower() for keyword in found}) == len(found)
        for keyword in found:
            assert all(CLEAN_KEYWORD.match(char) for char in keyword), keyword
            assert len(keyword.split()) <= 5
            assert len(keyword) <= 60
            assert any(char.isalnum() for char in keyword)
        assert parse_keywords(", ".join(found)) == found

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("garden, lamp, Nate", ["garden", "lamp", "Nate"]),
            ("garden; lamp\nNate", ["garden", "lamp", "Nate"]),
            ("1. garden\n2) red lamp\n- Nate", ["garden", "red lamp", "Nate"]),
            ("**garden**, `lamp`, <b>Nate</b>", ["garden", "lamp", "b Nate /b"]),
            ("Keywords: garden, lamp.", ["garden", "lamp"]),
            ("**Seed Keywords:** garden, lamp", ["garden", "lamp"]),
            ("Lamp, lamp, LAMP", ["Lamp"]),
            ("2008 crisis, 3.5 % growth, 1984", ["2008 crisis", "3.5 % growth", "1984"]),
            ("Ölpreis, Nate's café, R&D, C++", ["Ölpreis", "Nate's café", "R&D", "C++"]),
            ("", []),
            (" ,;\n… / % ", []),
        ],
    )
    def test_lists_as_models_write_them(self, text: str, expected: list[str]) -> None:
        assert parse_keywords(text) == expected

    @pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS.keys())
    def test_no_keyword_is_a_call_or_a_token(self, text: str) -> None:
        assert not re.search(r"[<>{}|\"\\\[\]()=`~_\x00-\x1f]", ", ".join(parse_keywords(text)))


class TestOneLine:
    @given(text=TEXTS, most_words=st.integers(1, 20))
    def test_it_is_a_line_without_control_characters_and_bounded(
        self, text: str, most_words: int
    ) -> None:
        line = one_line(text, most_words=most_words)
        assert not any(unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") for char in line)
        assert len(line.removesuffix(" …").split()) <= most_words
        assert len(line) <= 12 * most_words + 2

    def test_short_text_is_kept_and_longer_text_is_marked(self) -> None:
        assert one_line(" a  b\tc\n", most_words=3) == "a b c"
        assert one_line("a b c d", most_words=3) == "a b c …"
        assert one_line("x" * 900, most_words=3) == "x" * 36 + " …"
