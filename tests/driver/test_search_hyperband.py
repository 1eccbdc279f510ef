"""A tiny search that hyperband prunes, through the command line: its rungs, its journal, kills."""

import json
import shutil

import pytest
from optuna.trial import TrialState

from tests import in_process
from tests.driver import test_search
from tests.driver.test_search import Killed, found, trials_of
from tests.study import studies
from workbench.analysis.search import searched
from workbench.driver import worker
from workbench.records.index import load_study
from workbench.records.search import SEARCH, read_points

SECTION = test_search.SECTION | {
    "objectives": ["validation/loss"],
    "constraints": [],
    "pruner": "hyperband",
    "least_tokens": 192,
    "trials": 15,
}
TRAINING = test_search.TRAINING | {"tokens": 1728, "warmup": 0.25}
# Points at each rung, bracket by bracket; the last of three would have three, and has what is left.
BRACKETS = [{192: 9, 576: 3, 1728: 1}, {576: 5, 1728: 1}, {1728: 1}]


def make(folder, **changes):
    test_search.make_search(folder, search=SECTION | changes, training=TRAINING)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The search run to its end in peace."""
    folder = tmp_path_factory.mktemp("hyperband")
    make(folder)
    answer = in_process.workbench(folder, "run", "tiny.yaml", "--workers", "2")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder, " ".join(answer.stdout.split())


def outcomes(folder):
    """What each run found, without when and how fast."""
    return {
        run["run_id"]: (run["variant"], run["state"], run["summary"], run["point"])
        for run in studies.records(folder)
    }


def test_each_bracket_runs_its_rungs_and_a_third_goes_on(done):
    folder, output = done
    points = {point.variant: point for point in read_points(folder / "results/tiny").points}
    counted = [{}, {}, {}]
    for run in studies.records(folder):
        rung = counted[points[run["variant"]].bracket]
        tokens = run["config"]["training"]["tokens"]
        rung[tokens] = rung.get(tokens, 0) + 1
    assert counted == BRACKETS
    assert "20 trials of at most 28 steps" in output
    assert "rung of 192 tokens: 9 points" in output
    # A rung is a training of its own: whole steps between evaluations, and its schedule ends with it.
    steps = {run["config"]["training"]["tokens"]: run["progress"]["steps"] for run in studies.records(folder)}
    assert steps == {192: 4, 576: 10, 1728: 28}


def test_who_goes_on_had_the_lowest_losses(done):
    folder, _ = done
    trials = found(folder)
    first = {number: one.values[192][0] for number, one in trials.standings.items() if 192 in one.values}
    on = {number for number in first if trials.standings[number].tokens > 192}
    assert on == set(sorted(first, key=first.get)[:3])


def test_a_point_that_stopped_is_pruned_and_never_among_the_best(done):
    folder, output = done
    search = found(folder)
    trials = search.trials.set_index("number")
    stopped = trials[trials["state"] == "pruned"]
    assert len(stopped) == 12
    assert set(stopped["tokens"]) == {192, 576}
    assert stopped["validation/loss"].isna().all()
    assert all(not any(values.values()) for values in stopped["per_seed"])
    complete = trials[trials["state"] == "complete"]
    assert list(complete["tokens"]) == [1728] * 3
    assert not set(search.front) & set(stopped.index)
    assert set(search.best(99)["number"]) == set(complete.index)
    assert "3 of 15 points trained with the whole budget (12 stopped at lower rungs" in output


def test_in_the_journal_it_is_pruned_with_its_values_by_tokens(done):
    folder, _ = done
    search = found(folder)
    for trial in trials_of(folder).trials:
        standing = search.standings.get(trial.number)
        if standing is None:
            assert max(trial.constraints.values()) > 0  # excluded before training
        elif standing.stopped:
            assert trial.state is TrialState.PRUNED
            assert trial.intermediate_values == {
                tokens: values[0] for tokens, values in standing.values.items()
            }
            assert trial.value == standing.values[standing.tokens][0]
        else:
            assert trial.state is TrialState.COMPLETE


def test_killed_in_the_middle_of_a_rung_and_run_again_nothing_is_lost_or_repeated(
    done, tmp_path, monkeypatch
):
    make(tmp_path)
    served = []
    serve = worker.serve

    def dies(task, driver):
        served.append(task)
        if len(served) in (6, 13):  # in the first rung, and in the second
            raise Killed
        return serve(task, driver)

    with monkeypatch.context() as patch:
        patch.setattr(worker, "serve", dies)
        for _ in range(2):
            with pytest.raises(Killed):
                in_process.workbench(tmp_path, "run", "tiny.yaml", "--workers", "1")
    complete = [run for run in studies.records(tmp_path) if run["state"] == "complete"]
    assert sorted(run["config"]["training"]["tokens"] for run in complete) == [192] * 9 + [576] * 2
    answer = in_process.workbench(tmp_path, "run", "tiny.yaml", "--workers", "1")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    # One worker or two, killed or not: the same points at the same rungs with the same losses.
    assert outcomes(tmp_path) == outcomes(done[0])
    assert {run["attempts"] for run in studies.records(tmp_path)} == {1}
    assert read_points(tmp_path / "results/tiny") == read_points(done[0] / "results/tiny")
    ours, theirs = trials_of(tmp_path).trials, trials_of(done[0]).trials
    assert [(one.params, one.state, one.values, one.intermediate_values) for one in ours] == [
        (one.params, one.state, one.values, one.intermediate_values) for one in theirs
    ]


def test_points_and_journal_that_are_damaged_are_made_anew(done, tmp_path):
    folder = shutil.copytree(done[0], tmp_path / "copy")
    study = folder / "results/tiny"
    (study / SEARCH).write_text("{")
    (study / "optuna.journal").write_text("nonsense")
    answer = in_process.workbench(folder, "run", "tiny.yaml")
    assert answer.returncode == 0, answer.stderr
    assert outcomes(folder) == outcomes(done[0])
    assert found(folder).front == found(done[0]).front
    before = {
        one.number: one.bracket for one in read_points(done[0] / "results/tiny").points if not one.infeasible
    }
    after = {one.number: one.bracket for one in read_points(study).points if not one.infeasible}
    assert after == before
    states = [trial.state for trial in trials_of(folder).trials]
    assert states == [trial.state for trial in trials_of(done[0]).trials]


def test_more_points_go_on_with_the_next_bracket_and_another_smallest_rung_is_another_search(done, tmp_path):
    folder = shutil.copytree(done[0], tmp_path / "copy")
    answer = in_process.workbench(folder, "run", "tiny.yaml", "--set", "search.least_tokens=576")
    assert answer.returncode == 2
    assert "holds the runs of another search or study" in answer.stderr
    answer = in_process.workbench(folder, "run", "tiny.yaml", "--set", "search.trials=16")
    assert answer.returncode == 0, answer.stderr
    assert sum(run["attempts"] for run in studies.records(folder)) == 20 + 3  # all rungs of a bracket of one
    assert outcomes(done[0]).items() <= outcomes(folder).items()


def test_it_is_published_with_what_stopped(done, tmp_path):
    folder = shutil.copytree(done[0], tmp_path / "copy")
    answer = in_process.workbench(folder, "publish", "tiny")
    assert answer.returncode == 0, answer.stderr
    published = folder / "results/published/tiny"
    assert searched(load_study(published)).standings == found(folder).standings
    assert "12 stopped at lower rungs" in (published / "report.md").read_text()
    states = [trial.state for trial in trials_of(folder, at="results/published/tiny").trials]
    assert states == [trial.state for trial in trials_of(folder).trials]


def test_the_report_says_what_is_not_known_of_points_that_stopped(done):
    facts = studies.report(done[0])
    assert facts["counts"]["pruned"] == 12
    assert any("nothing is known of them with the whole budget" in note for note in facts["notes"])
    assert [(one["fewer"], one["more"]) for one in facts["rungs"]] == [(192, 576), (576, 1728), (192, 1728)]
    assert facts["rungs"][0]["points"] == 3
    assert -1 <= facts["rungs"][0]["rho"] <= 1
    markdown = in_process.workbench(done[0], "report", "tiny", "--format", "md").stdout
    assert "rungs of hyperband" in markdown


def test_check_shows_brackets_and_what_they_take(done):
    answer = in_process.workbench(done[0], "check", "tiny.yaml", "--json")
    facts = json.loads(answer.stdout)
    hyperband = facts["hyperband"]
    assert hyperband["rungs"] == [256, 640, 1792]  # as they are trained
    assert [one["points"] for one in hyperband["brackets"]] == [[9, 3, 1], [5, 1], [1]]
    assert hyperband["tokens"] == sum(run["cost"]["tokens"] for run in studies.records(done[0]))
    assert hyperband["tokens_without"] == 15 * 1792
    assert facts["trials"]["total"] == 20
    assert any("15 points do not fill hyperband's 3 brackets" in text for text in facts["warnings"])
    shown = in_process.workbench(done[0], "check", "tiny.yaml").stdout
    assert "bracket:  9 × 256, 3 × 640, 1 × 1,792 tokens" in shown


def test_with_several_objectives_the_rungs_values_are_an_attribute(tmp_path):
    objectives = ["validation/loss", "flops_per_token"]
    make(tmp_path, objectives=objectives, trials=5, least_tokens=576)
    answer = in_process.workbench(tmp_path, "run", "tiny.yaml", "--workers", "1")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    search = found(tmp_path)
    stopped = {number: one for number, one in search.standings.items() if one.stopped}
    assert len(stopped) == 2
    for trial in trials_of(tmp_path).trials:
        if trial.number in stopped:
            assert trial.state is TrialState.PRUNED
            assert trial.user_attrs["rungs"] == {"576": stopped[trial.number].values[576]}
