"""A ladder run from end to end: every rung tuned and confirmed by itself, and gone on with."""

import json

import pytest
import yaml

from tests import in_process
from tests.study.studies import make_study
from workbench.analysis.tuning_choice import tuned_variants
from workbench.records.index import load_study

LADDER = {
    "size": {"layers": 1, "heads": 2},
    "rungs": [{"size": {"width": 16}, "tokens": 640}, {"size": {"width": 32}, "tokens": 1280}],
    "training": {"batch_size": 4, "evaluations": 2, "evaluation_tokens": 512, "probes": 0},
    "learning_rates": [0.0001, 0.0002],
    "grid_growth": 1,
    "seeds": {"tune": 1, "confirm": 2},
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ladder")
    make_study(folder, **LADDER)
    done = in_process.workbench(folder, "run", "tiny.yaml")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_every_rung_is_tuned_and_confirmed_by_itself(ran):
    folder, _ = ran
    records = load_study(folder / "results" / "tiny")
    assert set(records.runs["state"]) == {"complete"}
    for rung, width, tokens in zip(records.compared, (16, 32), (640, 1280), strict=True):
        assert len(rung.runs) == len(records.runs) / 2
        assert {config["model"]["width"] for config in rung.runs["config"]} == {width}
        assert set(rung.runs["tokens"]) == {tokens}
        confirmed = rung.runs[rung.runs["phase"] == "confirm"]
        for name, one in tuned_variants(rung).items():
            own = confirmed[confirmed["variant"] == name]
            assert set(own["learning_rate"]) == {one.learning_rate}
            assert set(own["seed"]) == {2001, 2002}
    assert records.rung is None
    assert records.compared[1].rung.tokens == 1280


def test_a_grid_grows_for_all_variants_of_a_rung(ran):
    folder, _ = ran
    records = load_study(folder / "results" / "tiny")
    for rung in records.compared:
        tried = rung.runs[rung.runs["phase"] == "tune"].groupby("variant")["learning_rate"].agg(set)
        assert tried.iloc[0] == tried.iloc[1]
    assert "a best learning rate is at the grid's edge" in ran[1]


def test_a_lost_run_is_trained_again_and_nothing_else(ran):
    folder, _ = ran
    study = folder / "results" / "tiny"
    records = load_study(study).runs
    lost = records[records["phase"] == "confirm"].iloc[-1]
    others = {path: (study / "runs" / path / "run.json").stat().st_mtime_ns for path in records["run_id"]}
    record = json.loads((study / "runs" / lost["run_id"] / "run.json").read_text())
    (study / "runs" / lost["run_id"] / "run.json").write_text(json.dumps(record | {"state": "queued"}))
    manifest = yaml.safe_load((study / "study.yaml").read_text())
    assert in_process.workbench(folder, "run", "tiny.yaml").returncode == 0
    again = load_study(study)
    assert set(again.runs["state"]) == {"complete"}
    value = again.runs.set_index("run_id").loc[lost["run_id"], "validation/loss"]
    assert value == lost["validation/loss"]
    for run_id, changed in others.items():
        if run_id != lost["run_id"]:
            assert (study / "runs" / run_id / "run.json").stat().st_mtime_ns == changed
    assert yaml.safe_load((study / "study.yaml").read_text())["hash"] == manifest["hash"]
