"""A trial that is lost is tried again while it gets further; then the study stops: losses are no outcomes."""

import pytest

from tests.driver.test_populations import Silent, plan_of
from tests.study import studies
from workbench.driver.events import Ended, Fault, Lost
from workbench.driver.runner import Losses, Runner
from workbench.errors import StudyStopped
from workbench.records.attempts import ATTEMPT
from workbench.records.run import RunDirectory, State

STUDY = {"seeds": {"tune": 0, "confirm": 1}, "learning_rates": [0.01]}


class Worker:
    """An executor of one slot that plays a script: what befalls each submission, and after how many steps."""

    def __init__(self, script):
        self.script = list(script)
        self.submitted = []
        self.events = []

    def free_slots(self):
        return [] if self.events else [0]

    def submit(self, slot, task):
        names = [run.name for run in task.runs]
        self.submitted.append(names)
        kind, step = self.script.pop(0) if self.script else ("complete", 640)
        for run in task.runs:
            self._leave(RunDirectory(run), kind, step)
        if kind in ("lost", "unbegun"):
            self.events = [Lost(run_ids=names, status=-9, unbegun=kind == "unbegun")]
        elif kind == "node":
            self.events = [Lost(run_ids=names, status=-9, given_up="it does not answer", machine="n7")]
        elif kind == "unstarted":
            self.events = [Lost(run_ids=names, status=-9, started=False, log="worker-0.log")]
        elif kind == "behind":
            self.events = [self._told(RunDirectory(run)) for run in task.runs]
        elif kind == "fault":
            self.events = [Fault(run_ids=names, error="OSError: [Errno 28] No space left on device")]
        else:
            self.events = [Ended(run_id=name, state=State.RUNNING) for name in names]

    def _told(self, run):
        """That the run is complete, which this machine does not see yet."""
        record = run.read()
        record.state, record.summary = State.COMPLETE, {"validation/loss": 1.5}
        return Ended(run_id=record.run_id, state=record.state, record=record.to_dict())

    def _leave(self, run, kind, step):
        record = run.read()
        record.state = State.COMPLETE if kind == "complete" else State.RUNNING
        record.progress = {"step": step, "steps": 640}
        record.summary = {"validation/loss": 1.0} if kind == "complete" else {}
        run.write(record)
        if kind == "damaged":
            (run.path / "run.json").write_bytes(bytes(100))

    def next_event(self, timeout):
        return self.events.pop(0) if self.events else None

    def waits(self):
        return []

    def stop(self):
        yield from ()


@pytest.fixture
def confirm(tmp_path):
    """Runs the confirm phase of a study of two trials against a script."""

    def run(*script, retry=True):
        (tmp_path / "results").mkdir(exist_ok=True)
        (tmp_path / "results" / "study.yaml").touch()
        plan = plan_of(studies.make_study(tmp_path, **STUDY))
        worker, display = Worker(script), Silent()
        runner = Runner(plan, tmp_path / "results", worker, display=display, heartbeat=Silent())
        runner.notes, runner.worker = display.notes, worker
        chosen = {variant.name: {"learning_rate": 0.01} for variant in plan.variants}
        runner.go = lambda: runner._execute("confirm", plan.confirm(chosen))
        return runner

    return run


def states(runner):
    runs = sorted((runner.directory / "runs").glob("*/"))
    return sorted(str(RunDirectory(run).read().state) for run in runs)


@pytest.mark.parametrize("kind", ["lost", "fault"])
def test_a_trial_that_gets_further_between_its_losses_is_never_given_up(confirm, kind):
    runner = confirm(*[(kind, step) for step in (0, 160, 320, 330, 480, 600)])
    runner.go()
    assert len(runner.worker.submitted) == 8
    assert states(runner) == ["complete", "complete"]


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("lost", r"worker lost \(killed by signal 9, perhaps for want of memory\)"),
        ("fault", r"No space left on device"),
        ("running", "ended without an outcome"),
    ],
)
def test_the_third_loss_without_getting_further_stops_the_study(confirm, kind, cause):
    runner = confirm((kind, 160), (kind, 160), (kind, 160))
    with pytest.raises(StudyStopped, match=rf"tiny: baseline seed 2001 was lost 3 times .*{cause}.*log\.txt"):
        runner.go()
    assert len(runner.worker.submitted) == 3
    assert states(runner) == ["queued", "running"]  # no outcome: the same command goes on
    again = confirm()
    again.go()
    assert states(again) == ["complete", "complete"]


def test_a_full_disk_does_not_split_a_population(confirm):
    """Only want of memory is helped by that, which a worker that was killed may have died of."""
    runner = confirm(("fault", 160), ("fault", 160), ("fault", 160))
    runner.population = lambda record: 2
    plan = runner.plan
    records = [plan.record(plan.baseline, "confirm", {"learning_rate": 0.01}, seed) for seed in (1, 2)]
    with pytest.raises(StudyStopped, match="No space left"):
        runner._execute("confirm", records)
    assert [len(runs) for runs in runner.worker.submitted] == [2, 2, 2]


def test_two_losses_do_not_stop_it(confirm):
    runner = confirm(("lost", 160), ("lost", 160))
    runner.go()
    assert states(runner) == ["complete", "complete"]
    assert "it is tried again from its last checkpoint" in runner.notes[0]


def test_a_trial_that_its_worker_never_took_up_loses_none_of_its_lives(confirm):
    runner = confirm(*[("unbegun", 0)] * 4, ("lost", 0), ("lost", 0))
    runner.go()
    assert states(runner) == ["complete", "complete"]
    assert "baseline seed 2001: begins in another worker" in runner.notes[0]
    assert not any("lost" in note for note in runner.notes[:4])


def test_a_lost_node_is_none_of_the_three_losses(confirm):
    runner = confirm(*[("node", 160)] * 4, ("lost", 160), ("lost", 160))
    runner.go()
    assert states(runner) == ["complete", "complete"]
    assert runner.notes[0].startswith("baseline seed 2001: node n7 was lost (it does not answer); it goes on")


def test_a_record_that_was_damaged_while_the_trial_ran_is_written_anew_and_the_trial_goes_on(confirm):
    runner = confirm(("damaged", 160))
    runner.go()
    assert states(runner) == ["complete", "complete"]
    assert any("cannot be read as JSON" in note for note in runner.notes)


def test_results_that_are_removed_while_the_study_runs_end_it_in_a_line(confirm):
    runner = confirm(("lost", 160))
    submit = runner.worker.submit

    def removed(*arguments):
        submit(*arguments)
        (runner.directory / "study.yaml").unlink()

    runner.worker.submit = removed
    with pytest.raises(StudyStopped, match="was removed while the study ran"):
        runner.go()


def test_losses_are_counted_for_each_trial_from_where_it_came_furthest():
    losses = Losses()
    assert [losses.add("a", step) for step in (0, 0, 0)] == [1, 2, 3]
    assert [losses.add("b", step) for step in (160, 80, 160, 161, 0)] == [1, 2, 3, 1, 2]
    losses.forget("b")
    assert losses.add("b", 0) == 1


def test_an_outcome_that_a_worker_tells_counts_where_the_disk_is_behind(confirm):
    """As a network's file system may be; what is decided next is read from the disk."""
    runner = confirm(("behind", 640))
    runner.go()
    assert len(runner.worker.submitted) == 2
    assert states(runner) == ["complete", "complete"]
    told = RunDirectory(runner.directory / "runs" / runner.worker.submitted[0][0]).read()
    assert told.summary == {"validation/loss": 1.5}


def test_a_worker_that_cannot_start_is_started_again_and_then_the_study_stops_with_its_log(confirm):
    runner = confirm(("unstarted", 0), ("unstarted", 0))
    runner.go()
    assert states(runner) == ["complete", "complete"]
    runner = confirm(*[("unstarted", 0)] * 3)
    for path in (runner.directory / "runs").glob("*/run.json"):
        path.unlink()
    expected = r"lost 3 times .*its worker could not start \(killed by signal 9.*worker-0\.log"
    with pytest.raises(StudyStopped, match=expected):
        runner.go()
    assert [len(runs) for runs in runner.worker.submitted] == [1, 1, 1]


def test_a_worker_that_cannot_start_says_nothing_of_its_population(confirm):
    runner = confirm(("unstarted", 0), ("unstarted", 0))
    runner.population = lambda record: 2
    plan = runner.plan
    records = [plan.record(plan.baseline, "confirm", {"learning_rate": 0.01}, seed) for seed in (1, 2)]
    runner._execute("confirm", records)
    assert [len(runs) for runs in runner.worker.submitted] == [2, 2, 2]


def test_each_attempt_has_a_run_to_itself_and_whoever_was_given_up_has_it_no_more(confirm):
    runner = confirm(("lost", 160))
    claims = []
    submit = runner.worker.submit

    def noted(slot, task):
        claims.append([(run, task.attempt, (run / ATTEMPT).read_text()) for run in task.runs])
        submit(slot, task)

    requeue = runner._requeue

    def revoked(records):
        [(run, *_)] = claims[-1]
        assert not (run / ATTEMPT).exists()
        requeue(records)

    runner.worker.submit, runner._requeue = noted, revoked
    runner.go()
    ((run, *first),), ((again, *second),), _ = claims
    assert run == again
    assert first[0] == first[1] != second[0] == second[1]


def test_what_is_waited_for_is_shown(confirm):
    runner = confirm()
    shown = []
    runner.worker.waits = lambda: ["worker 0: no sign of life for 42 s"]
    runner.display.waits = shown.append
    runner.go()
    assert shown[0] == ["worker 0: no sign of life for 42 s"]
