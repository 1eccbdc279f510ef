"""The sizes that parts read, and what a config makes of those that its user leaves out."""

import dataclasses

import pytest

from workbench.errors import UserError
from workbench.model import FACTORS, Decoder, ModelConfig
from workbench.model.sizes import Sizes, check_groups, divided_width

SIZES = Sizes(vocabulary=19, context=12, width=16, layers=2, heads=4, key_value_heads=2, head_width=6)


def test_widths_of_all_heads():
    assert SIZES.attention_width == 24
    assert SIZES.key_value_width == 12
    with pytest.raises(dataclasses.FrozenInstanceError):
        SIZES.width = 8


def test_a_config_is_sizes_with_nothing_left_open(small):
    config = small(key_value_heads=None, head_width=None, feedforward_width=None)
    assert isinstance(config, Sizes)
    found = {field.name: getattr(config, field.name) for field in dataclasses.fields(Sizes)}
    expected = {"vocabulary": 19, "context": 12, "width": 16, "layers": 2, "heads": 4}
    assert found == expected | {"key_value_heads": 4, "head_width": 4}
    assert all(type(value) is int for value in found.values())
    assert config.feedforward_width == 48
    assert small(key_value_heads=4, head_width=4, feedforward_width=48) == config


def test_left_out_is_the_same_as_none_and_follows_what_is_replaced(small):
    sizes = {"vocabulary": 19, "context": 12, "width": 16, "layers": 2, "heads": 4}
    config = ModelConfig(**sizes)
    assert config == ModelConfig(**sizes, key_value_heads=None, head_width=None, feedforward_width=None)
    assert dataclasses.replace(config, head_width=None, key_value_heads=None, heads=2).head_width == 8
    assert config.with_levels(heads=2, key_value_heads=None).head_width == 8
    with pytest.raises(UserError, match=r"key_value_heads: expected a whole number or null, got 'two'"):
        ModelConfig(**sizes, key_value_heads="two")


@pytest.mark.parametrize("name", FACTORS["positions"].names())
def test_position_codes_and_initialisations_need_nothing_but_sizes(name):
    config = FACTORS["positions"].config(name)
    config.check(SIZES)
    assert config.num_parameters(SIZES) == sum(p.numel() for p in config.build(SIZES).parameters())
    for initialization in FACTORS["initialization"].names():
        level = FACTORS["initialization"].config(initialization).build(SIZES)
        assert level.initial_value("token_embedding.bias", (3,), None).tolist() == [0, 0, 0]


def test_what_does_not_divide_is_refused_with_what_does():
    assert divided_width(48, 4) == 12
    with pytest.raises(UserError, match=r"width: 50 is not divisible by heads 4; use width 52, heads 5, or"):
        divided_width(50, 4)
    check_groups(8, 2)
    with pytest.raises(UserError, match=r"key_value_heads: 3 does not divide heads 8; use 2"):
        check_groups(8, 3)


def test_a_decoder_is_built_from_resolved_sizes(small):
    attention = Decoder(small(key_value_heads=2)).blocks[0].attention
    assert attention.key.weight.shape == (8, 16)
    assert attention.groups == 2
