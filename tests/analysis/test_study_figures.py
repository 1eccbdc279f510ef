"""Figures are drawn from what is there, and written in every format."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.analysis.synthetic_studies import Study, full_study, manifest
from tests.drawn_figures import Drawn, faults, labels
from workbench.analysis.colours import BLUE, VERMILLION
from workbench.analysis.curves_figure import curves_plot
from workbench.analysis.effects import study_report
from workbench.analysis.forest_figure import forest_plot
from workbench.analysis.paper_figures import save, to_bytes
from workbench.analysis.study_figures import study_figures
from workbench.analysis.tuning_figures import learning_rate_plot
from workbench.analysis.verdict_colours import OPEN_COLOUR
from workbench.errors import UserError
from workbench.records.metrics import save_frame
from workbench.records.run import RunDirectory


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return full_study(tmp_path_factory.mktemp("study")).load()


@pytest.fixture(scope="module")
def figures(study):
    return study_figures(study)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_files(figures, tmp_path, ending):
    content = save(figures["forest"], tmp_path / f"plots/forest.{ending}").read_bytes()
    assert content.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending])
    assert len(content) > 5_000


def test_text_stays_text(figures):
    forest = to_bytes(figures["forest"], "svg").decode()
    for part in ("positions: rope → learned", "norm: rmsnorm → layernorm", "worse, 5 seeds", "margin ±0.02"):
        assert part in forest
    for name in ("learning_rates", "curves"):
        text = to_bytes(figures[name], "svg").decode()
        for variant in ("baseline", "positions=learned", "norm=layernorm", "feedforward=relu"):
            assert variant in text


def test_pdf_embeds_truetype(figures):
    assert b"/FontType 3" not in to_bytes(figures["curves"], "pdf")
    assert b"/Type0" in to_bytes(figures["curves"], "pdf")


def test_equal_data_gives_an_equal_file(study):
    first, second = (to_bytes(forest_plot(study_report(study)), "svg") for _ in range(2))
    assert first == second


def test_every_seed_is_a_dot(study):
    report = study_report(study)
    (axes,) = forest_plot(report).axes
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in dots] == [5, 5, 5]
    assert list(dots[0].get_xdata()) == pytest.approx(list(report.rows[1].differences.values()))


def test_a_row_of_the_forest_looks_as_its_verdict(study):
    (axes,) = forest_plot(study_report(study)).axes
    marks = [line for line in axes.lines if line.get_marker() == "s"]
    assert [line.get_color() for line in marks] == [VERMILLION, BLUE, OPEN_COLOUR]  # the last is undecided
    assert [line.get_markerfacecolor() for line in marks] == [VERMILLION, BLUE, "white"]
    widths = [line.get_linewidth() for line in axes.lines if len(line.get_xdata()) == 2]
    assert widths[-3:] == [1.6, 1.6, 0.8]


def test_rates_and_curves_show_the_data(study):
    (axes,) = learning_rate_plot(study).axes
    assert list(axes.lines[0].get_ydata()) == pytest.approx([3.1005, 3.0005, 3.1005])
    (axes,) = curves_plot(study, x="flops").axes
    assert axes.lines[0].get_ydata()[-1] == pytest.approx(3.002)
    assert axes.lines[0].get_xdata()[-1] == pytest.approx(500_000 * 800_000)
    assert len(axes.collections) == 4


def test_a_chosen_rate_between_two_is_ringed(tmp_path):
    study = Study(tmp_path, manifest()).tune(best=0.008, variants=["baseline"])
    (axes,) = learning_rate_plot(study.load()).axes
    (ring,) = [line for line in axes.lines if line.get_fillstyle() == "none"]
    assert (list(ring.get_xdata()), list(ring.get_ydata())) == ([0.008], [pytest.approx(3.0005)])


def test_a_mean_curve_ends_with_a_cross_where_a_seed_is_lost(tmp_path):
    study = Study(tmp_path, manifest()).confirm("baseline", [3.0, 3.2, 3.4], curve=True).load()
    lost = study.runs[study.runs["seed"] == 202].iloc[0]
    whole = study.runs.assign(state=study.runs["state"].mask(study.runs["seed"] == 202, "diverged"))
    rows = RunDirectory(lost["path"]).metrics()
    save_frame(Path(lost["path"]), rows.iloc[:4])
    (axes,) = curves_plot(replace(study, runs=whole), x="step").axes
    *single, mean, cross = axes.lines
    assert [list(line.get_xdata()[-1:]) for line in single] == [[240], [96], [240]]
    assert list(mean.get_xdata()) == rows["step"].tolist()[:4]
    assert list(mean.get_ydata()) == pytest.approx((rows["validation/loss"][:4]).tolist())  # of 3.0, 3.2, 3.4
    assert mean.get_label() == "baseline (n = 3, 1 lost)"
    assert (cross.get_marker(), list(cross.get_xdata())) == ("x", [96])
    save_frame(Path(lost["path"]), rows.iloc[:0])
    (axes,) = curves_plot(replace(study, runs=whole), x="step").axes
    assert [len(line.get_xdata()) for line in axes.lines] == [10, 0, 10, 0]
    assert axes.lines[-1].get_label().split("\n") == ["baseline (n = 3, 1 lost):", "single seeds"]


def test_seeds_without_a_curve_are_counted_in_the_legend(tmp_path):
    study = Study(tmp_path, manifest()).confirm("baseline", [3.0, 3.2], curve=True)
    study.run("baseline", 203, state="failed").run("baseline", 204, state="running")
    (axes,) = curves_plot(study.load()).axes
    assert [line.get_label() for line in axes.lines] == ["baseline (n = 2, 1 left out)"]


def test_a_diverged_tuning_run_is_a_cross(tmp_path):
    study = Study(tmp_path, manifest()).tune().run("baseline", 101, None, "tune", rate=0.012)
    (axes,) = learning_rate_plot(study.load()).axes
    crosses = [line for line in axes.lines if line.get_marker() == "x" and len(line.get_xdata())]
    assert [list(line.get_xdata()) for line in crosses] == [[0.012]]


def test_nothing_yet_is_said(tmp_path):
    study = Study(tmp_path, manifest()).load()
    texts = {name: to_bytes(figure, "svg").decode() for name, figure in study_figures(study).items()}
    assert "no tuning run has finished" in texts["learning_rates"]
    assert "no confirm run is complete" in texts["curves"]
    assert "not started" in texts["forest"]


def test_figures_can_be_read(figures):
    for name, figure in figures.items():
        assert faults(Drawn(figure)) == [], name
    (axes,) = figures["learning_rates"].axes
    assert labels(axes.xaxis) == ["0.003", "0.006", "0.012"]
    (axes,) = figures["forest"].axes
    assert "0" in labels(axes.xaxis)
    assert all(label.startswith(("+", "−")) for label in labels(axes.xaxis) if label != "0")


def test_unknown_formats_and_axes(figures, study, tmp_path):
    with pytest.raises(UserError, match="png, svg, pdf"):
        save(figures["curves"], tmp_path / "curves.bmp")
    with pytest.raises(UserError, match="tokens"):
        curves_plot(study, x="epochs")
