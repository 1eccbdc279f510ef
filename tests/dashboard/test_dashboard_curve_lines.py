"""Which runs become which lines."""

import numpy as np
import pandas as pd
import pytest

from workbench.dashboard.aggregate import Band
from workbench.dashboard.curve_lines import Choice, Study, available_metrics, draw, latest_phase

LABELS = {"baseline": "baseline", "relu": "feedforward: swiglu → relu"}
COLOURS = {"baseline": "#222222", "relu": "#D55E00"}


def run(variant, seed, *, phase="confirm", rate=0.01, state="complete"):
    name = f"{variant}-{phase}-{seed}-{rate}"
    return {
        "run_id": name,
        "path": name,
        "variant": variant,
        "seed": seed,
        "phase": phase,
        "learning_rate": rate,
        "state": state,
    }


def study(rows, values):
    def read(path):
        steps = np.arange(1, 11)
        return pd.DataFrame({"step": steps, "tokens": steps * 100, "train/loss": values[path] + 1 / steps})

    return Study(baseline="baseline", labels=LABELS, colours=COLOURS, read=read, runs=pd.DataFrame(rows))


def choice(**changes):
    values = {"metric": "train/loss", "axis": "tokens", "difference": False, "band": Band.DEVIATION}
    return Choice(**(values | changes))


@pytest.fixture
def paired():
    rows = [run("baseline", 1), run("baseline", 2), run("relu", 1), run("relu", 2), run("relu", 3)]
    values = dict(zip([row["run_id"] for row in rows], [2.0, 3.0, 2.5, 3.5, 9.0], strict=True))
    return study(rows, values)


def test_values_are_one_line_per_variant_in_its_own_colour(paired):
    drawing = draw(paired, paired.runs, choice())
    assert [(c.line.name, c.colour, c.line.runs) for c in drawing.curves] == [
        ("baseline", "#222222", 2),
        ("feedforward: swiglu → relu", "#D55E00", 3),
    ]
    assert (drawing.runs, drawing.points) == (5, 50)


def test_differences_pair_by_seed_and_count_who_has_no_partner(paired):
    drawing = draw(paired, paired.runs, choice(difference=True))
    (curve,) = drawing.curves
    assert curve.line.mean == pytest.approx(np.full(10, 0.5))  # the seeds' own levels cancel
    assert curve.line.high - curve.line.low == pytest.approx(np.zeros(10), abs=1e-12)
    assert (drawing.runs, drawing.unpaired) == (2, 1)


def test_tuning_runs_are_grouped_and_paired_by_rate():
    rows = [run(v, 1, phase="tune", rate=r) for v in LABELS for r in (0.01, 0.02)]
    values = {row["run_id"]: 10 * row["learning_rate"] + (row["variant"] == "relu") for row in rows}
    found = study(rows, values)
    assert [c.line.name for c in draw(found, found.runs, choice()).curves] == [
        "baseline at 0.01",
        "baseline at 0.02",
        "feedforward: swiglu → relu at 0.01",
        "feedforward: swiglu → relu at 0.02",
    ]
    differences = draw(found, found.runs, choice(difference=True)).curves
    assert [c.line.mean[0] for c in differences] == pytest.approx([1, 1])


def test_many_lines_have_no_bands_and_rates_have_dashes():
    rows = [run("relu", s, phase="tune", rate=r / 100) for r in range(1, 10) for s in (1, 2)]
    found = study(rows, {row["run_id"]: row["seed"] for row in rows})
    curves = draw(found, found.runs, choice()).curves
    assert len(curves) == 9
    assert all(curve.line.low is None for curve in curves)
    assert [curve.dash for curve in curves[:4]] == ["solid", "dashed", "dotted", "solid"]


def test_single_seeds_and_single_runs(paired):
    drawing = draw(paired, paired.runs, choice(seeds=True))
    assert sum(curve.faint for curve in drawing.curves) == 5
    each = draw(paired, paired.runs, choice(each_run=True)).curves
    assert len({curve.line.name for curve in each}) == 5
    assert len({curve.colour for curve in each}) == 5


def test_part_of_training_cuts_by_fractions_of_the_longest_run(paired):
    drawing = draw(paired, paired.runs, choice(first=0.5, last=0.8))
    assert drawing.curves[0].line.x.tolist() == [500, 600, 700, 800]


def test_latest_phase_is_the_latest_that_has_begun():
    rows = [run("baseline", 1, phase="tune"), run("baseline", 2, state="queued")]
    assert latest_phase(pd.DataFrame(rows)) == "tune"
    assert latest_phase(pd.DataFrame([run("baseline", 2, state="running")])) == "confirm"
    assert latest_phase(pd.DataFrame([run("baseline", 1, phase="pilot", state="queued")])) == "pilot"


def test_only_logged_metrics_are_offered(paired):
    assert available_metrics(paired.runs, paired.read) == ["train/loss"]
