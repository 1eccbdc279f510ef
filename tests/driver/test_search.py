"""A tiny search through the command line: its rounds, its journal, a kill in it, and what it refuses."""

import copy
import json
import shutil

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from tests import in_process
from tests.study import studies
from workbench.analysis.search import searched
from workbench.driver import worker
from workbench.records.index import load_study
from workbench.records.search import SEARCH, read_points

SPACE = {
    "norm": ["rmsnorm", {"name": "layernorm", "eps": 1e-4}],
    "heads": [1, 2, 3],
    "feedforward_width": {"low": 16, "high": 64, "step": 16},
    "learning_rate": {"low": 0.005, "high": 0.02, "log": True},
}
SECTION = {
    "space": SPACE,
    "objectives": ["validation/loss", "flops_per_token"],
    "constraints": ["parameters <= 12.5k"],
    "trials": 6,
}
TRAINING = studies.TINY["training"] | {"tokens": 640, "evaluations": 2, "probes": 0}


def make_search(folder, **changes):
    """A study file of a search over 16 wide models, of which no heads share the width by three."""
    studies.make_study(folder)
    of_others = ("factors", "learning_rates", "margin", "grid_growth")
    own = {key: value for key, value in studies.TINY.items() if key not in of_others}
    own |= {"design": "search", "search": SECTION, "seeds": {"tune": 1}, "training": TRAINING}
    values = own | changes
    path = folder / "tiny.yaml"
    path.write_text(json.dumps(values))
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The search run to its end in peace."""
    folder = tmp_path_factory.mktemp("search")
    make_search(folder)
    answer = in_process.workbench(folder, "run", "tiny.yaml", "--workers", "2")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder, answer.stdout


def found(folder):
    return searched(load_study(folder / "results/tiny"))


def trials_of(folder, name="search", at="results/tiny"):
    storage = JournalStorage(JournalFileBackend(str(folder / at / "optuna.journal")))
    assert [one.study_name for one in storage.get_all_studies()] == [name]
    return optuna.load_study(study_name=name, storage=storage)


def test_as_many_points_are_trained_as_asked_and_what_cannot_be_is_named(done):
    folder, output = done
    trials = found(folder).trials
    assert list(trials["number"]) == list(range(len(trials)))
    assert (trials["state"] == "complete").sum() == 6
    excluded = trials[trials["state"] == "infeasible"]
    assert len(excluded)
    for row in excluded.to_dict("records"):
        assert "not divisible by heads 3" in row["reason"] or "parameters <= 12.5k: has 1" in row["reason"]
    assert len(list((folder / "results/tiny/runs").iterdir())) == 6
    assert "exploratory: a search gives no verdict; 6 of 6 points trained" in " ".join(output.split())


def test_a_run_is_its_point(done):
    folder, _ = done
    points = {point.variant: point for point in read_points(folder / "results/tiny").points}
    for run in studies.records(folder):
        point = points[run["variant"]]
        assert run["phase"] == "search"
        assert run["seed"] == 1001
        assert run["point"] == point.point
        assert run["hyperparameters"] == {"learning_rate": point.point["learning_rate"]}
        model = run["config"]["model"]
        assert model["heads"] == point.point["heads"]
        assert model["feedforward_width"] == point.point["feedforward_width"]
        assert (model["norm"].get("eps") == 1e-4) == (point.point["norm"] == "layernorm(eps=0.0001)")
        assert run["cost"]["parameters"] == point.figures["parameters"]
        assert run["cost"]["flops_per_token"] == point.figures["flops_per_token"]


def test_the_journal_is_one_study_with_every_point(done):
    folder, _ = done
    study = trials_of(folder)
    trials = found(folder).trials
    assert [one.name for one in study.directions] == ["MINIMIZE", "MINIMIZE"]
    assert study.metric_names == ["validation/loss", "flops_per_token"]
    assert len(study.trials) == len(trials)
    for trial, row in zip(study.trials, trials.to_dict("records"), strict=True):
        assert trial.number == row["number"]
        assert trial.user_attrs["point"] == row["variant"]
        assert trial.params["norm"] == row["norm"]
        if row["state"] == "complete":
            assert trial.state is TrialState.COMPLETE
            assert trial.values == pytest.approx([row["validation/loss"], row["flops_per_token"]])
            assert trial.user_attrs["run_ids"] == row["run_ids"]
            assert all(value <= 0 for value in trial.constraints.values())
        else:
            assert trial.state is TrialState.PRUNED
            assert max(trial.constraints.values()) > 0
    assert sorted(trial.number for trial in study.best_trials) == sorted(found(folder).front)


class Killed(BaseException):
    """What ends a driver without a word."""


def test_killed_and_run_again_no_trial_is_lost_or_repeated(done, tmp_path, monkeypatch):
    make_search(tmp_path)
    served = []
    serve = worker.serve

    def dies(task, driver):
        served.append(task)
        if len(served) == 4:
            raise Killed
        return serve(task, driver)

    with monkeypatch.context() as patch:
        patch.setattr(worker, "serve", dies)
        with pytest.raises(Killed):
            in_process.workbench(tmp_path, "run", "tiny.yaml", "--workers", "1")
    assert len([run for run in studies.records(tmp_path) if run["state"] == "complete"]) == 3
    answer = in_process.workbench(tmp_path, "run", "tiny.yaml", "--workers", "1")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    # One worker or two, killed or not: the same points with the same losses, each trained once.
    assert studies.outcomes(tmp_path) == studies.outcomes(done[0])
    assert {run["attempts"] for run in studies.records(tmp_path)} == {1}
    ours, theirs = (read_points(folder / "results/tiny") for folder in (tmp_path, done[0]))
    assert ours == theirs
    assert [trial.params for trial in trials_of(tmp_path).trials] == [
        trial.params for trial in trials_of(done[0]).trials
    ]
    assert not [trial for trial in trials_of(tmp_path).trials if not trial.state.is_finished()]


def test_points_and_journal_that_are_damaged_are_made_anew(done, tmp_path):
    folder = shutil.copytree(done[0], tmp_path / "copy")
    study = folder / "results/tiny"
    (study / SEARCH).write_text("{")
    (study / "optuna.journal").write_text("nonsense")
    answer = in_process.workbench(folder, "run", "tiny.yaml")
    assert answer.returncode == 0, answer.stderr
    assert "search.json: cannot be read as JSON" in answer.stdout
    assert (study / f"{SEARCH}.damaged").exists()
    before, after = found(done[0]), found(folder)
    assert after.front == before.front
    complete = [trial for trial in trials_of(folder).trials if trial.state is TrialState.COMPLETE]
    assert sorted(trial.values for trial in complete) == sorted(
        trial.values for trial in trials_of(done[0]).trials if trial.state is TrialState.COMPLETE
    )


def test_more_trials_go_on_and_another_search_is_refused(done, tmp_path):
    folder = shutil.copytree(done[0], tmp_path / "copy")
    answer = in_process.workbench(folder, "run", "tiny.yaml", "--set", "search.trials=7")
    assert answer.returncode == 0, answer.stderr
    assert (found(folder).trials["state"] == "complete").sum() == 7
    assert sum(run["attempts"] for run in studies.records(folder)) == 7
    answer = in_process.workbench(folder, "run", "tiny.yaml", "--set", "training.tokens=1280")
    assert answer.returncode == 2
    assert "holds the runs of another search or study, which differs in" in answer.stderr


def test_reports_for_people_and_programs(done):
    folder, _ = done
    facts = studies.report(folder)
    assert facts["exploratory"] is True
    assert facts["state"] == "complete"
    assert facts["counts"]["complete"] == 6
    assert facts["planned"] == 6
    assert facts["front"] == found(folder).front
    table = in_process.workbench(folder, "report", "tiny", "--format", "csv").stdout.strip().splitlines()
    assert len(table) == 1 + len(facts["points"])
    markdown = in_process.workbench(folder, "report", "tiny", "--format", "md").stdout
    assert "promote what looks best: workbench promote tiny --top 3" in markdown
    status = json.loads(in_process.workbench(folder, "status", "--json").stdout)["studies"][0]
    assert status["points"]["planned"] == 6
    assert status["runs"]["complete"] == 6


def test_a_plan_of_seeds_is_refused(done):
    answer = in_process.workbench(done[0], "plan", "tiny.yaml")
    assert answer.returncode == 2
    assert "no number of seeds decides it" in answer.stderr


def test_check_says_what_the_space_holds(done):
    answer = in_process.workbench(done[0], "check", "tiny.yaml", "--json")
    facts = json.loads(answer.stdout)
    assert facts["combinations"] is None
    assert facts["points"] == 6
    assert 0 < facts["feasible_share"] < 1
    assert any("not divisible by heads 3" in one["reason"] for one in facts["excluded"])
    assert any("tpe draws the first 10 points at random" in text for text in facts["warnings"])


def test_it_is_published_with_its_points(done, tmp_path):
    folder = shutil.copytree(done[0], tmp_path / "copy")
    answer = in_process.workbench(folder, "publish", "tiny")
    assert answer.returncode == 0, answer.stderr
    published = folder / "results/published/tiny"
    assert searched(load_study(published)).front == found(folder).front
    report = (published / "report.md").read_text()
    assert "exploratory" in report
    figures = {path.name for path in published.glob("*.svg")}
    assert figures
    assert all(f"]({name})" in report for name in figures)


def test_trials_are_exported_for_optunas_tools(done, tmp_path):
    target = f"sqlite:///{tmp_path / 'trials.db'}"
    answer = in_process.workbench(done[0], "export", "tiny", "--to", "optuna", "--storage", target)
    assert answer.returncode == 0, answer.stderr
    copied = optuna.load_study(study_name="tiny/search", storage=target).trials
    own = trials_of(done[0]).trials
    assert [(one.params, one.values, one.state, one.constraints) for one in copied] == [
        (one.params, one.values, one.state, one.constraints) for one in own
    ]
    again = in_process.workbench(done[0], "export", "tiny", "--to", "optuna", "--storage", target)
    assert again.returncode == 2
    assert "has a study 'tiny/search' already" in again.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nrom": ["rmsnorm"]}, "search.space.nrom: unknown factor 'nrom'"),
        ({"norm": ["rmsnorm", "rmsnrm"]}, "search.space.norm: "),
        ({"norm": ["rmsnorm", {"name": "rmsnorm"}]}, "is listed twice"),
        ({"context": [8, 16]}, "search.space.context: is no dimension of a search"),
        ({"learning_rate": [100.0]}, "search.space.learning_rate: 100 is not from"),
    ],
)
def test_what_is_no_dimension_is_refused_before_anything_trains(done, tmp_path, change, message):
    section = copy.deepcopy(SECTION)
    section["space"] |= change
    make_search(tmp_path, search=section)
    answer = in_process.workbench(tmp_path, "run", "tiny.yaml")
    assert answer.returncode == 2, answer.stdout
    assert message in answer.stderr


def test_a_space_without_a_point_that_can_be_stops_with_the_remedy(tmp_path):
    make_search(tmp_path, search=SECTION | {"constraints": ["parameters <= 1k"], "sampler": "random"})
    answer = in_process.workbench(tmp_path, "run", "tiny.yaml")
    assert answer.returncode == 1
    assert "loosen search.constraints" in answer.stderr
    loosened = '["parameters <= 1M"]'
    answer = in_process.workbench(tmp_path, "run", "tiny.yaml", "--set", f"search.constraints={loosened}")
    assert answer.returncode == 0, answer.stderr
    assert (found(tmp_path).trials["state"] == "complete").sum() == 6
    assert len(trials_of(tmp_path).trials) == len(found(tmp_path).trials)


def test_a_space_that_ends_is_tried_whole_and_its_search_is_complete(tmp_path):
    space = {"norm": ["rmsnorm", "layernorm"], "heads": [2, 3], "learning_rate": [0.01]}
    make_search(tmp_path, search={"space": space, "trials": 9, "sampler": "qmc"})
    answer = in_process.workbench(tmp_path, "run", "tiny.yaml")
    assert answer.returncode == 0, answer.stderr
    assert "the space has no more points: 7 fewer are trained than asked" in answer.stdout
    trials = found(tmp_path).trials
    assert sorted(trials["state"]) == ["complete", "complete", "infeasible", "infeasible"]
    assert studies.report(tmp_path)["state"] == "complete"
