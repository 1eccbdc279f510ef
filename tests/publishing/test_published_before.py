"""What was published before is read as it was: Parquet files of each run, its rate a field of its own.

``published_before`` holds six of the 47 runs of ``quickstart``, and ``tiny``, a study made for this: both
written by commit 4b1190a, whose answers are the values below.
"""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from workbench.analysis.effects import study_report
from workbench.analysis.statistics import compare_pairs
from workbench.dashboard.study_library import Library
from workbench.inspection.measured import read_measured
from workbench.inspection.scope import Scope
from workbench.inspection.views import find_view
from workbench.publishing.publish import publish
from workbench.records.find import find_run
from workbench.records.index import load_study
from workbench.records.run import RunDirectory

BEFORE = Path(__file__).parent / "published_before"
CHANGED = "positions=learned"


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A results folder with both studies published; an empty cache, and no text that they were trained on."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(BEFORE, tmp_path / "results" / "published")
    return tmp_path / "results"


def row_of(study, variant):
    return next(row for row in study_report(load_study(study)).rows if row.variant == variant)


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def runs_of(study):
    return {run_id: RunDirectory(study / "runs" / run_id) for run_id in load_study(study).runs["run_id"]}


def test_it_opens_and_its_report_says_what_it_said(results):
    library = Library()
    records = library.study(results / "published" / "quickstart")
    assert (len(records.runs), records.problems, records.superseded) == (6, [], 0)
    row = row_of(records.path, CHANGED)
    # It said "worse" by an interval of its own; among three declared comparisons three pairs decide nothing.
    assert (row.verdict, row.seeds_done, row.learning_rate) == ("inconclusive", 3, 0.003)
    assert row.comparison.mean == pytest.approx(0.39482278376817703, rel=1e-12)
    alone = compare_pairs(list(row.differences.values()))
    assert alone.interval.low == pytest.approx(0.32718224928855333, rel=1e-12)
    assert row.comparison.p == pytest.approx(0.0015816331709566777, rel=1e-9)
    metrics = library.metrics(records.path / "runs" / "de13ffc61ecf")
    assert len(metrics) == 210
    assert metrics["train/loss"].sum() == pytest.approx(551.9971423149109, rel=1e-12)
    assert metrics["validation/loss"].iloc[-1] == 2.486112579703331


def test_a_view_of_tables_shows_what_it_showed(results):
    before = content(results)
    run, other = (find_run(results, f"quickstart/{variant}/2002") for variant in (CHANGED, "baseline"))
    scores = find_view("head_scores").show(Scope(run, other), {"score": "induction"})
    statistics = scores.all_tables()["statistics of every run"]
    assert statistics["seed"].tolist() == [2002, 2003, 2004] * 2
    assert statistics["strongest"].tolist() == pytest.approx([
        0.015642449259757996, 0.016147412359714508, 0.01604657620191574,
        0.010524976998567581, 0.01497503463178873, 0.011439834721386433,
    ], rel=1e-12)  # fmt: skip
    losses = find_view("extrapolation").show(Scope(run, other)).all_tables()["loss of every run"]
    shortest = losses[(losses["x"] == 16) & (losses["series"] == "baseline")]
    assert shortest["value"].tolist() == [1.8656383503021061, 1.8948652269345985, 1.9009365327219712]
    assert content(results) == before


def test_a_view_of_the_weights_shows_what_it_showed(results):
    before = content(results)
    scope = Scope(find_run(results, f"tiny/{CHANGED}/2001"))
    tables = find_view("prompt_attention").show(scope, {"text": "alpha beta"}).all_tables()
    weights = tables["Layer and head in full"][f"{CHANGED}: head 0"]
    assert weights.tolist()[-2:] == pytest.approx([0.09832792729139328, 0.10073614865541458], abs=1e-5)
    losses = tables["Loss of each token"]["value"].tolist()
    assert losses[-2:] == pytest.approx([5.054721832275391, 4.997076511383057], abs=1e-4)
    assert content(results) == before


def test_a_results_folder_of_that_form_is_published_over_a_copy_of_that_form(results):
    old = results / "published" / "tiny"
    own = shutil.copytree(old, results / "tiny")
    done = publish(own, results, weights=1, limit=20)
    assert (done.path, done.runs, done.weights, done.measuring.measured) == (old, 4, 1, [])
    assert {path.name for path in done.path.glob("runs/*/*")} == {"run.json", "model.safetensors"}
    row = row_of(done.path, CHANGED)
    assert (row.verdict, row.seeds_done, row.learning_rate) == ("inconclusive", 2, 0.01)
    assert row.comparison.mean == pytest.approx(0.010721921920776367, rel=1e-12)
    copies = runs_of(done.path)
    assert len(copies) == 4
    for run_id, run in runs_of(own).items():
        assert len(run.metrics()) == 10
        pd.testing.assert_frame_equal(copies[run_id].metrics(), run.metrics(), check_exact=True)
        assert len(read_measured(run)) > 100
        pd.testing.assert_frame_equal(read_measured(copies[run_id]), read_measured(run), check_exact=True)
