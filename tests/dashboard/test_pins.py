"""Pinned runs: kept in the address, drawn beside any study's curves, and said where they cannot be."""

import pytest

from tests.analysis.synthetic_studies import full_study
from tests.dashboard.dashboard_studies import write_study
from tests.dashboard.test_pages import SWITCH, chart, texts
from workbench.dashboard.pins import MOST
from workbench.records.index import load_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The dashboard's made-up study, and another that logs less."""
    results = tmp_path_factory.mktemp("pins") / "results"
    write_study(results, "quickstart")
    full_study(results / "other", name="other")
    return results


def run_of(folder, study, variant, seed=201):
    runs = load_study(folder / study).runs
    chosen = runs[(runs["variant"] == variant) & (runs["seed"] == seed) & (runs["phase"] == "confirm")]
    return chosen["run_id"].item()


def test_a_pinned_run_is_drawn_beside_another_study_with_its_studys_name(opened, folder):
    run = run_of(folder, "other", "norm=layernorm")
    app = opened(folder, "curves", study="quickstart", pin=[f"other:{run}"])
    assert not app.exception
    assert "other: norm=layernorm, seed 201" in chart(app).spec
    assert "Pinned runs** (1)" in texts(app)
    assert "other: norm=layernorm, seed 201: of another text" in texts(app).replace("\\", "")
    assert app.query_params["pin"] in (f"other:{run}", [f"other:{run}"])
    app.segmented_control(key="show").set_value("values").run()
    assert "other: norm=layernorm, seed 201" in chart(app).spec
    app.button(key="unpin_0").click().run()
    assert "other: norm=layernorm" not in chart(app).spec
    assert "pin" not in app.query_params


def test_a_metric_that_a_pinned_run_lacks_is_said(opened, folder):
    run = run_of(folder, "other", "norm=layernorm")
    app = opened(folder, "curves", study="quickstart", pin=[f"other:{run}"], show="values")
    app.selectbox(key="metric").set_value("gradient_norm").run()
    assert not app.exception
    assert "has not logged gradient norm, and is not drawn" in texts(app)
    assert "other: norm=layernorm" not in chart(app).spec


def test_a_baseline_has_no_difference_to_itself(opened, folder):
    run = run_of(folder, "other", "baseline")
    app = opened(folder, "curves", study="quickstart", pin=[f"other:{run}"])
    assert "has no difference to a baseline of its seed, and is not drawn" in texts(app)


def test_selected_runs_are_pinned_by_a_button_and_follow_to_another_study(opened, folder):
    run = run_of(folder, "other", "positions=learned")
    app = opened(folder, "runs", study="other", runs=run)
    app.button(key="pin_selection").click().run()
    assert app.query_params["pin"] in (f"other:{run}", [f"other:{run}"])
    app.sidebar.selectbox[0].set_value("quickstart").run()
    app.switch_page(SWITCH["curves"]).run()
    assert not app.exception
    assert "other: positions=learned, seed 201" in chart(app).spec


def test_pins_that_are_not_here_are_said_and_can_be_unpinned(opened, folder):
    wrong = ["other:0000", "gone*:1111", "../../etc:2222"]
    app = opened(folder, "curves", study="quickstart", pin=wrong)
    assert not app.exception
    shown = texts(app)
    assert "other: has no run 0000" in shown
    assert "gone\\*" in shown
    assert "is no study of this results folder" in shown
    app.button(key="unpin_lost_0").click().run()
    assert app.query_params["pin"] == wrong[1:]


def test_there_are_not_more_pins_than_colours(opened, folder):
    app = opened(folder, "curves", study="quickstart", pin=[f"other:{number}" for number in range(MOST + 3)])
    assert len(app.query_params["pin"]) == MOST
