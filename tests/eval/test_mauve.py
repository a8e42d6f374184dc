"""MAUVE: the area by hand and by the package's numbers, its properties, its ceiling, bad input."""

import math
import tracemalloc
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from metasynth.errors import RequestError
from metasynth.eval.mauve.divergence import divergence_curve, mauve_of_histograms
from metasynth.eval.mauve.mauve import MauveResult, mauve, mauve_ceiling
from tests.raising import raises

Rows = NDArray[np.float64]

COUNTS = st.lists(st.integers(0, 30), min_size=1, max_size=8).filter(any)
PAIRS = st.integers(1, 8).flatmap(
    lambda k: st.tuples(*[st.lists(st.integers(0, 30), min_size=k, max_size=k).filter(any)] * 2)
)
SCALINGS = st.sampled_from([1.0, 2.0, 5.0, 8.0])


def blobs(count: int, *, seed: int, weights: list[float] | None = None) -> Rows:
    """Rows around twelve centres, which are the same for every seed."""
    centres = np.random.default_rng(99).normal(size=(12, 10))
    rng = np.random.default_rng(seed)
    shares = np.ones(12) / 12 if weights is None else np.array(weights) / sum(weights)
    return centres[rng.choice(12, size=count, p=shares)] + 0.2 * rng.normal(size=(count, 10))


# --- the area


@pytest.mark.parametrize(
    ("p", "q", "scaling", "expected"),
    [
        # mauve-text 0.4.0, get_divergence_curve_for_multinomials and its area, in its own process
        ([1, 0], [0, 1], 1, 0.5),
        ([1, 0], [0, 1], 5, 0.0040720962619612555),
        ([3, 1], [1, 3], 1, 0.9621489119039762),
        ([3, 1], [1, 3], 5, 0.5596114605911457),
        ([5, 3, 2], [2, 3, 5], 1, 0.9892481934339441),
        ([5, 3, 2], [2, 3, 5], 5, 0.8214099836116461),
        ([10, 0, 5], [1, 7, 7], 1, 0.8236011930099316),
        ([10, 0, 5], [1, 7, 7], 5, 0.1311866781731907),
        ([1, 2, 3, 4], [4, 3, 2, 1], 5, 0.6538536633533254),
        ([100, 1, 1, 1], [1, 1, 1, 100], 5, 0.0077735748828602624),
        ([7, 3], [7, 3], 5, 1.0),
    ],
)
def test_the_area_is_the_packages(
    p: list[int], q: list[int], scaling: float, expected: float
) -> None:
    assert mauve_of_histograms(p, q, scaling=scaling) == pytest.approx(
        expected, rel=1e-9, abs=1e-12
    )


def test_three_points_by_hand() -> None:
    # w = 1/2 and both ends: r = (1/2, 1/2), KL(q|r) = KL(p|r) = 3/4 ln 3/2 + 1/4 ln 1/2
    kl = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    ends = 0.75 * math.log(3) + 0.25 * math.log(1 / 3)  # KL(p|q)
    curve = divergence_curve([3, 1], [1, 3], scaling=2, points=3)
    end, middle = math.exp(-2 * ends), math.exp(-2 * kl)
    expected = [[1, 0], [1, end], [middle, middle], [end, 1], [0, 1]]
    assert curve == pytest.approx(np.array(expected), abs=1e-5)
    by_hand = (1 - middle) * (end + middle) / 2 + (middle - end) * (middle + 1) / 2 + end
    assert mauve_of_histograms([3, 1], [1, 3], scaling=2, points=3) == pytest.approx(
        by_hand, abs=1e-5
    )


@pytest.mark.parametrize("k", [1, 2, 3, 4, 8, 16, 32, 64])
def test_equal_shares_score_one_where_the_package_can_say_three_quarters(k: int) -> None:
    assert mauve_of_histograms([1] * k, [1] * k) == pytest.approx(1.0, abs=1e-12)


@given(pair=PAIRS, scaling=SCALINGS)
def test_it_is_symmetric_and_between_its_bounds(
    pair: tuple[list[int], list[int]], scaling: float
) -> None:
    p, q = pair
    area = mauve_of_histograms(p, q, scaling=scaling)
    assert area == pytest.approx(mauve_of_histograms(q, p, scaling=scaling), rel=1e-9, abs=1e-12)
    c = int(scaling)
    assert math.factorial(c) ** 2 / math.factorial(2 * c) <= area <= 1 + 1e-12


@given(p=COUNTS, scaling=SCALINGS, times=st.integers(1, 5))
def test_a_histogram_against_itself_scores_one(p: list[int], scaling: float, times: int) -> None:
    more = [times * count for count in p]
    assert mauve_of_histograms(p, more, scaling=scaling) == pytest.approx(1.0, abs=1e-12)


@given(pair=PAIRS, rng=st.randoms(use_true_random=False))
def test_the_names_of_clusters_do_not_matter(
    pair: tuple[list[int], list[int]], rng: object
) -> None:
    p, q = map(np.array, pair)
    order = np.random.default_rng(rng.randrange(99)).permutation(len(p))  # type: ignore[attr-defined]
    assert mauve_of_histograms(p[order], q[order]) == pytest.approx(
        mauve_of_histograms(p, q), rel=1e-9, abs=1e-12
    )


@given(pair=PAIRS)
def test_merging_two_clusters_never_lowers_it(pair: tuple[list[int], list[int]]) -> None:
    p, q = pair
    if len(p) > 1:
        merged = [[counts[0] + counts[1], *counts[2:]] for counts in (p, q)]
        assert mauve_of_histograms(*merged) >= mauve_of_histograms(p, q) - 1e-12


@given(pair=PAIRS)
def test_it_falls_with_the_scaling(pair: tuple[list[int], list[int]]) -> None:
    scores = [mauve_of_histograms(*pair, scaling=c) for c in (0.5, 1, 3, 5, 9)]
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(scores))


@given(pair=PAIRS)
def test_it_falls_as_one_moves_straight_away(pair: tuple[list[int], list[int]]) -> None:
    p, far = (np.array(counts) / sum(counts) for counts in pair)
    steps = [(1 - t) * p + t * far for t in (0, 0.25, 0.5, 0.75, 1)]
    scores = [mauve_of_histograms(p, step) for step in steps]
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(scores))


def test_clusters_in_neither_set_change_nothing() -> None:
    assert mauve_of_histograms([3, 0, 1, 0], [1, 0, 3, 0]) == pytest.approx(
        mauve_of_histograms([3, 1], [1, 3]), rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize(
    ("p", "q", "code"),
    [
        ([0, 0], [1, 1], "bad_histogram"),
        ([1, 1], [1, -1], "bad_histogram"),
        ([1, math.nan], [1, 1], "bad_histogram"),
        ([[1, 1]], [1, 1], "bad_histogram"),
        ([], [1], "bad_histogram"),
        ([1, 1], [1, 1, 1], "other_length"),
    ],
)
def test_what_is_no_histogram_is_refused(p: list[float], q: list[float], code: str) -> None:
    with raises(RequestError, code):
        mauve_of_histograms(p, q)


# --- from embeddings


def test_a_set_against_itself_scores_one() -> None:
    rows = blobs(60, seed=1)
    result = mauve(rows, rows, clusters=8)
    assert result.mean == pytest.approx(1.0)
    assert result.interval == pytest.approx((1.0, 1.0))
    assert (result.clusters, result.n_p, result.n_q, result.reason) == (8, 60, 60, "")
    assert len(result.values) == 5


def test_sets_far_apart_score_the_least() -> None:
    result = mauve(blobs(60, seed=1) + 30, blobs(50, seed=2) - 30, clusters=8)
    assert result.mean == pytest.approx(0.0040721, abs=1e-6)


def test_one_distribution_scores_high_and_a_tilted_one_lower() -> None:
    same = mauve(blobs(300, seed=1), blobs(300, seed=2), clusters=12)
    tilted = mauve(
        blobs(300, seed=1), blobs(300, seed=2, weights=[2.0**n for n in range(12)]), clusters=12
    )
    assert same.mean is not None
    assert tilted.mean is not None
    assert same.mean > 0.95
    assert tilted.mean < 0.5
    assert same.interval is not None
    low, high = same.interval
    assert 0 <= low <= same.mean <= high <= 1


def test_clusters_far_apart_give_the_area_of_their_shares() -> None:
    # three far clusters, so that the clustering is known whatever the seed
    centres = np.eye(3) * 100
    p, q = np.repeat(centres, [5, 3, 2], axis=0), np.repeat(centres, [2, 3, 5], axis=0)
    result = mauve(p, q, clusters=3)
    expected = mauve_of_histograms([5, 3, 2], [2, 3, 5])
    assert result.values == pytest.approx([expected] * 5, rel=1e-9, abs=1e-12)
    assert mauve(q, p, clusters=3).mean == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_same_call_gives_the_same_numbers() -> None:
    p, q = blobs(80, seed=1), blobs(70, seed=2)
    assert mauve(p, q, clusters=10) == mauve(p.copy(), q.astype(np.float64), clusters=10)
    assert (
        mauve(p, q, clusters=10, seeds=[3, 4]).values
        == mauve(p, q, clusters=10, seeds=range(5)).values[3:]
    )


def test_one_seed_has_no_interval() -> None:
    assert mauve(blobs(40, seed=1), blobs(40, seed=2), clusters=4, seeds=[2**40]).interval is None


def test_scale_of_a_row_does_not_matter_unless_asked() -> None:
    p, q = blobs(60, seed=1), blobs(60, seed=2)
    scaled = p * np.linspace(0.5, 3, 60)[:, None]
    assert mauve(scaled, q, clusters=6).mean == pytest.approx(mauve(p, q, clusters=6).mean)
    raw = mauve(scaled, q, clusters=6, normalise=False)
    assert raw.mean != pytest.approx(mauve(p, q, clusters=6, normalise=False).mean)


def test_wide_and_narrow_rows_agree() -> None:
    # padding with zeros takes the other way through PCA, with the same components
    p, q = blobs(60, seed=1), blobs(60, seed=2)
    wide = [np.hstack([rows, np.zeros((60, 300))]) for rows in (p, q)]
    narrow = mauve(p, q, clusters=6)
    assert mauve(*wide, clusters=6).mean == pytest.approx(narrow.mean, abs=0.02)
    full = mauve(p, q, clusters=6, variance=1)
    assert mauve(*wide, clusters=6, variance=1).mean == pytest.approx(full.mean)


def test_fewer_distinct_rows_than_clusters_are_no_error() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = np.repeat(np.eye(3), 10, axis=0)
        result = mauve(rows, rows[::-1], clusters=20)
        alike = mauve(np.ones((10, 4)), np.ones((30, 4)), clusters=20)
    assert (result.clusters, alike.clusters) == (3, 1)
    assert [result.mean, alike.mean] == pytest.approx([1.0, 1.0])
    assert mauve(np.zeros((9, 2)), np.zeros((9, 2)), clusters=2).mean == pytest.approx(1.0)


@pytest.mark.parametrize(("n", "m"), [(0, 40), (40, 0), (1, 40), (0, 0)])
def test_sets_of_less_than_two_have_no_score_but_a_reason(n: int, m: int) -> None:
    result = mauve(np.ones((n, 3)), np.ones((m, 3)))
    assert result == MauveResult(
        None, None, (), 32, n, m, f"there are {n} and {m} rows, and each set needs two at least"
    )
    assert mauve([], np.ones((40, 3))).mean is None


def broken_rows(value: float) -> Rows:
    rows = blobs(40, seed=1)
    rows[7, 3] = value
    return rows


@pytest.mark.parametrize(
    ("p", "q", "code", "where"),
    [
        (broken_rows(math.nan), blobs(40, seed=2), "not_finite", "row 7 of p"),
        (blobs(40, seed=2), broken_rows(math.inf), "not_finite", "row 7 of q"),
        (blobs(40, seed=2), blobs(40, seed=2)[:, :9], "other_width", "9"),
        (blobs(20, seed=1), blobs(11, seed=2), "too_few_rows", "31"),
        (np.ones(40), np.ones((40, 1)), "bad_shape", "p"),
    ],
)
def test_wrong_input_is_refused(p: Rows, q: Rows, code: str, where: str) -> None:
    with raises(RequestError, code, where):
        mauve(p, q)


@pytest.mark.parametrize(
    "setting",
    [{"clusters": 1}, {"scaling": 0}, {"variance": 0}, {"variance": 1.1}, {"seeds": ()}],
)
def test_settings_out_of_range_are_told(setting: dict[str, float]) -> None:
    with raises(RequestError, "out_of_range"):
        mauve(blobs(40, seed=1), blobs(40, seed=2), **setting)  # type: ignore[arg-type]


def test_memory_is_linear_in_the_rows() -> None:
    def peak(count: int) -> int:
        p, q = blobs(count, seed=1), blobs(count, seed=2)
        tracemalloc.start()
        mauve(p, q, clusters=4, seeds=[0])
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(50)  # what is imported on the way
    assert peak(8000) < 6 * peak(2000)


# --- the ceiling


@pytest.mark.parametrize(
    ("size", "low", "high"), [(100, 0.6, 0.8), (384, 0.96, 0.99), (1319, 0.995, 0.999)]
)
def test_the_ceiling_has_the_measured_height(size: int, low: float, high: float) -> None:
    # fact: identical distributions, k = 32, give 0.64-0.73, 0.975 and 0.997 at these sizes
    reference = np.random.default_rng(0).normal(size=(2 * size - 1, 16))
    ceiling = mauve_ceiling(reference, n_p=size, n_q=size)
    assert ceiling.method == "multinomial"
    assert ceiling.mean is not None
    assert low < ceiling.mean < high
    assert ceiling.draws == 200


def test_the_ceiling_is_split_off_the_reference_where_that_is_large_enough() -> None:
    reference = blobs(400, seed=1)
    split = mauve_ceiling(reference, n_p=150, n_q=250, clusters=12)
    drawn = mauve_ceiling(reference, n_p=150, n_q=251, clusters=12)
    assert (split.method, split.draws, drawn.method) == ("split", 10, "multinomial")
    for ceiling in (split, drawn):
        assert ceiling.mean is not None
        assert ceiling.interval is not None
        assert 0.9 < ceiling.interval[0] <= ceiling.mean <= ceiling.interval[1] <= 1
    assert split.mean == pytest.approx(drawn.mean, abs=0.03)
    assert mauve_ceiling(reference, n_p=150, n_q=250, clusters=12) == split


def test_two_halves_of_one_set_reach_the_ceiling() -> None:
    rows = blobs(600, seed=3)
    score = mauve(rows[::2], rows[1::2], clusters=12).mean
    ceiling = mauve_ceiling(rows, n_p=300, n_q=300, clusters=12)
    assert score is not None
    assert ceiling.mean is not None
    assert score == pytest.approx(ceiling.mean, abs=0.02)


def test_larger_samples_have_a_higher_ceiling() -> None:
    reference = blobs(200, seed=1)
    heights = [mauve_ceiling(reference, n_p=n, n_q=n, clusters=12).mean for n in (110, 300, 3000)]
    assert heights == sorted(heights, key=lambda height: height or 0)
    assert heights[2] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("rows", "n"), [(1, 50), (50, 1), (0, 50)])
def test_a_ceiling_of_next_to_nothing_has_a_reason(rows: int, n: int) -> None:
    ceiling = mauve_ceiling(np.ones((rows, 3)), n_p=n, n_q=50)
    assert (ceiling.mean, ceiling.interval, ceiling.draws) == (None, None, 0)
    assert "each needs two rows at least" in ceiling.reason


def test_wrong_references_are_told() -> None:
    with raises(RequestError, "too_few_rows"):
        mauve_ceiling(blobs(20, seed=1), n_p=500, n_q=500)
    with raises(RequestError, "not_finite"):
        mauve_ceiling(broken_rows(math.nan), n_p=20, n_q=20)
