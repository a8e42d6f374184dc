"""Exact neighbours, whatever the number of rows and wherever a search begins."""

import numpy as np
import pytest

from metasynth.vectors.index import VectorIndex


@pytest.mark.parametrize(("rows", "k"), [(1, 1), (7, 3), (4096, 1), (9000, 5), (3, 10)])
def test_the_nearest_are_those_of_float64(rows: int, k: int) -> None:
    rng = np.random.default_rng(rows)
    vectors = rng.standard_normal((rows, 24))
    queries = rng.standard_normal((6, 24)).astype(np.float32)
    index = VectorIndex()
    for part in np.array_split(vectors, 5):
        index.add(part)
    assert len(index) == rows
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    sides = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    wanted = np.argsort(-(sides @ units.T), axis=1)[:, :k]
    assert index.nearest(queries, k) == wanted.tolist()
    for query, side, places in zip(queries, sides, wanted.tolist(), strict=True):
        assert index.nearest(query[None], k) == [places]
        assert index.distances(query, places) == pytest.approx(1 - units[places] @ side, abs=1e-6)


def test_a_search_of_a_part_and_of_what_came_since() -> None:
    rng = np.random.default_rng(0)
    index = VectorIndex()
    index.add(rng.standard_normal((10_000, 8)))
    query = rng.standard_normal((1, 8))
    for start, end in ((0, 5000), (4096, 8192), (5000, 5001), (9999, None), (10_000, None)):
        (found,) = index.nearest(query, 1, start=start, end=end)
        rows = np.arange(10_000)[start:end].tolist()
        assert found == sorted(rows, key=lambda place: index.distances(query[0], [place])[0])[:1]


def test_equal_rows_come_in_their_order() -> None:
    index = VectorIndex()
    index.add(np.ones((2000, 4)))
    assert index.nearest(np.ones((1, 4)), 3) == [[0, 1, 2]]
    assert VectorIndex().nearest(np.ones((2, 4)), 1) == [[], []]
