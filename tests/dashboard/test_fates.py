"""Variants that failed or did not train, and such a baseline: on every page, in words, off the scales."""

import json
import math

import pytest

from tests.dashboard.dashboard_studies import spoil, write_study
from tests.dashboard.test_pages import PAGES, texts
from workbench.analysis.decisions import confirm_phase
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.effect_charts import forest, forest_frame, seed_frame, tuning, tuning_frame
from workbench.dashboard.study_library import Library
from workbench.dashboard.tables import group_table, verdict_table, with_outcomes
from workbench.records.index import load_study
from workbench.records.run import RunDirectory
from workbench.study.status import study_status

CRASH = 'Traceback (most recent call last):\n  File "a.py"\n    f()\nRuntimeError: the norm broke\nfor good'


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Learned positions blow up in the finite, LayerNorm's trials crash, ReLU is as ever."""
    path = write_study(tmp_path_factory.mktemp("mixed"))
    spoil(path, "positions=learned", loss=253_094_644.0)
    spoil(path, "norm=layernorm", error=CRASH)
    return path


@pytest.fixture(scope="module")
def baseless(tmp_path_factory):
    """The baseline ends above a uniform guess; the others train."""
    path = write_study(tmp_path_factory.mktemp("baseless"))
    spoil(path, "baseline", loss=28.98)
    return path


@pytest.fixture(scope="module")
def report(mixed):
    library = Library()
    return library.report(library.study(mixed), "baseline")


def test_the_overview_has_a_badge_for_each_word_and_the_errors_line(opened, mixed):
    app = opened(mixed.parent)
    assert not app.exception
    shown = texts(app)
    assert ":violet-badge[did not train]" in shown
    assert ":violet-badge[failed]" in shown
    assert "did not train in 5 of 5 seeds (5 ended at 2.531e+08 nats/token, where a uniform guess" in shown
    assert "failed in 5 of 5 trials: RuntimeError: the norm broke" in shown
    assert "of 3 changes to the baseline, 1 inconclusive, 1 did not train, 1 failed" in shown
    assert "named and not drawn" in shown
    verdicts = app.dataframe[0].value["verdict"].tolist()
    assert verdicts == ["baseline", "did not train", "failed", "inconclusive"]
    assert not app.error


def test_the_overview_says_first_that_the_baseline_did_not_train(opened, baseless):
    app = opened(baseless.parent)
    assert not app.exception
    (alarm,) = app.error
    assert alarm.value.startswith("Nothing can be compared: the baseline did not train in 5 of 5 seeds")
    assert "give smaller learning_rates than 0.012" in alarm.value
    assert ":gray-badge[no verdict]" in texts(app)
    assert "There are no effects to show. The baseline did not train" in texts(app)
    assert app.dataframe[0].value["verdict"].tolist()[1:] == ["no verdict"] * 3


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("which", ["mixed", "baseless"])
def test_every_page_stands(opened, request, which, page):
    app = opened(request.getfixturevalue(which).parent, page)
    assert not app.exception


def test_another_baseline_helps_where_the_declared_one_did_not_train(opened, baseless):
    app = opened(baseless.parent, baseline="norm=layernorm")
    verdicts = app.dataframe[0].value["verdict"].tolist()
    assert verdicts[:2] == ["baseline", "did not train"]
    assert "no verdict" not in verdicts


def test_the_runs_table_has_it_as_a_state_that_can_be_chosen(opened, mixed):
    app = opened(mixed.parent, "runs", phase="confirm")
    assert set(app.dataframe[0].value["state"]) == {"complete", "did not train", "failed"}
    app.multiselect(key="state").set_value(["did not train"]).run()
    assert set(app.dataframe[0].value["variant"]) == {"positions=learned"}
    columns = json.loads(app.dataframe[0].proto.columns)
    assert columns["validation/loss"]["type_config"].get("format") is None  # the cells have theirs
    assert app.dataframe[0].value["validation/loss"].tolist() == pytest.approx([253_094_644.0] * 5)


def test_a_selected_run_that_did_not_train_says_what_a_guess_loses(opened, mixed):
    runs = load_study(mixed).runs
    lost = runs[(runs["variant"] == "positions=learned") & (runs["phase"] == "confirm")].iloc[0]
    app = opened(mixed.parent, "runs", runs=lost["run_id"])
    (warning,) = app.warning
    assert (
        "did not train: validation loss 2.531e+08 nats/token, where a uniform guess loses 5.5491"
        in warning.value
    )


def test_groups_average_what_trained(mixed):
    table = group_table(with_outcomes(load_study(mixed).runs, live=False)).set_index(["variant", "phase"])
    group = table.loc[("positions=learned", "confirm")]
    assert (group["runs"], group["complete"], group["lost"]) == (5, 0, 5)


def test_curves_leave_out_what_did_not_train_until_it_is_asked_for(opened, mixed):
    app = opened(mixed.parent, "curves", show="values")
    spec = app.get("echarts_chart")[0].proto.spec
    assert "positions: rope" not in spec
    assert "Not drawn, as they did not train: 5 runs of positions: rope → learned." in texts(app)
    app.toggle(key="untrained").set_value(True).run()
    assert "positions: rope" in app.get("echarts_chart")[0].proto.spec
    assert "Not drawn" not in texts(app)


def test_curves_of_nothing_that_trained_are_drawn(opened, tmp_path):
    path = write_study(tmp_path)
    for variant in ("baseline", "positions=learned", "norm=layernorm", "feedforward=relu"):
        spoil(path, variant, loss=28.98)
    app = opened(tmp_path, "curves")
    assert not app.exception
    assert app.get("echarts_chart")
    assert "Not drawn" not in texts(app)


def test_the_forest_names_them_in_their_rows_without_a_mark(report):
    table = forest_frame(report).set_index("variant")
    assert table["verdict"].tolist() == ["did not train", "failed", "inconclusive"]
    assert table["numbers"].tolist()[:2] == ["5 of 5 seeds, not drawn"] * 2
    assert table.loc["positions=learned", ["mean", "low", "high"]].isna().all()
    assert set(seed_frame(report)["variant"]) == {"feedforward=relu"}
    assert table["high"].max() < 1
    forest(report, Ink.of(False)).to_dict()  # Altair checks the specification against its schema


def test_a_rate_at_which_nothing_trained_has_its_cross(mixed):
    tuned = [one for one in confirm_phase(load_study(mixed))[0].values() if one]
    table = tuning_frame(tuned, {})
    table.loc[0, ["loss", "lost"]] = [math.nan, 1]
    chart = tuning(table, dict.fromkeys(table["variant"], "#000000"), "loss", "nats", Ink.of(False)).to_dict()
    found = chart["datasets"].values()
    (crossed,) = [rows for rows in found if rows and "cross" in rows[0]]
    assert chart["layer"][3]["encoding"]["y"]["field"] == "cross"
    assert crossed[0]["loss"] is None
    assert crossed[0]["cross"] == max(chart["layer"][3]["encoding"]["y"]["axis"]["values"])  # at the top


def test_the_table_says_no_verdict(baseless):
    library = Library()
    table = verdict_table(library.report(library.study(baseless), "baseline"))
    assert table["verdict"].tolist() == ["baseline, did not train", *["no verdict"] * 3]


def test_an_imported_model_above_a_guess_is_told_where_its_loss_is_shown(opened, imported):
    (folder,) = (imported / "imported" / "runs").iterdir()
    run = RunDirectory(folder).read()
    run.summary = {"validation/loss": 28.98, "validation/bits_per_byte": 20.0}
    RunDirectory(folder).write(run)
    (warning,) = opened(imported).warning
    assert "tiny-llama: validation loss 28.9800 nats/token, where a uniform guess loses" in warning.value
    (line,) = study_status("imported", imported)["studies"][0]["untrained"]
    assert line.endswith("is its tokenizer the one that it was trained with?")


def test_one_estimate_of_the_time_on_a_page(opened, live_results):
    shown = texts(opened(live_results(3)))
    assert "confirm: seed 4 of 5 · about 4 min left" in shown
    assert "About 4 min left" in shown
