"""Presets: published counts to the last parameter, sizes that can be replaced, recipes that come along."""

import pytest
import torch

from workbench.errors import UserError
from workbench.model import Decoder, ModelConfig, preset, preset_names
from workbench.model.presets import is_published, recipe
from workbench.training.config import TrainingConfig

SIZES = {"vocabulary": 257, "context": 128}
# As transformers counts them; the checkpoints hold the same.
EXACT = {
    "llama-7b": 6_738_415_616,
    "llama-13b": 13_015_864_320,
    "llama-33b": 32_528_943_616,
    "llama-65b": 65_285_660_672,
    "llama2-7b": 6_738_415_616,
    "llama2-13b": 13_015_864_320,
    "llama2-70b": 68_976_648_192,
    "llama3-8b": 8_030_261_248,
    "llama3-70b": 70_553_706_496,
    "llama3.1-8b": 8_030_261_248,
    "llama3.1-70b": 70_553_706_496,
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "gpt-neo-125m": 125_198_592,
    "gpt-neo-1.3b": 1_315_575_808,
    "gpt-neo-2.7b": 2_651_307_520,
}
ROUNDED = {
    "gpt3-small": 125e6,
    "gpt3-medium": 350e6,
    "gpt3-large": 760e6,
    "gpt3-xl": 1.3e9,
    "gpt3-2.7b": 2.7e9,
    "gpt3-6.7b": 6.7e9,
    "gpt3-13b": 13.0e9,
    "gpt3-175b": 175e9,
}


@pytest.mark.parametrize(("name", "parameters"), EXACT.items())
def test_published_counts_are_met_exactly(name, parameters):
    assert preset(name).num_parameters() == parameters


@pytest.mark.parametrize(("name", "parameters"), ROUNDED.items())
def test_rounded_counts_are_met_within_two_percent(name, parameters):
    assert preset(name).num_parameters() == pytest.approx(parameters, rel=0.02)


def test_every_published_model_is_counted_and_built_as_counted():
    assert set(EXACT) | set(ROUNDED) == {name for name in preset_names() if is_published(name)}
    for name in EXACT | ROUNDED:
        config = preset(name, layers=2)
        with torch.device("meta"):
            assert Decoder(config).num_parameters() == config.num_parameters(), name


def transformers_model(name: str) -> torch.nn.Module:
    """The same sizes in transformers, on the meta device."""
    from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoConfig, LlamaConfig

    ours = preset(name)
    if name.startswith("gpt2"):
        config = GPT2Config(n_embd=ours.width, n_layer=ours.layers, n_head=ours.heads)
    elif name.startswith("gpt-neo"):
        config = GPTNeoConfig(
            hidden_size=ours.width,
            num_layers=ours.layers,
            num_heads=ours.heads,
            attention_types=[[["global", "local"], ours.layers // 2]],
        )
    else:
        config = LlamaConfig(
            vocab_size=ours.vocabulary,
            hidden_size=ours.width,
            intermediate_size=ours.feedforward_width,
            num_hidden_layers=ours.layers,
            num_attention_heads=ours.heads,
            num_key_value_heads=ours.key_value_heads,
        )
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


@pytest.mark.parametrize("name", EXACT)
def test_transformers_counts_the_same(name):
    theirs = transformers_model(name)
    assert preset(name).num_parameters() == sum(p.numel() for p in theirs.parameters())


def test_published_models_have_their_own_vocabulary_and_context():
    sizes = {name: (preset(name).vocabulary, preset(name).context) for name in EXACT | ROUNDED}
    assert sizes["llama-65b"] == (32_000, 2048)
    assert sizes["llama2-70b"] == (32_000, 4096)
    assert sizes["llama3-8b"] == (128_256, 8192)
    assert sizes["gpt2-xl"] == (50_257, 1024)
    assert sizes["gpt3-175b"] == sizes["gpt-neo-125m"] == (50_257, 2048)
    assert preset("gpt2", vocabulary=50_304, context=64).context == 64


def test_small_sizes_need_a_vocabulary_and_a_context():
    for name in ("llama", "llama3-micro", "gpt3", "gpt-neo-mini"):
        with pytest.raises(UserError, match=r"vocabulary, context is missing"):
            preset(name)


def test_bare_families_are_nano_but_gpt2_is_the_model_of_that_name():
    for family in ("llama", "llama3", "gpt3", "gpt-neo"):
        assert preset(family, **SIZES) == preset(f"{family}-nano", **SIZES)
    assert (preset("gpt2").layers, preset("gpt2").width) == (12, 768)


def test_unknown_names_are_refused_with_a_suggestion():
    with pytest.raises(UserError, match="did you mean 'llama3-8b'"):
        preset("llama3-8B")
    with pytest.raises(UserError, match="unknown name 'opt'"):
        recipe("opt")


def test_what_makes_the_families_differ():
    assert preset("llama-33b").labels()["norm"] == "rmsnorm(eps=1e-06)"
    assert preset("llama-65b").labels()["norm"] == preset("llama2-7b").labels()["norm"] == "rmsnorm"
    assert preset("llama3-8b").labels()["positions"] == "rope(base=500000)"
    longer = preset("llama3.1-8b")
    assert longer.context == 131_072
    assert longer.labels()["positions"] == (
        "rope(base=500000, scaling=llama3, factor=8, original_context=8192)"
    )
    assert preset("llama3-8b").with_levels(positions=longer.positions, context=131_072) == longer
    neo = preset("gpt-neo-1.3b")
    assert (neo.attention_scale, neo.has_qkv_bias, neo.bias, neo.tied_embeddings) == (1.0, False, True, True)
    assert neo.layer_windows[:3] == preset("gpt3-xl").layer_windows[:3] == (None, 256, None)
    assert (preset("gpt3-13b").head_width, preset("gpt3-13b").attention_width) == (128, 5120)


@pytest.mark.parametrize(("context", "window"), [(24, 16), (128, 32), (256, 64), (2048, 512)])
def test_small_bands_are_a_quarter_of_the_context(context, window):
    for name in ("gpt3-nano", "gpt-neo-mini"):
        assert preset(name, vocabulary=257, context=context).window == window


def test_a_window_belongs_to_its_context():
    assert preset("gpt3-175b").window == preset("gpt3-175b", context=2048).window == 256
    assert preset("gpt3-175b", context=128).window == 32
    assert preset("gpt3-175b", context=1024, window=100).window == 100
    assert preset("gpt3-175b", attention_pattern=None).layer_windows == (None,) * 96
    with pytest.raises(UserError, match="needs a window"):
        preset("gpt2", attention_pattern="global,local")  # GPT-2 has no window to go by


@pytest.mark.parametrize(
    ("heads", "key_value_heads"),
    [(32, 8), (8, 2), (4, 1), (6, 2), (2, 1), (1, 1), (5, 5)],  # 4 heads per key head, or fewer
)
def test_key_heads_follow_the_heads(heads, key_value_heads):
    config = preset("llama3-8b", **SIZES, heads=heads, width=480 if heads != 32 else 4096)
    assert config.key_value_heads == key_value_heads


def test_key_heads_that_are_given_stay():
    assert preset("llama3-8b", heads=16, key_value_heads=16).key_value_heads == 16
    assert preset("llama3", **SIZES).key_value_heads == 2
    assert preset("llama3", **SIZES, heads=8).key_value_heads == 4


def test_head_and_feedforward_width_follow_the_width():
    small = preset("gpt3-13b", **SIZES, width=64, heads=4, layers=2)
    assert (small.head_width, small.feedforward_width, small.attention_width) == (16, 256, 64)
    assert (
        preset("llama3-8b", width=96, heads=4).feedforward_width
        == preset("llama", **SIZES, width=96).feedforward_width
    )
    assert preset("llama-7b", layers=2).feedforward_width == 11_008
    assert preset("llama-7b", feedforward="gelu").feedforward_width == 4 * 4096
    assert preset("llama-7b", width=96, heads=4, feedforward_width=80).feedforward_width == 80
    assert preset("gpt3-13b", heads=40, width=5140).head_width == 128  # nothing was changed


@pytest.mark.parametrize("family", ["llama", "llama3", "gpt2", "gpt3", "gpt-neo"])
def test_a_published_model_at_a_small_size_has_the_parts_of_its_family(family):
    published = next(name for name in EXACT | ROUNDED if name.startswith(family) and "33b" not in name)
    if published == "llama-7b":
        published = "llama-65b"
    size = {"layers": 2, "width": 64, "heads": 4}
    expected = preset(f"{family}-nano", **SIZES, key_value_heads=4)
    assert preset(published, **SIZES, **size, key_value_heads=4) == expected


def test_every_small_size_builds_and_runs():
    for name in preset_names():
        if not is_published(name):
            config = preset(name, vocabulary=31, context=32, layers=2)
            decoder = Decoder(config)
            decoder.initialize(1)
            assert decoder(torch.zeros(1, 32, dtype=torch.long)).shape == (1, 32, 31)


def test_overrides_that_are_wrong_are_still_refused():
    with pytest.raises(UserError, match="heads: expected a whole number"):
        preset("llama3-8b", heads="four")
    with pytest.raises(UserError, match="heads: 0 is not above 0"):
        preset("llama3-8b", heads=0)
    with pytest.raises(UserError, match="unknown option 'depth'"):
        preset("gpt2", depth=3)


def test_llama_trains_as_its_paper_says():
    found = recipe("llama-7b")
    assert (found.learning_rate, found.batch_tokens, found.tokens) == (3e-4, 4_000_000, 10**12)
    assert found.warmup_steps == 2000
    assert found.training == {
        "betas": (0.9, 0.95),
        "weight_decay": 0.1,
        "clip": 1.0,
        "warmup": 0.008,
        "final_rate": 0.1,
    }
    assert recipe("llama-65b").learning_rate == 1.5e-4
    assert recipe("llama2-7b").training["epsilon"] == 1e-5
    assert "2302.13971" in found.source


def test_gpt3_trains_as_its_appendix_says():
    rates = [recipe(name).learning_rate for name in ROUNDED]
    assert rates == [6e-4, 3e-4, 2.5e-4, 2e-4, 1.6e-4, 1.2e-4, 1e-4, 0.6e-4]
    batches = [recipe(name).batch_tokens for name in ROUNDED]
    assert batches == [500_000] * 3 + [1_000_000] * 2 + [2_000_000] * 2 + [3_200_000]
    assert recipe("gpt3-175b").warmup_tokens == 375_000_000
    assert recipe("gpt3-175b").training["warmup"] == pytest.approx(0.00125)


def test_what_is_unpublished_is_left_out_and_named():
    assert set(recipe("llama3-8b").training) == {"weight_decay", "final_rate"}
    assert "unpublished" in recipe("llama3-8b").notes
    assert "nanoGPT" in recipe("gpt2").notes
    assert "bands" in recipe("gpt3-small").notes
    assert recipe("gpt2-xl").learning_rate is None


def test_small_sizes_share_the_optimizer_but_not_the_warm_up():
    for family in ("llama", "gpt2", "gpt3"):
        small = recipe(f"{family}-nano")
        assert small.training["betas"] == (0.9, 0.95)
        assert "warmup" not in small.training
        assert (small.learning_rate, small.batch_tokens, small.tokens) == (None, None, None)
    assert recipe("gpt-neo-nano").weight_decay == recipe("gpt-neo-125m").weight_decay == 0.1
    assert recipe("gpt-neo-2.7b").weight_decay == 0.0


@pytest.mark.parametrize("name", preset_names())
def test_every_recipe_is_a_sound_training_config(name):
    found = recipe(name)
    training = TrainingConfig(tokens=1000, batch_size=1, **found.training)
    assert training.model_dump().items() >= found.training.items()
    assert found.source
    assert ModelConfig.from_dict(preset(name, **SIZES).to_dict()) == preset(name, **SIZES)
