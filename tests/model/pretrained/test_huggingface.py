"""Weights in transformers' layout: our decoder computes what transformers' own model computes."""

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from workbench.errors import UserError
from workbench.model import Decoder
from workbench.model.pretrained import read_checkpoint
from workbench.model.weights import load_weights

VOCABULARY, WIDTH = 61, 32
LLAMA = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 32,
}
GPT2 = {"vocab_size": VOCABULARY, "n_positions": 24, "n_embd": WIDTH, "n_layer": 2, "n_head": 4}
NEO = {
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 24,
    "hidden_size": WIDTH,
    "num_layers": 2,
    "num_heads": 4,
    "attention_types": [[["global", "local"], 1]],
    "window_size": 5,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
YARN = {"rope_type": "yarn", "rope_theta": 100.0, "factor": 4.0, "original_max_position_embeddings": 8}


def llama(**changes):
    return transformers.LlamaConfig(**(LLAMA | changes))


def published(config, dtype=torch.float32):
    """transformers' model with every parameter random: fresh ones have zero biases and unit norms."""
    torch.manual_seed(7)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn_like(parameter)
            parameter.copy_(1 + 0.2 * noise if "norm" in name or ".ln_" in name else 0.15 * noise)
    return model.to(dtype)


def tokens(length, batch=2):
    return torch.randint(0, VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def logits(checkpoint, ids):
    decoder = Decoder(checkpoint.config).to(checkpoint.dtype)
    load_weights(decoder, checkpoint.tensors)
    return decoder(ids)


@torch.no_grad()
def difference(model, folder, length):
    """The largest difference of logits, and how large logits are."""
    theirs = model(tokens(length)).logits
    ours = logits(read_checkpoint(folder), tokens(length))
    return (theirs - ours).abs().max().item(), theirs.abs().max().item()


MODELS = {
    "gpt2": (transformers.GPT2Config(**GPT2), 24),
    "gpt2, not tied": (transformers.GPT2Config(**GPT2, tie_word_embeddings=False), 24),
    "gpt2, unscaled scores, relu, narrow": (
        transformers.GPT2Config(**GPT2, scale_attn_weights=False, activation_function="relu", n_inner=24),
        24,
    ),
    "gpt_neo beyond its window": (transformers.GPTNeoConfig(**NEO), 24),
    "llama": (llama(), 32),
    "llama, grouped heads, tied, llama3 scaling": (
        llama(num_key_value_heads=2, tie_word_embeddings=True, rope_parameters=LLAMA3),
        32,
    ),
    "llama, linear scaling": (llama(rope_parameters={"rope_type": "linear", "factor": 4.0}), 32),
    "llama, scaling by 1": (llama(rope_parameters={"rope_type": "dynamic", "factor": 1.0}), 40),
    "llama, dynamic scaling within the context": (
        llama(rope_parameters={"rope_type": "dynamic", "rope_theta": 100.0, "factor": 2.0}),
        32,
    ),
    "llama, dynamic scaling past the context": (
        llama(rope_parameters={"rope_type": "dynamic", "rope_theta": 100.0, "factor": 2.0}),
        57,
    ),
    "llama, yarn": (llama(rope_parameters=YARN), 32),
    "llama, yarn, all options": (
        llama(rope_parameters=YARN | {"beta_fast": 16.0, "beta_slow": 2.0, "attention_factor": 1.3}),
        32,
    ),
    "llama, yarn, two temperatures": (
        llama(rope_parameters=YARN | {"mscale": 0.7, "mscale_all_dim": 1.4}),
        32,
    ),
    "llama, attention_bias": (llama(attention_bias=True), 32),
    "llama, mlp_bias": (llama(mlp_bias=True), 32),
    "llama, both biases": (llama(attention_bias=True, mlp_bias=True, num_key_value_heads=1), 32),
    "llama, wide heads, geglu": (llama(head_dim=12, hidden_act="gelu", rms_norm_eps=1e-3), 32),
    "mistral beyond its window": (
        transformers.MistralConfig(**LLAMA, num_key_value_heads=2, sliding_window=6),
        32,
    ),
    "mistral, a window as long as its context, and beyond both": (
        transformers.MistralConfig(**LLAMA, num_key_value_heads=2, sliding_window=32),
        57,
    ),
    "mistral, a window longer than its context, and beyond both": (
        transformers.MistralConfig(**LLAMA, num_key_value_heads=2, sliding_window=40),
        57,
    ),
    "qwen2": (transformers.Qwen2Config(**LLAMA, num_key_value_heads=2), 32),
    "qwen2, window in the second layer": (
        transformers.Qwen2Config(
            **LLAMA, num_key_value_heads=2, use_sliding_window=True, sliding_window=6, max_window_layers=1
        ),
        32,
    ),
    "qwen3": (transformers.Qwen3Config(**LLAMA, num_key_value_heads=2, head_dim=12), 32),
    "qwen3, attention_bias": (
        transformers.Qwen3Config(**LLAMA, num_key_value_heads=2, attention_bias=True),
        32,
    ),
    "qwen3, a window longer than its context in the second layer": (
        transformers.Qwen3Config(
            **LLAMA, num_key_value_heads=2, use_sliding_window=True, sliding_window=40, max_window_layers=1
        ),
        57,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_logits_are_those_of_transformers(name, tmp_path):
    config, length = MODELS[name]
    model = published(config)
    model.save_pretrained(tmp_path)
    error, size = difference(model, tmp_path, length)
    assert error <= 1e-5 * max(1.0, size), (error, size)


@pytest.mark.parametrize("name", [name for name in MODELS if "bias" in name] + ["gpt2", "qwen2"])
def test_a_model_has_exactly_the_parameters_that_it_came_with(name, tmp_path):
    """A stand-in of zeros would be trained by a study that starts from the model."""
    model = published(MODELS[name][0])
    model.save_pretrained(tmp_path)
    checkpoint = read_checkpoint(tmp_path)
    assert checkpoint.config.num_parameters() == model.num_parameters()
    assert Decoder(checkpoint.config).num_parameters() == model.num_parameters()
    assert sum(tensor.numel() for tensor in checkpoint.tensors.values()) == model.num_parameters()


@pytest.mark.parametrize("name", ["gpt2", "gpt_neo beyond its window", "llama", "qwen3"])
@torch.no_grad()
def test_in_bfloat16_logits_differ_by_rounding_only(name, tmp_path):
    """Both round, at other places: we rotate in fp32, transformers casts cosine and sine first.

    Measured as a share of the largest logit: 0.5 % (gpt2), 0.6 % (gpt_neo), 1.1 % (llama), 1.6 % (qwen3).
    Both are equally far from the same weights in fp32 (root mean square within 7 % of each other).
    """
    config, length = MODELS[name]
    model = published(config, torch.bfloat16)
    model.save_pretrained(tmp_path)
    checkpoint, ids = read_checkpoint(tmp_path), tokens(length)
    assert checkpoint.dtype == torch.bfloat16
    theirs, ours = model(ids).logits.float(), logits(checkpoint, ids).float()
    exact = model.float()(ids).logits
    assert (theirs - ours).abs().max() <= 0.03 * exact.abs().max()
    assert (ours - exact).square().mean().sqrt() <= 1.15 * (theirs - exact).square().mean().sqrt()


def test_the_config_says_what_the_model_is(tmp_path):
    model = published(llama(num_key_value_heads=2, rope_parameters=LLAMA3, rms_norm_eps=1e-6))
    model.save_pretrained(tmp_path)
    checkpoint = read_checkpoint(tmp_path)
    config = checkpoint.config
    assert (checkpoint.layout, checkpoint.dtype, checkpoint.tokenizer) == ("huggingface", torch.float32, None)
    assert (config.vocabulary, config.context, config.width, config.layers) == (VOCABULARY, 32, WIDTH, 2)
    assert (config.heads, config.key_value_heads, config.feedforward_width) == (4, 2, 40)
    assert config.positions.scaling == "llama3"
    assert (config.norm.eps, config.dropout, config.tied_embeddings) == (1e-6, 0.0, False)


def test_the_form_before_version_5_is_read_alike(tmp_path):
    published(llama(rope_parameters=LLAMA3)).save_pretrained(tmp_path)
    expected = read_checkpoint(tmp_path).config
    file = tmp_path / "config.json"
    values = json.loads(file.read_text())
    scaling = dict(values.pop("rope_parameters"))
    values["rope_theta"] = scaling.pop("rope_theta")
    scaling["type"] = scaling.pop("rope_type")
    file.write_text(json.dumps(values | {"rope_scaling": scaling}))
    assert read_checkpoint(tmp_path).config == expected
    assert expected.positions.base == 500.0


def test_the_tokenizer_is_found(tmp_path):
    published(llama()).save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    assert read_checkpoint(tmp_path).tokenizer == tmp_path / "tokenizer.json"


def edit_weights(folder, change):
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


def test_weights_without_their_prefix_and_with_old_buffers(tmp_path):
    model = published(transformers.GPT2Config(**GPT2))
    model.save_pretrained(tmp_path)
    expected = logits(read_checkpoint(tmp_path), tokens(24))

    def as_first_released(tensors):
        bare = {name.removeprefix("transformer."): value for name, value in tensors.items()}
        masks = {f"h.{i}.attn.bias": torch.ones(1, 1, 24, 24).tril() for i in range(2)}
        return bare | masks | {"h.0.attn.masked_bias": torch.tensor(-1e4)}

    edit_weights(tmp_path, as_first_released)
    assert torch.equal(logits(read_checkpoint(tmp_path), tokens(24)), expected)


WRAPPED = [
    lambda name: f"_orig_mod.{name}",  # torch.compile(model)
    lambda name: f"module.{name}",  # DistributedDataParallel
    lambda name: f"module._orig_mod.{name}",
    lambda name: f"_forward_module.{name}",  # Lightning's Fabric
    lambda name: name.replace("model.", "model._orig_mod.", 1),  # torch.compile(model.model)
    lambda name: name.replace(".self_attn.", ".self_attn._orig_mod.").replace(".mlp.", "._orig_mod.mlp."),
]


@pytest.mark.parametrize("wrapped", WRAPPED, ids=lambda wrapped: wrapped("model.layers.0.mlp.up_proj.weight"))
def test_names_from_wrappers_are_read_as_the_models_own(wrapped, tmp_path):
    published(llama()).save_pretrained(tmp_path)
    expected = read_checkpoint(tmp_path).tensors
    edit_weights(tmp_path, lambda tensors: {wrapped(name): value for name, value in tensors.items()})
    found = read_checkpoint(tmp_path).tensors
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_a_tensor_with_and_without_its_wrapper_and_an_unknown_wrapper_are_told(tmp_path):
    published(llama()).save_pretrained(tmp_path)
    name = "model.layers.1.mlp.up_proj.weight"
    original = load_file(tmp_path / "model.safetensors")
    edit_weights(tmp_path, lambda tensors: tensors | {f"_orig_mod.{name}": tensors[name] + 1})
    with pytest.raises(UserError, match=rf"holds both .*{name} and .*{name}, which are one tensor"):
        read_checkpoint(tmp_path)
    edit_weights(tmp_path, lambda _: {f"net.{name}": value for name, value in original.items()})
    with pytest.raises(UserError, match=r"there is net\.model\..* saved inside another; .* without 'net\.'"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_weights_that_are_no_numbers_are_refused(value, dtype, tmp_path):
    published(llama(), dtype).save_pretrained(tmp_path)

    def spoil(tensors):
        tensors["model.layers.1.mlp.up_proj.weight"][3, 4:6] = value
        return tensors

    edit_weights(tmp_path, spoil)
    with pytest.raises(UserError, match=r"layers.1.mlp.up_proj.weight: 2 of 1,280 values are NaN or inf"):
        read_checkpoint(tmp_path)


def test_conv1d_matrices_are_transposed_and_the_fused_one_is_split(tmp_path):
    model = published(transformers.GPT2Config(**GPT2, n_inner=WIDTH))  # square: shapes cannot tell
    model.save_pretrained(tmp_path)
    ours, theirs = read_checkpoint(tmp_path).tensors, load_file(tmp_path / "model.safetensors")
    fused = theirs["transformer.h.1.attn.c_attn.weight"]
    assert torch.equal(ours["blocks.1.attention.query.weight"], fused[:, :WIDTH].t())
    assert torch.equal(ours["blocks.1.attention.key.weight"], fused[:, WIDTH : 2 * WIDTH].t())
    assert torch.equal(ours["blocks.1.attention.value.weight"], fused[:, 2 * WIDTH :].t())
    for theirs_name, our_name in (("attn.c_proj", "attention.output"), ("mlp.c_fc", "feedforward.up")):
        expected = theirs[f"transformer.h.1.{theirs_name}.weight"].t()
        assert torch.equal(ours[f"blocks.1.{our_name}.weight"], expected)


def test_every_tensor_can_be_saved_on_its_own(tmp_path):
    published(transformers.GPT2Config(**GPT2)).save_pretrained(tmp_path)
    tensors = read_checkpoint(tmp_path).tensors
    save_file(tensors, tmp_path / "ours.safetensors")  # refuses views of one memory
    assert all(
        torch.equal(value, tensors[name]) for name, value in load_file(tmp_path / "ours.safetensors").items()
    )


def test_a_stored_copy_of_a_tied_head_is_dropped(tmp_path):
    published(transformers.GPT2Config(**GPT2)).save_pretrained(tmp_path)
    edit_weights(tmp_path, lambda t: t | {"lm_head.weight": t["transformer.wte.weight"].clone()})
    assert "head.weight" not in read_checkpoint(tmp_path).tensors
    edit_weights(tmp_path, lambda t: t | {"lm_head.weight": t["transformer.wte.weight"] + 1})
    with pytest.raises(UserError, match=r"lm_head.weight differs .* tie_word_embeddings"):
        read_checkpoint(tmp_path)


REFUSED = [
    (
        transformers.GPT2Config(**GPT2),
        {"scale_attn_by_inverse_layer_idx": True},
        "scale_attn_by_inverse_layer_idx",
    ),
    (
        transformers.GPT2Config(**GPT2),
        {"activation_function": "tanh"},
        "activation_function 'tanh'.*gelu_new",
    ),
    (transformers.GPT2Config(**GPT2), {"n_head": 5}, "config.json: makes no model: width"),
    (transformers.GPT2Config(**GPT2), {"n_embd": None}, "n_embd is missing"),
    (transformers.GPTNeoConfig(**NEO), {"attention_types": [[["global"], 3]]}, "attention_types.*2 layers"),
    (transformers.GPTNeoConfig(**NEO), {"attention_types": 3}, "attention_types 3"),
    (llama(), {"model_type": "lama"}, "model_type 'lama' is unknown; did you mean 'llama'.*gpt_neo"),
    (llama(), {"hidden_act": "gelu_new"}, "hidden_act 'gelu_new'.*silu"),
    (llama(), {"quantization_config": {"bits": 4}}, "quantization_config"),
    (
        llama(),
        {"rope_scaling": {"type": "longrope", "factor": 2.0}},
        "rope_scaling.*linear, dynamic, yarn, llama3",
    ),
    (llama(), {"rope_scaling": YARN | {"truncate": False}}, "rope_scaling.*truncated"),
    (llama(), {"partial_rotary_factor": 0.5}, "whole heads"),
    (transformers.GPT2Config(**GPT2), {"n_layer": 10**9}, "n_layer is above 10,000"),
    (llama(), {"num_hidden_layers": 10**30}, "num_hidden_layers is above 10,000"),
    (llama(), {"num_attention_heads": 10**9, "num_key_value_heads": 7}, "num_attention_heads is above"),
    (llama(), {"hidden_size": 10**12}, "hidden_size is above"),
    (transformers.GPTNeoConfig(**NEO), {"num_layers": 10**9}, "num_layers is above 10,000"),
    (
        transformers.GPTNeoConfig(**NEO),
        {"attention_types": [[["global"], 10**12]]},
        "attention_types.*2 layers",
    ),
    (
        transformers.Qwen2Config(**LLAMA),
        {"use_sliding_window": True, "layer_types": ["full_attention"]},
        "layer_types.*2 layers",
    ),
    (llama(), {"vocab_size": 60}, r"model.embed_tokens.weight has shape \(61, 32\).*\(60, 32\)"),
    (llama(), {"num_hidden_layers": 3}, r"model.layers.2.* \(and 8 more\) is missing"),
    (llama(), {"num_hidden_layers": 1}, r"model.layers.1.* is not part of the model"),
    (llama(), {"tie_word_embeddings": True}, "lm_head.weight differs"),
]


@pytest.mark.parametrize(
    ("config", "change", "message"), REFUSED, ids=[str(case[1])[:50] for case in REFUSED]
)
def test_what_cannot_be_reproduced_is_refused(config, change, message, tmp_path):
    published(config).save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(UserError, match=message):
        read_checkpoint(tmp_path)
