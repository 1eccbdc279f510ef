"""A tiny real study through the command line: to its verdict, and through everything that can go wrong.

What is about processes runs in processes of its own, which are forked (tests/test_readme.py has a study in
such as a user starts); the studies that those are compared with do not.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial

import optuna
import psutil
import pytest
from faulty_parts import PATIENCE
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tests import in_process
from tests.forked import Forked
from tests.study import studies
from workbench.driver import watch
from workbench.driver.executors import local
from workbench.driver.executors.registry import EXECUTORS
from workbench.study.status import study_status
from workbench.training.trial import run_trial

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A study run to its end in peace: what every disturbed one must equal."""
    folder = tmp_path_factory.mktemp("undisturbed")
    studies.make_study(folder)
    answer = studies.workbench(folder, "run", "tiny.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder, answer.stdout


def test_a_study_becomes_a_verdict(undisturbed):
    folder, output = undisturbed
    assert "norm: rmsnorm → layernorm" in output
    assert any(word in output for word in ("better", "worse", "equivalent", "inconclusive"))
    rows = studies.report(folder)["rows"]
    assert [row["variant"] for row in rows] == ["baseline", "norm=layernorm"]
    assert all(row["seeds_done"] == 2 for row in rows)


def test_every_phase_ran_its_trials_once(undisturbed):
    folder, _ = undisturbed
    runs = studies.records(folder)
    phases = [run["phase"] for run in runs]
    assert {phase: phases.count(phase) for phase in set(phases)} == {"tune": 4, "confirm": 4}
    assert all(run["state"] == "complete" and run["attempts"] == 1 for run in runs)
    assert all(run["provenance"]["versions"]["torch"] for run in runs)


def test_a_run_leaves_weights_and_metrics_and_no_checkpoint(undisturbed):
    folder, _ = undisturbed
    for run in (folder / "results/tiny/runs").iterdir():
        names = {path.name for path in run.iterdir()}
        assert {"run.json", "metrics.parquet", "model.safetensors"} <= names
        assert not {"last.ckpt", "metrics.jsonl"} & names


def test_the_journal_holds_one_study_per_variant(undisturbed):
    folder, _ = undisturbed
    path = str(folder / "results/tiny/optuna.journal")
    storage = JournalStorage(JournalFileBackend(path))
    found = {
        summary.study_name: optuna.load_study(study_name=summary.study_name, storage=storage)
        for summary in optuna.get_all_study_summaries(storage)
    }
    counts = {name: len(study.trials) for name, study in found.items()}
    assert counts == {"baseline": 4, "norm=layernorm": 4}
    for study in found.values():
        for trial in study.trials:
            assert trial.value == pytest.approx(trial.intermediate_values[max(trial.intermediate_values)])


def test_running_again_repeats_nothing(undisturbed):
    folder, _ = undisturbed
    before = {path: path.stat().st_mtime_ns for path in (folder / "results/tiny/runs").glob("*/*")}
    answer = in_process.workbench(folder, "run", "tiny.yaml")
    assert answer.returncode == 0, answer.stderr
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "results/tiny/runs").glob("*/*")}


def test_a_margin_that_is_changed_afterwards_is_told_with_both_verdicts(undisturbed, tmp_path):
    folder = shutil.copytree(undisturbed[0], tmp_path / "copy")
    (_, row) = studies.report(folder)["rows"]
    answer = in_process.workbench(folder, "run", "tiny.yaml", "--set", "margin={default: 1, norm: 5}")
    assert answer.returncode == 0, answer.stderr
    told = " ".join(answer.stdout.split())
    assert "note: margin: ±1 (norm ±5) in place of ±0.05, changed when 8 runs had a result" in told
    assert f"(by ±0.05 → by ±1 (norm ±5): norm=layernorm: {row['verdict']} → equivalent)" in told


def test_a_rerun_elsewhere_is_bitwise_equal(undisturbed, tmp_path):
    """One after another in this process, against two workers: a trial knows nothing of its surroundings."""
    studies.make_study(tmp_path)
    answer = in_process.workbench(tmp_path, "run", "tiny.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert studies.outcomes(tmp_path) == studies.outcomes(undisturbed[0])
    for run in (tmp_path / "results/tiny/runs").iterdir():
        twin = undisturbed[0] / "results/tiny/runs" / run.name
        assert (run / "model.safetensors").read_bytes() == (twin / "model.safetensors").read_bytes()


def running(folder, phase):
    """Run directories of ``phase`` that train at this moment and have a checkpoint to come back to."""
    return [
        run
        for run in studies.records(folder)
        if run["phase"] == phase
        and run["state"] == "running"
        and (folder / "results/tiny/runs" / run["run_id"] / "last.ckpt").exists()
    ]


def checkpointed(folder, phase, trials=1):
    return lambda: (folder / "results/tiny/runs").exists() and len(running(folder, phase)) >= trials


LONG = {"training": {"tokens": 6_400, "batch_size": 4, "evaluations": 5, "evaluation_tokens": 512}}
SLOW = {**LONG, "baseline": {"preset": "llama", "norm": "faulty_parts:SlowNorm"}}
SLOW |= {
    "factors": {"norm": ["faulty_parts:SlowNorm", "rmsnorm"]},
    # Two rates to tune: whichever number of workers there is, all are up when the trials of "confirm" begin.
    "learning_rates": [0.01, 0.02],
    "seeds": {"tune": 1, "confirm": 2},
}


@pytest.fixture(scope="module")
def undisturbed_slow(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    studies.make_study(folder, **SLOW)
    answer = in_process.workbench(folder, "run", "tiny.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder


@pytest.fixture
def slow_to_confirm(monkeypatch):
    """Forked workers are slow where a test disturbs them: in "confirm", until a file "hurry" is there."""

    def run(directory, *rest):
        if PATIENCE in os.environ:
            slow = directory.read().phase == "confirm" and not os.path.exists("hurry")
            os.environ[PATIENCE] = studies.PATIENCE_SECONDS if slow else "0"
        return run_trial(directory, *rest)

    for place in ("workbench.training.trial", "workbench.driver.worker"):
        monkeypatch.setattr(f"{place}.run_trial", run)


def table(folder):
    """The report's rows without what depends on the clock."""
    timed = ("seconds", "hours", "tokens_per_second")
    return [
        {key: value for key, value in row.items() if not any(word in key for word in timed)}
        for row in studies.report(folder)["rows"]
    ]


@pytest.mark.parametrize(("victim", "workers"), [("driver", 2), ("worker", 1)])
@pytest.mark.usefixtures("slow_to_confirm")
def test_killing_loses_nothing(undisturbed_slow, tmp_path, victim, workers):
    """Each worker has a trial when it happens."""
    studies.make_study(tmp_path, **SLOW)
    process = studies.start(tmp_path, "run", "tiny.yaml", "--workers", str(workers))
    studies.wait_for(checkpointed(tmp_path, "confirm", workers), process)
    alive = workers_of(process.pid)
    assert len(alive) == workers
    if victim == "driver":
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert psutil.wait_procs(alive, timeout=60)[1] == []  # nobody is left to train for
        again = in_process.workbench(tmp_path, "run", "tiny.yaml")
        assert again.returncode == 0, again.stdout + again.stderr
    else:
        alive[0].kill()
        (tmp_path / "hurry").touch()
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0, output
        assert "worker lost" in output
    assert studies.outcomes(tmp_path) == studies.outcomes(undisturbed_slow)
    assert table(tmp_path) == table(undisturbed_slow)
    assert max(run["attempts"] for run in studies.records(tmp_path)) == 2


def workers_of(pid):
    """The processes that it started in groups of their own, which only workers have."""
    found = []
    for child in psutil.Process(pid).children():
        with suppress(ProcessLookupError):  # it has just ended
            if os.getpgid(child.pid) == child.pid:
                found.append(child)
    return found


@pytest.mark.usefixtures("slow_to_confirm")
def test_a_second_driver_is_refused_and_ctrl_c_stops_the_first(undisturbed_slow, tmp_path):
    """Told who holds the study; stopped cleanly, the same command goes on."""
    studies.make_study(tmp_path, **SLOW)
    command = ("run", "tiny.yaml", "--workers", "1")
    process = studies.start(tmp_path, *command)
    studies.wait_for(checkpointed(tmp_path, "confirm"), process)
    second = in_process.workbench(tmp_path, *command)
    assert second.returncode == 2
    assert f"process {process.pid}" in second.stderr
    os.killpg(process.pid, signal.SIGINT)  # to the foreground group, as a terminal does
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "goes on where this one stopped" in output
    status = json.loads(in_process.workbench(tmp_path, "status", "tiny", "--json").stdout)["studies"][0]
    assert status["state"] == "stopped"
    again = in_process.workbench(tmp_path, *command)
    assert again.returncode == 0, again.stdout + again.stderr
    assert studies.outcomes(tmp_path) == studies.outcomes(undisturbed_slow)


SIGNING_OFTEN = (
    "from workbench.driver import watch\nwatch.SIGN_SECONDS = 0.5\n"
    "from workbench.driver import worker\nworker.main()\n"
)


PATIENT_SECONDS, SILENT_SECONDS = 120.0, 3.0  # a worker may be silent; less only where one was stopped


class Sabotage(threading.Thread):
    """Stops the only worker while it trains; then asks its successor, and the driver, to end.

    ``told`` is what status said meanwhile. Where something does not come about the driver is ended all the
    same, and ``failure`` says what it was.
    """

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.told, self.failure = folder, "", ""
        self.start()

    def run(self):
        worker = None
        try:
            self._until("a checkpoint", checkpointed(self.folder, "confirm"))
            (worker,) = self._workers()
            worker.suspend()
            self._until("words", self._told)
            watch.SILENT_SECONDS = SILENT_SECONDS
            self._until("its end", lambda: worker not in self._workers())
            watch.SILENT_SECONDS = PATIENT_SECONDS
            self._until("a successor", self._resumed)
            (successor,) = self._workers()
            successor.terminate()
        except Exception as error:  # whatever it is: nobody must wait for ever
            self.failure = repr(error)
            if worker is not None and worker.is_running():
                worker.resume()
        os.kill(os.getpid(), signal.SIGTERM)

    def _until(self, what, condition):
        deadline = time.monotonic() + 240
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.05)

    def _told(self):
        (found,) = study_status(None, self.folder / "results")["studies"]
        self.told = found["message"]
        return "no sign of life" in self.told

    def _resumed(self):
        return any(run["attempts"] == 2 for run in running(self.folder, "confirm"))

    def _workers(self):
        return [child for child in workers_of(os.getpid()) if child.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.usefixtures("slow_to_confirm")
def test_a_stopped_worker_is_replaced_and_sigterm_to_all_saves(undisturbed_slow, tmp_path, monkeypatch):
    """The driver is this process, so that only workers have to start."""
    studies.make_study(tmp_path, **SLOW)
    monkeypatch.setattr(local, "_WORKER", [sys.executable, "-c", SIGNING_OFTEN])
    monkeypatch.setattr(local.subprocess, "Popen", Forked)
    monkeypatch.setattr(watch, "SILENT_SECONDS", PATIENT_SECONDS)
    monkeypatch.setattr(watch, "_TOLD_SILENT_SECONDS", 2.0)
    for name, value in studies.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    command = partial(in_process.workbench, tmp_path, "run", "tiny.yaml", "--workers", "1")
    before = signal.signal(signal.SIGTERM, lambda *_: None)  # should it come when the driver has ended
    try:
        sabotage = Sabotage(tmp_path)
        answer = command(executor=EXECUTORS["local"])
        sabotage.join(timeout=300)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert sabotage.failure == "", answer.stdout
    assert re.search(r"confirm: \d/8 trials; worker 0: no sign of life for \d+ s", sabotage.told)
    assert "worker lost (no sign of life for 3 s); it is tried again" in answer.stdout
    assert answer.returncode == 130, answer.stdout
    # It reported, though it was to end itself.
    assert "stopped, resumes next time" in answer.stdout, answer.stdout
    assert len(running(tmp_path, "confirm")) == 1
    monkeypatch.delenv(PATIENCE)
    again = command()
    assert again.returncode == 0, again.stdout + again.stderr
    assert studies.outcomes(tmp_path) == studies.outcomes(undisturbed_slow)
    assert table(tmp_path) == table(undisturbed_slow)
    assert max(run["attempts"] for run in studies.records(tmp_path)) == 3


def faulty(*names):
    """Changes to the study: its norm against these faulty ones, at one learning rate."""
    parts = ["rmsnorm", *(f"faulty_parts:{name}" for name in names)]
    return {"factors": {"norm": parts}, "learning_rates": [0.01]}


def by_part(folder):
    """Run records by the faulty part and the seed."""
    return {(run["variant"].rpartition(":")[2], run["seed"]): run for run in studies.records(folder)}


def rows_by_part(folder):
    return {row["variant"].rpartition(":")[2]: row for row in studies.report(folder)["rows"]}


def test_trials_that_go_wrong_are_outcomes_and_the_sweep_goes_on(tmp_path):
    """One worker, so that each trial after a failure shows that a new one took over; none is called lost."""
    parts = ("NanNorm", "ScaledNorm", "CrashingNorm")
    studies.make_study(tmp_path, **faulty(*parts), seeds={"tune": 0, "confirm": 1})
    answer = studies.workbench(tmp_path, "run", "tiny.yaml", "--workers", "1")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    runs = by_part(tmp_path)
    assert len(runs) == 4
    check_outcomes(runs, seed=2001)
    assert {run["attempts"] for run in runs.values()} == {1}
    assert "lost" not in answer.stdout.replace("lost pairs", "")
    rows = rows_by_part(tmp_path)
    assert {name for name, row in rows.items() if row["failed"]} == {"CrashingNorm"}
    assert "diverged" in answer.stdout


def test_a_trial_that_kills_its_worker_again_and_again_stops_the_study_and_is_no_outcome(tmp_path):
    changes = faulty("KillingNorm") | {"seeds": {"tune": 0, "confirm": 1}}
    studies.make_study(tmp_path, **changes)
    answer = studies.workbench(tmp_path, "run", "tiny.yaml", "--workers", "1")
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "was lost 3 times without getting further (worker lost (killed by signal 9" in answer.stderr
    assert "Traceback" not in answer.stderr
    states = {name: run["state"] for (name, _), run in by_part(tmp_path).items()}
    assert states == {"baseline": "complete", "KillingNorm": "running"}
    assert by_part(tmp_path)["KillingNorm", 2001]["attempts"] == 3
    status = json.loads(in_process.workbench(tmp_path, "status", "tiny", "--json").stdout)["studies"][0]
    assert status["state"] == "stopped"
    assert "was lost 3 times" in status["message"]


def test_a_study_without_a_complete_trial_is_not_taken_for_done(tmp_path):
    changes = faulty("CrashingNorm") | {"baseline": {"preset": "llama", "norm": "faulty_parts:HungryNorm"}}
    changes["factors"]["norm"][0] = "faulty_parts:HungryNorm"
    studies.make_study(tmp_path, **changes, seeds={"tune": 0, "confirm": 1})
    answer = in_process.workbench(tmp_path, "run", "tiny.yaml")
    assert answer.returncode == 1
    expected = (
        r"tiny: no trial completed \(2 failed\); for example: (out of memory|RuntimeError: the norm broke)"
    )
    assert re.search(expected, answer.stderr), answer.stderr


def check_outcomes(runs, seed):
    """Each part has the outcome that it is made for."""
    states = {name: run["state"] for (name, its_seed), run in runs.items() if its_seed == seed}
    assert states["NanNorm"] == "diverged"
    assert states["CrashingNorm"] == "failed"
    assert states["ScaledNorm"] == states["baseline"] == "complete"
    assert "became nan at step" in runs["NanNorm", seed]["error"]
    assert "the norm broke" in runs["CrashingNorm", seed]["error"]


def test_outcomes_are_counted_over_seeds(tmp_path):
    parts = ("NanNorm", "CrashingNorm", "HungryNorm", "ScaledNorm")
    studies.make_study(tmp_path, **faulty(*parts), seeds={"tune": 0, "confirm": 2})
    answer = in_process.workbench(tmp_path, "run", "tiny.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    runs = by_part(tmp_path)
    assert len(runs) == 10
    for seed in (2001, 2002):
        check_outcomes(runs, seed)
        hungry = runs["HungryNorm", seed]
        assert (hungry["state"], hungry["attempts"]) == ("failed", 2)
        assert hungry["error"].startswith("out of memory")
    rows = rows_by_part(tmp_path)
    assert rows["NanNorm"]["diverged"] == 2
    assert rows["CrashingNorm"]["failed"] == rows["HungryNorm"]["failed"] == 2
    assert rows["ScaledNorm"]["seeds_done"] == 2
    assert rows["NanNorm"]["verdict"] == "did not train"
    assert rows["CrashingNorm"]["verdict"] == rows["HungryNorm"]["verdict"] == "failed"
    assert rows["CrashingNorm"]["error"] == "RuntimeError: the norm broke"
    assert "failed in 2 of 2 trials: RuntimeError: the norm broke" in " ".join(answer.stdout.split())
    assert "1 did not train, 2 failed" in answer.stdout


def test_a_baseline_above_a_uniform_guess_is_no_baseline_wherever_one_looks(tmp_path):
    """LayerNorm at a rate of 10 ends at some 20 nats per token, finite and complete; RMSNorm takes it."""
    changes = {"baseline": {"preset": "llama", "norm": "layernorm"}, "learning_rates": [10.0]}
    changes |= {"factors": {"norm": ["layernorm", "rmsnorm"]}, "seeds": {"tune": 0, "confirm": 1}}
    studies.make_study(tmp_path, **changes)
    answer = in_process.workbench(tmp_path, "run", "tiny.yaml")
    shown = " ".join(answer.stdout.split())
    assert answer.returncode == 1
    assert "confirm · baseline · seed 2001 · rate 10: did not train: validation loss" in shown
    assert "Nothing can be compared: the baseline did not train in 1 of 1 seed (1 ended at" in shown
    assert "tiny: Nothing can be compared: the baseline did not train" in answer.stderr
    baseline, variant = studies.report(tmp_path)["rows"]
    assert (baseline["fate"], variant["verdict"], variant["seeds_needed"]) == ("did not train", None, None)
    assert variant["no_verdict"] == "the baseline did not train"
    facts = json.loads(in_process.workbench(tmp_path, "status", "tiny", "--json").stdout)["studies"][0]
    assert facts["runs"]["complete"] == 2
    (line,) = facts["untrained"]
    assert line.startswith("baseline seed 2001 at rate 10: did not train: validation loss")
    evaluated = in_process.workbench(tmp_path, "evaluate", "tiny/baseline/2001")
    assert evaluated.returncode == 0
    notes = " ".join(evaluated.stderr.split())
    assert "where a uniform guess loses 5.5491 over its 257 tokens: it did not train" in notes
    assert "uniform guess" not in in_process.workbench(tmp_path, "evaluate", "tiny/norm=rmsnorm/2001").stderr


def test_a_mistake_ends_the_process_with_its_message_and_code_two(tmp_path):
    answer = studies.workbench(tmp_path, "run", "nowhere.yaml", start=subprocess.Popen)
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert answer.stderr.startswith("error: nowhere.yaml: the file is missing")
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere.yaml"], "nowhere.yaml: the file is missing"),
        (["run", "tiny.yaml", "--set", "factors.norm=[rmsnorm, layrnorm]"], "layernorm"),
        (["run", "tiny.yaml", "--set", "data.corpus.path=nowhere"], "nowhere"),
        (["run", "tiny.yaml", "--set", "data.tokenizer=words"], "words"),
        (["run", "tiny.yaml", "--set", "context=100000000"], "context"),
        (["run", "tiny.yaml", "--set", "size.width=15"], "width"),
        (["report", "unknown"], "no results of this study"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_two(tmp_path, arguments, message):
    studies.make_study(tmp_path)
    answer = in_process.workbench(tmp_path, *arguments)
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr
