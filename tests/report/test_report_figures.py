from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.report.figures import Series, by_fraction, curves, spread, thin


@given(st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=9).map(sorted))
def test_labels_keep_their_distance_and_order(places: list[float]) -> None:
    moved = spread(places, 0.1)
    assert all(later - earlier >= 0.1 - 1e-9 for earlier, later in pairwise(moved))
    assert moved[-1] <= 1 + 1e-9
    assert moved[0] >= -1e-9


@given(st.lists(st.tuples(st.integers(0, 9999), st.floats(-9, 9)), max_size=900))
def test_thinned_curves_stay_within_the_values(points: list[tuple[int, float]]) -> None:
    x, values, smooth = thin(sorted(points))
    assert len(x) == len(values) == len(smooth) <= 240
    if points:
        assert np.isclose(values.mean(), np.mean([y for _, y in points]), atol=9)
        lowest, highest = min(y for _, y in points), max(y for _, y in points)
        assert lowest - 1e-9 <= smooth.min() and smooth.max() <= highest + 1e-9


def test_points_without_a_value_are_dropped() -> None:
    x, values, _ = thin([(0, 1.0), (1, float("nan")), (2, float("inf")), (3, 2.0)])
    assert x.tolist() == [0, 3] and values.tolist() == [1.0, 2.0]


def test_names_from_users_are_text_not_markup_nor_mathematics() -> None:
    name = "<script>x</script> $\\frac{a$ & b"
    svg = curves("loss", [Series(name, [(0, 1.0), (1, 0.5)])]).svg
    assert "<script>" not in svg
    assert "&lt;script&gt;x&lt;/script&gt; $\\frac{a$ &amp; b" in svg


def test_figures_take_their_colours_from_the_page() -> None:
    rows = [Series("real only", [(0, 0.1), (1, 0.3)], [(0.05, 0.2), None])]
    svg = by_fraction("mAP", rows, [0.1, 1.0]).svg
    assert "var(--series-0)" in svg and "var(--ink)" in svg
    assert "10 %" in svg and "100 %" in svg
    assert "<style" not in svg and "<?xml" not in svg and "<metadata" not in svg


def test_figures_are_the_same_every_time() -> None:
    series = [Series("a", [(0, 1.0), (1, 0.5)])]
    assert curves("loss", series) == curves("loss", series)


@pytest.mark.parametrize("points", [[], [(5, 0.3)], [(0, float("nan"))]])
def test_short_curves_are_drawn(points: list[tuple[int, float]]) -> None:
    assert "<svg" in curves("loss", [Series("a", points)]).svg
