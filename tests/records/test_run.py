"""Records survive being read while written, being cut short, and being damaged."""

import json
import os
from datetime import UTC, datetime, timedelta
from itertools import product

import pandas as pd
import pytest
import yaml

from workbench.errors import RecordError
from workbench.files import write_atomically, write_json
from workbench.records import (
    Manifest,
    Phase,
    RunDirectory,
    RunRecord,
    State,
    list_studies,
    load_study,
    run_id,
    write_record,
)
from workbench.records.index import completed_pairs, study_title
from workbench.records.metrics import MetricsWriter, compact, read_metrics
from workbench.records.run import error_line


def record(run: str = "abc", **changes) -> RunRecord:
    values = {
        "run_id": run,
        "study": "s",
        "variant": "baseline",
        "phase": "confirm",
        "seed": 1,
        "hyperparameters": {"learning_rate": 0.01},
        "config": {"model": {}},
    }
    return RunRecord(**(values | changes))


def write_study(path, variants):
    manifest = {"name": "s", "variants": variants, "baseline": "baseline", "metric": "validation/loss"}
    path.mkdir(parents=True, exist_ok=True)
    (path / "study.yaml").write_text(yaml.safe_dump(manifest))


def test_a_record_reads_back_as_written(tmp_path):
    written = record(state=State.DIVERGED, error="loss became nan", summary={"train/loss": 1.5})
    directory = write_record(tmp_path, written)
    assert directory.read() == written
    assert directory.read().state is State.DIVERGED


@pytest.mark.parametrize("content", ["", "{", "[]", '{"run_id": "abc"}', '{"state": "flying"}'])
def test_a_damaged_record_is_named_and_the_rest_is_read(tmp_path, content):
    study = tmp_path / "s"
    write_study(study, [{"name": "baseline"}])
    write_record(study, record("good"))
    (study / "runs" / "bad").mkdir()
    (study / "runs" / "bad" / "run.json").write_text(content)
    records = load_study(study)
    assert records.runs["run_id"].tolist() == ["good"]
    assert [problem.path.parent.name for problem in records.problems] == ["bad"]
    assert str(study / "runs" / "bad" / "run.json") in records.problems[0].message


def test_a_record_belongs_to_its_directory(tmp_path):
    with pytest.raises(RecordError, match="cannot hold run 'abc'"):
        RunDirectory(tmp_path / "other").write(record("abc"))


def test_in_a_study_a_run_is_its_directory_whatever_its_record_says(tmp_path):
    study = tmp_path / "s"
    write_study(study, [{"name": "baseline"}])
    file = write_record(study, record("abc")).path / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"run_id": "../../../elsewhere"}))
    assert load_study(study).runs["run_id"].tolist() == ["abc"]


def test_a_failed_write_leaves_the_old_content(tmp_path, monkeypatch):
    target = tmp_path / "run.json"
    write_atomically(target, "old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(target, "new")
    assert target.read_text() == "old"


def test_equal_trials_are_one_run_and_different_ones_are_not():
    config = {"model": {"width": 64}, "training": {"tokens": 5}}
    same = {"training": {"tokens": 5}, "model": {"width": 64}}
    point = {"learning_rate": 0.1}
    assert run_id(config, Phase.TUNE, point, 1) == run_id(same, Phase.TUNE, point, 1)
    trials = product((Phase.TUNE, Phase.CONFIRM), ({"learning_rate": 0.1}, {"learning_rate": 0.2}), (1, 2))
    assert len({run_id(config, *trial) for trial in trials}) == 8


def test_a_cut_line_is_not_read(tmp_path):
    writer = MetricsWriter(tmp_path)
    for step in (1, 2):
        writer.append({"step": step, "tokens": step, "flops": 1.0, "seconds": 0.1, "train/loss": 2.0})
    writer.close()
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 3, "tok')
    assert read_metrics(tmp_path)["step"].tolist() == [1, 2]


def test_not_a_number_is_kept_and_stays_json(tmp_path):
    writer = MetricsWriter(tmp_path)
    writer.append(
        {"step": 1, "tokens": 1, "flops": 1.0, "seconds": 0.1, "train/loss": float("nan")}, flush=True
    )
    line = (tmp_path / "metrics.jsonl").read_text()
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert read_metrics(tmp_path)["train/loss"].isna().all()
    writer.close()


def test_compacting_keeps_every_row_and_drops_the_lines(tmp_path):
    writer = MetricsWriter(tmp_path)
    writer.append({"step": 1, "tokens": 10, "flops": 1.0, "seconds": 0.1, "train/loss": 2.5})
    writer.append({"step": 1, "tokens": 10, "flops": 1.0, "seconds": 0.1, "validation/loss": 2.0})
    writer.close()
    live = read_metrics(tmp_path)
    compact(tmp_path)
    assert not (tmp_path / "metrics.jsonl").exists()
    pd.testing.assert_frame_equal(read_metrics(tmp_path), live)


@pytest.mark.parametrize("left", ["lines", "compact", "torn"])
def test_a_resumed_run_has_the_rows_of_its_checkpoint_whatever_lies_there(tmp_path, left):
    writer = MetricsWriter(tmp_path)
    for step in (1, 2, 3):
        writer.append({"step": step, "tokens": step, "flops": 1.0, "seconds": 0.1, "train/loss": 2.0})
    kept = writer.rows[:2]
    writer.close()
    if left == "compact":
        compact(tmp_path)
    elif left == "torn":
        (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1, "tok\n' + bytes(40) + b"\n")
    resumed = MetricsWriter(tmp_path, kept)
    resumed.append({"step": 4, "tokens": 4, "flops": 1.0, "seconds": 0.1, "train/loss": 2.0})
    resumed.close()
    assert read_metrics(tmp_path)["step"].tolist() == [1, 2, 4]
    assert [row["step"] for row in resumed.rows] == [1, 2, 4]


def test_runs_of_an_earlier_manifest_do_not_mix_in(tmp_path):
    from workbench.records import config_hash

    new, old = {"training": {"tokens": 2}}, {"training": {"tokens": 1}}
    write_study(tmp_path / "s", [{"name": "baseline", "config_hash": config_hash(new)}])
    write_record(tmp_path / "s", record("new", config=new))
    write_record(tmp_path / "s", record("old", config=old))
    records = load_study(tmp_path / "s")
    assert records.runs["run_id"].tolist() == ["new"]
    assert records.superseded == 1


def test_a_folder_that_is_hidden_is_no_run(tmp_path):
    write_study(tmp_path / "s", [{"name": "baseline"}])
    (tmp_path / "s" / "runs" / ".cache").mkdir(parents=True)
    records = load_study(tmp_path / "s")
    assert (len(records.runs), records.problems) == (0, [])


def test_a_missing_manifest_is_an_error_that_names_it(tmp_path):
    with pytest.raises(RecordError, match=r"study\.yaml: the file is missing"):
        load_study(tmp_path)


def test_studies_are_listed_newest_first_with_the_published_ones(tmp_path):
    for age, name in ((100, "published/old"), (50, "middle"), (0, "new")):
        write_study(tmp_path / name, [])
        moment = 1_700_000_000 - age
        os.utime(tmp_path / name / "study.yaml", (moment, moment))
    assert [path.name for path in list_studies(tmp_path)] == ["new", "middle", "old"]


def test_published_studies_come_after_those_that_were_run_here(tmp_path):
    for name in ("published/b", "published/a", "old"):
        write_study(tmp_path / name, [])
    os.utime(tmp_path / "old" / "study.yaml", (1, 1))
    for name in ("a", "b"):  # as a checkout writes them
        os.utime(tmp_path / "published" / name / "study.yaml", (2, 2))
    studies = list_studies(tmp_path)
    assert [study_title(path) for path in studies] == ["old", "published/a", "published/b"]
    assert [load_study(path).is_published for path in studies] == [False, True, True]


def test_a_study_without_runs_has_an_empty_table_with_columns(tmp_path):
    write_study(tmp_path / "s", [{"name": "baseline"}])
    runs = load_study(tmp_path / "s").runs
    assert len(runs) == 0
    assert {"run_id", "variant", "phase", "seed", "state"} <= set(runs.columns)


@pytest.mark.parametrize("driver", ['{"state": "running"}', '{"state": "running", "updated": 3}', "{"])
def test_a_damaged_heartbeat_is_no_sign_of_life(tmp_path, driver):
    write_study(tmp_path / "s", [])
    (tmp_path / "s" / "driver.json").write_text(driver)
    assert not load_study(tmp_path / "s").is_live


@pytest.mark.parametrize(
    ("state", "age", "live"), [("running", 5, True), ("running", 40, False), ("done", 5, False)]
)
def test_a_driver_lives_while_it_says_so(tmp_path, state, age, live):
    write_study(tmp_path / "s", [])
    said = datetime.now(UTC) - timedelta(seconds=age)
    write_json(tmp_path / "s" / "driver.json", {"state": state, "updated": said.isoformat()})
    assert load_study(tmp_path / "s").is_live == live


def test_pairs_are_complete_confirm_runs_beside_the_baselines_of_their_seed():
    rows = [
        ("baseline", "confirm", 1, "complete"),
        ("norm", "confirm", 1, "complete"),
        ("norm", "confirm", 2, "complete"),  # its baseline failed
        ("baseline", "confirm", 2, "failed"),
        ("relu", "confirm", 1, "diverged"),
        ("relu", "tune", 1, "complete"),
    ]
    runs = pd.DataFrame(rows, columns=["variant", "phase", "seed", "state"])
    manifest = Manifest(name="s", variants=[], baseline="baseline", metric="validation/loss")
    assert completed_pairs(manifest, runs) == 1
    assert completed_pairs(manifest, runs.iloc[2:]) == 0
    assert completed_pairs(manifest, runs.iloc[:0]) == 0
    lost = runs.assign(uniform_loss=5.55, **{"validation/loss": [2.1, 28.98, 2.2, None, None, 2.3]})
    assert completed_pairs(manifest, lost) == 0


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (None, ""),
        (
            "the training loss became nan at step 41; try less",
            "the training loss became nan at step 41; try less",
        ),
        ("factors: first\nsecond", "factors: first"),
        (
            'Traceback (most recent call last):\n  File "a.py", line 1\n    f()\nValueError: broken',
            "ValueError: broken",
        ),
        (
            "Traceback (most recent call last):\n  f()\nRuntimeError: sizes differ\n3 and 4\n}",
            "RuntimeError: sizes differ",
        ),
        (
            "Traceback (most recent call last):\n  f()\nKeyError: 1\n\nDuring handling of the above, another "
            "exception occurred:\n\nTraceback (most recent call last):\n  g()\nTypeError: no [/data/part-1]",
            "TypeError: no [/data/part-1]",
        ),
        ("Traceback\n  cut off", "  cut off"),
    ],
)
def test_an_error_in_a_line_is_the_first_of_its_message(error, line):
    assert error_line(error) == line
