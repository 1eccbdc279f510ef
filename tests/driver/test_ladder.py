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


def test_commands_know_a_ladder(ran):
    folder, _ = ran

    def asked(*arguments):
        done = in_process.workbench(folder, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    facts = json.loads(asked("check", "tiny.yaml", "--json"))
    assert [rung["trials"] for rung in facts["rungs"]] == [8, 8]
    assert facts["trials"]["total"] == 16
    assert sum(rung["estimated_seconds"] for rung in facts["rungs"]) == pytest.approx(
        facts["estimated_seconds"]
    )
    assert [row["family"] for row in facts["decides"]] == [1, 1]
    shown = asked("check", "tiny.yaml")
    assert "rung 2:   1 layer, width 32, 1,280 tokens" in shown
    assert "each rung's own" in shown
    for study in ("tiny.yaml", "tiny"):
        planned = json.loads(asked("plan", study, "--sd", "0.03", "--json"))
        names = ["rung 1: norm=layernorm", "rung 2: norm=layernorm"]
        assert [row["variant"] for row in planned["comparisons"]] == names
        assert planned["family"] == 1
    report = json.loads(asked("report", "tiny", "--json"))
    assert [rung["tokens"] for rung in report["rungs"]] == [640, 1280]
    assert report["state"] == "complete"
    assert "over the" in asked("report", "tiny")
    assert "done" in asked("status", "tiny")


def test_a_ladder_is_published_whole(ran):
    folder, _ = ran
    done = in_process.workbench(folder, "publish", "tiny", "--weights", "0")
    assert done.returncode == 0, done.stderr
    copy = folder / "results" / "published" / "tiny"
    assert len(load_study(copy).compared) == 2
    written = (copy / "report.md").read_text()
    assert written.index("over the ladder") < written.index("## tiny, rung 1")
    for name in ("ladder", "rung-1-forest", "rung-2-learning_rates"):
        assert (copy / f"{name}.svg").exists()
        assert f"({name}.svg)" in written
    assert (copy / "report.csv").read_text().startswith("rung,compute,variant")


def test_a_rung_below_those_that_ran_is_refused(ran):
    folder, _ = ran
    smaller = {"size": {"width": 8}, "tokens": 640}
    study = yaml.safe_load((folder / "tiny.yaml").read_text())
    changed = study | {"name": "tiny", "rungs": [smaller, *study["rungs"]]}
    (folder / "below.yaml").write_text(yaml.safe_dump(changed))
    refused = in_process.workbench(folder, "run", "below.yaml")
    assert refused.returncode == 2
    said = " ".join(refused.stderr.split())
    assert "what ran as 'rung 1: baseline' in" in said
    assert "add rungs behind the others" in said
