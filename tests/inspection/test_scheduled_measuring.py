import pytest
import torch

from workbench.inspection.measuring import probe_of
from workbench.inspection.scheduled_measuring import log_spaced, plan
from workbench.inspection.tables import known_tables
from workbench.records.probes import read_probes
from workbench.records.run import RunDirectory, State
from workbench.records.samples import read_samples
from workbench.training.run import Watcher
from workbench.training.trial import run_trial


def test_checkpoints_are_halves_of_the_run_and_its_beginning():
    assert log_spaced(400) == [200, 100, 50, 25, 12, 6, 3, 1, 0]
    assert log_spaced(1) == [0]
    assert log_spaced(100_000)[-2:] == [195, 0]


def test_runs_of_a_study_write_what_it_asks_for(trained):
    for run in (trained.run, trained.against):
        found = read_samples(run.path)
        assert {one.prompt for one in found} == {"alpha", "beta gamma"}
        assert {one.step for one in found} == {0, 4, 8}
        assert all(one.text and one.error is None for one in found)
        assert "samples" not in run.read().config["training"]


COSTS = {"heads": 10.0, "profiles": 5.0, "residual": 2.0}


def test_nothing_is_measured_beyond_the_budget():
    for budget in range(0, 300, 7):
        planned = plan(400, budget, COSTS)
        assert sum(COSTS[name] for names in planned.values() for name in names) <= budget


def test_final_weights_come_first_then_heads_at_late_checkpoints():
    assert plan(400, 3, COSTS) == {400: ["residual"]}
    assert plan(400, 17, COSTS) == {400: ["heads", "profiles", "residual"]}
    final = ["heads", "profiles", "residual"]
    assert plan(400, 17 + 20 + 1, COSTS) == {400: final, 200: ["heads"], 100: ["heads"]}
    assert plan(400, 17 + 90 + 1, COSTS) == {400: final} | {step: ["heads"] for step in log_spaced(400)}
    dear = COSTS | {"position_loss": 30.0}
    assert plan(400, 17 + 90 + 30, dear)[400] == [*final, "position_loss"]
    assert "position_loss" not in plan(400, 17 + 60, dear)[400]
    everything = plan(400, 1e9, COSTS)
    assert set(everything) == {400, *log_spaced(400)}
    assert all(set(names) == set(COSTS) for names in everything.values())


def test_a_trained_run_has_every_table_at_every_checkpoint(trained_study):
    for path in sorted((trained_study / "runs").iterdir()):
        steps = RunDirectory(path).read().progress["steps"]
        measured = read_probes(path)
        assert set(measured["step"]) == {steps, *log_spaced(steps)}
        assert set(measured["table"]) == set(known_tables())
        assert measured["probe_hash"].nunique() == 1


def test_the_final_tables_are_those_of_the_saved_weights(trained):
    subject, directory = trained.subject(), trained.run
    known = read_probes(directory.path)
    last = known[known["step"] == known["step"].max()]
    assert set(last["probe_hash"]) == {probe_of(subject).hash}
    for name, table in known_tables().items():
        again = table.measure(subject.decoder, probe_of(subject))
        stored = last[last["table"] == name].reset_index(drop=True)
        assert stored["metric"].tolist() == again["metric"].tolist()
        difference = (stored["value"] - again["value"].astype(float)).abs().max()
        assert difference == pytest.approx(0, abs=1e-5), name


def test_measuring_changes_neither_weights_nor_random_numbers(trained, tmp_path):
    """The weights of a run that was measured are those of one that was not."""
    record, corpus = trained.run.read(), trained.subject().corpus
    record.state, record.started = State.QUEUED, None
    other = RunDirectory(tmp_path / record.run_id)
    other.write(record)
    before = torch.get_rng_state()
    assert run_trial(other, lambda _: corpus, Watcher()).state == State.COMPLETE
    assert torch.equal(torch.get_rng_state(), before)
    assert read_probes(other.path).empty
    assert other.weights.read_bytes() == trained.run.weights.read_bytes()
