"""What is tuned beside the learning rate takes its place in the training: alone and in a population."""

import pytest
import torch

from tests.training.population.test_population import config
from workbench.errors import RecordError
from workbench.records.run import RunDirectory, RunRecord, State
from workbench.training.population.trial import run_population
from workbench.training.run import Run, Watcher
from workbench.training.trained_decoder import load_decoder
from workbench.training.trial import run_trial


def directory_of(folder, name, hyperparameters, settings=None):
    directory = RunDirectory(folder / "runs" / name)
    fixed = {"study": "s", "variant": "v", "phase": "tune", "seed": 1}
    settings = settings or config()
    directory.write(RunRecord(run_id=name, hyperparameters=hyperparameters, config=settings, **fixed))
    return directory


def weights_of(directory):
    return torch.cat([tensor.flatten() for tensor in load_decoder(directory).state_dict().values()])


def test_a_weight_decay_that_is_tuned_is_the_one_that_is_trained_with(tmp_path, corpus):
    tuned = directory_of(tmp_path, "tuned", {"learning_rate": 0.004, "weight_decay": 0.0})
    assert Run(tuned, corpus).training.weight_decay == 0.0
    assert run_trial(tuned, lambda data: corpus, Watcher()).state is State.COMPLETE
    written = directory_of(tmp_path, "written", {"learning_rate": 0.004}, config({"weight_decay": 0.0}))
    other = directory_of(tmp_path, "other", {"learning_rate": 0.004})
    for directory in (written, other):
        run_trial(directory, lambda data: corpus, Watcher())
    assert torch.equal(weights_of(tuned), weights_of(written))
    assert not torch.equal(weights_of(tuned), weights_of(other))


def test_a_population_trains_each_replica_with_its_own(tmp_path, corpus):
    points = {"with": {"learning_rate": 0.004, "weight_decay": 0.9}, "without": {"learning_rate": 0.004}}
    alone = [directory_of(tmp_path / "alone", name, point) for name, point in points.items()]
    for directory in alone:
        run_trial(directory, lambda data: corpus, Watcher())
    together = [directory_of(tmp_path / "together", name, point) for name, point in points.items()]
    run_population(together, lambda data: corpus, Watcher())
    for one, other in zip(alone, together, strict=True):
        assert torch.allclose(weights_of(one), weights_of(other), atol=1e-5)
    assert not torch.allclose(weights_of(together[0]), weights_of(together[1]), atol=1e-3)


@pytest.mark.parametrize(
    ("hyperparameters", "said"),
    [
        ({"wait_decay": 0.1}, "wait_decay: extra inputs are not permitted"),
        ({"weight_decay": -1.0}, "weight_decay"),
    ],
)
def test_what_no_trial_can_be_trained_with_is_an_error_with_its_name(tmp_path, corpus, hyperparameters, said):
    directory = directory_of(tmp_path, "wrong", {"learning_rate": 0.004} | hyperparameters)
    with pytest.raises(RecordError, match=f"wrong: cannot be trained: {said}"):
        Run(directory, corpus)
