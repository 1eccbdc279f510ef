import itertools

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from workbench.model import FACTORS, Decoder
from workbench.model.cost import (
    kv_cache_bytes_per_token,
    matmul_parameters,
    parameters_by_group,
    training_memory,
)

SIMPLE = {
    "norm_placement": ["pre", "post", "sandwich", "parallel"],
    "qk_norm": ["rmsnorm", "layernorm"],
    "attention_gate": ["headwise", "elementwise"],
    "attention_softcap": [None, 5.0],
    "tied_embeddings": [False, True],
    "bias": [False, True],
    "qkv_bias": [False, True],
    "output_bias": [False, True],
    "key_value_heads": [4, 2, 1],
    "head_width": [6],
}
LEVELS = {factor: registry.names() for factor, registry in FACTORS.items()} | SIMPLE
CHOICES = [{factor: level} for factor, levels in LEVELS.items() for level in levels]
PAIRS = [a | b for a, b in itertools.combinations(CHOICES, 2) if a.keys() != b.keys()]


def _on_meta(config):
    with torch.device("meta"):
        return Decoder(config)


def test_every_pair_of_levels_counts_what_is_built(small):
    for changes in PAIRS:
        config = small(**changes)
        assert config.num_parameters() == Decoder(config).num_parameters(), changes


@pytest.mark.parametrize("recipe", ["llama", "gpt2"])
def test_groups_are_those_of_the_module(small, recipe):
    config = small(recipe)
    found = dict.fromkeys(parameters_by_group(config), 0)
    for name, parameter in Decoder(config).named_parameters():
        found[_group(name)] += parameter.numel()
    assert found == parameters_by_group(config)
    inside = found["attention"] + found["feedforward"] + found["norm"]
    assert config.nonembedding_parameters() == inside


def _group(name):
    if "norm" in name:
        return "norm"
    return next(g for g in ("attention", "feedforward", "token_embedding", "positions", "head") if g in name)


@pytest.mark.parametrize("changes", CHOICES, ids=str)
def test_matmul_parameters_are_the_weights_that_meet_every_token(small, changes):
    """Counted while the model runs: rows times columns of each linear map, and of the tied head."""
    config = small(**changes)
    model, found = _on_meta(config), 0

    def count(module, args, output):
        nonlocal found
        found += module.weight.numel()

    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(count)
    model(torch.zeros(1, config.context, dtype=torch.long, device="meta"))
    found += config.vocabulary * config.width if config.tied_embeddings else 0
    assert matmul_parameters(config) == found


@pytest.mark.parametrize("changes", CHOICES, ids=str)
def test_flops_are_those_that_torch_counts(small, changes):
    """Three times the forward multiplications (2 FLOPs each), attention over the full context."""
    config = small(**changes)
    model = Decoder(config)
    tokens = torch.zeros(1, config.context, dtype=torch.long)
    with (
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        model(tokens)
    assert config.flops_per_token() == 3 * counter.get_total_flops() / config.context


def test_a_windowed_layer_costs_as_much_as_its_window(small):
    full, banded = small(), small(window=3, attention_pattern="global,local")
    saved = 12 * 16 * (12 - 3)  # one of the two layers sees 3 of the 12 keys
    assert full.flops_per_token() - banded.flops_per_token() == saved
    assert full.num_parameters() == banded.num_parameters()


def test_flops_of_a_known_model(small):
    config = small(vocabulary=1000, context=512, width=256, layers=6, heads=8, feedforward_width=688)
    matrices = 6 * (4 * 256**2 + 3 * 256 * 688) + 1000 * 256
    assert config.flops_per_token() == 6 * matrices + 12 * 6 * 256 * 512


def test_kv_cache_shrinks_with_the_key_heads(small):
    assert kv_cache_bytes_per_token(small()) == 2 * 2 * 16 * 2
    assert kv_cache_bytes_per_token(small(key_value_heads=1)) == 2 * 2 * 4 * 2
    assert kv_cache_bytes_per_token(small(), bytes_per_value=4) == 2 * 2 * 16 * 4


def test_training_memory_adds_up(small):
    config = small()
    memory = training_memory(config, batch_size=8)
    assert memory["parameters"] == memory["gradients"] == 4 * config.num_parameters()
    assert memory["optimizer"] == 8 * config.num_parameters()
    assert memory["total"] == sum(value for key, value in memory.items() if key != "total")
    assert training_memory(config, batch_size=16)["activations"] == 2 * memory["activations"]


@pytest.mark.parametrize("recipe", ["llama", "gpt2"])
def test_activations_are_near_what_autograd_keeps(small, recipe):
    config = small(recipe, vocabulary=300, context=64, width=64, layers=4, feedforward_width=256)
    model, kept = Decoder(config), {}
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    tokens = torch.zeros(4, 64, dtype=torch.long)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        torch.nn.functional.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten())
    found = sum(size for size, _ in kept.values())
    logits = 4 * 64 * 300 * 4  # the estimate counts logits and their gradient besides the log-softmax
    estimate = training_memory(config, batch_size=4)["activations"]
    assert estimate - 2 * logits == pytest.approx(found, rel=0.25)
