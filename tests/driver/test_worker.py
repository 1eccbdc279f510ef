"""A worker's process: what it trains alone or together, and on which text."""

import pytest

from workbench.data.batches import prepare
from workbench.data.cache import cache_directory
from workbench.driver import worker
from workbench.driver.events import Task
from workbench.errors import UserError
from workbench.records.run import RunDirectory
from workbench.training.population.halving import Halving
from workbench.training.population.replica_file import save_replica


def test_a_run_that_began_in_a_population_ends_in_one(tmp_path):
    first, second = (tmp_path / name for name in ("first", "second"))
    for run in (first, second):
        run.mkdir()
    assert worker.trains_alone(Task(runs=[first]))
    assert not worker.trains_alone(Task(runs=[first, second]))
    halving = Halving(candidates=4, metric="validation/loss")
    assert not worker.trains_alone(Task(runs=[first], halving=halving))
    save_replica(RunDirectory(first).replica, {}, {"step": 5})
    assert not worker.trains_alone(Task(runs=[first]))


def test_a_trial_is_trained_on_the_text_that_its_study_was_planned_with(tmp_path):
    for index in range(4):
        (tmp_path / f"{index}.txt").write_text(f"text number {index}\n" * 20)
    corpus = {"path": str(tmp_path)}
    planned = prepare(corpus, "bytes", cache_directory()).fingerprint
    data = {"corpus": corpus, "tokenizer": "bytes"}
    assert worker._corpus(tmp_path, data | {"fingerprint": planned}).fingerprint == planned
    with pytest.raises(UserError, match=r"data\.corpus: the text changed since the study began"):
        worker._corpus(tmp_path, data | {"fingerprint": "another"})
