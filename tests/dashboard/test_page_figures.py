"""Files of charts on Effects, Data and Search: the marks of the page, and its numbers as a table."""

import ast
import io
from pathlib import Path

import altair as alt
import pandas as pd
import pytest

from tests.analysis.search_studies import write_search
from tests.drawn_figures import Drawn, faults
from workbench import dashboard
from workbench.analysis.effects import study_report
from workbench.analysis.figure_look import WIDTHS, Look, looking
from workbench.analysis.importances import MAIN_EFFECTS, importances_of
from workbench.analysis.page_figures import pairs_plot, progress_plot, shares_plot
from workbench.analysis.search import COMPLETE, searched
from workbench.analysis.search_frames import best_so_far
from workbench.analysis.slice_figures import parallel_plot, slices_plot
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.chart_numbers import chart_csv
from workbench.dashboard.effect_charts import paired_dots, value_frame
from workbench.dashboard.text_charts import CHANGED, KEPT, kind_colours
from workbench.records.index import load_study


@pytest.fixture(params=list(WIDTHS))
def size(request):
    """Either width of a figure."""
    with looking(Look(request.param)):
        yield request.param


def test_pairs_have_a_dot_for_every_run_and_a_line_for_every_seed(study, size):
    report = study_report(load_study(study))
    figure = pairs_plot(report, {"baseline": "#222222"})
    assert faults(Drawn(figure)) == []
    lines = [line for line in figure.axes[0].lines if line.get_linestyle() == "-"]
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert len(lines) == len({seed for row in report.rows for seed in row.values})
    assert [len(line.get_xdata()) for line in dots] == [len(row.values) for row in report.rows]
    assert figure.get_figwidth() == WIDTHS[size]


def test_shares_are_stacked_in_the_order_of_their_kinds(size):
    table = pd.DataFrame({"name": ["a", "a", "b"], "kind": [CHANGED, KEPT, KEPT], "share": [0.25, 0.5, 1.0]})
    figure = shares_plot(table, kind_colours(), "Share of the documents")
    assert faults(Drawn(figure)) == []
    bars = [(round(bar.get_x()), round(bar.get_width())) for bar in figure.axes[0].patches]
    assert bars == [(0, 50), (0, 100), (50, 25)]


def test_the_numbers_of_a_chart_are_those_that_it_draws(study):
    report = study_report(load_study(study))
    colours = dict.fromkeys([row.variant for row in report.rows], "#0072B2")
    written = pd.read_csv(io.StringIO(chart_csv(paired_dots(report, colours, Ink.of(dark=False)))))
    pd.testing.assert_frame_equal(written, value_frame(report), check_dtype=False, rtol=1e-5)
    assert chart_csv(alt.Chart("elsewhere.csv")) == ""


def test_the_best_so_far_is_drawn_over_all_trials(tmp_path):
    search = searched(write_search(tmp_path / "search"))
    figure = progress_plot(search, search.objectives[0])
    assert faults(Drawn(figure)) == []
    done = best_so_far(search, search.objectives[0].name)
    assert figure.axes[0].lines[1].get_ydata().tolist() == done["best"].tolist()


def test_slices_have_all_points_in_each_panel_and_parallel_lines_one_each(tmp_path, size):
    search = searched(write_search(tmp_path / "search"))
    first = search.objectives[0]
    done = search.trials[search.trials["state"] == COMPLETE]
    found = importances_of(search, first.name, MAIN_EFFECTS)
    slices = slices_plot(search, done, search.dimensions, first, found)
    panels = [axes for axes in slices.axes if axes.axison]
    assert [len(axes.lines[0].get_xdata()) for axes in panels] == [len(done)] * len(search.dimensions)
    parallel = parallel_plot(search, done, first)
    assert len(parallel.axes[0].lines) == len(done)
    best = parallel.axes[0].lines[-1].get_ydata()  # drawn last, on top
    assert best[-1] == 0
    assert faults(Drawn(slices)) == []


def test_every_chart_and_table_of_a_page_says_what_it_is():
    """As its alternative text, which is what a screen reader has of it."""
    unnamed = []
    for file in sorted(Path(dashboard.__file__).parent.rglob("*.py")):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            name = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
            named = [one.arg for one in call.keywords] if name else []
            if name in ("st.altair_chart", "st.echarts_chart", "grid") and "alt" not in named:
                unnamed.append(f"{file.name}:{call.lineno}")
    assert unnamed == []
