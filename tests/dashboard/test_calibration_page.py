"""The page of a calibration: its chart, its tables, a damaged file, and a stranger's text."""

import json
import shutil

import pytest

from tests.analysis.calibration_studies import TWIN, calibration_study
from tests.dashboard.hostile_studies import poison
from tests.dashboard.test_literal_text import HOST, acting
from tests.dashboard.test_pages import texts
from workbench.analysis.calibrating.calibration import read_calibration
from workbench.analysis.calibrating.evaluation import evaluate
from workbench.dashboard.calibration_charts import error_chart, error_frame
from workbench.dashboard.chart_ink import Ink
from workbench.records.calibration_table import RESULT, TABLE

_PAGES = ("overview", "curves", "effects", "runs", "data", "search", "attention", "position", "activations")
_PAGES += ("new_study", "watch", "compare", "claims", "run")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    path = calibration_study(folder / "noise", seeds=8, names=("baseline", TWIN)).path
    evaluate(path, studies=100)
    return folder


def test_the_chart_has_both_words_of_each_design(folder):
    table = error_frame(read_calibration(folder / "noise"))
    assert len(table) == 8
    assert (table["low"] <= table["share"]).all()
    assert (table["share"] <= table["high"]).all()
    assert table["design"].nunique() == 4


@pytest.mark.parametrize("dark", [False, True])
def test_the_chart_is_as_wide_as_the_page_and_valid(folder, dark):
    table = error_frame(read_calibration(folder / "noise"))
    drawn = error_chart(table, Ink.of(dark)).to_dict()  # against the schema
    assert drawn["autosize"]["type"] == "fit-x"
    assert "until decided, 4 to 64" in json.dumps(drawn, ensure_ascii=False)


def test_the_page_shows_sentences_and_tables(opened, folder):
    app = opened(folder, "effects")
    assert not app.exception
    shown = texts(app)
    assert "How often a word is false" in shown
    assert "goals met; 8 pairs of baseline and null twin" in shown
    assert any("goal is" in table.value for table in app.dataframe)


@pytest.fixture(scope="module")
def checkout(folder, tmp_path_factory):
    """What a fresh clone has of a calibration: manifest, table and result, and no run."""
    results = tmp_path_factory.mktemp("checkout")
    copy = results / "published" / "noise"
    copy.mkdir(parents=True)
    for name in ("study.yaml", TABLE, RESULT):
        shutil.copy(folder / "noise" / name, copy)
    return results


@pytest.mark.parametrize("page", _PAGES)
def test_every_page_of_a_calibration_without_runs_opens(opened, checkout, page):
    app = opened(checkout, page)
    assert not app.exception
    if page == "effects":
        assert "goals met; 8 pairs of baseline and null twin" in texts(app)


def test_a_damaged_result_is_said_and_the_rest_is_shown(opened, folder, tmp_path):
    shutil.copytree(folder / "noise", tmp_path / "noise")
    (tmp_path / "noise" / RESULT).write_text("{}")
    app = opened(tmp_path, "effects")
    assert not app.exception
    assert any("calibration.json: has no key 'study'" in warning.value for warning in app.warning)
    app = opened(tmp_path, "effects", part="Pairs")
    assert not app.exception
    assert "The pairs behind it" in texts(app)


def test_a_strangers_calibration_is_text(opened, folder, tmp_path):
    shutil.copytree(folder / "noise", tmp_path / "noise")
    path = tmp_path / "noise" / RESULT
    values = json.loads(path.read_text())
    for key in ("twin", "unit", "study", "question"):
        values[key] += poison(HOST)
    values["demonstrations"][0]["variant"] += poison(HOST)
    values["goals"][0]["what"] += poison(HOST)
    path.write_text(json.dumps(values))
    app = opened(tmp_path, "effects")
    assert not app.exception
    assert "How often a word is false" in texts(app)
    assert not acting(app)
