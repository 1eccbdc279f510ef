import math

import pytest

from tests.analysis import search_studies, synthetic_studies
from workbench.analysis.search import searched
from workbench.errors import UserError
from workbench.records.index import load_study
from workbench.records.search import SEARCH


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return search_studies.write_search(tmp_path_factory.mktemp("search") / "search")


def test_a_row_for_every_point_with_what_became_of_it(study):
    search = searched(study)
    assert search.dimensions == ["norm", "heads", "learning_rate"]
    assert list(search.trials["number"]) == [0, 1, 2, 3, 4, 5, 6]
    assert list(search.trials["state"]) == [
        "complete",
        "complete",
        "infeasible",
        "complete",
        "diverged",
        "complete",
        "running",
    ]
    assert list(search.trials["feasible"]) == [True, True, False, True, True, True, True]
    assert search.trials["reason"][2].startswith("width: 64 is not divisible by heads 3")
    assert search.trials["reason"][4] == "the loss became NaN at step 40"


def test_values_are_means_over_seeds_and_each_seeds_own_stay(study):
    trials = searched(study).trials
    assert trials["validation/loss"][1] == pytest.approx(2.42)
    assert trials["per_seed"][1]["validation/loss"] == {1001: 2.40, 1002: 2.44}
    assert trials["flops_per_token"][1] == 700
    assert list(trials["heads"]) == [2, 2, 3, 4, 4, 4, 2]
    assert math.isnan(trials["validation/loss"][4])
    assert math.isnan(trials["validation/loss"][2])
    assert len(trials["run_ids"][0]) == 2


def test_the_front_is_what_no_complete_point_beats(study):
    search = searched(study)
    assert search.front == [3, 1]  # 0 is beaten by 1, 5 by 3
    assert list(search.best(5)["number"]) == [3, 1]


def test_of_one_objective_the_best_are_the_lowest(tmp_path):
    one = search_studies.manifest()["search"] | {"objectives": ["validation/loss"]}
    search = searched(search_studies.write_search(tmp_path / "search", search=one))
    assert list(search.best(3)["number"]) == [3, 5, 1]
    assert search.objectives[0].unit == "nats/token"


def test_a_damaged_file_of_points_is_a_problem_and_what_was_trained_stays(tmp_path):
    path = tmp_path / "search"
    search_studies.write_search(path)
    (path / SEARCH).write_text('{"rounds": [[{"number": 3}]]}')
    records = load_study(path)
    assert [problem.path.name for problem in records.problems] == [SEARCH]
    search = searched(records)
    assert list(search.trials["number"]) == [0, 1, 3, 4, 5, 6]
    assert search.trials["validation/loss"][1] == pytest.approx(2.42)


def test_other_studies_are_no_searches_and_a_search_compares_nothing(tmp_path, study):
    other = synthetic_studies.Study(tmp_path / "other", synthetic_studies.manifest())
    assert searched(load_study(other.path)) is None
    with pytest.raises(UserError, match="is a search, which compares nothing"):
        study.require_comparable()
