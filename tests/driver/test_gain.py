"""The baseline's other budgets, run by the driver: rates chosen at the ends, resumed, and counted."""

import json
import math
import shutil

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tests import in_process
from tests.driver.test_populations import Silent, plan_of
from tests.driver.test_runner import Trained
from tests.study.studies import make_study, records
from workbench.analysis.gain_ladder import rung_rates
from workbench.dashboard.study_progress import progress_table
from workbench.driver.runner import Runner
from workbench.records.index import load_study
from workbench.records.run import State
from workbench.study.plan import freeze

GAIN = {"tokens": [640, 1280, 5120, 10240], "seeds": 2}
SHORT = {"tokens": [640, 1280, 5120], "seeds": 2}
RATES = [0.005, 0.01, 0.02, 0.04]


class ByBudget(Trained):
    """The best learning rate falls with the root of the budget: from 0.02 at the smallest to 0.005."""

    def _finish(self, run):
        done = run.read()
        done.state = State.COMPLETE
        best = 0.01 * math.sqrt(2560 / done.config["training"]["tokens"])
        rate = done.hyperparameters["learning_rate"]
        done.summary = {"validation/loss": 2 + math.log2(rate / best) ** 2 + 1e-3 * (done.seed % 2)}
        run.write(done)


@pytest.fixture
def runner(tmp_path):
    def build(**changes):
        plan = plan_of(make_study(tmp_path, learning_rates=RATES, gain=GAIN, **changes))
        directory = tmp_path / "results"
        freeze(plan.manifest(""), directory)
        executor = ByBudget(directory / "runs")
        return Runner(plan, directory, executor, display=Silent(), heartbeat=Silent())

    return build


def rates_by_tokens(runner):
    """Of trials at the gain's own seeds: the learning rate by the budget."""
    runs = load_study(runner.directory).runs
    own = runs[(runs["phase"] == "gain") & runs["seed"].isin([4001, 4002])]
    budgets = [config["training"]["tokens"] for config in own["config"]]
    return dict(zip(budgets, own["learning_rate"], strict=True))


def test_the_rate_is_chosen_at_both_ends_and_follows_between(runner):
    driver = runner(seeds={"tune": 2, "confirm": 2})
    driver.run()
    runs = load_study(driver.directory).runs
    own = runs.loc[(runs["phase"] == "confirm") & (runs["variant"] == "baseline"), "learning_rate"].iloc[0]
    assert own == pytest.approx(0.01)
    # By the tokens that are trained on: 640 are 768 in whole steps between evaluations.
    assert rates_by_tokens(driver) == {640: 0.02, 1280: 0.015, 5120: 0.0071, 10240: 0.005}
    assert list(rung_rates(load_study(driver.directory), own).values()) == [0.02, 0.015, 0.0071, 0.005]
    counts = runs["phase"].value_counts().to_dict()
    assert counts == {"tune": 16, "confirm": 4, "gain": 2 * 2 * 4 + 2 * 4}
    assert sum(driver.plan.trial_counts().values()) == sum(counts.values())


def test_a_study_of_one_rate_has_it_at_every_budget(tmp_path):
    plan = plan_of(make_study(tmp_path, learning_rates=[0.01], gain=GAIN))
    directory = tmp_path / "results"
    freeze(plan.manifest(""), directory)
    driver = Runner(plan, directory, ByBudget(directory / "runs"), display=Silent(), heartbeat=Silent())
    driver.run()
    assert set(rates_by_tokens(driver).values()) == {0.01}
    assert load_study(directory).runs["phase"].value_counts().to_dict() == {"confirm": 4, "gain": 8}


def test_a_grown_grid_is_tried_at_the_ends_too(runner):
    driver = runner(seeds={"tune": 1, "confirm": 2}, grid_growth=1)
    driver.plan.study.learning_rates[:] = [0.02, 0.04]
    driver.run()
    runs = load_study(driver.directory).runs
    ends = runs[(runs["phase"] == "gain") & (runs["seed"] == 1001)]
    assert sorted(set(ends["learning_rate"])) == [0.01, 0.02, 0.04]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A study with other budgets, run to its end."""
    folder = tmp_path_factory.mktemp("gain")
    make_study(folder, gain=SHORT, seeds={"tune": 0, "confirm": 2}, learning_rates=[0.02])
    answer = in_process.workbench(folder, "run", "tiny.yaml", "--workers", "1")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder, answer.stdout


def test_all_budgets_are_trained_and_reported(ran):
    folder, printed = ran
    assert "(confirm 4, gain 6 at other budgets)" in printed
    trained = [run for run in records(folder) if run["phase"] == "gain"]
    assert sorted({run["cost"]["tokens"] for run in trained}) == [768, 1280, 5120]
    answer = in_process.workbench(folder, "report", "tiny", "--json")
    found = json.loads(answer.stdout)["compute_gain"]
    assert [rung["tokens"] for rung in found["rungs"]] == [768, 1280, 2560, 5120]
    means = [rung["mean"] for rung in found["rungs"]]
    assert means == sorted(means, reverse=True)
    assert found["gains"][0]["no_gain"] is None or found["gains"][0]["gain_tokens"] is None


def test_a_study_that_is_done_trains_nothing_more(ran):
    before = len(records(ran[0]))
    answer = in_process.workbench(ran[0], "run", "tiny.yaml", "--workers", "1")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "phase gain: ended before (6 trials)" in answer.stdout
    assert len(records(ran[0])) == before


def test_a_budget_that_lost_a_run_trains_that_one_alone(ran, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(ran[0], folder)
    runs = load_study(folder / "results" / "tiny").runs
    lost = runs[(runs["phase"] == "gain") & (runs["seed"] == 4002)].iloc[0]
    shutil.rmtree(lost["path"])
    answer = in_process.workbench(folder, "run", "tiny.yaml", "--workers", "1")
    assert "phase gain goes on: 5 of 6 trials ended before" in answer.stdout
    assert len(records(folder)) == len(runs)


def test_progress_counts_them(ran):
    table = progress_table(load_study(ran[0] / "results" / "tiny")).set_index("phase")
    assert table.loc["gain", "planned"] == 6
    assert table.loc["gain", "progress"] == 1.0


def test_the_journal_has_a_study_for_each_budget(ran):
    storage = JournalStorage(JournalFileBackend(str(ran[0] / "results" / "tiny" / "optuna.journal")))
    names = set(optuna.get_all_study_names(storage))
    assert {"baseline", "baseline at 768 tokens", "baseline at 5,120 tokens"} <= names


def test_plan_counts_them(ran):
    answer = in_process.workbench(ran[0], "plan", "tiny.yaml", "--sd", "0.05", "--effect", "0.2", "--json")
    facts = json.loads(answer.stdout)
    assert facts["planned"]["trials"] == 4 + 6
    each = facts["seconds_per_trial"]
    tokens = 2 * (768 + 1280 + 5120)
    assert facts["planned"]["seconds"] * facts["workers"] == pytest.approx(
        2 * sum(each.values()) + each["baseline"] * tokens / 2560
    )


def test_a_finished_study_with_budgets_is_published_with_them(ran):
    answer = in_process.workbench(ran[0], "publish", "tiny", "--weights", "0")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    copy = ran[0] / "results" / "published" / "tiny"
    assert "Compute-equivalent gain" in (copy / "report.md").read_text()
    assert (copy / "gains.svg").exists()
    assert load_study(copy).superseded == 0
