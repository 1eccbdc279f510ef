"""Populations in a study: grouping, splitting, and the same outcomes as one by one, even when killed."""

import json
import os
import signal

import pytest

from tests import in_process
from tests.study import studies
from workbench.driver.events import Ended, Fault, Lost, TooLarge, Unpopulatable
from workbench.driver.populations import chosen_size, grouped, shared_out
from workbench.driver.runner import Runner
from workbench.errors import UserError
from workbench.records.run import RunDirectory, RunRecord, State
from workbench.study.candidates import candidates
from workbench.study.plan import Plan
from workbench.training.population.halving import Halving
from workbench.training.population.replica_file import save_replica

CONFIG = {"model": {}, "data": {}, "training": {}}


def record(name, variant="a", phase="confirm", rate=0.01, seed=1):
    return RunRecord(
        run_id=name,
        study="s",
        variant=variant,
        phase=phase,
        seed=seed,
        hyperparameters={"learning_rate": rate},
        config=CONFIG,
    )


def names(groups):
    return [[one.run_id for one in group.records] for group in groups]


def test_trials_of_a_variant_train_together_in_groups_of_the_size(tmp_path):
    records = [record(f"{variant}{seed}", variant, seed=seed) for seed in range(5) for variant in "ab"]
    groups = grouped(records, tmp_path, lambda one: 2 if one.variant == "a" else 3)
    assert names(groups) == [["a0", "a1"], ["b0", "b1", "b2"], ["a2", "a3"], ["b3", "b4"], ["a4"]]


def test_one_by_one_they_keep_their_order_by_seed_so_that_a_stop_leaves_pairs(tmp_path):
    records = [record(f"{variant}{seed}", variant, seed=seed) for seed in range(3) for variant in "ab"]
    assert names(grouped(records, tmp_path, lambda one: 1)) == [[one.run_id] for one in records]


def test_those_that_are_halved_stay_in_one_group(tmp_path):
    records = [record(str(rate), rate=rate, phase="tune") for rate in (0.1, 0.2, 0.3, 0.9)]
    groups = grouped(records, tmp_path, lambda one: 1, lambda one: one.hyperparameters["learning_rate"] < 0.5)
    assert names(groups) == [["0.1", "0.2", "0.3"], ["0.9"]]
    assert [group.halving for group in groups] == [True, False]


def test_stopped_trials_go_on_with_those_at_their_step_or_alone(tmp_path):
    records = [record(name) for name in ("early", "late", "fresh", "lone", "other")]
    for name in ("early", "late", "lone", "other"):
        (tmp_path / name).mkdir()
    for name, step in (("early", 5), ("late", 10), ("other", 5)):
        save_replica(RunDirectory(tmp_path / name).replica, {}, {"step": step})
    RunDirectory(tmp_path / "lone").checkpoint.write_bytes(b"")
    groups = grouped(records, tmp_path, lambda one: 9)
    assert names(groups) == [["early", "other"], ["late"], ["fresh"], ["lone"]]


@pytest.mark.parametrize(
    ("size", "trials", "slots", "expected"), [(16, 64, 1, 16), (64, 24, 2, 12), (4, 3, 2, 2), (8, 1, 4, 1)]
)
def test_no_slot_stays_idle(size, trials, slots, expected):
    assert shared_out(size, trials, slots) == expected


@pytest.mark.parametrize("asked", ["many", "0", "-3", "1.5"])
def test_a_size_is_a_number_or_auto(asked, monkeypatch):
    with pytest.raises(UserError, match=r"--population: .* is neither auto nor a number"):
        chosen_size(asked, None)


class Workers:
    """An executor whose events are written beforehand, one list for each submission."""

    def __init__(self, runs, *scripts):
        self.runs, self.scripts = runs, list(scripts)
        self.submitted, self.events = [], []

    def free_slots(self):
        return [] if self.events else [0]

    def submit(self, slot, task):
        names = [run.name for run in task.runs]
        self.submitted.append((names, task.halving))
        script = self.scripts.pop(0) if self.scripts else "end"
        if script == "end":
            self.events = [Ended(run_id=name, state=State.COMPLETE) for name in names]
            for run in task.runs:
                self._finish(RunDirectory(run))
        else:
            self.events = [self._event(script, names)]

    def next_event(self, timeout):
        return self.events.pop(0) if self.events else None

    def waits(self):
        return []

    def _event(self, script, run_ids):
        if script == "lost":
            return Lost(run_ids=run_ids, status=-9)
        kind = {"too_large": TooLarge, "unpopulatable": Unpopulatable, "fault": Fault}[script]
        return kind(run_ids=run_ids, error="CUDA out of memory")

    def _finish(self, run):
        done = run.read()
        done.state, done.summary = State.COMPLETE, {"validation/loss": 1.0}
        run.write(done)


class Silent:
    """A display and heartbeat that keep their notes."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)

    def message(self):
        return ""

    def __getattr__(self, name):
        return lambda *_, **__: None


@pytest.fixture
def study(tmp_path):
    def run(*scripts, population=4, **changes):
        (tmp_path / "results").mkdir()
        (tmp_path / "results" / "study.yaml").touch()
        file = studies.make_study(tmp_path, **changes)
        plan = plan_of(file)
        workers, display = Workers(tmp_path / "results/runs", *scripts), Silent()
        runner = Runner(
            plan,
            tmp_path / "results",
            workers,
            display=display,
            heartbeat=Silent(),
            population=lambda one: population,
        )
        runner._execute(
            "tune", plan.tune({variant.name: candidates([0.01, 0.02]) for variant in plan.variants})
        )
        return [(len(runs), halving) for runs, halving in workers.submitted], display.notes

    return run


def plan_of(file):
    from workbench.data.batches import prepare
    from workbench.study.schema import load_study_file

    loaded = load_study_file(file)
    corpus = prepare({"path": str(file.parent / "text")}, "bytes", file.parent / "cache")
    return Plan.build(loaded, corpus, "cpu")


def test_a_population_that_does_not_fit_is_split(study):
    submitted, notes = study("too_large", "end", "too_large", population=4, seeds={"tune": 2, "confirm": 2})
    assert [size for size, _ in submitted] == [4, 2, 2, 1, 1, 4]
    assert "does not fit into memory" in notes[0]


def test_a_lost_population_resumes_and_is_split_when_it_is_lost_again(study):
    submitted, notes = study("lost", "lost", population=4, seeds={"tune": 2, "confirm": 2})
    assert [size for size, _ in submitted] == [4, 4, 2, 2, 4]
    assert "worker lost (killed by signal 9" in notes[0]
    assert "was lost again (worker lost (killed by signal 9" in notes[1]


def test_halving_takes_all_rates_of_a_variant_and_is_lost_with_a_split(study):
    submitted, notes = study("end", "too_large", population=1, halving=True)
    assert submitted[0] == (2, Halving(candidates=2, metric="validation/loss"))
    assert [item[0] for item in submitted] == [2, 2, 1, 1]
    assert submitted[2][1] is None
    assert "without halving" in notes[0]


def test_a_part_that_no_population_can_have_sends_all_its_trials_one_by_one(study):
    submitted, notes = study("unpopulatable", population=2, seeds={"tune": 2, "confirm": 2})
    assert [size for size, _ in submitted] == [2, 1, 1, 1, 1, 2, 2]
    assert len(notes) == 1
    assert "one by one" in notes[0]


def test_nor_is_it_halved(study):
    submitted, _ = study("unpopulatable", population=1, halving=True)
    assert [(size, halving is None) for size, halving in submitted] == [
        (2, False),
        (1, True),
        (1, True),
        (2, False),
    ]


SLOW = {
    "training": {"tokens": 9_600, "batch_size": 4, "evaluations": 5, "evaluation_tokens": 512},
    "learning_rates": [0.01],
    "seeds": {"tune": 0, "confirm": 2},
}


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one_by_one")
    studies.make_study(folder, **SLOW)
    answer = in_process.workbench(folder, "run", "tiny.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return studies.outcomes(folder)


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for key, (state, summary) in expected.items():
        assert found[key][0] == state
        assert found[key][1] == pytest.approx(summary, rel=1e-4), key


@pytest.mark.slow
def test_a_killed_study_of_populations_equals_one_run_trial_by_trial(tmp_path, one_by_one):
    studies.make_study(tmp_path, **SLOW)
    command = ("run", "tiny.yaml", "--population", "8", "--workers", "1")
    process = studies.start(tmp_path, *command)
    runs = tmp_path / "results/tiny/runs"
    studies.wait_for(lambda: any(step >= 60 for step in steps_of_running(runs)), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len(steps_of_running(runs)) == 2
    again = in_process.workbench(tmp_path, *command)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "population of 2" in again.stdout
    assert_equal(studies.outcomes(tmp_path), one_by_one)
    assert sorted(run["attempts"] for run in studies.records(tmp_path)) == [1, 1, 2, 2]
    assert all(run["provenance"]["population"] == 2 for run in studies.records(tmp_path))
    assert not list(runs.glob("*/replica.ckpt"))


def steps_of_running(runs):
    found = [json.loads(path.read_text()) for path in runs.glob("*/run.json")]
    return [run["progress"]["step"] for run in found if run["state"] == "running"]
