"""What is compared does the same work: a trial, a bare loop and a bare population take the same steps."""

import pytest

from workbench.bench.rivals.bare_population import BarePopulation
from workbench.bench.rivals.contenders import BareLoop, make_run, train_for_real, training_of
from workbench.bench.sizes import TINY, random_tokens
from workbench.bench.timing.turns import REAL, Turns
from workbench.records.run import State
from workbench.training.run import Watcher

STEPS = 12
TOKENS = random_tokens(257, 5000)


def run_of(folder, steps=STEPS, **options):
    training = training_of(TINY, steps=steps, precision="fp32", compiled=False)
    return make_run(TINY.model, training, TOKENS, device="cpu", folder=folder, **options)


def test_a_bare_loop_takes_the_trials_steps(tmp_path):
    run = run_of(tmp_path)
    record = train_for_real(run, Watcher())
    assert record.state is State.COMPLETE
    logged = run.directory.metrics()["train/loss"].dropna().tolist()
    bare = BareLoop(run_of(tmp_path / "bare"))
    losses = [bare.step().item() for _ in range(STEPS)]
    assert losses == pytest.approx(logged, rel=1e-6)


def test_a_bare_population_takes_the_steps_of_each(tmp_path):
    runs = [run_of(tmp_path, seed=seed) for seed in (1, 2)]
    loops, population = [BareLoop(run) for run in runs], BarePopulation(runs)
    for _ in range(STEPS):
        alone = [loop.step().item() for loop in loops]
        assert population.step().tolist() == pytest.approx(alone, rel=1e-5)
    assert alone[0] != alone[1]


def test_rivals_take_turns_with_a_trial(tmp_path):
    steps, taken = 3, []
    turns = Turns({"other": taken.append}, steps=steps, device="cpu", seconds=0.0, least=2)
    record = train_for_real(run_of(tmp_path, steps=100), turns.watcher)
    assert record.state is State.RUNNING  # stopped when enough was measured
    assert set(taken) == {steps}
    assert len(taken) == 4  # before the first step, after the first turn, after each of two that count
    assert {name: len(values) for name, values in turns.rounds.values.items()} == {REAL: 2, "other": 2}
    assert all(seconds > 0 for seconds in turns.rounds.values[REAL])


def test_a_rival_that_fails_leaves_the_trial_alone(tmp_path):
    def fail(steps):
        raise MemoryError

    turns = Turns({"other": fail}, steps=2, device="cpu", seconds=0.0, least=2)
    train_for_real(run_of(tmp_path, steps=100), turns.watcher)
    assert turns.rounds.errors == {"other": "out of memory"}
    assert len(turns.rounds.values[REAL]) >= 2


def test_a_trial_that_fails_says_why(tmp_path):
    run = run_of(tmp_path)
    watcher = Watcher(measuring=lambda run: 1 / 0)
    with pytest.raises(RuntimeError, match="division by zero"):
        train_for_real(run, watcher)
