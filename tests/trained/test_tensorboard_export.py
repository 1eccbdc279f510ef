"""Curves for TensorBoard, read back by TensorBoard's own reader."""

import sys
from pathlib import Path

import pytest

from tests.dashboard.dashboard_studies import write_study
from tests.in_process import workbench
from workbench.files import read_json, write_json
from workbench.records.index import load_study
from workbench.records.metrics import read_evaluations


@pytest.fixture
def folder(tmp_path):
    write_study(tmp_path / "results", "mine", confirm=1)
    return tmp_path


def refused(answer, *words):
    [line] = answer.stderr.splitlines()
    assert answer.returncode == 2
    for word in words:
        assert word in line


def test_tensorboard_reads_every_run_with_its_curves_and_hyperparameters(folder):
    pytest.importorskip("tensorboard", reason="the optional 'tensorboard' library is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    runs = load_study(folder / "results" / "mine").runs
    hostile = folder / "results" / "mine" / "runs" / runs.iloc[-1]["run_id"] / "run.json"
    write_json(hostile, read_json(hostile) | {"variant": "../../up and [red]away"})
    runs = load_study(folder / "results" / "mine").runs
    answer = workbench(folder, "export", "mine", "--to", "tensorboard", "curves")
    assert answer.returncode == 0, answer.stderr
    assert "tensorboard --logdir curves" in answer.stdout
    found = {}
    for file in (folder / "curves").rglob("events.*"):
        events = EventAccumulator(str(file.parent))
        events.Reload()
        found[file.parent.relative_to(folder / "curves").as_posix()] = events
    assert len(found) == sum(
        len(read_evaluations(path, "train/loss")) > 0 for path in map(Path, runs["path"])
    )
    assert not list(folder.glob("up*"))
    for run in runs[runs["state"] == "complete"].to_dict("records"):
        [events] = [events for name, events in found.items() if name.endswith(run["run_id"][:8])]
        wanted = read_evaluations(Path(run["path"]), "validation/loss")
        scalars = events.Scalars("validation/loss")
        assert [one.step for one in scalars] == wanted["step"].tolist()
        assert [one.value for one in scalars] == pytest.approx(wanted["validation/loss"].tolist(), rel=1e-6)
        elapsed = scalars[-1].wall_time - scalars[0].wall_time
        assert elapsed == pytest.approx(wanted["seconds"].iloc[-1] - wanted["seconds"].iloc[0], abs=1e-3)
        content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        assert run["variant"].encode() in content
        assert b"learning_rate" in content
    refused(workbench(folder, "export", "mine", "--to", "tensorboard", "curves"), "curves", "exists already")


def test_without_the_package_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    answer = workbench(folder, "export", "mine", "--to", "tensorboard", "curves")
    refused(answer, "--to tensorboard", "pip install 'ablation-workbench[tensorboard]'")
    assert not (folder / "curves").exists()


def test_what_goes_with_another_target_is_refused(folder):
    refused(workbench(folder, "export", "mine", "--to", "tensorboard"), "path", "new folder")
    refused(workbench(folder, "export", "mine", "x", "--to", "tensorboard", "--storage", "s"), "--storage")
