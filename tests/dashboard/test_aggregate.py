"""Smoothing, differences and bands, against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workbench.dashboard.aggregate import (
    POINTS,
    Band,
    Trace,
    aggregate,
    difference,
    part,
    single,
    smooth,
    trace,
)


def a_trace(values, x=None):
    y = np.asarray(values, dtype=float)
    return Trace(np.arange(len(y), dtype=float) if x is None else np.asarray(x, dtype=float), y)


def test_trace_keeps_only_rows_where_the_metric_was_logged():
    frame = pd.DataFrame({"step": [3, 1, 2], "validation/loss": [5.0, 4.0, np.nan]})
    found = trace(frame, "step", "validation/loss")
    assert found.x.tolist() == [1, 3]
    assert found.y.tolist() == [4, 5]
    assert len(trace(frame, "step", "mfu").x) == 0


def test_smoothing_is_bias_corrected_and_leaves_constants_alone():
    smoothed = smooth(a_trace([2.0, 2.0, 2.0]), 0.9)
    assert smoothed.y == pytest.approx([2, 2, 2])
    first, second = smooth(a_trace([1.0, 3.0]), 0.5).y
    assert first == pytest.approx(1.0)
    assert second == pytest.approx((0.5 * 0.5 * 1 + 0.5 * 3) / 0.75)


def test_band_of_smoothed_runs_is_wider_than_a_smoothed_band():
    generator = np.random.default_rng(0)
    runs = [a_trace(generator.normal(size=200) + shift) for shift in (-1.0, 1.0)]
    line = aggregate("v", [smooth(run, 0.9) for run in runs], Band.RANGE)
    assert (line.high - line.low)[50:].mean() == pytest.approx(2.0, abs=0.4)


@pytest.mark.parametrize(
    ("band", "half"),
    [
        (Band.DEVIATION, np.std([1, 2, 6], ddof=1)),
        (Band.INTERVAL, stats.sem([1, 2, 6]) * stats.t.ppf(0.975, 2)),
    ],
)
def test_mean_and_symmetric_bands(band, half):
    line = aggregate("v", [a_trace([value]) for value in (1, 2, 6)], band)
    assert line.mean == pytest.approx([3])
    assert line.high - line.mean == pytest.approx([half])
    assert line.mean - line.low == pytest.approx([half])
    assert (line.runs, line.logged) == (3, 3)


def test_range_band_is_the_extremes():
    line = aggregate("v", [a_trace([1, 5]), a_trace([3, 2])], Band.RANGE)
    assert line.low.tolist() == [1, 2]
    assert line.high.tolist() == [3, 5]


@pytest.mark.parametrize("band", list(Band))
def test_a_mean_ends_where_the_first_of_its_runs_ends(band):
    line = aggregate("v", [a_trace([1, 1, 1]), a_trace([3, 3])], band)
    assert line.x.tolist() == [0, 1]
    assert line.mean.tolist() == [2, 2]
    assert np.isfinite(line.low).all()


def test_a_mean_begins_where_the_last_of_its_runs_begins():
    line = aggregate("v", [a_trace([1, 1, 1]), a_trace([3, 5], x=[1, 2])], Band.RANGE)
    assert (line.x.tolist(), line.mean.tolist()) == ([1, 2], [2, 3])


@pytest.mark.parametrize("other", [a_trace([]), a_trace([3, 3], x=[7, 8])])
def test_runs_that_share_no_place_have_no_mean(other):
    assert aggregate("v", [a_trace([1, 1, 1]), other], Band.RANGE) is None


def test_one_run_has_no_band_and_no_runs_no_line():
    assert aggregate("v", [a_trace([1, 2])], Band.DEVIATION).low is None
    assert aggregate("v", [a_trace([])], Band.DEVIATION) is None
    assert aggregate("v", [], Band.DEVIATION) is None


def test_runs_on_different_clocks_meet_on_an_even_grid():
    runs = [a_trace([1, 1, 1, 1], x=[0, 1, 2, 3]), a_trace([2, 2, 2, 2], x=[0.1, 1.3, 2.2, 3])]
    line = aggregate("v", runs, Band.RANGE)
    assert len(line.x) == 4
    assert line.mean[-1] == pytest.approx(1.5)


def test_no_line_is_longer_than_the_limit():
    long = a_trace(np.sin(np.arange(5_000) / 100))
    assert len(aggregate("v", [long, long], Band.DEVIATION).x) <= POINTS
    spiked = a_trace(np.where(np.arange(5_000) == 2_345, 99.0, 0.0))
    line = single("v", spiked)
    assert len(line.x) <= POINTS
    assert line.mean.max() == 99  # a spike survives thinning


def test_difference_is_taken_at_equal_x_within_the_common_range():
    run = a_trace([10, 20, 30], x=[1, 2, 3])
    baseline = a_trace([0, 4], x=[0, 2])
    result = difference(run, baseline)
    assert result.x.tolist() == [1, 2]
    assert result.y.tolist() == [8, 16]
    assert len(difference(run, a_trace([])).x) == 0


def test_a_difference_goes_to_the_end_of_a_baseline_that_ends_a_little_earlier():
    """As where budgets are equal up to a mismatch."""
    result = difference(a_trace([10, 20, 30], x=[1, 2, 3]), a_trace([0, 0, 0], x=[1, 2, 2.9]))
    assert result.x.tolist() == [1, 2, 2.9]
    assert result.y[-1] == pytest.approx(29)


def test_part_keeps_both_ends():
    assert part(a_trace([1, 2, 3, 4]), 1, 2).y.tolist() == [2, 3]
