"""An executor is a file and a line: a study runs on one that is named there, and on no other."""

import sys

import pytest

from tests import in_process
from tests.study import studies
from workbench.cli.studies import ExecutorName
from workbench.driver import worker
from workbench.driver.executors.local import LocalExecutor
from workbench.driver.executors.machines import Asked
from workbench.driver.executors.ray_cluster import RayExecutor
from workbench.driver.executors.registry import CLUSTERS, EXECUTORS, find_machines
from workbench.driver.launch import run_study
from workbench.errors import UserError
from workbench.records.index import load_study

MADE = []  # what executors were made with


class Queue:
    """An executor as another file would have it: it trains a task when its event is asked for."""

    def __init__(self, slots, *, device, threads, logs, import_paths, devices):
        MADE.append((slots, device, threads, devices))
        self._tasks = []
        self._events = []

    def free_slots(self):
        return [] if self._tasks or self._events else [0]

    def submit(self, slot, task):
        assert slot in self.free_slots()
        self._tasks.append(task)

    def next_event(self, timeout):
        if self._tasks:
            worker.serve(self._tasks.pop(), self)
        return self._events.pop(0) if self._events else None

    def send(self, report):
        self._events.append(report)

    def should_stop(self):
        return False

    def waits(self):
        return []

    def stop(self):
        yield from ()

    def kill(self):
        pass


@pytest.mark.filterwarnings("ignore")  # those that a worker silences for good
def test_an_executor_is_a_file_and_a_line(tmp_path, monkeypatch):
    study = {"seeds": {"tune": 0, "confirm": 1}, "learning_rates": [0.01]}
    file = studies.make_study(tmp_path, **study)
    monkeypatch.setitem(EXECUTORS, "queue", f"{__name__}:{Queue.__name__}")
    given = {"overrides": [], "workers": 3, "out": tmp_path / "results", "retry_failed": False}
    with in_process.inside(tmp_path):
        assert run_study(file, **given, command="", executor="queue")
    assert MADE == [(3, "cpu", 1, 1)]
    runs = load_study(tmp_path / "results" / "tiny").runs
    assert list(runs["state"]) == ["complete", "complete"]


def test_an_executor_that_there_is_not_is_refused_before_anything_is_made(tmp_path):
    file = studies.make_study(tmp_path)
    given = {"overrides": [], "workers": 1, "out": tmp_path / "results", "retry_failed": False}
    with pytest.raises(UserError, match=r"executor: unknown 'lokal'; did you mean 'local'\? Known: local"):
        run_study(file, **given, command="", executor="lokal")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("made", [LocalExecutor, RayExecutor])
def test_every_executor_has_what_the_driver_calls(made):
    calls = ("free_slots", "submit", "next_event", "waits", "stop", "kill")
    assert all(callable(getattr(made, call)) for call in calls)


@pytest.mark.parametrize(
    ("asked", "option"), [({"address": "auto"}, "--address"), ({"gpus_per_trial": 0.5}, "--gpus-per-trial")]
)
def test_what_is_asked_of_a_cluster_is_not_asked_of_this_machine(asked, option):
    with pytest.raises(UserError, match=f"{option}: says what is asked of a cluster; give --executor ray"):
        find_machines("local", Asked(**asked))


def test_without_ray_its_executor_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "workbench.driver.executors.ray_cluster")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        UserError, match=r"^--executor ray: Ray is not installed here; pip install -e '\.\[ray\]'$"
    ):
        find_machines("ray", Asked())


def test_the_command_line_knows_every_executor():
    assert [name.value for name in ExecutorName] == [*EXECUTORS, *CLUSTERS]
