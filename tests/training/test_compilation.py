"""Compilation: every variant that a worker trains is compiled, however many there are."""

import torch

from workbench.training.compilation import compiled
from workbench.training.config import TrainingConfig


def test_a_function_stays_compiled_beyond_torchs_default_number_of_versions(monkeypatch):
    versions, compile_ = [], torch.compile

    def backend(graph, inputs):
        versions.append(len(versions))
        return graph.forward

    monkeypatch.setattr(torch, "compile", lambda f, **options: compile_(f, backend=backend, dynamic=False))
    training = TrainingConfig(tokens=1, batch_size=1, compile=True)
    double = compiled(lambda x: 2 * x, training)
    many = 12  # the default limit is 8
    for size in range(1, many + 1):
        assert torch.equal(double(torch.ones(size)), torch.full((size,), 2.0))
    assert len(versions) == many


def test_nothing_is_compiled_unasked():
    def double(x):
        return 2 * x

    assert compiled(double, TrainingConfig(tokens=1, batch_size=1).resolve("cpu")) is double
