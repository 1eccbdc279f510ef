"""A second hyperparameter goes from the plan through driver, ledger and report, which know no name of it."""

import json

import pytest

from tests import in_process
from tests.study.studies import make_study, records
from workbench.driver.optuna_ledger import Ledger
from workbench.records import load_study
from workbench.records.run import Phase, run_id
from workbench.study.plan import Plan

DECAY = 0.25


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A study whose candidates have a weight decay too, run to its end; and what the command printed."""
    folder = tmp_path_factory.mktemp("tuned")
    make_study(folder, seeds={"tune": 1, "confirm": 2})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plan, "grids", _with_decay)
        answer = in_process.workbench(folder, "run", "tiny.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder, answer.stdout


def _with_decay(plan):
    grid = [{"learning_rate": rate, "weight_decay": DECAY} for rate in plan.study.learning_rates]
    return {variant.name: grid for variant in plan.variants}


def test_every_record_has_both(ran):
    folder, _ = ran
    found = records(folder)
    assert {run["phase"] for run in found} == {"tune", "confirm"}
    assert all(run["state"] == "complete" for run in found)
    assert {run["hyperparameters"]["weight_decay"] for run in found} == {DECAY}
    assert {run["hyperparameters"]["learning_rate"] for run in found} == {0.01, 0.02}
    assert all("learning_rate" not in run for run in found)
    for run in found:
        whole = run["config"], Phase(run["phase"]), run["hyperparameters"], run["seed"]
        assert run["run_id"] == run_id(*whole)


def test_a_table_of_runs_has_a_column_for_each(ran):
    runs = load_study(ran[0] / "results" / "tiny").runs
    assert set(runs["weight_decay"]) == {DECAY}
    assert set(runs["learning_rate"]) == {0.01, 0.02}


def test_the_journal_has_both_as_parameters(ran):
    ledger = Ledger(ran[0] / "results" / "tiny", "validation/loss")
    for variant in ("baseline", "norm=layernorm"):
        trials = ledger._study(variant).trials
        assert {trial.params["weight_decay"] for trial in trials} == {DECAY}
        assert {trial.params["learning_rate"] for trial in trials} == {0.01, 0.02}


def test_what_is_printed_names_both(ran):
    assert "seed 2001 · rate 0.0" in ran[1]
    assert f"weight_decay {DECAY}" in ran[1]


def test_the_report_has_a_verdict(ran):
    answer = in_process.workbench(ran[0], "report", "tiny", "--json")
    assert answer.returncode == 0, answer.stderr
    (_, row) = json.loads(answer.stdout)["rows"]
    assert row["seeds_done"] == 2
    assert row["verdict"]
