"""Where a difference was earlier in the runs, and whether it still moves at the end."""

from pathlib import Path

import numpy as np
import pytest

from tests.analysis.synthetic_studies import BASELINE_LOSSES, Study, manifest, one_at_a_time, shifted
from workbench.analysis.budget_trend import trend_notes, trend_of_curves
from workbench.analysis.effects import study_report
from workbench.analysis.report import to_json
from workbench.analysis.report_tables import trend_table
from workbench.analysis.statistics import Verdict
from workbench.records.index import load_study
from workbench.records.measured_alone import has_runs
from workbench.records.metrics import read_metrics, save_frame

LEARNED = "positions=learned"
SHARES = np.linspace(0.1, 1, 10)
PUBLISHED = Path(__file__).parents[2] / "results" / "published"


def pairs(differences, shares=SHARES):
    """Pairs of curves with these differences, (seeds, P)."""
    fall = 2 - 0.5 * np.log(shares)
    return [((shares, fall + row), (shares, fall)) for row in np.atleast_2d(differences)]


def study_with(path, differences, margin=0.02):
    """A study whose learned positions differ from the baseline by these curves, (seeds, P)."""
    study = Study(path, manifest(one_at_a_time()[:2], margin=margin)).tune()
    study.confirm("baseline", BASELINE_LOSSES, curve=True)
    study.confirm(LEARNED, [b + d[-1] for b, d in zip(BASELINE_LOSSES, differences, strict=True)], curve=True)
    for run in study.load().runs.to_dict("records"):
        if run["phase"] == "confirm" and run["variant"] == LEARNED:
            rows = read_metrics(Path(run["path"]))
            row = differences[run["seed"] - 201]
            rows["validation/loss"] += np.asarray(row) - row[-1]
            save_frame(Path(run["path"]), rows)
    return study_report(study.load())


def test_a_known_slope_and_the_differences_at_quarters():
    """0.1 at the end, and 0.03 less for each e-fold of tokens before it: 0.1 + 0.03 ln(share)."""
    steady = 0.1 + 0.03 * np.log(SHARES)
    trend = trend_of_curves(pairs([steady, steady + 0.01, steady - 0.01]))
    assert trend.pairs == 3
    expected = {share: 0.1 + 0.03 * np.log(share / 100) for share in (25, 50, 75, 100)}
    assert trend.at == pytest.approx(expected)
    assert trend.slope == pytest.approx(0.03)
    assert trend.per_doubling == pytest.approx(0.03 * np.log(2))
    assert (trend.interval.low, trend.interval.high) == pytest.approx((0.03, 0.03))
    assert (trend.direction, trend.sign_change) == ("growing", None)


@pytest.mark.parametrize(
    ("end", "slope", "direction"),
    [(0.1, 0.03, "growing"), (0.1, -0.03, "shrinking"), (-0.1, 0.03, "shrinking"), (-0.1, -0.03, "growing")],
)
def test_growing_is_away_from_zero(end, slope, direction):
    trend = trend_of_curves(pairs([end + slope * np.log(SHARES) + d for d in (0.0, 0.01, -0.01)]))
    assert trend.direction == direction
    (note, *_) = trend_notes(trend, Verdict.WORSE, 1.0, "nats/token")
    assert note.startswith(f"still {direction} at the end: ")


def test_a_slope_within_noise_has_no_direction():
    slopes = np.array([0.05, -0.05, 0.01])
    trend = trend_of_curves(pairs(0.1 + slopes[:, None] * np.log(SHARES)))
    assert trend.slope == pytest.approx(slopes.mean())
    assert trend.direction is None
    assert trend_notes(trend, Verdict.WORSE, 0.02, "nats/token") == []


@pytest.mark.parametrize(
    ("margin", "verdict", "words"),
    [
        (0.0207, Verdict.WORSE, "a run twice as long may decide otherwise on its size, not its sign: "),
        (0.0207, Verdict.EQUIVALENT, "a run twice as long may decide otherwise: "),
        (0.0207, Verdict.INCONCLUSIVE, "a run twice as long may decide: "),
        (0.0209, Verdict.WORSE, None),  # 0.03 ln 2 = 0.0208
        (0.0207, None, None),
    ],
)
def test_a_doubling_that_moves_it_by_more_than_the_margin_is_told(margin, verdict, words):
    trend = trend_of_curves(pairs([0.1 + 0.03 * np.log(SHARES)] * 3))
    notes = [note for note in trend_notes(trend, verdict, margin, "nats/token") if "twice as long" in note]
    assert len(notes) == (words is not None)
    for note in notes:
        assert note.startswith(words)
        assert "the difference would be +0.1208 nats/token" in note


def test_a_shrinking_difference_may_be_decided_otherwise():
    trend = trend_of_curves(pairs([-0.1 + 0.05 * np.log(SHARES)] * 3))
    note = trend_notes(trend, Verdict.BETTER, 0.02, "nats/token")[-1]
    assert note == (
        "a run twice as long may decide otherwise: by its slope over the last half of the run the difference "
        "would be -0.0653 nats/token"
    )


def test_a_change_of_sign_is_told_where_it_is_beyond_noise():
    """-0.05 at 30 % of the run and +0.05 at 40 %: zero at 35 %."""
    step = np.where(SHARES < 0.35, -0.05, 0.05)
    noise = np.random.default_rng(3).normal(0, 0.002, (5, 10))
    trend = trend_of_curves(pairs(step + noise))
    assert trend.sign_change == pytest.approx(0.35, abs=0.01)
    assert trend.before == pytest.approx(-0.05, abs=0.005)
    note = trend_notes(trend, Verdict.WORSE, 0.02, "nats/token")[0]
    assert note.startswith("the difference changed sign at 35 % of the run: up to -0.05")
    assert trend_of_curves(pairs(step + 50 * noise)).sign_change is None
    assert trend_of_curves(pairs(-step + noise)).before == pytest.approx(0.05, abs=0.005)


def test_equal_curves_hardly_ever_have_a_note():
    """Noise of runs, which their evaluations share, and a little of each evaluation."""
    generator = np.random.default_rng(9)
    growing = changed = 0
    for _ in range(300):
        noise = generator.normal(0, 0.02, (6, 1)) + generator.normal(0, 0.01, (6, 10))
        trend = trend_of_curves(pairs(noise))
        growing += trend.direction is not None
        changed += trend.sign_change is not None
    assert growing / 300 == pytest.approx(0.05, abs=0.03)
    assert changed / 300 < 0.02


def test_runs_of_unequal_length_are_read_at_the_same_share_of_their_schedules():
    """As with ``budget: flops``: the baseline's evaluations stand elsewhere; the curves are log-linear."""
    ours = (SHARES, 3 - 0.5 * np.log(SHARES))
    coarse = np.array([0.05, 0.2, 0.4, 0.8, 1.0])
    trend = trend_of_curves([(ours, (coarse, 2.9 - 0.4 * np.log(coarse)))])
    assert trend.at[25] == pytest.approx(0.1 - 0.1 * np.log(0.25))
    assert trend.slope == pytest.approx(-0.1)
    assert (trend.interval, trend.direction) == (None, None)  # of one pair there is no noise to know


def test_few_evaluations_give_what_they_can():
    trend = trend_of_curves(pairs(np.full((3, 1), 0.1), shares=np.array([1.0])))
    assert trend.at == {25: None, 50: None, 75: None, 100: pytest.approx(0.1)}
    assert (trend.slope, trend.interval, trend.direction, trend.sign_change) == (None,) * 4
    trend = trend_of_curves(pairs([[0.0, 0.1]] * 2, shares=np.array([0.5, 1.0])))
    assert trend.at[25] is None
    assert trend.slope == pytest.approx(0.1 / np.log(2))


def test_the_report_has_it_in_row_notes_table_and_json(tmp_path):
    seeds = np.array([0.0, 0.002, -0.002, 0.001, -0.001])
    report = study_with(tmp_path, 0.05 + 0.05 * np.log(SHARES) + seeds[:, None])
    row = report.rows[1]
    assert row.trend.at[100] == pytest.approx(row.difference)
    notes = [note for note in report.notes if note.startswith(f"{LEARNED}: ")]
    assert [
        word in " | ".join(notes) for word in ("changed sign at 37 %", "still growing", "decide otherwise")
    ] == [True] * 3
    table = trend_table(report)
    assert table.rows[0][2:] == (
        "-0.0193",
        "+0.0153",
        "+0.0356",
        "+0.0500",
        "+0.0347 [0.0347, 0.0347]",
        "37 %",
    )
    columns = to_json(report)["rows"][1]
    assert columns["difference_at_50"] == pytest.approx(0.05 - 0.05 * np.log(2))
    assert columns["trend_slope"] == pytest.approx(0.05)
    assert columns["sign_change"] == pytest.approx(0.37, abs=0.01)
    assert to_json(report)["rows"][0]["difference_at_100"] is None


def test_records_without_curves_have_none(tmp_path):
    study = Study(tmp_path, manifest(one_at_a_time()[:2])).tune()
    study.confirm("baseline", BASELINE_LOSSES, curve=True).confirm(LEARNED, shifted(0.2))
    report = study_report(study.load())
    assert (report.rows[1].trend, report.rows[1].verdict) == (None, Verdict.WORSE)


def test_a_damaged_curve_leaves_its_pair_out(tmp_path):
    study = Study(tmp_path, manifest(one_at_a_time()[:2])).tune()
    study.confirm("baseline", BASELINE_LOSSES, curve=True).confirm(LEARNED, shifted(0.2), curve=True)
    loaded = study.load()
    bad = loaded.runs[(loaded.runs["variant"] == LEARNED) & (loaded.runs["seed"] == 203)].iloc[0]
    Path(bad["path"], "metrics.parquet").write_text("no parquet")
    row = study_report(loaded).rows[1]
    assert (row.trend.pairs, row.pairs) == (4, 5)


@pytest.mark.parametrize(
    ("tenths", "change", "direction"),
    [
        # SwiGLU → ReLU of the quickstart, in 400 steps: better for the first 40 % of the run.
        ([-121, -101, -32, -1, 15, 23, 36, 41, 45, 47], 41, "growing"),
        # RMSNorm → LayerNorm, flat from 40 % on.
        ([-4, 13, 10, 21, 25, 24, 25, 23, 22, 21], None, None),
        # RoPE → sinusoidal and RoPE → ALiBi in 100 steps.
        ([-567, -130, 15, 90, 137, 165, 190, 205, 215, 223], 29, "growing"),
        ([-17, -43, -87, -131, -126, -119, -110, -104, -100, -99], None, "shrinking"),
    ],
)
def test_curves_as_they_were_measured(tenths, change, direction):
    """The mean of eight seeds, in thousandths of a nat at each tenth of the run; noise as it was too."""
    runs, evaluations = np.random.default_rng(2).normal(0, [[0.02], [0.012]], (2, 80)).reshape(2, 8, 10)
    noise = runs[:, :1] + evaluations
    trend = trend_of_curves(pairs(np.array(tenths) / 1000 + noise - noise.mean(axis=0)))
    assert (trend.sign_change and round(100 * trend.sign_change)) == change
    assert trend.direction == direction


def _is_compared(path):
    """A search compares nothing, and of some studies only step times were measured."""
    return path.name != "search" and has_runs(path)


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(PUBLISHED.iterdir()) if _is_compared(path)],
    ids=lambda path: path.name,
)
def test_published_studies_have_it_in_every_row_that_has_a_difference(path):
    """They hold the rows of all runs in one file; at the end the curve is what the record says."""
    reports = [study_report(compared) for compared in load_study(path).compared]
    rows = [row for report in reports for row in report.comparisons if row.comparison]
    assert rows
    for row in rows:
        assert row.trend.pairs == row.pairs
        assert row.trend.at[100] == pytest.approx(row.difference, abs=1e-6)
        assert None not in row.trend.at.values()
