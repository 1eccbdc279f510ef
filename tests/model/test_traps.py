"""Seventeen places where one switch changed several things in public code. Here each switch changes one.

Every docstring names the project in which the trap was found, and what it did there.
"""

import itertools
import math
import sys

import numpy as np
import pytest
import torch

from workbench.data.batches import TrainingBatches
from workbench.errors import UserError
from workbench.model import FACTORS, Decoder, ModelConfig, match_size, preset
from workbench.model.parts.component import NORMS
from workbench.model.parts.norms import RMSNorm
from workbench.model.parts.rope_scaling import wavelengths
from workbench.seeds import generator
from workbench.training.config import TrainingConfig
from workbench.training.module import DecoderModule

GATED, PLAIN = ("swiglu", "geglu", "reglu", "bilinear"), ("relu", "gelu", "gelu_tanh", "silu", "relu_squared")
PAIRS = list(itertools.product(GATED, PLAIN))
ROOMY = {"vocabulary": 257, "context": 64, "layers": 2, "width": 256, "heads": 4}
LEVELS = [(factor, name) for factor, registry in FACTORS.items() for name in registry.names()]


def feedforward_parameters(config: ModelConfig) -> int:
    return config.feedforward.num_parameters(config.width, config.feedforward_width, config.bias)


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator("traps"))


def test_trap_01_a_position_code_leaves_no_learned_table_behind(decoder):
    """x-transformers: ALiBi came on top of learned absolute positions."""
    learned = set(decoder(positions="learned").state_dict())
    for name in ("alibi", "rope", "sinusoidal", "none"):
        assert set(decoder(positions=name).state_dict()) == learned - {"positions.table"}


@pytest.mark.parametrize(("gated", "plain"), PAIRS)
def test_trap_02_a_gate_costs_no_parameters_where_sizes_are_matched(gated, plain):
    """x-transformers: the gated option had 1.5 times the parameters of the plain one."""
    baseline = preset("gpt2", **ROOMY, feedforward=plain)
    swapped, mismatch = match_size(baseline.with_levels(feedforward=gated), baseline, "parameters")
    assert abs(mismatch) < 0.01
    assert abs(feedforward_parameters(swapped) / feedforward_parameters(baseline) - 1) < 0.01


def test_trap_03_rotary_positions_turn_every_dimension_by_default(small):
    """x-transformers: only half of each head's dimensions rotated unless told otherwise."""
    config = small(positions="rope")
    positions = Decoder(config).positions
    x = draw(1, config.heads, 3, config.head_width)  # (B, H, T, d_head)
    turned = positions.rotate(x, positions.prepare(torch.arange(1, 4)))
    assert (turned != x).all()


@pytest.mark.parametrize(("gated", "plain"), PAIRS)
def test_trap_04_no_gate_gives_nothing_away_either(gated, plain):
    """GPT-NeoX: SwiGLU at the same configuration had half of the parameters."""
    baseline = preset("llama", **ROOMY, feedforward=gated)
    swapped, mismatch = match_size(baseline.with_levels(feedforward=plain), baseline, "parameters")
    assert abs(mismatch) < 0.01
    assert abs(feedforward_parameters(swapped) / feedforward_parameters(baseline) - 1) < 0.01
    defaults = [feedforward_parameters(preset("llama", **ROOMY, feedforward=kind)) for kind in (gated, plain)]
    assert defaults[0] / defaults[1] == pytest.approx(1, abs=0.01)  # before any matching


@pytest.mark.parametrize("feedforward", [*GATED, *PLAIN])
def test_trap_05_initial_scale_follows_the_role_not_the_class(feedforward):
    """LitGPT: one feedforward class had its residual projection scaled down, the other had not."""
    config = preset("gpt2", **ROOMY, feedforward=feedforward)
    model = Decoder(config)
    model.initialize(1)
    expected = 0.02 / math.sqrt(2 * config.layers)
    for block in model.blocks:
        assert block.feedforward.down.weight.std().item() == pytest.approx(expected, rel=0.02)
        assert block.attention.output.weight.std().item() == pytest.approx(expected, rel=0.02)


class GemmaRMSNorm(RMSNorm):
    """RMSNorm under a name that other code has opinions about."""


class OLMoRMSNorm(RMSNorm):
    """Another one."""


@pytest.mark.parametrize("cls", [GemmaRMSNorm, OLMoRMSNorm])
def test_trap_06_a_name_decides_nothing(decoder, tokens, cls):
    """LitGPT: the arithmetic of the norm hung on "Gemma" or "OLMo" in the model's name."""
    plain, named = decoder(norm="rmsnorm"), decoder(norm=f"{__name__}:{cls.__name__}")
    assert torch.equal(plain(tokens()), named(tokens()))
    assert "name" not in preset("llama", **ROOMY).to_dict()


@pytest.mark.parametrize("initialization", ["llama", "gpt2"])
@pytest.mark.parametrize("feedforward", GATED)
def test_trap_07_the_gate_starts_like_any_matrix(feedforward, initialization):
    """Zoology: a rule by parameter name scaled the gate down and left the output projection alone."""
    model = Decoder(preset("llama", **ROOMY, feedforward=feedforward, initialization=initialization))
    model.initialize(1)
    for block in model.blocks:
        assert block.feedforward.gate.weight.std().item() == pytest.approx(0.02, rel=0.02)
        assert block.feedforward.up.weight.std().item() == pytest.approx(0.02, rel=0.02)


def test_trap_08_an_architecture_does_not_change_the_batches():
    """nanoGPT: under one seed, another architecture trained on other batches."""
    tokens = np.arange(2000, dtype=np.uint16) % 31
    training = TrainingConfig(tokens=1000, batch_size=2)
    seen = []
    for change in ({}, {"positions": "learned", "layers": 3}, {"feedforward": "relu", "dropout": 0.1}):
        config = preset("llama", vocabulary=31, context=16, **({"width": 32, "heads": 2} | change))
        module = DecoderModule(config, training, learning_rate=0.01, seed=5, steps=4)
        module.decoder.dropout_generator = generator("dropout")
        optimizer = module.configure_optimizers()["optimizer"]
        batches = []
        for inputs, targets in TrainingBatches(tokens, 16, 2, seed=5).iterate(steps=4):
            module.training_step((inputs, targets), 0).backward()
            optimizer.step()
            batches.append(inputs)
        seen.append(torch.stack(batches))
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])


def test_trap_09_the_seed_and_nothing_else_sets_the_initial_values(small):
    """MAD-Lab: initial values were not covered by the seed."""

    def start(seed: int, noise: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(noise)
        torch.rand(noise)
        model = Decoder(small())
        model.initialize(seed)
        return model.state_dict()

    first, again, other = start(3, noise=1), start(3, noise=2), start(4, noise=1)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert all(not torch.equal(first[name], other[name]) for name in first if first[name].ndim >= 2)


def test_trap_10_a_part_has_one_default():
    """MAD-Lab: two places had two different defaults for the norm."""
    bare = ModelConfig(**ROOMY)
    assert bare == preset("llama", **ROOMY)
    assert bare.norm == NORMS.config("rmsnorm") == NORMS.config({"name": "rmsnorm"})
    assert bare.norm == RMSNorm.Config()


@pytest.mark.parametrize("positions", ["rope", "alibi", "none"])
@pytest.mark.parametrize("kernel", ["fused", "explicit"])
def test_trap_11_no_kernel_ignores_the_window(decoder, tokens, kernel, positions):
    """Meta Lingua: two of three attention kernels silently ignored the sliding window."""
    model = decoder(layers=1, window=4, positions=positions)
    model.attention_kernel = kernel
    first = tokens()
    second = first.clone()
    second[:, 0] = (second[:, 0] + 1) % 19
    changed = (model(first) != model(second)).any(dim=-1).any(dim=0)  # (T,)
    assert changed.tolist() == [True] * 4 + [False] * 8
    full = decoder(layers=1, positions=positions)
    full.attention_kernel = kernel
    assert (full(first) != full(second)).any(dim=-1).any(dim=0).all()


def test_trap_12_rmsnorm_measures_all_dimensions():
    """Narang et al. 2021: the RMSNorm of the comparison looked at 6.75 % of the dimensions."""
    norm, x = RMSNorm.Config().build(64), draw(5, 64)
    assert torch.allclose(norm(x).square().mean(dim=-1), torch.ones(5), atol=1e-3)
    for dimension in range(64):
        louder = x.clone()
        louder[:, dimension] *= 100
        others = torch.arange(64) != dimension
        assert (norm(louder)[:, others].abs() < norm(x)[:, others].abs()).all()


def test_trap_13_a_layer_without_one_part_keeps_the_others(decoder, tokens):
    """nanotron: layers without position code also lost the window, and a flag spared one norm."""
    parts = {"qk_norm": "rmsnorm", "attention_gate": "headwise", "attention_softcap": 20.0}
    model = decoder(window=3, attention_pattern="global,local", **parts)
    dense, banded = (
        {name: value.shape for name, value in block.named_parameters()} for block in model.blocks
    )
    assert dense == banded
    assert [block.attention.window for block in model.blocks] == [None, 3]
    for block in model.blocks:
        assert isinstance(block.attention.query_norm, RMSNorm)
        assert block.attention.gate is not None
        assert block.attention.softcap == 20.0

    bare = decoder(layers=1, window=3, positions="none", **parts)
    first = tokens()
    second = first.clone()
    second[:, 0] = (second[:, 0] + 1) % 19
    assert torch.equal(bare(first)[:, 3:], bare(second)[:, 3:])  # no positions, and still a window
    assert not torch.equal(bare(first)[:, 2], bare(second)[:, 2])


@pytest.mark.parametrize("width", [96, 128, 256, 384, 512, 1024])
def test_trap_14_rounding_the_hidden_width_is_matched_away(width):
    """LLaMA's code: rounding up to 256 gives SwiGLU 1.5 times the parameters at width 128."""
    sizes = {"vocabulary": 257, "context": 64, "layers": 2, "width": width, "heads": 4}
    relu = preset("llama", **sizes, feedforward="relu")
    rounded = 256 * -(-int(8 * width / 3) // 256)
    swiglu = preset("llama", **sizes, feedforward_width=rounded)
    matched, mismatch = match_size(swiglu, relu, "parameters")
    ratio = feedforward_parameters(matched) / feedforward_parameters(relu)
    assert abs(mismatch) < 0.01
    assert ratio == pytest.approx(1, abs=0.016)  # half a step of 8 units at width 96
    if width == 128:
        assert feedforward_parameters(swiglu) / feedforward_parameters(relu) == pytest.approx(1.5)


def test_trap_15_yarn_slows_the_slow_frequencies_and_leaves_the_fast_ones():
    """LitGPT: the blend was inverted, so that the fastest pair was slowed down and the slowest was not."""
    yarn = {"name": "rope", "scaling": "yarn", "factor": 8, "original_context": 64}
    config = preset("llama", **(ROOMY | {"context": 512}), positions=yarn)
    width = config.positions.rotary_width(config)
    plain = wavelengths(config.with_levels(positions="rope").positions, width)  # (R/2,)
    stretched = wavelengths(config.positions, width) / plain  # (R/2,)
    assert stretched[0].item() == pytest.approx(1)
    assert stretched[-1].item() == pytest.approx(8)
    assert (stretched.diff() >= -1e-5).all()


@pytest.mark.parametrize(("factor", "name"), LEVELS, ids=["-".join(level) for level in LEVELS])
def test_trap_16_every_level_on_offer_runs(decoder, tokens, factor, name):
    """GPT-NeoX: an initialisation that was listed always raised."""
    model = decoder(**{factor: name})
    logits = model(tokens())
    assert torch.isfinite(logits).all()
    logits.square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import a_module_that_nobody_has", r"importing 'broken_norm' .* failed \(ModuleNotFoundError"),
        ("raise OSError('no CUDA')", r"importing 'broken_norm' .* failed \(OSError: no CUDA\); mend it"),
        ("", "broken_norm has no class 'FusedNorm'"),
    ],
)
def test_trap_17_what_is_missing_is_an_error_not_another_part(tmp_path, monkeypatch, source, message):
    """ModernBERT: without an optional package, another implementation of the norm took its place."""
    (tmp_path / "broken_norm.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_norm", raising=False)
    with pytest.raises(UserError, match=message):
        ModelConfig(**ROOMY, norm="broken_norm:FusedNorm")
    with pytest.raises(UserError, match="unknown level 'fused_rmsnorm'"):
        ModelConfig(**ROOMY, norm="fused_rmsnorm")
    sys.modules.pop("broken_norm", None)
