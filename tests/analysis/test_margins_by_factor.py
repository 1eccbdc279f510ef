"""Margins by factor in a report: every row has its own verdict, band and text by it."""

import io
import json

import pytest
from rich.console import Console

from tests.analysis.synthetic_studies import full_study
from workbench.analysis.effects import study_report
from workbench.analysis.forest_figure import forest_plot
from workbench.analysis.report import escape_latex, render, to_json
from workbench.analysis.report_tables import effects_table
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.effect_charts import forest

MARGINS = {"default": 0.02, "feedforward": 0.5, "positions": 0.3}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return study_report(full_study(tmp_path_factory.mktemp("margins"), margin=MARGINS).load())


def test_every_row_is_judged_by_its_own_margin(report):
    found = {row.variant: (row.margin, row.verdict) for row in report.comparisons}
    assert found == {
        "positions=learned": (0.3, "equivalent"),
        "norm=layernorm": (0.02, "equivalent"),
        "feedforward=relu": (0.5, "equivalent"),
    }
    assert (report.margin, report.margin_text) == (0.02, "±0.02 (feedforward ±0.5, positions ±0.3)")


def test_tables_and_footer_say_each_margin(report):
    table = effects_table(report)
    place = table.headings.index("margin")
    assert [row[place] for row in table.rows] == ["—", "±0.3", "±0.02", "±0.5"]
    console = Console(width=120, file=io.StringIO())
    console.print(render(report, "terminal"))
    assert "margin: ±0.02 (feedforward ±0.5, positions ±0.3) nats/token" in console.file.getvalue()
    assert "equivalent within ±0.3 nats/token" in " ".join(console.file.getvalue().split())
    assert f"Margin {escape_latex(report.margin_text)} nats/token" in render(report, "latex")
    facts = json.loads(json.dumps(to_json(report)))
    assert facts["margin"] == facts["footer"]["margin"] == MARGINS
    assert [row["margin"] for row in facts["rows"]] == [0.02, 0.3, 0.02, 0.5]


def test_a_study_with_one_margin_has_no_column_for_it(tmp_path):
    one = study_report(full_study(tmp_path).load())
    assert "margin" not in effects_table(one).headings
    assert to_json(one)["margin"] == 0.02


def test_each_row_of_the_forest_has_its_band(report):
    (axes,) = forest_plot(report).axes
    assert [bar.get_x() for bar in axes.patches] == pytest.approx([-0.3, -0.02, -0.5])
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.6, 0.04, 1.0])
    low, high = axes.get_xlim()
    assert low <= -0.5 < 0.5 <= high
    assert axes.get_legend_handles_labels()[1] == ["margin ±0.02 (feedforward ±0.5, positions ±0.3)"]


def test_each_row_of_the_pages_forest_has_its_band(report):
    chart = forest(report, Ink.of(False)).to_dict()
    band = next(layer for layer in chart["layer"] if layer["mark"].get("opacity") == 0.16)
    rows = chart["datasets"][band["data"]["name"]]
    assert [(row["low"], row["high"], row["what"]) for row in rows] == [
        (-0.3, 0.3, "±0.3"),
        (-0.02, 0.02, "±0.02"),
        (-0.5, 0.5, "±0.5"),
    ]
    assert band["encoding"]["y"]["field"] == "label"
