"""A worker's process: what it trains alone or together, and on which text."""

import subprocess
import sys

import pytest

from tests.forked import Forked
from tests.training.population.test_population import config, directories
from workbench.data.batches import prepare
from workbench.data.cache import cache_directory
from workbench.driver import worker
from workbench.driver.events import Fault, Ready, Stop, Task, read_report, to_line
from workbench.errors import UserError
from workbench.records.run import RunDirectory, State
from workbench.training.population.halving import Halving
from workbench.training.population.replica_file import save_replica
from workbench.training.run_text import study_corpus


def test_a_run_that_began_in_a_population_ends_in_one(tmp_path):
    first, second = (tmp_path / name for name in ("first", "second"))
    for run in (first, second):
        run.mkdir()
    assert worker.trains_alone(Task(runs=[first]))
    assert not worker.trains_alone(Task(runs=[first, second]))
    halving = Halving(candidates=4, metric="validation/loss")
    assert not worker.trains_alone(Task(runs=[first], halving=halving))
    save_replica(RunDirectory(first).replica, {}, {"step": 5})
    assert not worker.trains_alone(Task(runs=[first]))


def test_a_trial_is_trained_on_the_text_that_its_study_was_planned_with(tmp_path):
    for index in range(4):
        (tmp_path / f"{index}.txt").write_text(f"text number {index}\n" * 20)
    corpus = {"path": str(tmp_path)}
    planned = prepare(corpus, "bytes", cache_directory()).fingerprint
    data = {"corpus": corpus, "tokenizer": "bytes"}
    assert study_corpus(tmp_path, data | {"fingerprint": planned}).fingerprint == planned
    with pytest.raises(UserError, match=r"data\.corpus: the text changed since the study began"):
        study_corpus(tmp_path, data | {"fingerprint": "another"})


class _Heard:
    """A driver that notes what is reported to it."""

    def __init__(self):
        self.reports = []

    def send(self, report):
        self.reports.append(report)

    def should_stop(self):
        return False


def test_an_evaluation_text_that_changed_is_a_fault_of_the_machine(tmp_path):
    for index in range(4):
        (tmp_path / f"{index}.txt").write_text(f"text number {index}\n" * 20)
    source = {"path": str(tmp_path)}
    settings = config()
    settings["data"] = {
        "corpus": source,
        "tokenizer": "bytes",
        "fingerprint": prepare(source, "bytes", cache_directory()).fingerprint,
        "evaluation": [{"name": "prose", "corpus": source, "max_bytes": 200, "fingerprint": "another"}],
    }
    [run] = directories(tmp_path / "study", settings, [(0.01, 1)])
    driver = _Heard()
    assert not worker.serve(Task(runs=[run.path]), driver)
    [fault] = driver.reports
    assert isinstance(fault, Fault)
    assert fault.run_ids == [run.run_id]
    assert "data.evaluation.prose: the text changed since the study began; run the study again" in fault.error
    assert run.read().state is State.QUEUED


def test_a_worker_reports_on_lines_of_its_own_whatever_libraries_print(tmp_path):
    """As in a worker's process: one prints when it is imported, unflushed and without an end, one later."""
    script = (
        "import os, sys\n"
        "os.write(1, b'a banner\\nand more')\n"
        "print('not flushed', end='')\n"
        "import workbench.driver.worker as worker\n"
        "worker.gc.freeze = lambda: print('printed later', flush=True)\n"
        "worker.main()\n"
    )
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with Forked([sys.executable, "-c", script], text=True, **pipes) as process:
        process.stdin.write(to_line(Stop()))
        process.stdin.flush()  # and stays open: at its end the worker would take the driver for dead
        lines = [line for line in process.stdout.read().splitlines() if line]
        assert process.wait(timeout=60) == 0
        errors = process.stderr.read()
    assert isinstance(read_report(lines.pop()), Ready)
    assert "".join(lines).startswith("a bannerand more")
    assert errors.rstrip().endswith("printed later")
