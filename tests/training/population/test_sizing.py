"""The size of a population: doubled while that pays, and while it fits."""

from types import SimpleNamespace

import pytest
import torch

from workbench.model.presets import preset
from workbench.training.config import TrainingConfig
from workbench.training.population.sizing import population_size, step_seconds

MODEL = preset("llama", vocabulary=32, context=8, layers=1, width=16, heads=2)
TRAINING = TrainingConfig(tokens=64, batch_size=2).resolve("cpu")


def size(seconds, most=64):
    asked = []

    def measure(replicas):
        asked.append(replicas)
        return seconds(replicas)

    return population_size(MODEL, TRAINING, "cpu", most, measure), asked


def test_it_grows_as_long_as_more_replicas_cost_nothing():
    assert size(lambda replicas: 1.0) == (64, [1, 2, 4, 8, 16, 32, 64])


def test_it_stops_where_the_device_is_full():
    assert size(lambda replicas: max(1.0, replicas / 8))[0] == 8


def test_it_stays_at_one_where_nothing_is_gained():
    assert size(lambda replicas: float(replicas)) == (1, [1, 2])


def test_it_is_no_larger_than_there_are_trials():
    assert size(lambda replicas: 1.0, most=6) == (6, [1, 2, 4, 6])


def test_the_last_step_is_shorter_and_need_not_gain_as_much():
    """From 4 to 6 is half a doubling: 5 % more trials a second are enough."""
    assert size(lambda replicas: 1.0 if replicas <= 4 else 1.5 / 1.07, most=6)[0] == 6
    assert size(lambda replicas: 1.0 if replicas <= 4 else 1.5 / 1.03, most=6)[0] == 4


def test_a_size_that_would_fill_the_memory_is_not_tried(monkeypatch):
    """80 of 100 bytes may be used; 10 per trial and doubled, 80 are not below that."""
    used = []
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda place: SimpleNamespace(total_memory=100))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 10 * used[-1])
    found = population_size(MODEL, TRAINING, "cuda", 64, lambda replicas: used.append(replicas) or 1.0)
    assert (found, used) == (4, [1, 2, 4])


def test_want_of_memory_ends_the_search():
    def seconds(replicas):
        if replicas > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 1.0

    assert size(seconds)[0] == 4


def test_other_errors_are_told():
    def seconds(replicas):
        if replicas > 1:
            raise RuntimeError("vmap: no batching rule")
        return 1.0

    with pytest.raises(RuntimeError, match="batching rule"):
        size(seconds)


def test_a_step_of_real_replicas_is_timed():
    assert 0 < step_seconds(MODEL, TRAINING, "cpu", 3) < 60
