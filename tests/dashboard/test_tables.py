"""Tables, differences of configurations, progress, and how numbers are written."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from workbench.dashboard.config_differences import MISSING, compare, configuration, flatten, varying
from workbench.dashboard.study_library import Library
from workbench.dashboard.study_progress import (
    last_activity,
    planned,
    progress_table,
)
from workbench.dashboard.tables import (
    filter_runs,
    full_table,
    group_table,
    mean_and_spread,
    run_table,
    varying_first,
    verdict_table,
    with_live_steps,
)
from workbench.records.index import load_study

PUBLISHED = Path(__file__).parents[2] / "results" / "published"


@pytest.fixture(scope="module")
def library():
    return Library()


@pytest.fixture(scope="module")
def records(study, library):
    return library.study(study)


def test_nested_keys_become_dotted():
    assert flatten({"model": {"feedforward": {"name": "relu"}, "width": 64}}) == {
        "model.feedforward.name": "relu",
        "model.width": 64,
    }


def test_configurations_are_compared_key_by_key():
    configs = {"a": {"x": 1, "y": 2}, "b": {"x": 1, "z": 3}}
    different = compare(configs)
    assert different["key"].tolist() == ["y", "z"]
    assert different.loc[0, ["a", "b"]].tolist() == ["2", MISSING]
    assert compare(configs, only_different=False)["key"].tolist() == ["x", "y", "z"]
    assert varying(list(configs.values())) == ["y", "z"]


def test_runs_of_two_variants_differ_where_the_swap_says(records):
    confirm = records.runs[(records.runs["phase"] == "confirm") & (records.runs["seed"] == 201)]
    rows = confirm[confirm["variant"].isin(["baseline", "feedforward=relu"])].to_dict("records")
    keys = compare({row["variant"]: configuration(row) for row in rows})["key"].tolist()
    assert set(keys) == {"variant", "learning_rate", "model.feedforward.name", "model.feedforward_width"}


def test_filters_combine_and_an_empty_choice_is_no_filter(records):
    chosen = filter_runs(records.runs, variant=["baseline"], phase=["confirm"], seed=[])
    assert len(chosen) == 5
    assert set(chosen["variant"]) == {"baseline"}


def test_run_table_puts_what_varies_first(records):
    table = run_table(filter_runs(records.runs, phase=["confirm"]))
    columns = list(table)
    assert table.index.name == "run_id"
    assert columns.index("variant") < columns.index("phase")  # one phase is left, so it says nothing
    assert "model.feedforward.name" in columns
    assert "model.width" not in columns
    assert varying_first(pd.DataFrame({"same": [1, 1], "other": [1, 2]})) == ["other", "same"]


def test_groups_hold_means_spreads_and_lost_runs(records):
    table = group_table(records.runs).set_index(["variant", "phase", "learning_rate"])
    lost = table.loc[("positions=learned", "tune", 0.024)]
    assert (lost["runs"], lost["complete"], lost["lost"]) == (2, 1, 1)
    runs = filter_runs(records.runs, variant=["baseline"], phase=["confirm"])
    baseline = table.loc[("baseline", "confirm", 0.012)]
    assert baseline["validation/loss"] == pytest.approx(runs["validation/loss"].mean())
    assert baseline["validation/loss text"].endswith("(5)")
    assert mean_and_spread(pd.Series([1.0, 3.0])) == "2.0000 ± 1.4142 (2)"


def test_verdict_tables_name_every_variant_and_its_verdict(records, library):
    report = library.report(records, "baseline")
    table = verdict_table(report)
    assert table.columns[:2].tolist() == ["change", "verdict"]
    assert table["verdict"].tolist() == ["baseline", "worse", "equivalent", "inconclusive"]
    full = full_table(report)
    assert len(full) == 4
    assert {"learning rate", "parameters"} <= set(full)


def test_progress_counts_every_phase(records):
    table = progress_table(records).set_index("phase")
    assert table.loc["tune", ["planned", "complete", "diverged"]].tolist() == [32, 31, 1]
    assert (table["progress"] == 1).all()
    assert planned(records) == {"pilot": 3, "tune": 32, "confirm": 20}


def test_of_a_study_until_decided_no_more_is_planned_than_is_due():
    records = load_study(PUBLISHED / "quickstart")
    assert records.manifest.looks
    runs = records.runs.groupby("phase").size()
    assert planned(records) == runs.to_dict()
    assert last_activity(records.runs).year == 2026


def test_time_left_is_what_the_driver_expects(live_results, records):
    assert records.seconds_left is None  # it is done
    records = Library().study(live_results(3) / "live")
    table = progress_table(records).set_index("phase")
    assert table.loc["confirm", ["complete", "running", "queued"]].tolist() == [12, 1, 7]
    assert records.seconds_left == 250.4


def test_what_was_begun_and_has_no_driver_is_interrupted(live_results):
    records = replace(Library().study(live_results(3) / "live"), driver=None)
    table = progress_table(records).set_index("phase")
    assert table.loc["confirm", ["complete", "running", "interrupted", "queued"]].tolist() == [12, 0, 1, 7]


def test_a_running_run_shows_its_latest_logged_step(live_results):
    library = Library()
    records = library.study(live_results(3) / "live")
    runs = with_live_steps(records.runs, lambda path: library.metrics(Path(path)))
    assert runs.loc[runs["state"] == "running", "step"].tolist() == [90]
    assert records.runs.loc[records.runs["state"] == "running", "step"].tolist() == [0]
