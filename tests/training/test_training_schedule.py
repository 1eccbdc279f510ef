"""Schedule, optimizer and configuration of one trial."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from workbench.training.config import TrainingConfig
from workbench.training.optimizer import build_optimizer, parameter_groups
from workbench.training.schedule import rate_factor


def training(**changes) -> TrainingConfig:
    return TrainingConfig(**({"tokens": 1000, "batch_size": 4} | changes))


def test_the_rate_rises_peaks_and_ends_at_its_fraction():
    config = training(warmup=0.1, final_rate=0.1)
    rates = [rate_factor(step, 100, config) for step in range(100)]
    assert rates[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert max(rates) == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rate_factor(100, 100, config) == pytest.approx(0.1)
    assert rates[55] == pytest.approx(0.55)  # half way down the cosine: midway between 1 and 0.1


def test_no_warmup_starts_at_the_peak():
    assert rate_factor(0, 10, training(warmup=0.0)) == 1.0


def test_steps_cover_the_budget_and_divide_into_evaluations():
    config = training(tokens=10_000, batch_size=4, evaluations=7)
    steps = config.steps(context=32)
    assert steps % 7 == 0
    assert 0 <= steps * 4 * 32 - 10_000 < 7 * 4 * 32


def test_weight_decay_reaches_matrices_only():
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 3), nn.LayerNorm(3))
    decayed, spared = parameter_groups(model, 0.1)
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert all(tensor.ndim >= 2 for tensor in decayed["params"])
    assert all(tensor.ndim < 2 for tensor in spared["params"])
    total = len(decayed["params"]) + len(spared["params"])
    assert total == len(list(model.parameters()))


def test_adamw_agrees_with_its_formula():
    layer = nn.Linear(2, 2, bias=False)
    before = layer.weight.detach().clone()
    optimizer = build_optimizer(layer, training(weight_decay=0.1), learning_rate=0.01)
    layer.weight.grad = torch.tensor([[1.0, -2.0], [3.0, 0.5]])
    optimizer.step()
    # After one step the bias-corrected moments are g and g²: the update is the gradient's sign.
    expected = before * (1 - 0.01 * 0.1) - 0.01 * torch.sign(layer.weight.grad)
    torch.testing.assert_close(layer.weight.detach(), expected, atol=1e-6, rtol=0)


def test_auto_means_bf16_and_compile_on_a_gpu_only():
    auto = training()
    assert (auto.resolve("cpu").precision, auto.resolve("cpu").compile) == ("fp32", False)
    assert (auto.resolve("cuda").precision, auto.resolve("cuda").compile) == ("bf16", True)
    fixed = training(precision="fp32", compile=False).resolve("cuda")
    assert (fixed.precision, fixed.compile) == ("fp32", False)


def test_unknown_options_are_refused():
    with pytest.raises(ValidationError, match="warm_up"):
        training(warm_up=0.1)
