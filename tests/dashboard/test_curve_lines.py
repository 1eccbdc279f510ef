"""Which runs become which lines."""

import numpy as np
import pandas as pd
import pytest

from workbench.dashboard.aggregate import Band
from workbench.dashboard.curve_lines import Choice, Study, available_metrics, draw, latest_phase

LABELS = {"baseline": "baseline", "relu": "feedforward: swiglu → relu"}
COLOURS = {"baseline": "#222222", "relu": "#D55E00"}


def run(variant, seed, *, phase="confirm", rate=0.01, state="complete", step=10):
    name = f"{variant}-{phase}-{seed}-{rate}"
    return {
        "run_id": name,
        "path": name,
        "variant": variant,
        "seed": seed,
        "phase": phase,
        "learning_rate": rate,
        "hyperparameters": {"learning_rate": rate},
        "state": state,
        "step": step,
    }


def study(rows, values):
    """A run has rows up to the step of its record; one that diverged has none of that step."""
    reached = {row["path"]: row["step"] - (row["state"] == "diverged") for row in rows}

    def read(path):
        steps = np.arange(1, reached[path] + 1)
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
    singles = [curve for curve in drawing.curves if curve.faint]
    assert all(curve.run.startswith(f"{curve.line.name.partition(' (')[0]} · seed ") for curve in singles)
    assert len({curve.run for curve in singles}) == len(singles) == 5
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


def three_seeds(**changed):
    """The baseline's seeds at 2 and relu's at 3, 4 and 8; seed 3 of relu, or another run, is as given."""
    rows = [run("baseline", seed) for seed in (1, 2, 3)] + [run("relu", seed) for seed in (1, 2)]
    rows.append(run("relu", 3, **changed))
    values = dict(zip([row["run_id"] for row in rows], [2.0, 2.0, 2.0, 3.0, 4.0, 8.0], strict=True))
    return study(rows, values)


def relu(drawing):
    """The mean of relu and its single seeds."""
    mine = [curve for curve in drawing.curves if curve.colour == COLOURS["relu"]]
    return [curve for curve in mine if not curve.faint], [curve for curve in mine if curve.faint]


@pytest.mark.parametrize(("difference", "level"), [(False, 5.0), (True, 3.0)])
@pytest.mark.parametrize("state", ["diverged", "failed", "pruned"])
def test_a_mean_ends_where_a_seed_is_lost_and_says_so(state, difference, level):
    last = 5 if state == "diverged" else 6
    found = three_seeds(state=state, step=6)
    drawing = draw(found, found.runs, choice(difference=difference))
    (mean,), singles = relu(drawing)
    assert mean.line.x.tolist() == [100 * step for step in range(1, last + 1)]
    steps = np.arange(1, last + 1)
    assert mean.line.mean == pytest.approx(
        level + (0 if difference else 1 / steps)
    )  # of all three, to its end
    assert mean.line.cut
    assert (mean.line.runs, [len(one.line.x) for one in singles]) == (3, [10, 10, last])
    what = "pair" if difference else "seed"
    lost = f"1 of 3 {what}s is lost ({state} at step 6)"
    assert drawing.notes == (f"{LABELS['relu']}: {lost}: the mean ends there (×), single {what}s go on",)


def test_smoothing_carries_nothing_beyond_a_lost_seed():
    found = three_seeds(state="diverged", step=6)
    (mean,), _ = relu(draw(found, found.runs, choice(smoothing=0.9)))
    assert mean.line.x[-1] == 500
    alone = draw(found, found.runs[found.runs["seed"] == 3], choice(smoothing=0.9, each_run=True))
    rest = draw(found, found.runs[found.runs["seed"] < 3], choice(smoothing=0.9))
    expected = (2 * relu(rest)[0][0].line.mean[:5] + alone.curves[1].line.mean) / 3
    assert mean.line.mean == pytest.approx(expected)


def test_a_pair_is_lost_with_the_baselines_run():
    rows = [run("baseline", 1), run("baseline", 2, state="diverged", step=4), run("relu", 1), run("relu", 2)]
    found = study(rows, dict(zip([row["run_id"] for row in rows], [2.0, 2.0, 3.0, 5.0], strict=True)))
    drawing = draw(found, found.runs, choice(difference=True))
    (mean,), _ = relu(drawing)
    assert mean.line.mean == pytest.approx([2, 2, 2])
    assert "1 of 2 pairs is lost (baseline diverged at step 4)" in drawing.notes[0]
    assert drawing.unpaired == 0


@pytest.mark.parametrize(("step", "first"), [(1, 0.0), (4, 0.5)])
def test_without_a_mean_each_seed_is_drawn_by_itself(step, first):
    """A seed diverged before its first value, or before the part that is shown."""
    found = three_seeds(state="diverged", step=step)
    drawing = draw(found, found.runs, choice(first=first))
    lines, faint = relu(drawing)
    assert ([line.line.runs for line in lines], faint) == ([1, 1], [])
    assert not any(line.line.cut for line in lines)
    assert drawing.notes[0].endswith(f"(diverged at step {step}): there is no mean, each seed is drawn alone")


def test_what_is_lost_after_the_part_that_is_shown_is_not_told():
    found = three_seeds(state="diverged", step=9)
    drawing = draw(found, found.runs, choice(last=0.5))
    (mean,), singles = relu(drawing)
    assert (mean.line.runs, mean.line.cut, singles, drawing.notes) == (3, False, [], ())


def test_a_seed_that_failed_before_its_first_value_is_left_out_and_told():
    found = three_seeds(state="failed", step=0)
    drawing = draw(found, found.runs, choice())
    (mean,), singles = relu(drawing)
    assert (mean.line.runs, len(mean.line.x), singles) == (2, 10, [])
    assert drawing.notes[0].endswith("1 of 3 seeds is left out: failed before the first value")


def test_a_seed_under_way_waits_while_others_are_complete():
    found = three_seeds(state="running", step=6)
    drawing = draw(found, found.runs, choice())
    (mean,), singles = relu(drawing)
    assert mean.line.mean == pytest.approx(3.5 + 1 / np.arange(1, 11))
    assert (mean.line.cut, [len(one.line.x) for one in singles]) == (False, [10, 10, 6])
    assert "1 of 3 seeds is under way" in drawing.notes[0]


def test_the_mean_of_seeds_that_are_all_under_way_goes_as_far_as_all():
    rows = [run("relu", seed, state="running", step=step) for seed, step in ((1, 8), (2, 5), (3, 0))]
    found = study(rows, {row["run_id"]: row["seed"] for row in rows})
    drawing = draw(found, found.runs, choice())
    (mean,), singles = relu(drawing)
    assert (mean.line.runs, mean.line.x[-1], mean.line.cut) == (2, 500, False)
    assert [one.line.x[-1] for one in singles] == [800, 500]
    assert "1 of 2 seeds is not as far as others" in drawing.notes[0]
    later = draw(found, found.runs, choice(first=0.7))  # the part that only one has reached
    assert [curve.line.runs for curve in later.curves] == [1]


def test_rates_that_are_pruned_at_one_step_end_with_it():
    rows = [run("relu", seed, phase="tune", state="pruned", step=5) for seed in (1, 2)]
    rows += [run("relu", seed, phase="tune", rate=0.02) for seed in (1, 2)]
    found = study(rows, {row["run_id"]: row["seed"] for row in rows})
    drawing = draw(found, found.runs, choice())
    assert [(curve.line.x[-1], curve.line.cut) for curve in drawing.curves] == [(500, True), (1000, False)]
    assert drawing.notes == (
        f"{LABELS['relu']} at 0.01: 2 of 2 seeds are lost (pruned at step 5): the line ends there (×)",
    )


def test_rates_of_early_records_are_drawn_at_the_steps_that_used_them():
    """Rows of the first version hold the next step's rate; those of present ones are left as they are."""
    rows = [run("baseline", 1) | {"provenance": {}}, run("relu", 1) | {"provenance": {"rows_version": 2}}]

    def read(path):
        steps = np.arange(2, 11, 2)
        used = steps + ("baseline" in path)
        return pd.DataFrame(
            {
                "step": steps,
                "tokens": 100 * steps,
                "flops": 1e6 * steps,
                "seconds": 0.5 * steps,
                "learning_rate": used,
            }
        )

    found = Study(baseline="baseline", labels=LABELS, colours=COLOURS, read=read, runs=pd.DataFrame(rows))
    for axis, unit in (("step", 1), ("tokens", 100), ("flops", 1e6), ("seconds", 0.5)):
        early, present = draw(found, found.runs, choice(metric="learning_rate", axis=axis)).curves
        assert (early.line.x / unit).tolist() == [3, 5, 7, 9]  # no step used what the last row holds
        assert early.line.mean.tolist() == [3, 5, 7, 9]
        assert present.line.mean.tolist() == (present.line.x / unit).tolist() == [2, 4, 6, 8, 10]
