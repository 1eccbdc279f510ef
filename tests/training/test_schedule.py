"""Schedule, optimizer and configuration of one trial."""

import math
from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from workbench.errors import UserError
from workbench.model.decoder import Decoder
from workbench.model.presets import preset
from workbench.training.config import TrainingConfig
from workbench.training.module import DecoderModule
from workbench.training.optimizers import build_optimizer
from workbench.training.schedules import SCHEDULES, rate_factor

MODEL = preset("llama", vocabulary=19, context=8, layers=1, width=16, heads=2, dropout=0.1)


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


def test_a_multiplier_scales_every_rate():
    plain, higher = training(), training(rate_multiplier=1.1)
    for step in (0, 3, 10, 60, 99):
        assert rate_factor(step, 100, higher) == pytest.approx(1.1 * rate_factor(step, 100, plain))


# What each says after a warm-up of 10 of 100 steps and with a final rate of 0.2, from its paper's formula.
FORMULAS = {
    "cosine": lambda step: 0.2 + 0.8 * math.cos(math.pi / 2 * (step - 10) / 90) ** 2,
    "linear": lambda step: 1 - 0.8 * (step - 10) / 90,
    "wsd": lambda step: 1 - 0.8 * math.sqrt(max(0, step - 80) / 20),
    "constant": lambda step: 1.0,
    "inverse_sqrt": lambda step: min((step + 1) ** -0.5, (step + 1) * 10**-1.5) * 10**0.5,
}


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_a_schedule_is_its_formula_after_a_linear_warm_up(name):
    config = training(schedule=name, final_rate=0.2)
    rates = [rate_factor(step, 100, config) for step in range(100)]
    assert rates[:10] == pytest.approx([step / 10 for step in range(1, 11)])
    assert rates[10:] == pytest.approx([FORMULAS[name](step) for step in range(10, 100)])


@pytest.mark.parametrize("name", SCHEDULES.names())
@pytest.mark.parametrize(("steps", "warmup"), [(1, 0.0), (1, 0.5), (2, 0.5), (3, 0.8), (7, 0.0)])
def test_a_schedule_of_few_steps_stays_between_0_and_1(name, steps, warmup):
    config = training(schedule=name, warmup=warmup, final_rate=0.0)
    assert all(0 <= rate_factor(step, steps, config) <= 1 for step in range(steps + 1))
    if steps == 1:
        assert rate_factor(0, 1, config) == 1.0


def test_the_decay_of_wsd_has_its_length_and_its_shape():
    config = training(schedule={"name": "wsd", "decay": 0.5, "shape": "linear"}, final_rate=0.0)
    rates = [rate_factor(step, 100, config) for step in range(101)]
    assert rates[49:52] == pytest.approx([1.0, 1.0, 0.98])
    assert rates[75] == pytest.approx(0.5)
    assert rates[100] == 0.0


def test_a_schedule_of_ones_own_is_held_to_what_a_rate_can_be():
    config = training(schedule={"name": "own_training:Stairs", "tread": 0.25}, warmup=0.2)
    assert [rate_factor(step, 10, config) for step in range(10)] == [0.5, 1, 1, 1, 1, *[0.25] * 5]
    with pytest.raises(UserError, match=r"Sunken is -1.0 at step 1"):
        rate_factor(1, 10, training(schedule="own_training:Sunken", warmup=0.0))


def test_no_warmup_starts_at_the_peak():
    assert rate_factor(0, 10, training(warmup=0.0)) == 1.0


def test_the_warm_up_is_the_nearest_whole_number_of_steps():
    assert [rate_factor(step, 10, training(warmup=0.18)) for step in (0, 1)] == [0.5, 1.0]


def test_steps_cover_the_budget_and_divide_into_evaluations():
    config = training(tokens=10_000, batch_size=4, evaluations=7)
    steps = config.steps(context=32)
    assert steps % 7 == 0
    assert 0 <= steps * 4 * 32 - 10_000 < 7 * 4 * 32
    assert training(tokens=1_000, batch_size=4, evaluations=1).steps(context=32) == 8  # 7.8 are not enough


def test_adamw_agrees_with_its_formula():
    layer = nn.Linear(2, 2, bias=False)
    before = layer.weight.detach().clone()
    optimizer = build_optimizer(layer, training(weight_decay=0.1), learning_rate=0.01)
    layer.weight.grad = torch.tensor([[1.0, -2.0], [3.0, 0.5]])
    optimizer.step()
    # After one step the bias-corrected moments are g and g²: the update is the gradient's sign.
    expected = before * (1 - 0.01 * 0.1) - 0.01 * torch.sign(layer.weight.grad)
    torch.testing.assert_close(layer.weight.detach(), expected, atol=1e-6, rtol=0)


def test_the_optimizers_numbers_are_the_studys():
    config = training(weight_decay=0.3, betas=(0.7, 0.8), epsilon=1e-5)
    decayed, spared = build_optimizer(nn.Linear(2, 2), config, learning_rate=0.02).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.3, 0.0)
    for group in (decayed, spared):
        assert (group["lr"], group["betas"], group["eps"]) == (0.02, (0.7, 0.8), 1e-5)


@pytest.mark.parametrize(("clip", "left"), [(2.0, 2.0), (9.0, 5.0), (None, 5.0)])
def test_a_gradient_is_clipped_to_the_limit_and_its_norm_before_is_kept(clip, left):
    module = DecoderModule(MODEL, training(clip=clip), learning_rate=0.01, seed=1, steps=10)
    module.on_fit_start()
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    module.decoder.token_embedding.weight.grad[0, :2] = torch.tensor([3.0, -4.0])
    module.configure_gradient_clipping(None)
    total = torch.linalg.vector_norm(torch.cat([one.grad.flatten() for one in module.parameters()]))
    assert (float(module.gradient_norm), float(total)) == pytest.approx((5.0, left), rel=1e-4)


def test_a_module_begins_where_its_seed_says():
    def embedding(seed):
        module = DecoderModule(MODEL, training(), learning_rate=0.01, seed=seed, steps=10)
        return module.decoder.token_embedding.weight

    expected = Decoder(MODEL)
    expected.initialize(2)
    assert torch.equal(embedding(2), expected.token_embedding.weight)
    assert not torch.equal(embedding(1), embedding(2))


def test_dropout_is_drawn_by_seed_and_step():
    def drawn(seed, step):
        module = DecoderModule(MODEL, training(), learning_rate=0.01, seed=seed, steps=10)
        module.decoder.dropout_generator = torch.Generator()
        module.trainer = SimpleNamespace(global_step=step)
        module.on_train_batch_start(None, 0)
        return module.decoder.dropout_generator.initial_seed()

    assert drawn(1, 3) == drawn(1, 3)
    assert len({drawn(seed, step) for seed in (1, 2) for step in (3, 4)}) == 4


def test_auto_means_bf16_and_compile_on_a_gpu_only():
    auto = training()
    assert (auto.resolve("cpu").precision, auto.resolve("cpu").compile) == ("fp32", False)
    assert (auto.resolve("cuda").precision, auto.resolve("cuda").compile) == ("bf16", True)
    fixed = training(precision="fp32", compile=False).resolve("cuda")
    assert (fixed.precision, fixed.compile) == ("fp32", False)


def test_unknown_options_are_refused():
    with pytest.raises(ValidationError, match="warm_up"):
        training(warm_up=0.1)
