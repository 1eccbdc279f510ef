import itertools
import json
from hashlib import sha256

import numpy
import pytest

from workbench.errors import UserError
from workbench.model import FACTORS, ModelConfig, preset, preset_names
from workbench.model.parts.norms import LayerNorm, RMSNorm

SIZES = {"vocabulary": 257, "context": 64}
SMALL_PRESETS = [name for name in preset_names() if name.endswith(("-nano", "-micro", "-mini"))]
EVERY = [(factor, name) for factor, registry in FACTORS.items() for name in registry.names()]


@pytest.mark.parametrize("name", preset_names())
def test_presets_survive_json(name):
    config = preset(name, **SIZES)
    again = ModelConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)
    assert again.to_dict() == config.to_dict()


# What a run's id is made of, as digests from before the sizes were a value of their own.
RECORDS = [
    ("llama-7b", {}, "401b2a27ec22"),
    ("llama2-70b", {}, "047d9d276268"),
    ("llama3.1-8b", {}, "4cc260e8f765"),
    ("gpt2", {}, "db5b61ba5973"),
    ("gpt3-175b", {}, "246662cb5ea2"),
    ("gpt-neo-2.7b", {}, "29ad2fe22b2f"),
    ("llama-nano", SIZES, "5a34fac711ae"),
    ("llama3-micro", SIZES, "b0d0b5575368"),
    ("gpt2-mini", SIZES, "8c6406400a84"),
    (
        "llama",
        {
            **SIZES,
            "norm_placement": "sandwich",
            "attention_gate": "elementwise",
            "window": 16,
            "attention_pattern": "global,local",
        },
        "1f69237e0b64",
    ),
    (
        "gpt2-nano",
        {
            **SIZES,
            "key_value_heads": 1,
            "head_width": 24,
            "feedforward_width": None,
            "qk_norm": "layernorm",
            "output_bias": False,
        },
        "7f0b6516dd51",
    ),
    (
        "llama-micro",
        {
            **SIZES,
            "positions": {
                "name": "rope",
                "scaling": "yarn",
                "factor": 4,
                "original_context": 16,
                "fraction": 0.5,
            },
            "initialization": "zero_output",
            "attention_scale": 1,
            "attention_softcap": 30,
            "dropout": 0.1,
        },
        "af7ea0703d9a",
    ),
]


@pytest.mark.parametrize(("name", "changes", "digest"), RECORDS)
def test_what_is_recorded_of_a_config_stays_as_it_was(name, changes, digest):
    text = json.dumps(preset(name, **changes).to_dict(), sort_keys=True)
    assert sha256(text.encode()).hexdigest()[:12] == digest


@pytest.mark.parametrize(("factor", "name"), EVERY)
def test_every_level_survives_json_and_labels_itself(small, factor, name):
    config = small(**{factor: name})
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.labels()[factor] == name


def test_configs_are_equal_by_value_and_different_by_any_level(small):
    assert (
        small(norm="rmsnorm") == small(norm={"name": "rmsnorm", "eps": 1e-5}) == small(norm=RMSNorm.Config())
    )
    distinct = {small(**{factor: name}) for factor, name in EVERY}
    distinct |= {small(norm={"name": "rmsnorm", "eps": 1e-6}), small(norm={"name": "layernorm", "eps": 1e-6})}
    # the baseline's own level occurs once per factor and is one config
    assert len(distinct) == len(EVERY) - len(FACTORS) + 1 + 2


def test_recipes_are_what_their_papers_say():
    llama, gpt2 = preset("llama", **SIZES), preset("gpt2-nano", **SIZES)
    assert (
        llama.labels().items()
        >= {
            "positions": "rope",
            "norm": "rmsnorm",
            "feedforward": "swiglu",
            "initialization": "llama",
            "norm_placement": "pre",
            "tied_embeddings": "false",
            "bias": "false",
            "key_value_heads": "4",
        }.items()
    )
    assert (
        gpt2.labels().items()
        >= {
            "positions": "learned",
            "norm": "layernorm",
            "feedforward": "gelu_tanh",
            "initialization": "gpt2",
            "norm_placement": "pre",
            "tied_embeddings": "true",
            "bias": "true",
            "key_value_heads": "4",
        }.items()
    )
    assert (llama.feedforward_width, gpt2.feedforward_width) == (176, 256)


def test_a_bare_recipe_is_nano_unless_told():
    assert preset("llama", **SIZES) == preset("llama-nano", **SIZES)
    mini = preset("gpt2-mini", **SIZES)
    assert (mini.layers, mini.width, mini.heads) == (6, 256, 8)
    assert preset("gpt2", **SIZES, layers=6, width=256, heads=8) == mini
    assert preset("llama-mini", **SIZES, norm="layernorm").norm == LayerNorm.Config()


@pytest.mark.parametrize(
    ("spec", "label"),
    [
        ("rope", "rope"),
        ({"name": "rope", "base": 10000}, "rope"),
        ({"name": "rope", "base": 500000}, "rope(base=500000)"),
        ({"name": "rope", "base": 500000.0, "fraction": 0.5}, "rope(base=500000, fraction=0.5)"),
        ({"name": "rope", "base": "1e6"}, "rope(base=1000000)"),  # YAML 1.1 reads 1e6 as text
    ],
)
def test_labels_show_what_differs_from_the_default(small, spec, label):
    assert small(positions=spec).labels()["positions"] == label


def test_labels_of_other_factors(small):
    labels = small(norm={"name": "layernorm", "eps": 1e-6, "bias": False}, tied_embeddings=True).labels()
    assert labels["norm"] == "layernorm(eps=1e-06, bias=false)"
    assert labels["tied_embeddings"] == "true"
    assert small(key_value_heads=2).labels()["key_value_heads"] == "2"


def test_with_levels_changes_only_what_it_is_given(small):
    config = small()
    for factor, name in EVERY:
        changed = config.with_levels(**{factor: name}).to_dict()
        differing = {key for key, value in config.to_dict().items() if changed[key] != value}
        assert differing <= {factor}
    assert config.with_levels(feedforward="gelu", feedforward_width=None).feedforward_width == 64


def test_whole_numbers_of_numpy_become_plain(small):
    config = small(vocabulary=numpy.int64(30))
    assert type(config.vocabulary) is int
    json.dumps(config.to_dict())


def test_a_field_that_came_later_leaves_older_hashes_alone(small):
    """What was written before it existed is read, and what does not use it is written as before."""
    assert "output_bias" not in small().to_dict()
    config = small(output_bias=True)
    assert ModelConfig.from_dict(config.to_dict()) == config
    assert config.to_dict()["output_bias"] is True
    assert (config.has_output_bias, config.has_qkv_bias, config.bias) == (True, False, False)


MISTAKES = [
    (
        {"positions": "rop"},
        r"positions: unknown level 'rop'; did you mean 'rope'\? Known: .*rope.*import path",
    ),
    ({"norm": "swiglu"}, r"norm: unknown level 'swiglu'; .*Known: rmsnorm, layernorm"),
    ({"norm": None}, r"norm: None names no level; write a name .*Known: rmsnorm"),
    ({"norm": {"eps": 1e-6}}, r"norm: .* names no level; write a name or \{name"),
    ({"norm": RMSNorm}, r"norm: .* names no level; write a name"),
    ({"positions": RMSNorm.Config()}, r"positions: rmsnorm is a level of norm; write it under 'norm'"),
    (
        {"norm": {"name": "rmsnorm", "epsilon": 1}},
        r"norm: rmsnorm: unknown option 'epsilon'; did you mean 'eps'\? Known: eps",
    ),
    ({"norm": {"name": "rmsnorm", "eps": "small"}}, r"rmsnorm.eps: expected a number, got 'small' \(str\)"),
    ({"norm": {"name": "rmsnorm", "eps": float("nan")}}, r"rmsnorm.eps: expected a number, got nan"),
    ({"norm": {"name": "layernorm", "bias": 1}}, r"layernorm.bias: expected true or false, got 1"),
    (
        {"feedforward": {"name": "relu", "slope": 1}},
        r"feedforward: relu: unknown option 'slope'; Known: none",
    ),
    ({"width": 18}, r"width: 18 is not divisible by heads 4; use width 20, heads 3, or give head_width"),
    ({"head_width": 0}, r"head_width: 0 is not above 0"),
    ({"window": 0}, r"window: 0 is not above 0"),
    ({"window": 4, "attention_pattern": "global"}, r"attention_pattern: 'global' gives no layer the window"),
    ({"attention_pattern": "global,local"}, r"window: attention_pattern 'global,local' needs a window"),
    ({"attention_pattern": "dense", "window": 4}, r"attention_pattern: unknown kind of layer 'dense'"),
    ({"attention_gate": "head"}, r"attention_gate: unknown 'head'; did you mean 'headwise'\?"),
    ({"attention_softcap": 0}, r"attention_softcap: 0.0 is not above 0"),
    ({"attention_scale": -1}, r"attention_scale: -1.0 is not above 0"),
    ({"qk_norm": "rms"}, r"norm: unknown level 'rms'; did you mean 'rmsnorm'"),
    ({"qkv_bias": "no"}, r"qkv_bias: expected true or false or null, got 'no'"),
    ({"key_value_heads": 3}, r"key_value_heads: 3 does not divide heads 4; use 2"),
    ({"layers": 0}, r"layers: 0 is not above 0; use a positive number"),
    ({"layers": 2.5}, r"layers: expected a whole number, got 2.5"),
    ({"layers": True}, r"layers: expected a whole number, got True"),
    ({"heads": "four"}, r"heads: expected a whole number, got 'four'"),
    ({"bias": "yes"}, r"bias: expected true or false, got 'yes'"),
    ({"tied_embeddings": 1}, r"tied_embeddings: expected true or false, got 1"),
    ({"dropout": 1.0}, r"dropout: 1.0 is not in \[0, 1\); use for example 0.1"),
    ({"norm_placement": "pro"}, r"norm_placement: unknown 'pro'; did you mean 'pre'\? Known: pre, post"),
    ({"feedforward_width": -8}, r"feedforward_width: -8 is not above 0"),
    ({"positional": "rope"}, r"model: unknown option 'positional'; did you mean 'positions'\?"),
]


@pytest.mark.parametrize(("changes", "message"), MISTAKES, ids=[str(changes) for changes, _ in MISTAKES])
def test_mistakes_name_the_key_and_the_remedy(small, changes, message):
    with pytest.raises(UserError, match=message):
        small(**changes)
    with pytest.raises(UserError, match=message):
        small().with_levels(**changes)


def test_missing_sizes_and_unknown_presets_are_named():
    with pytest.raises(UserError, match=r"model: vocabulary, context is missing"):
        preset("llama")
    with pytest.raises(
        UserError, match=r"preset: unknown name 'lama'; did you mean 'llama'\? Known: llama, llama3"
    ):
        preset("lama", **SIZES)


@pytest.mark.parametrize("pair", list(itertools.combinations(SMALL_PRESETS, 2)))
def test_presets_differ(pair):
    assert preset(pair[0], **SIZES) != preset(pair[1], **SIZES)


def test_the_head_width_follows_width_and_heads_unless_it_was_given(small):
    assert small().with_levels(width=32).head_width == 8
    assert small().with_levels(heads=8, key_value_heads=8).head_width == 2
    assert small(head_width=6).with_levels(width=32).head_width == 6
    assert small().with_levels(width=32, head_width=6).attention_width == 24
