"""Mixes by tokens: shares, order, and packing without a token lost."""

from array import array
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from metasynth.records.mixing import Piece, mixed, most_tokens, normalised, packed, taken

Lengths = st.lists(st.integers(1, 60), min_size=1, max_size=40)
Sources = st.lists(st.tuples(Lengths, st.integers(1, 9)), min_size=1, max_size=4)


def pieces(source: int, lengths: list[int]) -> list[Piece]:
    """Pieces whose tokens are all different."""
    starts = [sum(lengths[:place]) + source * 100_000 for place in range(len(lengths))]
    return [
        Piece(str(source), str(place), "", array("i", range(start, start + length)))
        for place, (start, length) in enumerate(zip(starts, lengths, strict=True))
    ]


@given(Sources)
def test_each_source_is_within_one_document_of_its_share(
    sources: list[tuple[list[int], int]],
) -> None:
    shares = normalised([Fraction(share) for _, share in sources])
    assert sum(shares) == 1
    whole = most_tokens([sum(lengths) for lengths, _ in sources], shares)
    for (lengths, _), share in zip(sources, shares, strict=True):
        found = taken(pieces(0, lengths), int(whole * share))
        assert found == pieces(0, lengths)[: len(found)]
        assert abs(sum(len(one.tokens) for one in found) - whole * share) < max(lengths) / 2 + 1


@given(Sources, st.integers(2, 50), st.integers(0, 5))
def test_packing_keeps_every_token_once_and_in_order(
    sources: list[tuple[list[int], int]], length: int, seed: int
) -> None:
    groups = [pieces(number, lengths) for number, (lengths, _) in enumerate(sources)]
    order = mixed(groups, seed)
    assert order == mixed(groups, seed)
    assert sorted(one.tokens[0] for one in order) == sorted(
        one.tokens[0] for group in groups for one in group
    )
    rows = list(packed(order, length))
    assert all(len(row.tokens) == length for row in rows[:-1])
    assert 0 < len(rows[-1].tokens) <= length
    assert [token for row in rows for token in row.tokens] == [
        token for one in order for token in one.tokens
    ]
    names = {token: f"{one.source}/{one.id}" for one in order for token in one.tokens}
    for row in rows:
        assert sum(row.lengths) == len(row.tokens)
        told = [id_ for id_, count in zip(row.ids, row.lengths, strict=True) for _ in range(count)]
        assert told == [names[token] for token in row.tokens]


def test_sources_are_not_left_in_blocks() -> None:
    order = mixed([pieces(0, [1] * 50), pieces(1, [1] * 50)], 0)
    first_half = [one.source for one in order[:50]]
    assert 10 < first_half.count("0") < 40


def test_what_the_shares_allow_is_what_the_scarcest_source_gives() -> None:
    assert most_tokens([900, 100], normalised([Fraction(1), Fraction(1)])) == 200
    assert most_tokens([900, 100], normalised([Fraction(3), Fraction(1)])) == 400
    assert most_tokens([10], [Fraction(1)]) == 10
