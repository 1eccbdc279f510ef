"""Charts of tuning over a space: a row for every point, and what is drawn of the best of k."""

from tests.analysis.test_tuned_points import PLAN, TRIED
from workbench.analysis.tuned_points import choose_point
from workbench.analysis.tuned_rates import AMONG_POINTS, TunedRate
from workbench.analysis.tuning_report import tuning_report
from workbench.dashboard.tuning_charts import best_of, best_of_frame, points, points_frame

TUNED = TunedRate(
    variant="baseline",
    learning_rate=0.004,
    hyperparameters=TRIED[2].hyperparameters,
    place=AMONG_POINTS,
    by_rule=0.004,
    trials=13,
    flops=1.0,
    tokens=13.0,
    points=choose_point(TRIED, PLAN, [1]),
)
COLOURS, LABELS = {"baseline": "#123456"}, {"baseline": "LLaMA"}


class _Ink:
    text = "#000000"
    faint = "#555555"


class _Manifest:
    tuning = PLAN


def test_points_are_dots_and_the_chosen_one_is_ringed():
    table = points_frame([TUNED], "weight_decay", LABELS)
    assert list(table["value"]) == [0.0, 0.3, 0.1]  # the lost point has no loss to be drawn at
    assert list(table["chosen"]) == [False, False, True]
    drawn = points(table, "weight_decay", COLOURS, "validation/loss", "nats/token", _Ink).to_dict()
    assert [layer["mark"]["type"] for layer in drawn["layer"]] == ["circle", "point"]


def test_best_of_k_has_a_band_and_the_order_of_a_sampler_that_learns():
    table = best_of_frame(tuning_report(_Manifest, {"baseline": TUNED}), LABELS)
    assert list(table["k"]) == [1, 2, 3, 4]
    assert table["mean"].is_monotonic_decreasing
    assert list(table["so_far"]) == [3.0, 2.0, 2.0, 2.0]
    for in_order, marks in ((False, ["area", "line"]), (True, ["area", "line", "line"])):
        drawn = best_of(table, COLOURS, "validation/loss", "nats/token", _Ink, in_order=in_order).to_dict()
        assert [layer["mark"]["type"] for layer in drawn["layer"]] == marks
