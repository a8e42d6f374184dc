"""Candidates are read strictly, what is shown is drawn evenly, the pool is searched rightly."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasynth.graphs.admission.likeness import DocumentPool
from metasynth.graphs.baselines.verbalised import Verbalised, draw_verbalised, parse_verbalised
from metasynth.records.record import Record
from metasynth.text.rouge import rouge_l

ONE = "<response>\n<text>{}</text>\n<probability>{}</probability>\n</response>"
texts = st.text(st.characters(exclude_characters="<>"), min_size=1).filter(str.strip)
sentences = st.lists(st.sampled_from("abcdef"), max_size=12).map(" ".join)


class TestParseVerbalised:
    @given(st.lists(st.tuples(texts, st.floats(0, 1)), min_size=1, max_size=5))
    def test_the_form_that_is_asked_for_is_read(self, given_: list[tuple[str, float]]) -> None:
        reply = "\n".join(ONE.format(*one) for one in given_)
        found = parse_verbalised(reply, len(given_))
        assert found == [Verbalised(text.strip(), value) for text, value in given_]

    @pytest.mark.parametrize(
        ("reply", "told"),
        [
            ("", "0 candidates, 2 were asked for"),
            (ONE.format("a", 0.5), "1 candidates, 2 were asked for"),
            ("\n".join([ONE.format("a", 0.5)] * 3), "3 candidates, 2 were asked for"),
            ("Sure!\n" + ONE.format("a", 0.5), "after 0 candidates it is not in the form"),
            (ONE.format("a", 0.5) + "\nand <text>b</text>", "after 1 candidates it is not"),
            (ONE.format("a", "10%"), "candidate 1: '10%' is no probability"),
            (ONE.format("a", "nan"), "candidate 1: 'nan' is no probability"),
            (ONE.format("a", 1.5), "candidate 1: '1.5' is no probability"),
            (ONE.format(" ", 0.5), "candidate 1 has no text"),
            (ONE.format("a <text> b", 0.5), "candidate 1 has no text, or another one in it"),
            (ONE.format("a", 0.5)[:-3], "after 0 candidates it is not in the form"),
        ],
    )
    def test_anything_else_gives_none(self, reply: str, told: str) -> None:
        found = parse_verbalised(reply, 2)
        assert isinstance(found, str)
        assert found.startswith(told)

    def test_hostile_text_is_read_in_time(self) -> None:
        assert isinstance(parse_verbalised("<response><text>" * 20_000, 2), str)

    def test_a_candidate_is_drawn_by_what_is_said_of_it(self) -> None:
        said = [Verbalised("a", 0.9), Verbalised("b", 0.1), Verbalised("c", 0.0)]
        counts = Counter(draw_verbalised(said, random.Random(n)).text for n in range(500))
        assert counts["c"] == 0
        assert 420 < counts["a"] < 480
        even = [Verbalised(text, 0.0) for text in "abc"]
        assert len({draw_verbalised(even, random.Random(n)).text for n in range(50)}) == 3


class TestDocumentPool:
    @given(st.lists(sentences, max_size=6), sentences, st.floats(0.1, 1))
    def test_a_text_is_refused_where_any_other_is_as_like(
        self, others: list[str], text: str, most: float
    ) -> None:
        pool = DocumentPool({f"seed-{n}": other for n, other in enumerate(others[:3])}, most)
        for number, other in enumerate(others[3:]):
            pool.learn(Record(id=f"r-{number}", text=other))
        greatest = max((rouge_l(text, other) for other in others), default=0.0)
        assert bool(pool.repeated("", text)) == (greatest >= most)
