"""What the driver decides: which rates are tried, what runs again, and what is over."""

import math
from functools import partial

import pytest
from optuna.trial import TrialState

from tests.driver.test_populations import Silent, Workers, plan_of
from tests.study import studies
from workbench.driver.events import Evaluation, Fault, Lost, TooLarge
from workbench.driver.runner import Runner
from workbench.records.index import load_study
from workbench.records.run import RunDirectory, State
from workbench.study.candidates import candidates
from workbench.study.plan import freeze

NAMES = ("baseline", "norm=layernorm")
CHOSEN = {name: {"learning_rate": 0.01} for name in NAMES}


class Trained(Workers):
    """Every trial ends with a loss that is lowest at ``best``, if it ends."""

    def __init__(self, runs, *scripts, best=0.05):
        super().__init__(runs, *scripts)
        self.best = best

    def _finish(self, run):
        done = run.read()
        done.state = State.COMPLETE
        rate = done.hyperparameters["learning_rate"]
        done.summary = {"validation/loss": 2 + math.log2(rate / self.best) ** 2}
        run.write(done)


@pytest.fixture
def runner(tmp_path):
    def build(*scripts, retry_failed=False, best=0.05, workers=Trained, **changes):
        plan = plan_of(studies.make_study(tmp_path, **changes))
        directory = tmp_path / "results"
        freeze(plan.manifest(""), directory)
        executor = workers(directory / "runs", *scripts, best=best)
        options = {"display": Silent(), "heartbeat": Silent(), "retry_failed": retry_failed}
        return Runner(plan, directory, executor, **options)

    return build


def shared(rates):
    """The same candidates for every variant."""
    return dict.fromkeys(NAMES, candidates(rates))


def tuned_rates(runner):
    runs = load_study(runner.directory).runs
    tuned = runs[runs["phase"] == "tune"]
    return {variant: sorted(rows["learning_rate"]) for variant, rows in tuned.groupby("variant")}


@pytest.mark.parametrize(
    ("growth", "best", "rates", "chosen", "edge"),
    [
        (0, 0.05, [0.01, 0.02], 0.02, True),
        (1, 0.05, [0.01, 0.02, 0.04], 0.04, True),
        (3, 0.05, [0.01, 0.02, 0.04, 0.08], 0.04, False),
        (3, 0.007, [0.0025, 0.005, 0.01, 0.02], 0.005, False),
    ],
)
def test_the_grid_grows_for_all_variants_until_no_best_rate_is_at_its_edge(
    runner, growth, best, rates, chosen, edge
):
    driver = runner(best=best, grid_growth=growth)
    assert driver._tune() == {name: {"learning_rate": chosen} for name in NAMES}
    assert tuned_rates(driver) == {"baseline": rates, "norm=layernorm": rates}
    assert ("at the grid's edge)" in driver.display.notes[-1]) == edge


@pytest.mark.parametrize(("asked", "again"), [(False, 0), (True, 1)])
def test_a_failed_trial_runs_again_where_that_is_asked_for(runner, asked, again):
    driver = runner(retry_failed=asked)
    records = driver.plan.confirm(CHOSEN)
    for place, record in enumerate(records):
        record.state = State.FAILED if place == 1 else State.DIVERGED if place == 2 else State.COMPLETE
        RunDirectory(driver.directory / "runs" / record.run_id).write(record)
    driver._execute("confirm", driver.plan.confirm(CHOSEN))
    assert [runs for runs, _ in driver.executor.submitted] == [[records[1].run_id]] * again


class DiesAfterwards(Trained):
    """Its process ends when the outcome is written and before it is reported."""

    def _event(self, script, run_ids):
        if script == "lost":
            self._finish(RunDirectory(self.runs / run_ids[0]))
        return super()._event(script, run_ids)


def test_a_trial_that_ended_before_its_worker_did_is_over(runner):
    driver = runner("lost", workers=DiesAfterwards)
    driver._execute("confirm", driver.plan.confirm(CHOSEN)[:2])
    assert len(driver.executor.submitted) == 2
    assert set(load_study(driver.directory).runs["state"]) == {"complete"}


def test_a_phase_says_what_is_over_and_what_goes_on_from_a_checkpoint(runner):
    driver = runner()
    records = driver.plan.confirm(CHOSEN)
    for record, state in zip(records, (State.COMPLETE, State.RUNNING, State.RUNNING), strict=False):
        record.state = state
        RunDirectory(driver.directory / "runs" / record.run_id).write(record)
    (driver.directory / "runs" / records[1].run_id / "last.ckpt").touch()  # the other had not come so far
    calls = []
    driver.display.phase = lambda *arguments: calls.append(arguments)
    driver._execute("confirm", driver.plan.confirm(CHOSEN))
    ((name, trials, left, resumed),) = calls
    assert (name, trials, left) == ("confirm", 4, 3)
    assert [record.run_id for record in resumed] == [records[1].run_id]


def test_the_validation_before_the_first_step_is_shown(runner):
    driver = runner()
    (record, *_) = driver.plan.confirm(CHOSEN)
    calls = []
    driver.display.first_validation = lambda *arguments: calls.append(arguments)
    for step, loss in ((0, 28.98), (10, 27.0)):
        validation = {"validation/loss": loss}
        driver._heard(record, Evaluation(run_id=record.run_id, step=step, validation=validation))
    assert calls == [(record, 28.98)]


class Stops(Trained):
    """Its trials stop on request: they save, and have no outcome."""

    def _finish(self, run):
        pass


def test_a_trial_that_stopped_goes_on_for_optuna(runner):
    driver = runner(workers=Stops)
    driver._stopping = True
    driver._execute("confirm", driver.plan.confirm(CHOSEN)[:1])
    (trial,) = driver.ledger._study("baseline").get_trials()
    assert trial.state is TrialState.RUNNING


@pytest.mark.parametrize(
    ("befalls", "cause"),
    [
        (partial(Lost, status=-9), "worker lost (killed by signal 9, perhaps for want of memory)"),
        (partial(Lost, status=1, unbegun=True), "worker lost (exit status 1)"),
        (partial(Fault, error="OSError: no space left", leaves=True), "OSError: no space left"),
        (partial(TooLarge, error="out of memory", leaves=True), "does not fit into memory"),
    ],
)
def test_a_trial_that_is_lost_while_the_study_stops_is_said_to_resume(runner, befalls, cause):
    driver = runner()
    (record, *_) = driver.plan.confirm(CHOSEN)
    RunDirectory(driver.directory / "runs" / record.run_id).write(record)
    driver._running[record.run_id] = record
    driver._stopping = True
    driver._handle(befalls(run_ids=[record.run_id]))
    seed = record.seed
    assert driver.display.notes[-1] == (
        f"baseline seed {seed}: {cause}; resumes next time from its last checkpoint"
    )
    assert not driver._waiting


def test_a_trial_whose_worker_ended_in_good_order_while_the_study_stops_has_stopped(runner):
    driver = runner()
    (record, *_) = driver.plan.confirm(CHOSEN)
    RunDirectory(driver.directory / "runs" / record.run_id).write(record)
    driver._running[record.run_id] = record
    driver._stopping = True
    ended = []
    driver.display.ended = ended.append
    driver._handle(Lost(run_ids=[record.run_id], status=0))
    assert [one.run_id for one in ended] == [record.run_id]
    assert not driver._running


def test_rates_that_the_grid_grew_by_are_not_halved(runner):
    driver = runner(halving=True)
    groups = driver._grouped(driver.plan.tune(shared([0.01, 0.02, 0.04])))
    found = {
        tuple(record.hyperparameters["learning_rate"] for record in group.records): group.halving
        for group in groups
    }
    assert found == {(0.01, 0.02): True, (0.04,): False}


def test_only_tuning_is_halved(runner):
    driver = runner(halving=True)
    groups = driver._grouped(driver.plan.confirm(dict(zip(NAMES, candidates([0.01, 0.02]), strict=True))))
    assert [group.halving for group in groups] == [False] * 4


class Flat(Trained):
    """Its losses say nothing of the rate but for noise, by which the smallest is best."""

    def _finish(self, run):
        done = run.read()
        done.state = State.COMPLETE
        rate, seed = done.hyperparameters["learning_rate"], done.seed
        done.summary = {"validation/loss": 2 + 0.001 * rate + 0.01 * math.sin(1e6 * rate * seed)}
        run.write(done)


def test_a_grid_does_not_grow_for_a_curve_that_is_flat_throughout(runner):
    driver = runner(workers=Flat, grid_growth=3, seeds={"tune": 3, "confirm": 2})
    driver._tune()
    assert tuned_rates(driver)["baseline"] == [0.01] * 3 + [0.02] * 3
    assert len(driver.display.notes) == 1  # which rates there are


SEVERAL = {"learning_rates": [0.01, 0.02, 0.04], "seeds": {"tune": 2, "confirm": 2}}


def test_the_optimum_between_two_rates_is_confirmed_and_stays(runner):
    driver = runner(best=0.028, grid_growth=0, **SEVERAL)
    driver.run()
    confirm = load_study(driver.directory).runs.query("phase == 'confirm'")
    assert set(confirm["learning_rate"]) == {0.028}
    assert len(confirm) == 4
    again = runner(best=0.028, grid_growth=0, **SEVERAL)
    again.run()
    assert again.executor.submitted == []


def test_a_study_that_was_confirmed_by_an_older_rule_goes_on_at_its_rates(runner):
    """Its confirm runs are at the lowest mean, of two seeds that do not rule it out."""
    driver = runner(workers=Noisy, best=0.028, grid_growth=0, **SEVERAL)
    driver._execute("tune", driver.plan.tune(driver.plan.grids()))
    old = {name: {"learning_rate": 0.02} for name in NAMES}
    driver._execute("confirm", driver.plan.confirm(old))
    again = runner(workers=Noisy, best=0.028, grid_growth=0, **SEVERAL)
    again.run()
    assert again.executor.submitted == []
    stays = [note for note in again.display.notes if "was confirmed at 0.02 before and stays there" in note]
    assert len(stays) == 2


class Noisy(Trained):
    """As the others, with a noise that rates and seeds do not share."""

    def _finish(self, run):
        super()._finish(run)
        done = run.read()
        rate = done.hyperparameters["learning_rate"]
        done.summary["validation/loss"] += 0.6 * math.sin(1e6 * rate * (done.seed - 1000))
        run.write(done)


def test_a_study_that_was_stopped_while_its_grids_grew_goes_on_with_all_of_it(runner):
    """One variant has tried the new rate already, and no optimum lies at an edge any more."""
    driver = runner(best=0.03, grid_growth=1, **SEVERAL)
    for record in driver.plan.tune(shared([0.08])):
        if record.variant == "baseline":
            record.state = State.COMPLETE
            record.summary = {"validation/loss": 9.0}
            RunDirectory(driver.directory / "runs" / record.run_id).write(record)
    driver._tune()
    twice = sorted([0.01, 0.02, 0.04, 0.08] * 2)
    assert tuned_rates(driver) == dict.fromkeys(NAMES, twice)


def test_halving_leaves_what_a_curve_needs_where_there_will_be_one(runner):
    least = []
    for seeds in (1, 2):
        driver = runner(halving=True, seeds={"tune": seeds, "confirm": 2})
        least.append(driver._halving(driver._grouped(driver.plan.tune(driver.plan.grids()))[0]).least)
    assert least == [1, 3]
