import itertools

import pytest

from workbench.errors import UserError
from workbench.model import FACTORS, ModelConfig, match_size, preset

COUNT = {"parameters": ModelConfig.nonembedding_parameters, "flops": ModelConfig.flops_per_token}
WIDE = {"vocabulary": 64, "context": 32, "width": 64, "layers": 2, "heads": 4}


def _brute_force(config, target, by):
    widths = [target.feedforward_width, *range(8, 1025, 8)]
    errors = [abs(COUNT[by](config.with_levels(feedforward_width=w)) - COUNT[by](target)) for w in widths]
    return min(errors)


LEVELS = [{"feedforward": name, "feedforward_width": None} for name in FACTORS["feedforward"].names()] + [
    {"norm": "layernorm"},
    {"norm": "none"},
    {"positions": "learned"},
    {"bias": True},
    {"key_value_heads": 1},
]


@pytest.mark.parametrize("by", ["parameters", "flops"])
@pytest.mark.parametrize("recipe", ["llama", "gpt2"])
def test_matching_finds_the_nearest_width(recipe, by):
    target = preset(recipe, **WIDE)
    for changes in LEVELS:
        config = target.with_levels(**changes)
        matched, mismatch = match_size(config, target, by)
        goal = COUNT[by](target)
        assert abs(COUNT[by](matched) - goal) == _brute_force(config, target, by), changes
        assert mismatch == COUNT[by](matched) / goal - 1
        assert matched.with_levels(feedforward_width=config.feedforward_width) == config


def test_any_pair_of_networks_matches_both_ways():
    names = FACTORS["feedforward"].names()
    for a, b in itertools.permutations(names, 2):
        target = preset("llama", **WIDE, feedforward=a)
        _, mismatch = match_size(preset("llama", **WIDE, feedforward=b), target, "parameters")
        assert abs(mismatch) < 0.02


@pytest.mark.parametrize("by", ["parameters", "flops"])
def test_the_baselines_own_width_is_kept_when_nearest(by):
    target = preset("llama", **WIDE, feedforward_width=171)  # not a multiple of 8
    matched, mismatch = match_size(target.with_levels(norm="layernorm"), target, by)
    assert matched.feedforward_width == 171
    assert 0 <= mismatch < 0.01
    assert match_size(target, target, by) == (target, 0.0)


def test_gated_to_plain_is_three_halves_as_wide():
    target = preset("llama", **WIDE)
    matched, mismatch = match_size(target.with_levels(feedforward="relu"), target, "parameters")
    assert (target.feedforward_width, matched.feedforward_width, mismatch) == (176, 264, 0.0)


def test_none_changes_nothing():
    target = preset("llama", **WIDE)
    config = target.with_levels(feedforward="relu")
    assert match_size(config, target, "none") == (config, None)


@pytest.mark.parametrize(("width", "excess"), [(8, "51.5 %"), (32, "9.3 %")])
def test_sizes_that_cannot_match_are_refused(width, excess):
    """Full key heads need more than the whole network of a baseline with one key head."""
    target = preset("llama", **WIDE, feedforward_width=width, key_value_heads=1)
    message = rf"match: parameters .* {excess} above .* feedforward_width 8, and 5 % .* 'match: none'"
    with pytest.raises(UserError, match=message):
        match_size(target.with_levels(key_value_heads=4), target, "parameters")


def test_an_unknown_measure_is_refused():
    target = preset("llama", **WIDE)
    with pytest.raises(UserError, match=r"match: unknown 'parameter'; did you mean 'parameters'\?"):
        match_size(target, target, "parameter")
