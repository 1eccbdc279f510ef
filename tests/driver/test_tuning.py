"""A study that tunes over a space, run to its end in the test's process: points, rounds, resumes, report."""

import json

import pytest

from tests import in_process
from tests.study import studies
from tests.study.studies import TINY, make_study, records
from workbench.analysis.tuned_rates import unequal_tuning
from workbench.analysis.tuning_choice import tuned_variants
from workbench.driver.optuna_ledger import Ledger
from workbench.driver.runner import Runner
from workbench.records import load_study
from workbench.records.hyperparameters import key_of
from workbench.records.proposals import PROPOSALS, read_proposals

SHORT = ("learning_rates", "grid_growth")
SPACE = {"learning_rate": {"low": 0.002, "high": 0.02, "log": True}, "weight_decay": [0, 0.1, 0.3]}
SHORTEST = TINY["training"] | {"tokens": 640, "evaluations": 2, "evaluation_tokens": 128}


def study(folder, **changes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studies, "TINY", {key: value for key, value in TINY.items() if key not in SHORT})
        seeds = {"pilot": 0, "tune": 1, "confirm": 2}
        return make_study(folder, **({"training": SHORTEST, "seeds": seeds} | changes))


def run(folder):
    answer = in_process.workbench(folder, "run", "tiny.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A study by TPE that died in its second round, and what it had proposed; then run to its end."""
    folder = tmp_path_factory.mktemp("tuning")
    study(folder, tuning={"space": SPACE, "sampler": "tpe", "trials": 6})
    before = {}

    heard = Runner._heard

    def dies(self, record, event):
        if len(records(folder)) > 8:
            before["proposals"] = read_proposals(folder / "results/tiny")
            before["runs"] = {one["run_id"]: one["finished"] for one in records(folder)}
            raise RuntimeError("killed")
        heard(self, record, event)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runner, "_heard", dies)
        with pytest.raises(RuntimeError, match="killed"):
            in_process.workbench(folder, "run", "tiny.yaml")
    run(folder)
    return folder, before


def test_what_was_proposed_stands_and_nothing_is_repeated(killed):
    folder, before = killed
    assert [len(one) for one in before["proposals"]["baseline"]] == [4, 2]
    assert read_proposals(folder / "results/tiny") == before["proposals"]
    after = {one["run_id"]: one["finished"] for one in records(folder)}
    for run_id, finished in before["runs"].items():
        assert finished is None or after[run_id] == finished


def test_every_variant_has_as_many_points_trials_and_tokens(killed):
    loaded = load_study(killed[0] / "results/tiny")
    tuned = tuned_variants(loaded)
    first, second = tuned.values()
    assert len(first.points.tried) == len(second.points.tried) == 6
    assert first.trials == second.trials == 6 + 9
    assert first.tokens == second.tokens == first.spent
    assert unequal_tuning(second, first) is None
    assert {point.key for point in first.points.tried} != {point.key for point in second.points.tried}


def test_the_best_mean_over_fresh_seeds_is_confirmed(killed):
    folder = killed[0]
    tuned = tuned_variants(load_study(folder / "results/tiny"))["baseline"]
    assert len(tuned.points.again) == 3
    best = sorted(tuned.points.tried, key=lambda point: point.mean)[:3]
    assert {point.key for point in best} == {point.key for point in tuned.points.again}
    assert tuned.points.chosen == min(best, key=lambda point: point.fresh_mean)
    confirmed = {
        key_of(one["hyperparameters"])
        for one in records(folder)
        if one["phase"] == "confirm" and one["variant"] == "baseline"
    }
    assert confirmed == {tuned.points.chosen.key}


def test_the_journal_has_the_space(killed):
    trial = Ledger(killed[0] / "results/tiny", "validation/loss", None)._study("baseline").trials[0]
    assert trial.distributions["learning_rate"].log
    assert (trial.distributions["learning_rate"].low, trial.distributions["learning_rate"].high) == (
        0.002,
        0.02,
    )
    assert trial.distributions["weight_decay"].choices == (0.0, 0.1, 0.3)


def test_the_report_says_what_was_tuned(killed):
    answer = in_process.workbench(killed[0], "report", "tiny", "--json")
    found = json.loads(answer.stdout)
    assert found["tuning"]["sampler"] == "tpe"
    one = found["tuning"]["variants"][0]
    assert set(one["chosen"]) == {"learning_rate", "weight_decay"}
    assert (one["points"], one["trials"], len(one["best_of"]), len(one["so_far"])) == (6, 15, 6, 6)
    assert min(group["excess"] for group in one["sensitivity"]["weight_decay"]) == 0
    assert len(found["rows"][1]["values"]) == 2
    for kind in ("md", "latex"):
        text = in_process.workbench(killed[0], "report", "tiny", "--format", kind).stdout
        assert "Tuned values" in text
        assert "What tuning took" in text


def test_a_damaged_file_of_proposals_is_made_anew_from_the_runs(killed):
    folder, before = killed
    path = folder / "results/tiny" / PROPOSALS
    path.write_text("{")
    runs = {one["run_id"] for one in records(folder)}
    assert "made anew from the run records" in run(folder)
    assert {one["run_id"] for one in records(folder)} == runs
    made = read_proposals(folder / "results/tiny")
    for name, rounds in before["proposals"].items():
        assert {key_of(one) for part in made[name] for one in part} == {
            key_of(one) for part in rounds for one in part
        }


def test_racing_stops_points_and_stays_equal(tmp_path):
    """A much lower rate is worse at every seed: it gets four of five, and is allotted five all the same."""
    tuning = {"space": {"learning_rate": [0.005, 0.02]}, "pruner": "wilcoxon"}
    study(tmp_path, tuning=tuning, seeds={"pilot": 0, "tune": 5, "confirm": 1})
    run(tmp_path)
    found = tuned_variants(load_study(tmp_path / "results/tiny"))
    for one in found.values():
        assert {len(point.losses) for point in one.points.tried} == {4, 5}
        assert one.learning_rate == 0.02
        assert one.trials == 10
        assert one.spent == pytest.approx(0.9 * one.tokens)
    answer = in_process.workbench(tmp_path, "report", "tiny", "--json")
    notes = [note["text"] for note in json.loads(answer.stdout)["notes"]]
    assert any("racing gave 2 of 4 points no further" in text for text in notes)


def test_what_variants_differ_in_is_not_tuned(tmp_path):
    study(
        tmp_path,
        factors={"weight_decay": [0.1, 0.3]},
        tuning={"space": SPACE, "sampler": "qmc", "trials": 4},
    )
    answer = in_process.workbench(tmp_path, "check", "tiny.yaml")
    assert answer.returncode == 2
    assert "tuning.space.weight_decay: the variants differ in weight_decay" in answer.stderr


def test_a_value_that_no_trial_can_have_is_refused(tmp_path):
    space = {"learning_rate": [0.01], "warmup": [0.1, 1.5]}
    study(tmp_path, tuning={"space": space})
    answer = in_process.workbench(tmp_path, "check", "tiny.yaml")
    assert answer.returncode == 2
    assert "a trial cannot have warmup 1.5" in answer.stderr


def test_check_shows_trials_of_a_space(tmp_path):
    study(tmp_path, tuning={"space": SPACE, "sampler": "qmc", "trials": 5})
    answer = in_process.workbench(tmp_path, "check", "tiny.yaml")
    assert "tune 28" in answer.stdout  # two variants: five points, and three again on three seeds
    assert "5 points of every variant by qmc" in " ".join(answer.stdout.split())
