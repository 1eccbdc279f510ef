"""The page *Search*: what a search found, drawn and named as exploratory; one line for other studies."""

import json

import pytest

from tests.dashboard.dashboard_studies import write_study
from tests.dashboard.search_studies import space, write_search
from workbench.analysis.importances import FANOVA, MAIN_EFFECTS
from workbench.analysis.paper_figures import to_bytes
from workbench.analysis.search import searched
from workbench.analysis.search_figures import front_plot, importance_plot
from workbench.analysis.search_frames import baseline_points, best_so_far, front_between
from workbench.dashboard import search_charts
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.study_library import Library
from workbench.records.index import load_study

INK = Ink.of(False)
PARTS = ["Pareto front", "Trials", "Importances", "Slices", "Parallel coordinates", "Best so far"]
CHARTS = [part for part in PARTS if part != "Trials"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A results folder with a search of three seeds a point, and a study that is none."""
    folder = tmp_path_factory.mktemp("searches")
    write_study(folder, "quickstart")
    write_search(folder / "search", trials=40, seeds=(1001, 1002, 1003))
    return folder


@pytest.fixture(scope="module")
def records(results):
    return load_study(results / "search")


@pytest.fixture(scope="module")
def search(records):
    return searched(records)


def texts(app):
    kinds = ("header", "subheader", "markdown", "caption", "info", "warning")
    return "\n".join(str(item.value) for kind in kinds for item in app.get(kind))


def complete(search):
    return search.trials[search.trials["state"] == "complete"]


def test_the_page_shows_what_was_found_and_gives_no_verdict(opened, results, search):
    app = opened(results, "search", study="search")
    assert not app.exception
    shown = texts(app)
    assert "A search gives no verdict" in shown
    assert "workbench promote search" in shown
    assert f"{len(complete(search))} of 40 trials complete" in shown
    assert [tab.label for tab in app.tabs] == PARTS
    assert len(app.get("vega_lite_chart")) == 1


def test_its_trials_are_a_table_with_the_best_first(opened, results, search):
    app = opened(results, "search", study="search", part="Trials")
    assert not app.exception
    table = app.dataframe[0].value
    assert table["trial"].tolist()[0] == search.complete["number"].iloc[0]
    assert sorted(table.loc[table["front"], "trial"]) == sorted(search.front)
    assert {item.label for item in app.get("download_button")} == {"CSV"}


def test_each_chart_is_drawn_when_it_is_opened(opened, results, search):
    charts = {}
    for part in CHARTS:
        app = opened(results, "search", study="search", part=part)
        assert not app.exception
        charts[part] = (len(app.get("vega_lite_chart")), len(app.get("echarts_chart")))
        assert {item.label for item in app.get("download_button")} == {"SVG", "PDF", "CSV"}
    drawn = [(1, 0), (1, 0), (len(search.dimensions), 0), (0, 1), (1, 0)]
    assert charts == dict(zip(CHARTS, drawn, strict=True))


def test_links_choose_objectives_and_what_is_drawn(opened, results, search):
    app = opened(
        results,
        "search",
        study="search",
        objective="training FLOPs per token",
        drawn="better half",
        part="Slices",
    )
    assert not app.exception
    assert app.selectbox(key="objective").value == "flops_per_token"
    assert "training FLOPs per token (FLOP) of" in texts(app)
    assert app.segmented_control(key="drawn").value == "better half"


def test_a_link_chooses_the_axes_of_the_front(opened, results):
    app = opened(results, "search", study="search", front_y="training FLOPs per token")
    assert not app.exception
    assert app.selectbox(key="front_y").value == "flops_per_token"
    assert app.selectbox(key="front_x").value == "validation/loss"


def test_an_objective_and_a_part_that_are_not_here_are_said(opened, results):
    app = opened(results, "search", study="search", front_y="speed", part="luck")
    assert not app.exception
    assert "The link asks for the objective speed, which is not here" in texts(app)
    assert "The link asks for the part luck, which is not here" in texts(app)
    app = opened(results, "search", study="search", objective="speed", part="Importances")
    assert not app.exception
    assert "The link asks for the objective speed, which is not here" in texts(app)


def test_other_studies_have_one_line(opened, results):
    app = opened(results, "search", study="quickstart")
    assert not app.exception
    assert "design: search" in app.info[0].value
    assert not app.dataframe


@pytest.mark.parametrize(
    "page",
    ["overview", "runs", "curves", "effects", "data", "attention", "watch", "compare", "claims", "run"],
)
def test_every_other_page_of_a_search_works(opened, results, page):
    app = opened(results, page, study="search")
    assert not app.exception
    if page in ("curves", "effects", "attention"):
        assert "what it found stands on the page Search" in app.info[0].value


def test_a_search_that_has_only_begun_says_so(opened, tmp_path):
    write_search(tmp_path / "search", trials=0)
    app = opened(tmp_path, "search")
    assert not app.exception
    assert "No trial was proposed yet" in app.info[0].value
    write_search(tmp_path / "few", trials=4)
    app = opened(tmp_path, "search", study="few", part="Importances")
    assert not app.exception
    assert "trials are too few" in "\n".join(item.value for item in app.info)


def test_the_front_of_two_objectives_is_drawn_as_steps(search, records):
    loss, flops = search.objectives
    front = front_between(search, flops.name, loss.name)
    assert sorted(front["number"]) == sorted(search.front)
    assert front[flops.name].is_monotonic_increasing
    assert front[loss.name].is_monotonic_decreasing
    own = baseline_points(search, records.manifest)
    assert 0 in own
    spec = search_charts.pareto(search, flops, loss, own, INK).to_dict()
    marks = [layer["mark"] for layer in spec["layer"]]
    assert marks[0]["interpolate"] == "step-after"
    assert [mark.get("shape") for mark in marks if mark["type"] == "point"] == ["diamond", "circle", "cross"]
    assert min(mark["opacity"] for mark in marks if mark.get("shape") == "circle") < 0.5


def test_the_best_so_far_never_rises(search):
    table = best_so_far(search, "validation/loss")
    assert len(table) == len(complete(search))
    assert table["best"].is_monotonic_decreasing
    assert table["best"].iloc[-1] == table["value"].min()


def test_importances_stand_side_by_side(results, records, search):
    library = Library()
    kinds = {kind: library.importances(records, "validation/loss", kind) for kind in (MAIN_EFFECTS, FANOVA)}
    table = search_charts.importance_frame(kinds).set_index(["kind", "dimension"])
    assert set(table.index.get_level_values("dimension")) == set(search.dimensions)
    for kind in kinds:
        assert table.loc[kind, "share"].idxmax() in ("learning_rate", "positions")
        assert table.loc[(kind, "norm"), "share"] < 0.05
    assert (table["low"] <= table["share"] + 1e-9).all()
    effects = search_charts.level_frame(kinds[MAIN_EFFECTS], ["positions"]).set_index("level")["change"]
    assert effects["learned"] - effects["rope"] == pytest.approx(0.12, abs=0.03)
    loss, flops = search.objectives
    assert b"fANOVA" in to_bytes(importance_plot(kinds, loss), "svg")
    assert b"no verdict" in to_bytes(front_plot(search, flops, loss, [0]), "svg")


def test_parallel_coordinates_have_an_axis_for_each_dimension_and_the_best_on_top(search):
    loss = search.objectives[0]
    option, height = search_charts.parallel(search, complete(search), loss, INK, dark=False)
    assert [axis["name"] for axis in option["parallelAxis"]] == [*search.dimensions, loss.title]
    assert [axis["type"] for axis in option["parallelAxis"]] == ["category"] * 4 + ["log", "value"]
    rows = option["series"][0]["data"]
    assert rows[-1][-1] == complete(search)["validation/loss"].min()
    assert json.dumps(option)
    assert option["parallel"]["layout"] == "vertical"
    assert height > 400


def test_a_large_space_stays_readable(tmp_path):
    records = load_study(write_search(tmp_path / "large", trials=120, more=7))
    search = searched(records)
    loss = search.objectives[0]
    assert len(search.dimensions) == len(space(7)) == 12
    main = Library().importances(records, loss.name, MAIN_EFFECTS)
    drawn = complete(search)
    for dimension in search.dimensions:
        own = next(one for one in main.shares if one.dimension == dimension)
        spec = search_charts.slice_of(search, drawn, dimension, loss, own, main.centre, INK).to_dict()
        assert spec["layer"][0]["mark"]["type"] == "circle"
        assert len(spec["layer"]) == 3
    option, _ = search_charts.parallel(search, drawn, loss, INK, dark=True)
    assert len(option["parallelAxis"]) == 13
    better = search_charts.better_half(drawn, loss)
    assert len(better) == pytest.approx(len(drawn) / 2, abs=1)
