"""What holds for every level of every factor, registered or optional, one at a time."""

import json

import pytest
import torch

from tests.model.gradients import check_gradient
from tests.model.levels import REGISTERED, SINGLE, SMALL, name
from workbench.model import FACTORS, Decoder, ModelConfig, preset
from workbench.model.cache import KeyValueCache
from workbench.model.weights import plain_tensors
from workbench.seeds import generator

every_level = pytest.mark.parametrize("change", SINGLE, ids=name)


def _decoder(change, *, dtype=torch.float32, seed=1):
    """Initialised, in evaluation mode, with weights large enough for every part to matter."""
    decoder = Decoder(preset("llama", **(SMALL | change)))
    decoder.initialize(seed)
    with torch.no_grad():
        for parameter in decoder.parameters():
            noise = torch.randn(parameter.shape, generator=generator("level", parameter.shape))
            parameter.add_(0.2 * noise)
    return decoder.to(dtype).eval()


def _tokens(batch=2, length=12):
    return torch.randint(0, 19, (batch, length), generator=generator("level tokens"))


@pytest.mark.parametrize(
    ("factor", "level"), [(factor, level) for factor, names in REGISTERED.items() for level in names]
)
def test_a_registered_level_says_where_it_comes_from(factor, level):
    cls = FACTORS[factor].get(level)
    assert cls.paper
    assert cls.formula
    assert cls.__doc__


@every_level
def test_counts_are_those_of_the_built_module(change):
    config = preset("llama", **(SMALL | change))
    assert config.num_parameters() == Decoder(config).num_parameters()
    assert not list(Decoder(config).buffers())


@every_level
def test_config_survives_json(change):
    config = preset("llama", **(SMALL | change))
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@every_level
def test_no_token_sees_a_later_one(change):
    decoder, tokens = _decoder(change, dtype=torch.float64), _tokens()
    before = decoder(tokens)
    for position in (3, 11):
        changed = tokens.clone()
        changed[:, position] = (tokens[:, position] + 1) % 19
        after = decoder(changed)
        assert torch.equal(after[:, :position], before[:, :position])
        assert (after[:, position] - before[:, position]).abs().max() > 1e-6


@every_level
def test_an_earlier_token_is_seen(change):
    """Two positions later: within every window."""
    decoder, tokens = _decoder(change, dtype=torch.float64), _tokens()
    changed = tokens.clone()
    changed[:, 5] = (tokens[:, 5] + 1) % 19
    assert (decoder(changed)[:, 7] - decoder(tokens)[:, 7]).abs().max() > 1e-6


@every_level
def test_relative_positions_ignore_a_shift_and_absolute_ones_do_not(change):
    decoder, tokens = _decoder(change), _tokens(length=6)
    ids = torch.arange(6)
    if change.get("positions", {}) == "learned":
        shifted = ids + 6
    elif "dynamic_ntk" in str(change):
        shifted = ids + 2  # beyond its original context of 8 the frequencies themselves change
    else:
        shifted = ids + 600
    difference = (decoder(tokens, position_ids=shifted) - decoder(tokens, position_ids=ids)).abs().max()
    scale = decoder(tokens).abs().max()
    if decoder.positions.relative:
        # fp32 angles of positions near 600 carry errors of 600 * 2^-24
        assert difference < 1e-5 * max(1, scale) * (5 if "rope" in decoder.config.positions.name else 1)
    else:
        assert difference > 1e-3 * scale


@every_level
def test_fused_and_explicit_attention_agree(change):
    decoder, tokens = _decoder(change), _tokens()
    fused = decoder(tokens)
    decoder.attention_kernel = "explicit"
    torch.testing.assert_close(decoder(tokens), fused, atol=1e-5, rtol=1e-5)


@every_level
def test_cached_decoding_is_the_full_forward(change):
    decoder, tokens = _decoder(change), _tokens()
    if "dynamic_ntk" in str(change):
        _check_last_of_each_prefix(decoder, tokens)
        return
    cache = KeyValueCache(decoder.config)
    parts = [decoder(part, cache=cache) for part in tokens.split([5, 1, 1, 4, 1], dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), decoder(tokens), atol=1e-5, rtol=1e-5)


def _check_last_of_each_prefix(decoder, tokens):
    """Earlier logits were computed at a shorter length, with its frequencies: each prefix is its own forward.

    Only a first layer's keys are independent of the frequencies at the time, so one layer is compared.
    """
    decoder.blocks = decoder.blocks[:1]
    cache = KeyValueCache(decoder.config)
    for length in range(1, 13):
        cached = decoder(tokens[:, length - 1 : length], cache=_first(cache))
        torch.testing.assert_close(cached[:, 0], decoder(tokens[:, :length])[:, -1], atol=1e-5, rtol=1e-5)


def _first(cache):
    cache.layers = cache.layers[:1]
    return cache


@every_level
def test_gradients_are_right(change):
    """Of a whole decoder's loss with respect to what enters the first block, by finite differences."""
    decoder, tokens = _decoder(change, dtype=torch.float64), _tokens(1, 4)

    def loss(x):
        handle = decoder.token_embedding.register_forward_hook(lambda module, args, output: x)
        try:
            return decoder(tokens.expand(len(x), -1)).square().mean((1, 2))
        finally:
            handle.remove()

    check_gradient(loss, decoder.token_embedding(tokens).detach(), atol=1e-6)


@every_level
def test_every_parameter_learns(change):
    decoder = _decoder(change)
    decoder(_tokens()).square().mean().backward()
    idle = [key for key, value in decoder.named_parameters() if not value.grad.abs().sum() > 0]
    assert idle == []


# The initial values are what the factor initialization changes.
@pytest.mark.parametrize("change", [one for one in SINGLE if "initialization" not in one], ids=name)
def test_what_two_variants_share_starts_equal(change):
    plain, changed = Decoder(preset("llama", **SMALL)), Decoder(preset("llama", **(SMALL | change)))
    for decoder in (plain, changed):
        decoder.initialize(7)
    ours, theirs = plain_tensors(plain), plain_tensors(changed)
    shared = [key for key in ours if key in theirs and ours[key].shape == theirs[key].shape]
    assert len(shared) >= 8
    assert all(torch.equal(ours[key], theirs[key]) for key in shared)


def _swaps():
    """All but the baseline's own levels, and the one that differs in half precision only."""
    baseline = preset("llama", **SMALL)
    return [one for one in SINGLE if preset("llama", **(SMALL | one)) != baseline and "cast" not in str(one)]


@pytest.mark.parametrize("change", _swaps(), ids=name)
def test_a_swap_changes_what_the_model_computes(change):
    changed, plain = (_initial(preset("llama", **(SMALL | one))) for one in (change, {}))
    assert (changed(_tokens()) - plain(_tokens())).abs().max() > 1e-7


def _initial(config):
    decoder = Decoder(config)
    decoder.initialize(1)
    with torch.no_grad():
        for key, parameter in decoder.named_parameters():
            # biases start at 0 and qk norms at 1: moved, so that having them shows
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator("initial", key)))
    return decoder.eval()


@every_level
def test_half_precision_stays_finite_and_near(change):
    decoder, tokens = _decoder(change), _tokens()
    exact = decoder(tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = decoder(tokens).float()
    assert torch.isfinite(half).all()
    assert (half - exact).abs().max() < 0.1 * exact.abs().max()
