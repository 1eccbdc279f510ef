import math
import re
from itertools import product

import pytest
import torch
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from workbench.errors import UserError
from workbench.model.parts.rope_scaling import frequencies, wavelengths
from workbench.model.parts.rotary import Rotary

LENGTH = 48  # what the frequencies were made for
SCALINGS = {
    "none": ({}, {"rope_type": "default"}),
    "linear": ({"factor": 4.0}, {"rope_type": "linear", "factor": 4.0}),
    "dynamic_ntk": (
        {"factor": 2.0, "original_context": LENGTH},
        {"rope_type": "dynamic", "factor": 2.0},
    ),
    "dynamic_ntk by length alone": (
        {"original_context": LENGTH},
        {"rope_type": "dynamic", "factor": 1.0},
    ),
    "yarn": (
        {"factor": 4.0, "original_context": LENGTH, "beta_fast": 8.0},
        {
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": LENGTH,
            "beta_fast": 8.0,
            "beta_slow": 1.0,
        },
    ),
    "llama3": (
        {"factor": 8.0, "original_context": LENGTH},
        {
            "rope_type": "llama3",
            "factor": 8.0,
            "original_max_position_embeddings": LENGTH,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
        },
    ),
}


def _rotary(small, scaling, width=64, heads=2, **options):
    config = small(width=width, heads=heads, positions={"name": "rope", "scaling": scaling, **options})
    return config.positions.build(config)


def _theirs(options, base=10000.0):
    return LlamaRotaryEmbedding(
        LlamaConfig(
            hidden_size=64,
            num_attention_heads=2,
            max_position_embeddings=LENGTH,
            rope_parameters={"rope_theta": base, **options},
        )
    )


@pytest.mark.parametrize("length", [20, LENGTH, 4 * LENGTH])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_scaled_angles_agree_with_transformers(small, scaling, length):
    options, theirs = SCALINGS[scaling]
    cos, sin = _rotary(small, scaling.split()[0], **options).prepare(torch.arange(length))
    expected = _theirs(theirs)(torch.zeros(1, 1, 1), torch.arange(length)[None])
    for ours, reference in zip((cos, sin), expected, strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, reference[0, :, :16], atol=1e-5, rtol=1e-5)


def test_ntk_is_a_larger_base(small):
    scaled = _rotary(small, "ntk", factor=4.0).prepare(torch.arange(9))
    plain = _rotary(small, "none", base=10000.0 * 4 ** (32 / 30)).prepare(torch.arange(9))
    torch.testing.assert_close(scaled, plain)


def test_ntk_keeps_the_fastest_pair_and_stretches_the_slowest_by_the_factor():
    config = Rotary.Config(scaling="ntk", factor=4.0)
    ratio = wavelengths(config, 32) / wavelengths(Rotary.Config(), 32)
    assert float(ratio[0]) == pytest.approx(1.0)
    assert float(ratio[-1]) == pytest.approx(4.0, rel=1e-4)
    assert (ratio.diff() > 0).all()


def test_dynamic_ntk_changes_nothing_up_to_its_context_and_grows_beyond():
    config = Rotary.Config(scaling="dynamic_ntk", factor=2.0, original_context=LENGTH)
    plain = wavelengths(Rotary.Config(), 32)
    assert torch.equal(wavelengths(config, 32, length=LENGTH), plain)
    longer = [wavelengths(config, 32, length=length)[-1] for length in (LENGTH, 60, 120, 500)]
    assert longer == sorted(longer)
    assert longer[1] > longer[0]


def test_yarn_keeps_fast_pairs_and_slows_slow_ones():
    config = Rotary.Config(scaling="yarn", factor=8.0, original_context=2048)
    ratio = wavelengths(config, 128) / wavelengths(Rotary.Config(), 128)
    assert float(ratio[0]) == pytest.approx(1.0)
    assert float(ratio[-1]) == pytest.approx(8.0)
    assert (ratio.diff() >= -1e-5).all()
    gain = frequencies(config, 128, torch.arange(3))[1]
    assert gain == pytest.approx(0.1 * math.log(8) + 1)


def _authors_yarn(width, base, original, factor, fast=32.0, slow=1.0):
    """The frequencies of the authors' code (jquesnelle/yarn, LlamaYaRNScaledRotaryEmbedding), in fp64."""

    def pair_with(turns):
        return width * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(base))

    low, high = max(math.floor(pair_with(fast)), 0), min(math.ceil(pair_with(slow)), width - 1)
    if low == high:
        high += 0.001
    found = []
    for pair in range(width // 2):
        stretched = min(max((pair - low) / (high - low), 0.0), 1.0)
        plain = base ** (-2 * pair / width)
        found.append(plain / factor * stretched + plain * (1 - stretched))
    return low, high, torch.tensor(found, dtype=torch.float64)


def test_yarn_is_the_authors_also_where_its_ramp_is_degenerate():
    """240 shapes; in many of them the ramp has no length, or its low end lies above its high one."""
    degenerate = 0
    grid = product(
        [8, 16, 32, 64, 128], [100.0, 10_000.0, 500_000.0], [4, 24, 2048, 8192], [2.0, 4.0, 8.0, 32.0]
    )
    for width, base, original, factor in grid:
        config = Rotary.Config(scaling="yarn", base=base, factor=factor, original_context=original)
        ours, gain = frequencies(config, width, torch.arange(2))
        low, high, expected = _authors_yarn(width, base, original, factor)
        shape = (width, base, original, factor)
        torch.testing.assert_close(ours.double(), expected, atol=0, rtol=3e-6, msg=str(shape))
        theirs = LlamaConfig(
            hidden_size=width,
            num_attention_heads=1,
            rope_parameters={
                "rope_type": "yarn",
                "rope_theta": base,
                "factor": factor,
                "original_max_position_embeddings": original,
            },
        )
        reference, their_gain = ROPE_INIT_FUNCTIONS["yarn"](theirs)
        torch.testing.assert_close(ours, reference, atol=0, rtol=3e-6, msg=str(shape))
        assert gain == pytest.approx(their_gain)
        degenerate += high <= low + 0.001
    assert degenerate >= 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 2.0}, r"rope.factor: scaling 'none' does not use it; .*\(linear, ntk, dynamic_ntk"),
        ({"scaling": "linear"}, "rope.factor: scaling 'linear' by 1 lengthens no context"),
        (
            {"scaling": "dynamic_ntk", "factor": 0.5, "original_context": 9},
            "rope.factor: scaling 'dynamic_ntk' by 0.5 lengthens no context",
        ),
        ({"scaling": "yarn", "factor": 2.0}, "rope.original_context: scaling 'yarn' needs the context"),
        (
            {"scaling": "linear", "factor": 2.0, "beta_fast": 16.0},
            r"rope.beta_fast: scaling 'linear' does not use it; .*\(yarn\)",
        ),
        (
            {"scaling": "llama3", "factor": 2.0, "original_context": 9, "low_frequency_factor": 5.0},
            "rope.low_frequency_factor: must be above 0 and below high_frequency_factor",
        ),
        (
            {"scaling": "yarn", "factor": 2.0, "original_context": 9, "beta_slow": 64.0},
            "rope.beta_slow: must be above 0 and below beta_fast; lower it, or raise beta_fast",
        ),
        (
            {"scaling": "yarn", "factor": 2.0, "original_context": 9, "attention_factor": 0.0},
            "rope.attention_factor: 0.0 is not above 0; leave it at null",
        ),
        ({"scaling": "yarn", "factor": 2.0, "original_context": 0}, "rope.original_context: .* give for"),
        ({"scaling": "yarm"}, "rope.scaling: expected one of 'none', 'linear'"),
    ],
)
def test_options_that_would_do_nothing_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        Rotary.Config(**options)


@pytest.mark.parametrize("scaling", ["ntk", "dynamic_ntk"])
def test_an_enlarged_base_needs_four_dimensions(small, scaling):
    """The base is to the power R / (R - 2)."""
    options = {"factor": 2.0} | ({"original_context": 8} if scaling == "dynamic_ntk" else {})
    with pytest.raises(UserError, match=f"rope.scaling: '{scaling}' needs 4 rotated dimensions .* got 2"):
        _rotary(small, scaling, width=4, heads=2, **options)
    _rotary(small, scaling, width=8, heads=2, **options)


@pytest.mark.parametrize(
    ("scaling", "options", "needed"),
    [
        ("linear", {"factor": 4.0}, "beta_slow"),
        ("ntk", {"factor": 4.0}, "attention_factor"),
        ("dynamic_ntk", {"factor": 4.0, "original_context": 64}, "low_frequency_factor"),
        ("yarn", {"factor": 4.0, "original_context": 64}, "high_frequency_factor"),
        ("llama3", {"factor": 4.0, "original_context": 64}, "beta_fast"),
    ],
)
def test_each_scaling_refuses_the_others_options(scaling, options, needed):
    Rotary.Config(scaling=scaling, **options)
    with pytest.raises(UserError, match=f"rope.{needed}: scaling '{scaling}' does not use it"):
        Rotary.Config(scaling=scaling, **options, **{needed: 2.5})


def test_the_attention_factor_multiplies_cosine_and_sine(small):
    plain, doubled = (
        _rotary(small, "yarn", factor=4.0, original_context=LENGTH, attention_factor=gain)
        for gain in (1.0, 2.0)
    )
    for one, two in zip(plain.prepare(torch.arange(9)), doubled.prepare(torch.arange(9)), strict=True):
        torch.testing.assert_close(two, 2 * one)


@pytest.mark.parametrize(
    ("options", "context", "message"),
    [
        ({"scaling": "dynamic_ntk", "original_context": 64}, 64, "rope.original_context: .* plain rope"),
        ({"scaling": "dynamic_ntk", "original_context": 63}, 64, None),
        ({"scaling": "yarn", "original_context": 64}, 256, "rope.factor: 2 times .* use a factor of 4"),
        ({"scaling": "llama3", "original_context": 64}, 129, "rope.factor: 2 times"),
        ({"scaling": "yarn", "original_context": 64}, 128, None),
        ({"scaling": "linear"}, 256, None),
    ],
)
def test_a_scaling_that_does_not_act_or_reach_is_told(small, options, context, message):
    config = small(width=64, heads=2, context=context, positions={"name": "rope", "factor": 2.0, **options})
    found = config.positions.warnings(config)
    assert len(found) == (message is not None)
    assert message is None or re.search(message, found[0])


@pytest.mark.parametrize("scaling", SCALINGS)
def test_scaling_works_under_torch_compile(small, scaling):
    """Without a break in the graph, also where the frequencies depend on the length."""
    positions = _rotary(small, scaling.split()[0], **SCALINGS[scaling][0])
    compiled = torch.compile(positions.prepare, backend="eager", fullgraph=True)
    for length in (6, 2 * LENGTH):
        torch.testing.assert_close(compiled(torch.arange(length)), positions.prepare(torch.arange(length)))


def test_dynamic_ntk_works_under_vmap(small):
    positions = _rotary(small, "dynamic_ntk", factor=2.0, original_context=8)
    ids = torch.stack([torch.arange(12), torch.arange(12) + 30])
    together = torch.func.vmap(positions.prepare)(ids)
    for row in (0, 1):
        alone = positions.prepare(ids[row])
        for ours, expected in zip(together, alone, strict=True):
            torch.testing.assert_close(ours[row], expected)
