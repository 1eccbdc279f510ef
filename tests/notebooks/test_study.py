"""What ``import workbench as wb`` gives: a study's report, runs, curves and figures, and what it refuses."""

import subprocess
import sys
from pathlib import Path

import pytest

import workbench as wb
from tests.analysis.ladder_studies import ladder_study
from tests.analysis.search_studies import write_search
from tests.analysis.synthetic_studies import Study, full_study, manifest, one_at_a_time, shifted
from workbench.analysis.effects import study_report
from workbench.errors import UserError
from workbench.records.metrics import read_evaluations

POISON = '<script>alert(1)</script>" onload="x'


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    full_study(folder / "synthetic")
    return folder


@pytest.fixture(scope="module")
def study(results):
    return wb.load("synthetic", results)


def test_importing_brings_nothing_and_reading_a_study_no_torch():
    code = (
        "import sys, workbench\n"
        "assert not {'pandas', 'numpy', 'matplotlib', 'torch'} & set(sys.modules)\n"
        "workbench.load\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_module_names_what_it_has():
    assert {"load", "studies", "Study"} <= set(dir(wb))
    with pytest.raises(AttributeError, match=r"'lode'.*load"):
        _ = wb.lode


def test_a_study_is_found_by_name_and_by_path(results, study):
    assert study.name == wb.load(results / "synthetic").name == "synthetic"
    assert repr(study) == f"Study('synthetic': 4 variants, {len(study.records.runs)} runs)"
    with pytest.raises(UserError, match=r"synthetical: .*Studies there: synthetic"):
        wb.load("synthetical", results)


def test_studies_lists_what_is_there_damaged_ones_too(tmp_path):
    full_study(tmp_path / "whole")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "study.yaml").write_text("{")
    table = wb.studies(tmp_path).set_index("study")
    assert table.loc["whole", ["design", "variants", "problem"]].tolist() == ["one_at_a_time", 4, ""]
    assert "study.yaml" in table.loc["damaged", "problem"]
    assert list(wb.studies(tmp_path / "nothing")) == ["study", "question", "design", "variants", "problem"]


def test_the_table_has_the_numbers_of_the_report(study):
    report = study.report()
    rows = {row.variant: row for row in study_report(study.records).rows}
    assert list(report.table.index) == list(rows)
    for name, row in rows.items():
        found = report.table.loc[name]
        assert found["verdict"] == (row.verdict or "baseline")
        assert found["mean"] == row.mean
        if row.comparison:
            assert found["difference"] == row.difference
            assert (found["difference_low"], found["difference_high"]) == (
                row.interval.low,
                row.interval.high,
            )
    assert len(report.sentences) == 3
    assert report.headline in repr(report)
    assert report.facts["headline"] == report.headline
    assert "\\begin{tabular}" in report.to_text("latex")
    with pytest.raises(UserError, match="format: 'xml' is none of md, csv, latex"):
        report.to_text("xml")


def test_what_a_notebook_shows_is_text_as_it_was_written(tmp_path):
    variants = one_at_a_time()
    variants[2] = variants[2] | {"name": POISON, "change": {"norm": ["rmsnorm", POISON]}}
    written = Study(tmp_path / POISON.replace("/", "-"), manifest(variants, question=POISON))
    written.confirm("baseline", shifted(0.0), curve=True).confirm(POISON, shifted(0.1), curve=True)
    study = wb.load(written.path)
    shown = study.report()._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&quot;x" in shown
    assert "<script" not in study.report()._repr_markdown_()
    assert "<script" not in study.figure("forest")._repr_svg_()


def test_runs_are_a_table_of_plain_values(study):
    runs = study.runs()
    assert len(runs) == len(study.records.runs)
    assert {"variant", "phase", "seed", "learning_rate", "state", "validation/loss", "path"} <= set(runs)
    assert not runs.map(lambda value: isinstance(value, dict | list)).any(axis=None)


def test_curves_are_those_of_the_runs_that_verdicts_rest_on(study):
    curves = study.curves()
    assert list(curves)[:4] == ["variant", "seed", "phase", "run_id"]
    assert list(dict.fromkeys(curves["variant"])) == study.variants
    assert set(curves["phase"]) == {"confirm"}
    first = curves[curves["run_id"] == curves["run_id"].iloc[0]]
    path = study.runs().set_index("run_id").loc[first["run_id"].iloc[0], "path"]
    own = read_evaluations(Path(path), "validation/loss")
    assert first["validation/loss"].tolist() == own["validation/loss"].tolist()
    assert first["tokens"].tolist() == own["tokens"].tolist()


def test_curves_refuse_what_there_is_not_and_name_what_there_is(study):
    with pytest.raises(UserError, match=r"metric: .*'validation/los'; did you mean 'validation/loss'"):
        study.curves("validation/los")
    with pytest.raises(UserError, match=r"phase: .*'confirmed'; did you mean 'confirm'.*all"):
        study.curves(phase="confirmed")
    assert study.curves(phase="tune").empty  # whose runs logged nothing


def test_figures_are_those_of_papers(study, tmp_path):
    assert study.figures() == ["forest", "learning_rates", "curves"]
    wide, narrow = study.figure(), study.figure("curves", columns=1, letters="serif")
    assert (wide.get_figwidth(), narrow.get_figwidth()) == (6.9, 3.3)
    assert ">feedforward: swiglu → relu<" in wide._repr_svg_()  # text stays text
    narrow.savefig(tmp_path / "curves.svg")
    assert "STIX" in (tmp_path / "curves.svg").read_text()
    with pytest.raises(UserError, match=r"figure: synthetic has no 'fores'; did you mean 'forest'"):
        study.figure("fores")
    with pytest.raises(UserError, match="columns: 3 is neither 1 nor 2"):
        study.figure(columns=3)
    with pytest.raises(UserError, match="letters: unknown 'comic'"):
        study.figure(letters="comic")


def test_a_ladder_and_a_search_have_tables_of_their_own(tmp_path):
    ladder = wb.load(ladder_study(tmp_path / "ladder").path)
    table = ladder.report().table
    assert table.index.names == ["rung", "variant"]
    assert len(table) == len(ladder.variants)
    search = wb.load(write_search(tmp_path / "search").path)
    assert search.report().sentences == []
    assert search.report().table.loc["#3", "validation/loss"] == pytest.approx(2.31)
    assert set(search.curves()["phase"]) <= {"search"}


def test_views_say_what_they_were_asked_wrongly(study):
    with pytest.raises(UserError, match="view: unknown 'extrapolate'; did you mean 'extrapolation'"):
        study.view("extrapolate")
    none = "no complete run of 'synthetic"
    with pytest.raises(UserError, match=f"variant: {none}/layernorm'; did you mean 'norm=layernorm'"):
        study.view("head_scores", "layernorm")
    with pytest.raises(UserError, match=f"against: {none}/base'; did you mean 'baseline'"):
        study.view("head_scores", "norm=layernorm", against="base")
    with pytest.raises(UserError, match=f"seed: {none}/baseline/7'; seeds of baseline are 201, 202"):
        study.view("head_scores", "baseline", seed=7)
    with pytest.raises(UserError, match="variant: name the variant"):
        study.view("head_scores", seed=201)
