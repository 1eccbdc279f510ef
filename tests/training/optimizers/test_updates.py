"""Every optimizer steps as its paper says: against a plain reference in float64, written from the paper."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from workbench.seeds import generator
from workbench.training.config import TrainingConfig
from workbench.training.optimizers import OPTIMIZERS, build_optimizer
from workbench.training.optimizers.muon import orthogonal

SHAPES = {
    "table": (7, 4),
    "blocks.wide": (3, 5),
    "blocks.tall": (5, 3),
    "blocks.other": (3, 5),
    "blocks.bias": (5,),
}
BETAS, EPSILON, DECAY, RATE = (0.8, 0.9), 1e-4, 0.3, 0.05
FACTORS = (0.5, 1.0, 1.0, 0.7, 0.4, 0.1)  # of the learning rate, step by step
OPTIONS = {
    "sgd": [{"momentum": 0.0}, {"momentum": 0.7, "nesterov": True}],
    "lion": [{"betas": [0.6, 0.8]}],
    "muon": [{"scale": "jordan", "adamw_rate": 0.1, "nesterov": False}, {"iterations": 3, "momentum": 0.5}],
    "adafactor": [{"beta2_decay": -0.5, "threshold": 1.05, "smallest_scale": 0.4}],
}
CASES = [(name, {}) for name in OPTIMIZERS.names()]
CASES += [(name, options) for name, several in OPTIONS.items() for options in several]


class Toy(nn.Module):
    """Parameters with the names that a decoder's have, and a quadratic loss with its minimum at 1."""

    def __init__(self):
        super().__init__()
        self.table = self._drawn("table")
        self.blocks = nn.Module()
        for name in ("wide", "tall", "other", "bias"):
            setattr(self.blocks, name, self._drawn(f"blocks.{name}"))

    @staticmethod
    def _drawn(name):
        values = torch.randn(SHAPES[name], generator=generator("toy", name), dtype=torch.float64)
        return nn.Parameter(values)

    def loss(self):
        return sum(((CURVATURE[name] * (one - 1) ** 2) / 2).sum() for name, one in self.named_parameters())


CURVATURE = {
    name: torch.rand(shape, generator=generator("curvature", name), dtype=torch.float64) + 0.5
    for name, shape in SHAPES.items()
}


def training(optimizer, **changes):
    given = {"betas": BETAS, "epsilon": EPSILON, "weight_decay": DECAY} | changes
    return TrainingConfig(tokens=1, batch_size=1, optimizer=optimizer, **given).resolve("cpu")


def trained(name, options):
    """The toy's parameters after each step, by the optimizer of that name."""
    toy = Toy()
    optimizer = build_optimizer(toy, training({"name": name, **options}), RATE)
    rates = [group["lr"] for group in optimizer.param_groups]
    states = []
    for factor in FACTORS:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        optimizer.zero_grad()
        toy.loss().backward()
        optimizer.step()
        states.append({key: one.detach().numpy().copy() for key, one in toy.named_parameters()})
    return states


def referred(name, options):
    """The same by the reference."""
    values = {key: one.detach().numpy().copy() for key, one in Toy().named_parameters()}
    memory = {key: {} for key in values}
    states = []
    for step, factor in enumerate(FACTORS, start=1):
        for key, w in values.items():
            gradient = CURVATURE[key].numpy() * (w - 1)
            decay = DECAY if w.ndim >= 2 else 0.0
            values[key] = REFERENCES[name](
                key, w, gradient, memory[key], step, RATE * factor, decay, **options
            )
        states.append(dict(values))
    return states


def adamw(key, w, g, memory, t, rate, decay):
    m = memory["m"] = BETAS[0] * memory.get("m", 0) + (1 - BETAS[0]) * g
    v = memory["v"] = BETAS[1] * memory.get("v", 0) + (1 - BETAS[1]) * g**2
    step = (m / (1 - BETAS[0] ** t)) / (np.sqrt(v / (1 - BETAS[1] ** t)) + EPSILON)
    return w - rate * (step + decay * w)


def adam(key, w, g, memory, t, rate, decay):
    return adamw(key, w, g + decay * w, memory, t, rate, 0.0)


def sgd(key, w, g, memory, t, rate, decay, momentum=0.9, nesterov=False):
    g = g + decay * w
    m = memory["m"] = momentum * memory.get("m", 0) + g
    return w - rate * (g + momentum * m if nesterov else m)


def lion(key, w, g, memory, t, rate, decay, betas=(0.9, 0.99)):
    m = memory.get("m", np.zeros_like(g))
    direction = np.sign(betas[0] * m + (1 - betas[0]) * g)
    memory["m"] = betas[1] * m + (1 - betas[1]) * g
    return w - rate * (direction + decay * w)


def muon(
    key,
    w,
    g,
    memory,
    t,
    rate,
    decay,
    momentum=0.95,
    nesterov=True,
    iterations=5,
    scale="moonshot",
    adamw_rate=1.0,
):
    if key == "table" or w.ndim < 2:
        return adamw(key, w, g, memory, t, rate * adamw_rate, decay)
    m = memory["m"] = momentum * memory.get("m", 0) + (1 - momentum) * g
    x = momentum * m + (1 - momentum) * g if nesterov else m
    left, singular, right = np.linalg.svd(x, full_matrices=False)
    singular = singular / np.sqrt((singular**2).sum())
    for _ in range(iterations):  # Newton-Schulz acts on each singular value by itself
        singular = 3.4445 * singular - 4.7750 * singular**3 + 2.0315 * singular**5
    rows, columns = w.shape
    factors = {"moonshot": 0.2 * math.sqrt(max(rows, columns)), "jordan": math.sqrt(max(1, rows / columns))}
    return w - rate * (factors[scale] * (left * singular) @ right + decay * w)


def adafactor(key, w, g, memory, t, rate, decay, beta2_decay=-0.8, smallest_scale=1e-3, threshold=1.0):
    beta = 1 - t**beta2_decay
    squared = g**2 + 1e-30
    if w.ndim >= 2:
        r = memory["r"] = beta * memory.get("r", 0) + (1 - beta) * squared.sum(1)
        c = memory["c"] = beta * memory.get("c", 0) + (1 - beta) * squared.sum(0)
        v = np.outer(r, c) / r.sum()
    else:
        v = memory["v"] = beta * memory.get("v", 0) + (1 - beta) * squared
    u = g / np.sqrt(v)
    u = u / max(1, root_mean_square(u) / threshold)
    relative = max(smallest_scale, root_mean_square(w)) * min(rate, 1 / math.sqrt(t))
    return w - relative * u - rate * decay * w


def root_mean_square(x):
    return math.sqrt((x**2).mean())


REFERENCES = {
    "adamw": adamw,
    "adam": adam,
    "sgd": sgd,
    "lion": lion,
    "muon": muon,
    "adafactor": adafactor,
}


def test_every_optimizer_has_a_reference():
    assert set(REFERENCES) == set(OPTIMIZERS.names())


@pytest.mark.parametrize(("name", "options"), CASES)
def test_an_optimizer_steps_as_its_paper_says(name, options):
    for found, expected in zip(trained(name, options), referred(name, options), strict=True):
        for key, values in expected.items():
            np.testing.assert_allclose(found[key], values, rtol=2e-6, atol=2e-6, err_msg=key)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_weight_decay_reaches_matrices_only_and_fixed_ones_stay(name):
    toy = Toy()
    toy.blocks.other.requires_grad_(False)
    before = {key: one.detach().clone() for key, one in toy.named_parameters()}
    optimizer = build_optimizer(toy, training(name), RATE)
    for parameter in toy.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for key, one in toy.named_parameters():
        if key in ("table", "blocks.wide", "blocks.tall"):
            assert (one.abs() < before[key].abs()).all(), key
        else:
            assert torch.equal(one, before[key]), key


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_an_optimizer_finds_the_minimum_of_a_quadratic(name):
    rate = {"sgd": 0.03, "adafactor": 0.1, "muon": 0.2}.get(name, 0.05)
    toy = Toy()
    first = toy.loss().item()
    optimizer = build_optimizer(toy, training(name, weight_decay=0.0), rate)
    steps = 300
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / steps)
        optimizer.zero_grad()
        toy.loss().backward()
        optimizer.step()
    assert toy.loss().item() < 1e-3 * first


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_the_first_groups_rate_is_the_one_that_was_asked_for(name):
    optimizer = build_optimizer(Toy(), training({"name": name}), RATE)
    assert optimizer.param_groups[0]["lr"] == RATE
    assert isinstance(optimizer, torch.optim.Optimizer)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_what_an_optimizer_says_that_it_keeps_is_what_it_keeps_at_least(name):
    """A study is refused for memory by this number: it must not be too large."""
    toy = Toy()
    optimizer = build_optimizer(toy, training(name), RATE)
    toy.loss().backward()
    optimizer.step()
    kept = sum(one.numel() for state in optimizer.state.values() for one in state.values() if one.ndim)
    assert kept >= OPTIMIZERS.get(name).moments * sum(one.numel() for one in toy.parameters())


def test_adamw_is_torchs_to_the_bit():
    ours, theirs = Toy(), Toy()
    found = build_optimizer(ours, training("adamw"), RATE)
    matrices = [one for one in theirs.parameters() if one.ndim >= 2]
    groups = [
        {"params": matrices, "weight_decay": DECAY},
        {"params": [theirs.blocks.bias], "weight_decay": 0.0},
    ]
    expected = torch.optim.AdamW(groups, lr=RATE, betas=BETAS, eps=EPSILON, fused=True)
    for _ in range(3):
        for toy, optimizer in ((ours, found), (theirs, expected)):
            optimizer.zero_grad()
            toy.loss().backward()
            optimizer.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


def test_newton_and_schulz_bring_singular_values_near_1_for_any_shape():
    for shape in ((4, 9), (9, 4), (6, 6), (3, 2, 5)):
        matrices = torch.randn(shape, generator=generator("matrices", *shape))
        singular = torch.linalg.svdvals(orthogonal(matrices, 5, torch.float32))
        assert singular.min() > 0.3
        assert singular.max() < 1.3
    assert orthogonal(torch.zeros(3, 4), 5, torch.float32).count_nonzero() == 0


def test_muon_is_torchs_within_bf16():
    """Which rounds so on every device: ours does in a study of that precision."""
    parameters = [nn.Parameter(torch.randn(6, 4, generator=generator("start"))) for _ in range(2)]
    held = nn.Module()
    held.blocks = nn.Module()
    held.blocks.weight = parameters[0]
    held.table = nn.Parameter(torch.zeros(2))
    options = {"name": "muon", "scale": "jordan"}
    ours = build_optimizer(held, training(options, precision="bf16"), RATE)
    theirs = torch.optim.Muon([parameters[1]], lr=RATE, weight_decay=DECAY)
    for step in range(4):
        gradient = torch.randn(6, 4, generator=generator("gradient", step))
        for parameter, optimizer in zip(parameters, (ours, theirs), strict=True):
            parameter.grad = gradient.clone()
            optimizer.step()
    torch.testing.assert_close(parameters[0], parameters[1], rtol=0, atol=0.02 * RATE * 4)
