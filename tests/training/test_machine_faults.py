"""Faults of the machine are no outcomes: the trial goes on, or begins anew, when it is run again."""

import errno
import math
import shutil
import sys

import pytest
import torch
from safetensors import SafetensorError

from workbench.driver.populations import settle
from workbench.errors import RecordError, UserError
from workbench.model.parts.norms import RMSNorm
from workbench.model.presets import preset
from workbench.records.attempts import GivenUp, claim
from workbench.records.run import FINISHED, RunDirectory, RunRecord, State
from workbench.training.config import TrainingConfig
from workbench.training.machine_faults import is_machine_fault
from workbench.training.population import recorder
from workbench.training.population.halving import Halving
from workbench.training.population.trial import run_population
from workbench.training.pulse import Pulse
from workbench.training.run import Watcher
from workbench.training.trained_decoder import load_decoder
from workbench.training.trial import run_trial

CONTEXT = 16
STEPS = 12


class FailingDisk(RMSNorm):
    """Meets a full disk as long as ``full`` says so."""

    full = True

    def forward(self, x):
        if FailingDisk.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().forward(x)


def directory_of(folder, name="run", *, seed=7, rate=0.01, norm="rmsnorm", evaluations=3):
    model = preset("llama", vocabulary=257, context=CONTEXT, layers=1, width=16, heads=2, norm=norm)
    training = TrainingConfig(
        tokens=STEPS * 2 * CONTEXT, batch_size=2, evaluations=evaluations, evaluation_tokens=128
    )
    record = RunRecord(
        run_id=name,
        study="s",
        variant="v",
        phase="tune",
        seed=seed,
        hyperparameters={"learning_rate": rate},
        config={
            "model": model.to_dict(),
            "data": {"corpus": "unused", "tokenizer": "bytes"},
            "training": training.resolve("cpu").model_dump(mode="json") | {"device": "cpu"},
        },
    )
    directory = RunDirectory(folder / "runs" / name)
    if not directory.exists():
        directory.write(record)
    return directory


def train(directory, corpus, stop_at=math.inf):
    steps = [0]
    watcher = Watcher(
        report=lambda event: steps.append(event.get("step", steps[-1])),
        should_stop=lambda: steps[-1] >= stop_at,
    )
    return run_trial(directory, lambda data: corpus, watcher)


def raised_from(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (RecordError("metrics.jsonl: a line is not JSON"), True),
        (GivenUp("the run is another's by now"), True),
        (SafetensorError("Error while serializing: I/O error"), True),
        (RuntimeError("PytorchStreamWriter failed writing file data/3"), True),
        (torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered"), True),
        (torch.AcceleratorError("CUDA error: device-side assert triggered"), False),
        (raised_from(UserError("the cache cannot be written"), OSError(errno.EROFS, "Read-only")), True),
        (UserError("positions: has a table of 16 positions"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (torch.OutOfMemoryError("CUDA out of memory"), False),
        (MemoryError(), False),
        (ValueError("not a number"), False),
    ],
)
def test_files_disks_and_devices_are_the_machines_and_all_else_is_the_trials(error, expected):
    assert is_machine_fault(error) is expected


@pytest.mark.parametrize("together", [False, True])
def test_a_full_disk_is_no_outcome_and_the_trial_completes_once_there_is_room(
    tmp_path, corpus, monkeypatch, together
):
    monkeypatch.setattr(FailingDisk, "full", True)
    names = ["a", "b"] if together else ["a"]
    made = [directory_of(tmp_path, name, norm=f"{__name__}:FailingDisk") for name in names]
    go = (
        (lambda: run_population(made, lambda data: corpus, Watcher()))
        if together
        else (lambda: [train(made[0], corpus)])
    )
    assert __name__ in sys.modules
    with pytest.raises(OSError, match="No space left"):
        go()
    assert not {one.read().state for one in made} & FINISHED
    monkeypatch.setattr(FailingDisk, "full", False)
    assert {record.state for record in go()} == {State.COMPLETE}


def test_a_corpus_that_is_gone_is_no_outcome(tmp_path):
    def gone(data):
        raise UserError("data.corpus.path: no file or folder 'text'")

    directory = directory_of(tmp_path)
    with pytest.raises(UserError, match="no file or folder"):
        run_trial(directory, gone, Watcher())
    assert directory.read().state is State.QUEUED


def cut(content):
    return content[: len(content) // 2]


def emptied(content):
    return b""


def zeroed(content):
    """A page that was never written: the file is as long as it should be, and its index is sound."""
    middle = len(content) // 2
    return content[:middle] + bytes(4096) + content[middle + 4096 :]


def of_something_else(content):
    return b"hello, this is no checkpoint at all"


DAMAGES = [cut, emptied, zeroed, of_something_else]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, corpus):
    """A trial that nothing befell: its record, its directory."""
    directory = directory_of(tmp_path_factory.mktemp("whole"))
    return train(directory, corpus), directory


def assert_equal(found, expected):
    """The same outcome, the same weights, the same rows (but for clocks)."""
    assert found.read().state is State.COMPLETE
    assert found.read().summary == expected.read().summary
    assert found.weights.read_bytes() == expected.weights.read_bytes()
    columns = ["step", "tokens", "train/loss", "validation/loss", "learning_rate", "gradient_norm"]
    assert found.metrics()[columns].equals(expected.metrics()[columns])


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_trial_whose_checkpoint_is_damaged_begins_anew(tmp_path, corpus, whole, damage):
    directory = directory_of(tmp_path)
    assert train(directory, corpus, stop_at=6).state is State.RUNNING
    directory.checkpoint.write_bytes(damage(directory.checkpoint.read_bytes()))
    with pytest.raises(RecordError, match=r"last\.ckpt: is damaged"):
        train(directory, corpus)
    assert directory.read().state is State.RUNNING
    train(directory, corpus)
    assert_equal(directory, whole[1])


@pytest.mark.parametrize("damage", [cut, emptied, zeroed, of_something_else, None])
def test_rows_are_those_of_the_checkpoint_whatever_became_of_their_file(tmp_path, corpus, whole, damage):
    directory = directory_of(tmp_path)
    train(directory, corpus, stop_at=6)
    rows = directory.path / "metrics.jsonl"
    if damage is None:
        rows.unlink()
    else:
        rows.write_bytes(damage(rows.read_bytes()))
    train(directory, corpus)
    assert_equal(directory, whole[1])


def test_the_outcome_needs_no_file_of_rows(tmp_path, corpus, whole):
    """Deleted while the trial runs: what it found is at hand all the same."""
    directory = directory_of(tmp_path)
    seen = []

    def report(event):
        seen.append(event)
        if event.get("step") == 6:
            (directory.path / "metrics.jsonl").unlink(missing_ok=True)

    record = run_trial(directory, lambda data: corpus, Watcher(report=report))
    assert record.cost["tokens"] == whole[0].cost["tokens"] > 0
    assert_equal(directory, whole[1])


def test_what_a_killed_writer_left_is_swept_away(tmp_path, corpus):
    directory = directory_of(tmp_path)
    for name in (".last.ckpt.71.tmp", ".metrics.jsonl.71.tmp"):
        (directory.path / name).write_bytes(b"half")
    train(directory, corpus, stop_at=6)
    assert not list(directory.path.glob(".*.tmp"))


@pytest.mark.parametrize("damage", [cut, zeroed])
def test_weights_that_are_not_those_of_the_record_are_not_used(tmp_path, whole, damage):
    directory = RunDirectory(shutil.copytree(whole[1].path, tmp_path / "runs" / "run"))
    load_decoder(directory)
    directory.weights.write_bytes(damage(directory.weights.read_bytes()))
    with pytest.raises(RecordError, match=r"model\.safetensors: is damaged \(its SHA-256"):
        load_decoder(directory)


RATES = (1e-5, 1e-3, 3e-3, 1e-2)
HALVING = Halving(candidates=len(RATES), metric="validation/loss")


class Killed(BaseException):
    """Stands for a signal: nothing in the trial hears of it."""


def population(folder):
    return [directory_of(folder, f"r{rate}", rate=rate, evaluations=6) for rate in RATES]


def halved(folder, corpus):
    """What became of each run."""
    made = population(folder)
    waiting = [one for one in made if one.read().state not in (State.PRUNED, State.COMPLETE)]
    settle([one.read() for one in waiting], folder / "runs", lambda record: True)
    run_population(waiting, lambda data: corpus, Watcher(), HALVING)
    return outcomes(made)


def outcomes(made):
    records = [one.read() for one in made]
    return [
        (record.state, record.progress["step"], record.summary.get("validation/loss")) for record in records
    ]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, corpus):
    return halved(tmp_path_factory.mktemp("undisturbed"), corpus)


@pytest.mark.parametrize("function", ["save_replica", "put_in_place"])
@pytest.mark.parametrize("call", [1, 12, 13, 14])
def test_a_halving_population_that_is_killed_while_it_saves_halves_as_if_it_were_not(
    tmp_path, corpus, monkeypatch, undisturbed, function, call
):
    """Saves come at steps 2, 4 and 6 of four replicas, then at 8 of two and at 10 of one."""
    original = getattr(recorder, function)
    calls = []

    def killed(*arguments):
        calls.append(arguments)
        if len(calls) > call:
            raise Killed
        original(*arguments)

    monkeypatch.setattr(recorder, function, killed)
    with pytest.raises(Killed):
        halved(tmp_path, corpus)
    monkeypatch.setattr(recorder, function, original)
    found = halved(tmp_path, corpus)
    assert [one[:2] for one in found] == [one[:2] for one in undisturbed]
    assert [one[2] for one in found] == pytest.approx([one[2] for one in undisturbed], rel=1e-6)
    assert not list(tmp_path.glob("runs/*/replica*"))


@pytest.mark.parametrize("damage", [cut, zeroed])
def test_a_replica_whose_checkpoint_is_damaged_begins_anew_and_all_that_compete_with_it(
    tmp_path, corpus, undisturbed, damage
):
    made, seen = population(tmp_path), []
    watcher = Watcher(report=seen.append, should_stop=lambda: any(e.get("step", 0) >= 9 for e in seen))
    run_population(made, lambda data: corpus, watcher, HALVING)
    left = [one for one in made if one.replica.exists()]
    assert len(left) == 2
    left[0].replica.write_bytes(damage(left[0].replica.read_bytes()))
    if damage is zeroed:  # the header is sound: only reading all of it tells
        with pytest.raises(RecordError, match=r"replica\.ckpt: is damaged"):
            halved(tmp_path, corpus)
    found = halved(tmp_path, corpus)
    assert [one[:2] for one in found] == [one[:2] for one in undisturbed]


@pytest.mark.parametrize("together", [False, True])
def test_a_trial_that_was_given_up_writes_nothing_more_and_its_successor_is_undisturbed(
    tmp_path, corpus, whole, together
):
    """It stood still after its second validation, say on a machine without a network, and wakes up later."""
    names = ["run", "other"] if together else ["run"]
    made = [directory_of(tmp_path, name) for name in names]
    left = {}

    def train_as(attempt, report):
        for one in made:
            claim(one.path, attempt)
        own = [RunDirectory(one.path, attempt) for one in made]
        if together:
            return run_population(own, lambda data: corpus, Watcher(report=report))
        return [run_trial(own[0], lambda data: corpus, Watcher(report=report))]

    def successor(event):
        if event["event"] == "progress" and event["step"] == 9 and not left:
            left["records"] = train_as("second", lambda event: None)
            left["files"] = files(made)

    with pytest.raises(GivenUp, match=r"this attempt \(first\) was given up"):
        train_as("first", successor)
    assert [record.state for record in left["records"]] == [State.COMPLETE] * len(made)
    assert files(made) == left["files"]
    if not together:
        assert_equal(made[0], whole[1])


def files(runs):
    """What is in the directories of runs."""
    return {path: path.read_bytes() for run in runs for path in sorted(run.path.iterdir())}


@pytest.mark.parametrize("together", [False, True])
def test_the_pulse_of_a_trial_counts_its_steps_and_batches_of_validation_from_the_first_step_on(
    tmp_path, corpus, together
):
    made = [directory_of(tmp_path, name) for name in ("run", "other")[: 1 + together]]
    pulse = Pulse()
    beats = []
    watcher = Watcher(pulse=pulse, report=lambda event: beats.append((event["event"], pulse.count)))
    if together:
        run_population(made, lambda data: corpus, watcher)
    else:
        run_trial(made[0], lambda data: corpus, watcher)
    batches, rest = divmod(pulse.count - STEPS, 3)  # evaluations
    assert (batches >= 2, rest) == (True, 0)
    assert beats[0] == ("progress", 1)
    pulse.begin()
    pulse.beat()  # before the first step: nothing counts
    assert pulse.count == 0
