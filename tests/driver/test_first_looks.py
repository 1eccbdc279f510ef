"""Comparisons that have their first look while others are tuned: the order, and what it must not change."""

import math
import random
from functools import partial

import pytest

from tests.driver.test_populations import Silent, plan_of
from tests.study import studies
from workbench.analysis.effects import study_report
from workbench.driver.events import Ended
from workbench.driver.runner import Runner
from workbench.records.index import load_study
from workbench.records.run import RunDirectory, State
from workbench.study.plan import freeze

STUDY = {
    "factors": {"norm": ["rmsnorm", "layernorm"], "feedforward": ["swiglu", "relu"]},
    "learning_rates": [0.005, 0.01, 0.02, 0.04],
    "seeds": {"tune": 2, "confirm": "until_decided", "at_least": 2, "at_most": 4},
    "margin": {"default": 100.0, "norm": 1e-9},
}
NAMES = ("baseline", "feedforward=relu", "norm=layernorm")
BEST = dict(zip(NAMES, (0.012, 0.02, 0.009), strict=True))
NOISE = dict(zip(NAMES, (0.001, 0.05, 0.2), strict=True))  # so that what is pooled depends on who is there


class Killed(Exception):
    """The driver's process ends here."""


class Slots:
    """An executor whose trials end one at a time, in an order that is drawn; it can kill its driver."""

    def __init__(self, runs, slots=1, order=0, killed_after=math.inf):
        self.runs, self.slots, self.left = runs, slots, killed_after
        self.running, self.submitted = {}, []
        self.draw = random.Random(order)

    def free_slots(self):
        return [slot for slot in range(self.slots) if slot not in self.running]

    def submit(self, slot, task):
        assert slot not in self.running
        self.running[slot] = [RunDirectory(run) for run in task.runs]
        self.submitted.append([run.read() for run in self.running[slot]])

    def next_event(self, timeout):
        if self.left <= 0:
            raise Killed
        slot = self.draw.choice(sorted(self.running))
        run = self.running[slot].pop()
        if not self.running[slot]:
            del self.running[slot]
        self.left -= 1
        done = run.read()
        done.state, done.summary = State.COMPLETE, {"validation/loss": loss(done)}
        run.write(done)
        return Ended(run_id=done.run_id, state=State.COMPLETE)

    def waits(self):
        return []


def loss(run):
    """Lowest at the variant's best rate, with a noise of its own at each rate and seed."""
    rate = run.hyperparameters["learning_rate"]
    drawn = random.Random(f"{run.variant} {rate} {run.seed}").gauss(0, NOISE[run.variant])
    return 2 + 0.3 * math.log2(rate / BEST[run.variant]) ** 2 + drawn


def build(place, folder="results", population=1, **options):
    changes = {key: options.pop(key) for key in list(options) if key in {*studies.TINY, "halving"}}
    plan = plan_of(studies.make_study(place, **STUDY | changes))
    directory = place / folder
    freeze(plan.manifest(""), directory)
    workers = Slots(directory / "runs", **options)
    silent = {"display": Silent(), "heartbeat": Silent()}
    return Runner(plan, directory, workers, **silent, population=lambda one: population)


@pytest.fixture
def runner(tmp_path):
    return partial(build, tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The study on one worker, in peace."""
    driver = build(tmp_path_factory.mktemp("whole"))
    driver.tuned_after = []
    driver._announce = lambda *_, **__: driver.tuned_after.append(len(driver.display.notes))
    driver.run()
    return driver


def order_of(driver):
    """Which phase of which variant, in the order in which trials were begun, each stretch once."""
    begun = [(str(one.phase), one.variant) for task in driver.executor.submitted for one in task]
    return [item for place, item in enumerate(begun) if not place or begun[place - 1] != item]


def outcomes(driver):
    runs = load_study(driver.directory).runs
    return dict(zip(runs["run_id"], runs["validation/loss"], strict=True))


def test_a_comparison_is_confirmed_before_later_variants_are_tuned(whole):
    assert order_of(whole) == [
        ("tune", "baseline"),
        ("tune", "feedforward=relu"),
        *[("confirm", "baseline"), ("confirm", "feedforward=relu")] * 2,
        ("tune", "norm=layernorm"),
        ("confirm", "norm=layernorm"),  # the baseline's first pairs are there
        *[("confirm", "baseline"), ("confirm", "norm=layernorm")] * 2,  # the other one is decided
    ]
    begun = [one.run_id for task in whole.executor.submitted for one in task]
    assert len(begun) == len(set(begun)) == 3 * 8 + 4 + 2 + 4


def test_its_look_is_told_at_once_and_once(whole):
    notes = whole.display.notes
    (look,) = [number for number, note in enumerate(notes) if note.startswith("look: feedforward")]
    assert notes[look] == "look: feedforward=relu: equivalent after 2 pairs"
    assert look < whole.tuned_after[0]  # before all rates are known


def test_neither_the_order_nor_the_number_of_workers_changes_anything(runner, whole):
    expected = study_report(load_study(whole.directory)).rows
    for slots, order in ((2, 1), (5, 2)):
        other = runner(f"{slots} slots", slots=slots, order=order)
        other.run()
        assert outcomes(other) == outcomes(whole)
        rows = study_report(load_study(other.directory)).rows
        assert [(row.decision, row.learning_rate, row.notes) for row in rows] == [
            (row.decision, row.learning_rate, row.notes) for row in expected
        ]
        assert not any("left out" in note for row in rows for note in row.notes)


@pytest.mark.parametrize("killed_after", [5, 18, 27])
def test_a_driver_that_was_killed_goes_on_from_the_records(runner, whole, killed_after):
    """While the baseline is tuned, in the first comparison's pairs, and in those of the second."""
    with pytest.raises(Killed):
        runner("killed", slots=2, killed_after=killed_after).run()
    again = runner("killed", slots=2, order=1)
    ended = set(load_study(again.directory).runs.query("state == 'complete'")["run_id"])
    again.run()
    assert outcomes(again) == outcomes(whole)
    begun = {one.run_id for task in again.executor.submitted for one in task}
    assert not begun & ended
    assert len(ended) == killed_after


def test_no_slot_idles_while_trials_wait(runner):
    driver = runner(slots=3)
    waiting = []
    take = driver.executor.next_event

    def next_event(timeout):
        waiting.append((len(driver._waiting), len(driver.executor.free_slots())))
        return take(timeout)

    driver.executor.next_event = next_event
    driver.run()
    assert waiting
    assert not [item for item in waiting if all(item)]


def test_while_a_grid_may_grow_nobody_is_tuned(runner):
    driver = runner(grid_growth=2)
    driver.run()
    phases = [phase for phase, _ in order_of(driver)]
    assert phases == sorted(phases, reverse=True)  # all of "tune" before all of "confirm"


def test_when_it_grows_for_the_last_time_comparisons_need_not_wait(runner):
    driver = runner(grid_growth=1, learning_rates=[0.001, 0.002, 0.004])
    driver.run()
    order = order_of(driver)
    first = order.index(("confirm", "feedforward=relu"))
    assert ("tune", "norm=layernorm") in order[:first]
    assert ("tune", "norm=layernorm") in order[first:]


def test_populations_and_halving_go_the_same_way(runner, whole):
    driver = runner(slots=2, population=8, halving=True)
    driver.run()
    sizes = [(str(task[0].phase), len(task)) for task in driver.executor.submitted]
    assert [size for size in sizes if size[0] == "tune"] == [("tune", 8)] * 3
    assert {one.variant for task in driver.executor.submitted[:2] for one in task} == set(NAMES[:2])
    assert all(len({(one.phase, one.variant) for one in task}) == 1 for task in driver.executor.submitted)
    assert outcomes(driver) == outcomes(whole)


def test_a_fixed_number_of_seeds_is_confirmed_when_all_are_tuned(runner):
    driver = runner(seeds={"tune": 2, "confirm": 2})
    driver.run()
    phases = [phase for phase, _ in order_of(driver)]
    assert phases == sorted(phases, reverse=True)
