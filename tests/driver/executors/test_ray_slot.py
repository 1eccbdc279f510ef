"""A slot on its node: whether the node can train the study, and what its worker says."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.driver.test_populations import plan_of
from tests.forked import Forked
from tests.study import studies
from workbench.driver.events import Task
from workbench.driver.executors import local, ray_slot
from workbench.driver.executors.ray_slot import MUST_AGREE, Setting, Slot
from workbench.driver.sizing import size_said
from workbench.files import read_yaml, write_yaml
from workbench.records.provenance import git_state, machine, versions
from workbench.records.run import RunDirectory
from workbench.study.plan import freeze
from workbench.training.population.vmappable import NotVmappable


@pytest.fixture
def slot(tmp_path, monkeypatch):
    """Makes the slot of a sound study, but for ``changes`` of what its driver says."""
    monkeypatch.chdir(tmp_path)
    for name in ("WORKBENCH_CACHE", "WORKBENCH_MACHINE"):
        monkeypatch.setenv(name, "")  # what a slot sets lasts for its process
    freeze(plan_of(studies.make_study(tmp_path)).manifest(""), tmp_path / "study")
    (tmp_path / "study" / "mark").touch()
    made = []

    def make(**changes):
        sound = {
            "number": 3,
            "node": "n7",
            "study": tmp_path / "study",
            "mark": "mark",
            "device": "cpu",
            "threads": 1,
            "directory": tmp_path,
            "import_paths": [tmp_path],
            "cache": str(tmp_path / "cache"),
            "versions": versions(),
            "commit": git_state()["git_commit"],
        }
        made.append(Slot(Setting(**sound | changes)))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_a_node_that_is_as_the_drivers_has_no_problem(slot, tmp_path):
    assert slot().problem() == ""
    assert machine() == "n7"
    assert os.environ["WORKBENCH_CACHE"] == str(tmp_path / "cache")


@pytest.mark.parametrize("name", MUST_AGREE)
def test_another_version_is_told_with_both(slot, name):
    problem = slot(versions=versions() | {name: "0.0.1"}).problem()
    assert problem.startswith(f"{name}: is {versions()[name]} there and 0.0.1 where the driver runs; install")


def test_another_checkout_is_told(slot):
    problem = slot(commit="f" * 40).problem()
    assert problem.startswith("workbench: its checkout there is at commit ")


def test_a_folder_of_the_same_name_is_not_the_studys(slot, tmp_path):
    problem = slot(mark="another").problem()
    assert problem.startswith(
        f"--out: it does not see {tmp_path}/study as the driver does; give --out a folder"
    )


def test_a_text_that_is_not_there_is_told_by_its_key(slot, tmp_path):
    manifest = read_yaml(tmp_path / "study" / "study.yaml")
    manifest["data"]["corpus"] = {"path": "elsewhere/text"}
    write_yaml(tmp_path / "study" / "study.yaml", manifest)
    problem = slot().problem()
    assert problem.startswith(
        f"data.corpus.path: it has no elsewhere/text (seen from {tmp_path}); put the text"
    )


def test_a_folder_that_cannot_be_written_is_told(slot, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ray_slot.tempfile, "TemporaryFile", refuse)
    assert slot().problem().startswith("--out: it cannot write to ")


def test_a_gpu_that_torch_cannot_use_is_told(slot, monkeypatch):
    answers = []

    def answer(command, environment):
        return subprocess.CompletedProcess(command, 0, stdout=answers.pop())

    monkeypatch.setattr(ray_slot, "_answer", answer)
    answers += ["2.9.0+cu128 True\n", "2.9.0+cpu False\n"]
    told = slot(device="cuda").problem()
    assert told.startswith("--gpus-per-trial: Ray counts a GPU there that torch 2.9.0+cpu cannot use")
    assert slot(device="cuda").problem() == ""


def test_what_ray_chose_is_left_as_it_is(slot, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,6")
    variables = slot(device="cuda").environment()
    assert variables["CUDA_VISIBLE_DEVICES"] == "5,6"
    assert (variables["OMP_NUM_THREADS"], variables["WORKBENCH_MACHINE"]) == ("1", "n7")


WORKER = """
import json, sys
def say(**report): print(json.dumps(report), flush=True)
say(event="ready")
for line in sys.stdin:
    message = json.loads(line)
    if message["message"] == "stop":
        say(event="ended", run_id="one", state="running")
        break
    say(event="taken")
    say(event="progress", run_id="one", step=1, steps=2, loss=1.5)
"""


@pytest.fixture
def scripted(slot, monkeypatch):
    def make(script):
        monkeypatch.setattr(local, "_WORKER", [sys.executable, "-c", script])
        return slot()

    return make


def heard(slot, last, task=None):
    """All that the slot says up to an event ``last``."""
    events = []
    for _ in range(200):
        answer = slot.hear(1.0, task)
        task = None
        events += answer.events
        if last in [event.event for event in events]:
            return events
    raise AssertionError(events)


def test_a_worker_is_heard_asked_to_stop_and_heard_to_its_end(scripted, tmp_path):
    slot = scripted(WORKER)
    events = heard(slot, "progress", Task(runs=[tmp_path / "study" / "runs" / "one"]))
    assert [event.event for event in events] == ["ready", "progress"]
    assert slot.hear(0.0).stopped is False
    slot.stop()
    events = heard(slot, "lost")
    assert [event.event for event in events] == ["ended", "lost"]
    assert slot.hear(5.0).stopped
    assert (tmp_path / "study" / "worker-3.log").exists()


def test_one_that_reports_without_a_pause_is_heard_all_the_same(scripted, tmp_path):
    """Who gathered its reports until it paused would take it for silent."""
    endless = WORKER + "    while True: say(event='progress', run_id='one', step=1, steps=2, loss=1.5)\n"
    slot = scripted(endless)
    heard(slot, "progress", Task(runs=[tmp_path / "study" / "runs" / "one"]))
    began = time.monotonic()
    assert len(slot.hear(5.0).events) > 1
    assert time.monotonic() - began < 4.0


def test_a_worker_that_dies_is_lost_with_its_run_and_its_log(scripted, tmp_path):
    slot = scripted("import sys; sys.exit(3)")
    (lost,) = heard(slot, "lost", Task(runs=[tmp_path / "study" / "runs" / "one"]))
    assert (lost.run_ids, lost.status, lost.machine) == (["one"], 3, "")
    assert lost.log.endswith("worker-3.log")


def test_how_many_runs_train_together_is_measured_in_a_process_of_the_node(slot, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_slot.subprocess, "Popen", Forked)
    plan = plan_of(tmp_path / "tiny.yaml")
    record = plan.tune(plan.grids())[0]
    run = RunDirectory(tmp_path / "study" / "runs" / record.run_id)
    run.write(record)
    assert size_said(slot().measure(run.path, 1)) == 1


def test_a_process_that_cannot_measure_is_told_by_its_errors(slot, monkeypatch):
    def answer(command, environment):
        return subprocess.CompletedProcess(command, 1, stdout="", stderr="ImportError: no torch")

    monkeypatch.setattr(ray_slot, "_answer", answer)
    with pytest.raises(RuntimeError, match="no torch"):
        size_said(slot().measure(Path("run"), 1))


def test_a_part_that_no_population_can_have_is_said_as_where_the_driver_measures():
    with pytest.raises(NotVmappable, match=r"Mine cannot be trained in a population \(it branches\)"):
        size_said(json.loads('{"not_vmappable": ["Mine", "it branches"]}'))
