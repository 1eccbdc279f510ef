import numpy as np
import pandas as pd
import pytest

from workbench.analysis.statistics import compare_pairs
from workbench.inspection.behaviour_columns import (
    Behaviour,
    behaviours,
    columns,
    names,
    paired,
    read_behaviours,
)
from workbench.records.probes import COLUMNS, empty_probes, write_probes

CONTEXT = 32


def _rows(table, metric, values, step=100, **columns):
    """One row for each value; ``columns`` (layer, head, x) are lists as long, or missing."""
    frame = pd.DataFrame({"value": values, "n": 1, "step": step, "table": table, "metric": metric})
    for name in ("layer", "head", "x"):
        frame[name] = columns.get(name, [np.nan] * len(values))
    return frame.assign(probe_hash="made up")


def _table(*parts):
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)].astype(COLUMNS)


HEADS = {"layer": [0, 0, 1, 1], "head": [0, 1, 0, 1]}
TABLE = _table(
    _rows("heads", "induction", [0.1, 0.2, 0.7, np.nan], **HEADS),
    _rows("heads", "induction_chance", [9.0, 9.5], layer=[0, 1]),
    _rows("heads", "previous_token", [0.4, 0.3, 0.2, 0.1], **HEADS),
    _rows("heads", "icl_score", [-0.5], x=[16]),
    _rows("heads", "copy_loss_gap", [1.5]),
    _rows("profiles", "probability", [0.5, 0.6], layer=[0, 0], head=[0, 0], x=[1, 2]),
    _rows("extrapolation", "tail", [3.2, 3.0, 3.5, np.nan], x=[16, 32, 64, 128]),
    _rows("extrapolation", "full", [7.0, 7.0], x=[32, 64]),
    _rows("residual", "rms", [4.0, 1.0, 2.5], layer=[2, 0, 1]),
    _rows("residual", "norm_input_rms", [1.0, 3.0], layer=[0, 1]),
    _rows("residual", "by_place", [8.0, 8.0], layer=[0, 1], x=[1, 1]),
    _rows("feedforward", "silent", [0.25, 0.75], layer=[0, 1]),
    _rows("feedforward", "silent_chance", [9.0, 9.5], layer=[0, 1]),
    _rows("position_loss", "loss", [5.0, 4.0], x=[0, 1]),
)
NUMBERS = {
    "largest induction": 0.7,
    "mean induction": 1 / 3,
    "largest previous token": 0.4,
    "mean previous token": 0.25,
    "icl score": -0.5,
    "copy loss gap": 1.5,
    "ΔCE at 0.5×": 0.2,
    "ΔCE at 2×": 0.5,
    "residual: rms, mean": 2.5,
    "residual: rms, last layer": 4.0,
    "residual: norm input rms, mean": 2.0,
    "residual: norm input rms, last layer": 3.0,
    "feedforward: silent, mean": 0.5,
    "feedforward: silent, last layer": 0.75,
}


def test_every_number_and_nothing_else():
    """Chance, single heads' profiles, what is missing, and values by place are no numbers of the run."""
    assert behaviours(TABLE, CONTEXT) == pytest.approx(NUMBERS)


@pytest.mark.parametrize("order", [[1, 2, 3, 0], [3, 2, 1, 0], [2, 0, 3, 1]])
def test_the_order_of_heads_does_not_matter(order):
    heads = TABLE["head"].notna() & (TABLE["table"] == "heads")
    shuffled = TABLE.copy()
    for metric in ("induction", "previous_token"):
        own = heads & (TABLE["metric"] == metric)
        shuffled.loc[own, "value"] = TABLE.loc[own, "value"].to_numpy()[order]
    assert behaviours(shuffled, CONTEXT) == pytest.approx(NUMBERS)
    assert behaviours(TABLE[::-1], CONTEXT) == pytest.approx(NUMBERS)


def test_losses_are_relative_to_the_context_of_training():
    assert behaviours(TABLE, 16)["ΔCE at 2×"] == pytest.approx(-0.2)
    assert behaviours(TABLE, 64)["ΔCE at 0.25×"] == pytest.approx(-0.3)
    assert not any(name.startswith("ΔCE") for name in behaviours(TABLE, 48))


def test_only_the_last_checkpoint_counts():
    earlier = TABLE.assign(step=50, value=TABLE["value"] + 100)
    only_then = _rows("heads", "sink", [0.9], step=50, layer=[0], head=[0])
    assert behaviours(_table(earlier, TABLE, only_then), CONTEXT) == pytest.approx(NUMBERS)
    assert behaviours(_table(TABLE, earlier), CONTEXT) == pytest.approx(NUMBERS)


def test_what_is_not_finite_is_no_number():
    broken = _rows("residual", "massive_ratio", [np.inf, 2.0], layer=[0, 1])
    found = behaviours(_table(TABLE, broken), CONTEXT)
    assert found["residual: massive ratio, mean"] == 2.0
    assert all(np.isfinite(value) for value in found.values())


def test_nothing_measured_gives_nothing():
    assert behaviours(empty_probes(), CONTEXT) == {}


# Over runs


def _runs(folder, *runs):
    """``(variant, seed, state, phase, table)``: rows as ``StudyRecords.runs`` has them."""
    rows = []
    for number, (variant, seed, state, phase, table) in enumerate(runs):
        path = folder / f"run{number}"
        path.mkdir()
        if table is not None:
            write_probes(path, table)
        config = {"model": {"context": CONTEXT}}
        rows.append({"variant": variant, "seed": seed, "state": state, "phase": phase, "path": path})
        rows[-1]["config"] = config
    return pd.DataFrame(rows)


def test_complete_confirm_runs_that_were_measured_count(tmp_path):
    runs = _runs(
        tmp_path,
        ("baseline", 1, "complete", "confirm", TABLE),
        ("baseline", 2, "complete", "confirm", None),
        ("baseline", 3, "running", "confirm", TABLE),
        ("changed", 1, "complete", "tune", TABLE),
        ("changed", 2, "complete", "confirm", TABLE.assign(value=TABLE["value"] + 1)),
    )
    values = read_behaviours(runs)
    assert set(values) == {("baseline", 1), ("changed", 2)}
    assert values["baseline", 1] == pytest.approx(NUMBERS)
    assert values["changed", 2]["largest induction"] == pytest.approx(1.7)
    assert read_behaviours(runs[:0]) == {}


def test_a_trained_study_has_numbers_for_every_run(trained):
    values = read_behaviours(trained.study().runs)
    assert len(values) == 4
    found = names(values)
    assert {"largest induction", "icl score", "ΔCE at 2×", "residual: rms, last layer"} <= set(found)
    assert not any("chance" in name for name in found)
    rows = columns(values, found, ["baseline", "positions=learned"], "baseline")
    assert rows.shape == (2, 2 * len(found))
    assert not rows.isin(["missing"]).to_numpy().any()
    # A table of 32 positions has no loss at twice the context.
    learned, rope = values["positions=learned", 2001], values["baseline", 2001]
    assert {"ΔCE at 2×", "ΔCE at 8×"} <= set(rope) - set(learned)
    assert "ΔCE at 0.5×" in learned
    assert rows["ΔCE at 2×"][1] == rows["ΔCE at 2×: difference [95 % CI]"][1] == "-"
    assert rows["ΔCE at 0.5×: difference [95 % CI]"][1].endswith("]")


VALUES = {
    ("baseline", 1): Behaviour({"a": 1.0, "b": 5.0}, ["probe"]),
    ("baseline", 2): Behaviour({"a": 2.0, "b": 5.0}, ["probe"]),
    ("baseline", 3): Behaviour({"a": 4.0}, ["probe"]),
    ("changed", 3): Behaviour({"a": 4.25, "b": 1.0}, ["probe"]),
    ("changed", 1): Behaviour({"a": 1.5, "c": 7.0}, ["probe"]),
    ("changed", 2): Behaviour({"a": 2.25, "b": 6.0}, ["probe"]),
    ("lone", 2): Behaviour({"a": 0.05}, ["probe"]),
    ("other", 9): Behaviour({"a": 3.0}, ["probe"]),
}


def test_names_are_in_the_order_in_which_runs_have_them():
    assert names(VALUES) == ["a", "b", "c"]
    assert names({}) == []


def test_differences_are_paired_by_seed():
    found = paired(VALUES, "a", "changed", "baseline")
    assert found == compare_pairs([0.5, 0.25, 0.25])
    assert (found.n, found.mean) == (3, pytest.approx(1 / 3))
    assert found.interval.low == pytest.approx(1 / 3 - 4.3027 * 0.14434 / 3**0.5, abs=1e-4)
    assert paired(VALUES, "a", "baseline", "changed").mean == pytest.approx(-1 / 3)


def test_seeds_that_lack_a_number_are_left_out():
    found = paired(VALUES, "b", "changed", "baseline")
    assert (found.n, found.mean, found.interval) == (1, 1.0, None)


@pytest.mark.parametrize(
    ("name", "variant", "baseline"),
    [
        ("c", "changed", "baseline"),
        ("a", "other", "baseline"),
        ("a", "unknown", "baseline"),
        ("z", "lone", "changed"),
    ],
)
def test_without_a_common_seed_there_is_no_difference(name, variant, baseline):
    assert paired(VALUES, name, variant, baseline) is None


def test_columns_say_the_spread_and_the_difference():
    variants = ["changed", "baseline", "lone", "other", "unknown"]
    found = columns(VALUES, ["a", "b"], variants, "baseline")
    assert list(found.columns) == ["a", "a: difference [95 % CI]", "b", "b: difference [95 % CI]"]
    assert list(found.index) == [0, 1, 2, 3, 4]
    # Mean and sample standard deviation of 4.25, 1.5, 2.25 and of 1, 2, 4.
    assert found["a"].tolist() == ["2.67 ± 1.42", "2.33 ± 1.53", "0.050", "3.00", "-"]
    assert found["a: difference [95 % CI]"].tolist() == ["+0.33 [-0.03, 0.69]", "—", "-1.95", "-", "-"]
    assert found["b"].tolist() == ["3.50 ± 3.54", "5.00 ± 0.00", "-", "-", "-"]
    assert found["b: difference [95 % CI]"].tolist() == ["+1.00", "—", "-", "-", "-"]


def test_without_any_measured_run_there_are_only_dashes():
    found = columns({}, ["a"], ["baseline", "changed"], "baseline")
    assert found.to_numpy().tolist() == [["-", "—"], ["-", "-"]]
    assert columns({}, [], ["baseline"], "baseline").shape == (1, 0)
    assert columns(VALUES, ["a"], [], "baseline").shape == (0, 2)


def test_what_was_measured_on_another_probe_has_no_difference():
    values = {("baseline", 1): Behaviour({"a": 1.0}, ["one"]), ("changed", 1): Behaviour({"a": 2.0}, ["two"])}
    assert paired(values, "a", "changed", "baseline") is None
    found = columns(values, ["a"], ["baseline", "changed"], "baseline")
    assert found.to_numpy().tolist() == [["1.00", "—"], ["2.00", "-"]]
