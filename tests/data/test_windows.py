"""Windows cut on a device are those cut on the host."""

import numpy as np
import torch

from workbench.data.batches import ReplicatedBatches, TrainingBatches
from workbench.data.windows import Windows

TOKENS = np.arange(1000, dtype=np.uint16) % 250


def test_a_resident_split_gives_the_windows_of_the_host():
    starts = np.array([0, 13, 989])
    host, resident = Windows(TOKENS, 10), Windows(TOKENS, 10).resident("cpu")
    for one, other in zip(host(starts), resident(starts), strict=True):
        assert one.dtype == other.dtype == torch.int64
        assert torch.equal(one, other)
    assert host(starts)[0].shape == (3, 10)
    assert torch.equal(host(starts)[0][:, 1:], host(starts)[1][:, :-1])


def test_a_host_keeps_its_split_where_it_is():
    windows = Windows(TOKENS, 10)
    assert windows.on("cpu") is windows


def test_replicated_batches_are_those_of_each_trial():
    trials = [TrainingBatches(TOKENS, 10, 4, seed=seed) for seed in (1, 2, 3)]
    together = ReplicatedBatches(TOKENS, trials, 10, "cpu")
    for step in (0, 7, 60):
        inputs, targets = together.batch(step)
        assert inputs.shape == targets.shape == (3, 4, 10)
        for index, trial in enumerate(trials):
            assert torch.equal(inputs[index], trial.batch(step)[0])
            assert torch.equal(targets[index], trial.batch(step)[1])
