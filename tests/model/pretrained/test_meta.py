"""Meta's original layout, against a reference that turns neighbours as complex numbers, as llama/model.py."""

import json
import math

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from workbench.errors import UserError
from workbench.model import Decoder, ModelConfig
from workbench.model.pretrained import read_checkpoint, write_checkpoint
from workbench.model.pretrained.mapping import to_half_split, to_interleaved
from workbench.model.pretrained.meta import feedforward_width
from workbench.model.weights import load_weights

VOCABULARY, DIM, LAYERS, HEADS, GROUPS, HIDDEN = 48, 32, 2, 4, 2, 48
PARAMS = {
    "dim": DIM,
    "n_layers": LAYERS,
    "n_heads": HEADS,
    "n_kv_heads": GROUPS,
    "vocab_size": -1,
    "multiple_of": 16,
    "ffn_dim_multiplier": 0.5,  # gives 48, and is not what is read
    "norm_eps": 1e-6,
    "rope_theta": 500.0,
}
ROWS = ("wq", "wk", "wv", "w1", "w3", "output")
COLUMNS = ("wo", "w2")


def random_weights(seed=0):
    draw = torch.Generator().manual_seed(seed)

    def matrix(rows, columns):
        return 0.15 * torch.randn(rows, columns, generator=draw)

    def norm():
        return 1 + 0.2 * torch.randn(DIM, generator=draw)

    weights = {"tok_embeddings.weight": matrix(VOCABULARY, DIM), "norm.weight": norm()}
    weights["output.weight"] = matrix(VOCABULARY, DIM)
    weights["rope.freqs"] = torch.zeros(DIM // HEADS // 2)
    for i in range(LAYERS):
        weights |= {
            f"layers.{i}.attention.wq.weight": matrix(DIM, DIM),
            f"layers.{i}.attention.wk.weight": matrix(DIM * GROUPS // HEADS, DIM),
            f"layers.{i}.attention.wv.weight": matrix(DIM * GROUPS // HEADS, DIM),
            f"layers.{i}.attention.wo.weight": matrix(DIM, DIM),
            f"layers.{i}.feed_forward.w1.weight": matrix(HIDDEN, DIM),
            f"layers.{i}.feed_forward.w2.weight": matrix(DIM, HIDDEN),
            f"layers.{i}.feed_forward.w3.weight": matrix(HIDDEN, DIM),
            f"layers.{i}.attention_norm.weight": norm(),
            f"layers.{i}.ffn_norm.weight": norm(),
        }
    return weights


def scaled(frequencies):
    """LLaMA 3.1's apply_scaling."""
    found = []
    for frequency in frequencies.tolist():
        wavelength = 2 * math.pi / frequency
        if wavelength < 8192 / 4:
            found.append(frequency)
        elif wavelength > 8192 / 1:
            found.append(frequency / 8)
        else:
            smooth = (8192 / wavelength - 1) / (4 - 1)
            found.append((1 - smooth) * frequency / 8 + smooth * frequency)
    return torch.tensor(found)


def rotation(params, length):
    width = DIM // HEADS
    frequencies = 1.0 / params["rope_theta"] ** (torch.arange(0, width, 2).float() / width)
    if params.get("use_scaled_rope"):
        frequencies = scaled(frequencies)
    angles = torch.outer(torch.arange(length).float(), frequencies)
    return torch.polar(torch.ones_like(angles), angles)  # (T, d/2)


def rotated(x, turn):
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))  # (B, T, H, d/2)
    return torch.view_as_real(pairs * turn[None, :, None]).flatten(3)


def rmsnorm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def reference(weights, params, ids):
    """llama/model.py without its cache and parallel layers."""
    length, eps = ids.shape[1], params["norm_eps"]
    turn = rotation(params, length)
    causal = torch.full((length, length), -torch.inf).triu(1)
    x = weights["tok_embeddings.weight"][ids]
    for i in range(LAYERS):
        w = {name.split(".", 2)[2]: v for name, v in weights.items() if name.startswith(f"layers.{i}.")}
        h = rmsnorm(x, w["attention_norm.weight"], eps)
        q, k, v = (h @ w[f"attention.w{p}.weight"].t() for p in "qkv")
        q, k, v = (p.unflatten(-1, (-1, DIM // HEADS)) for p in (q, k, v))  # (B, T, H, d)
        q, k = rotated(q, turn), rotated(k, turn)
        k, v = (p.repeat_interleave(HEADS // GROUPS, dim=2) for p in (k, v))
        q, k, v = (p.transpose(1, 2) for p in (q, k, v))
        scores = q @ k.transpose(2, 3) / math.sqrt(DIM // HEADS) + causal
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = x + mixed @ w["attention.wo.weight"].t()
        h = rmsnorm(x, w["ffn_norm.weight"], eps)
        gate = F.silu(h @ w["feed_forward.w1.weight"].t())
        x = x + (gate * (h @ w["feed_forward.w3.weight"].t())) @ w["feed_forward.w2.weight"].t()
    return rmsnorm(x, weights["norm.weight"], eps) @ weights["output.weight"].t()


def save(folder, *shards, params=PARAMS, suffix="pth"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.json").write_text(json.dumps(params))
    writer = torch.save if suffix == "pth" else save_file
    for number, shard in enumerate(shards):
        writer(
            {name: value.contiguous() for name, value in shard.items()},
            folder / f"consolidated.{number:02}.{suffix}",
        )
    return folder


def cut(weights, pieces, embedding):
    """As fairscale's parallel layers keep them; ``embedding`` is the dimension that it is cut along."""
    shards = [{} for _ in range(pieces)]
    for name, value in weights.items():
        part = name.split(".")[-2]
        dimension = (
            embedding if part == "tok_embeddings" else 0 if part in ROWS else 1 if part in COLUMNS else None
        )
        parts = [value] * pieces if dimension is None else value.chunk(pieces, dimension)
        for shard, piece in zip(shards, parts, strict=True):
            shard[name] = piece.clone()
    return shards


def tokens(length=20):
    return torch.randint(0, VOCABULARY, (2, length), generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def logits(checkpoint):
    decoder = Decoder(checkpoint.config)
    load_weights(decoder, checkpoint.tensors)
    return decoder(tokens())


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_logits_are_those_of_the_reference(suffix, tmp_path):
    weights = random_weights()
    checkpoint = read_checkpoint(save(tmp_path, weights, suffix=suffix))
    assert checkpoint.layout == "meta"
    torch.testing.assert_close(logits(checkpoint), reference(weights, PARAMS, tokens()), atol=1e-5, rtol=1e-5)


def test_logits_with_scaled_rope(tmp_path):
    params = PARAMS | {"use_scaled_rope": True, "rope_theta": 500_000.0}
    weights = random_weights()
    for i in range(LAYERS):  # low frequencies must matter within few tokens
        weights[f"layers.{i}.attention.wq.weight"] *= 30
    expected = reference(weights, params, tokens())
    checkpoint = read_checkpoint(save(tmp_path, weights, params=params))
    torch.testing.assert_close(logits(checkpoint), expected, atol=1e-4, rtol=1e-4)
    plain = reference(weights, params | {"use_scaled_rope": False}, tokens())
    assert (plain - expected).abs().max() > 1e-3


def test_without_the_permutation_the_model_is_another(tmp_path):
    weights = random_weights()
    checkpoint = read_checkpoint(save(tmp_path, weights))
    for i in range(LAYERS):
        for ours, theirs in (("query", "wq"), ("key", "wk")):
            checkpoint.tensors[f"blocks.{i}.attention.{ours}.weight"] = weights[
                f"layers.{i}.attention.{theirs}.weight"
            ]
    assert (logits(checkpoint) - reference(weights, PARAMS, tokens())).abs().max() > 0.05


def test_the_permutation_by_hand():
    rows = torch.arange(8.0)[:, None]  # two heads of four rows
    assert to_half_split(rows, 2).flatten().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    assert torch.equal(to_interleaved(to_half_split(rows, 2), 2), rows)
    wide = torch.arange(16.0)[:, None]
    assert to_half_split(wide, 2).flatten().tolist()[:8] == [0, 2, 4, 6, 1, 3, 5, 7]
    assert torch.equal(to_interleaved(to_half_split(wide, 2), 2), wide)


@pytest.mark.parametrize("embedding", [1, 0], ids=["LLaMA 1 and 2", "LLaMA 3"])
def test_shards_are_joined(embedding, tmp_path):
    weights = random_weights()
    whole = read_checkpoint(save(tmp_path / "whole", weights))
    joined = read_checkpoint(save(tmp_path / "cut", *cut(weights, 2, embedding)))
    assert joined.config == whole.config
    assert joined.tensors.keys() == whole.tensors.keys()
    assert all(torch.equal(joined.tensors[name], value) for name, value in whole.tensors.items())


def test_sizes_come_from_the_tensors(tmp_path):
    config = read_checkpoint(save(tmp_path, random_weights())).config
    assert (config.vocabulary, config.feedforward_width, config.key_value_heads) == (
        VOCABULARY,
        HIDDEN,
        GROUPS,
    )
    assert (config.norm.eps, config.positions.base, config.tied_embeddings) == (1e-6, 500.0, False)


@pytest.mark.parametrize(
    ("change", "argument", "expected"),
    [
        ({}, None, 2048),
        ({}, 4096, 4096),
        ({"rope_theta": 500_000.0}, None, 8192),
        ({"rope_theta": 500_000.0, "use_scaled_rope": True}, None, 131072),
        ({"max_seq_len": 512}, None, 512),
    ],
)
def test_the_context_follows_the_rule_or_the_argument(change, argument, expected, tmp_path):
    save(tmp_path, random_weights(), params=PARAMS | change)
    assert read_checkpoint(tmp_path, context=argument).config.context == expected


def test_a_context_is_for_meta_only(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UserError, match=r"context: .*config.json says it itself"):
        read_checkpoint(tmp_path, context=64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"moe": {"experts": 4}}, "params.json: moe .* cannot be reproduced"),
        ({"n_heads": None}, "n_heads is missing"),
        ({"n_heads": 3}, "params.json: makes no model: width"),
        ({"n_layers": 3}, r"consolidated.00.pth: layers.2.* is missing"),
        ({"n_layers": 1}, r"layers.1.* is not part of the model"),
        ({"n_layers": "two"}, r"params.json: "),
        ({"n_layers": 10**9}, r"params.json: n_layers is above 10,000"),
        ({"rope_theta": [1]}, r"params.json: "),
        ({"n_kv_heads": 4}, r"wk.weight has shape \(16, 32\).*\(32, 32\)"),
    ],
)
def test_wrong_parameters_are_refused(change, message, tmp_path):
    save(tmp_path, random_weights(), params=PARAMS | change)
    with pytest.raises(UserError, match=message):
        read_checkpoint(tmp_path)


def test_names_from_a_wrapper_are_read_and_values_that_are_no_numbers_refused(tmp_path):
    weights = random_weights()
    expected = read_checkpoint(save(tmp_path / "plain", weights)).tensors
    wrapped = {f"_orig_mod.module.{name}": value for name, value in weights.items()}
    found = read_checkpoint(save(tmp_path / "wrapped", wrapped)).tensors
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    weights["layers.1.attention.wq.weight"][0, 0] = torch.inf
    save(tmp_path / "infinite", weights)
    with pytest.raises(UserError, match=r"layers.1.attention.wq.weight: 1 of 1,024 values are NaN or inf"):
        read_checkpoint(tmp_path / "infinite")


def test_without_a_head_the_weights_are_incomplete_not_tied(tmp_path):
    weights = random_weights()
    del weights["output.weight"]
    save(tmp_path, weights)
    with pytest.raises(UserError, match=r"output.weight is missing"):
        read_checkpoint(tmp_path)


def test_the_frequencies_of_the_first_release_are_skipped(tmp_path):
    weights = random_weights()
    weights["layers.0.attention.inner_attention.rope.freqs"] = weights["rope.freqs"].clone()
    assert len(read_checkpoint(save(tmp_path, weights)).tensors) == len(weights) - 2


def test_missing_shards_are_named(tmp_path):
    save(tmp_path, *cut(random_weights(), 4, embedding=1), params=PARAMS | {"n_kv_heads": GROUPS})
    (tmp_path / "consolidated.03.pth").unlink()
    with pytest.raises(
        UserError, match=r"tok_embeddings.weight has 8 columns in each of 3 files.*32 together"
    ):
        read_checkpoint(tmp_path)
    (tmp_path / "consolidated.01.pth").unlink()
    with pytest.raises(
        UserError, match=r"consolidated.01.pth: there is no such file, yet consolidated.02.pth"
    ):
        read_checkpoint(tmp_path)
    (tmp_path / "consolidated.00.pth").unlink()
    (tmp_path / "consolidated.02.pth").unlink()
    with pytest.raises(UserError, match=r"holds no weights; expected consolidated.00.pth"):
        read_checkpoint(tmp_path)


def test_a_missing_shard_of_llama_3_shows_in_the_shapes(tmp_path):
    save(tmp_path, *cut(random_weights(), 4, embedding=0)[:3])
    with pytest.raises(UserError, match=r"wq.weight has shape \(24, 32\).*weights are incomplete"):
        read_checkpoint(tmp_path)


def test_shards_with_different_tensors_are_refused(tmp_path):
    shards = cut(random_weights(), 2, embedding=1)
    del shards[1]["layers.1.feed_forward.w2.weight"]
    save(tmp_path, *shards)
    with pytest.raises(
        UserError, match=r"consolidated.01.pth: layers.1.feed_forward.w2.weight is not in all"
    ):
        read_checkpoint(tmp_path)


def ours(config, seed=1):
    decoder = Decoder(config)
    draw = torch.Generator().manual_seed(seed)
    return {name: torch.randn(value.shape, generator=draw) for name, value in decoder.named_parameters()}


LLAMA = {"vocabulary": VOCABULARY, "context": 2048, "width": DIM, "layers": LAYERS, "heads": HEADS}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"tied_embeddings": True},
        {"key_value_heads": 2, "feedforward_width": 40, "norm": {"name": "rmsnorm", "eps": 1e-6}},
        {"feedforward_width": 37, "positions": {"name": "rope", "base": 400.0}},
        {
            "context": 131072,
            "positions": {
                "name": "rope",
                "base": 500_000.0,
                "scaling": "llama3",
                "factor": 8.0,
                "low_frequency_factor": 1.0,
                "high_frequency_factor": 4.0,
                "original_context": 8192,
            },
        },
    ],
)
def test_written_and_read_again_nothing_has_changed(change, tmp_path):
    config = ModelConfig(**(LLAMA | change))
    tensors = ours(config)
    write_checkpoint(config, tensors, tmp_path / "meta", layout="meta")
    again = read_checkpoint(tmp_path / "meta")
    assert again.config == config
    assert all(torch.equal(again.tensors[name], value) for name, value in tensors.items())
    assert again.tensors.keys() == tensors.keys()


def test_what_is_written_has_metas_names_and_widths(tmp_path):
    weights = random_weights()
    checkpoint = read_checkpoint(save(tmp_path / "first", weights))
    write_checkpoint(checkpoint.config, checkpoint.tensors, tmp_path / "second", layout="meta")
    written = torch.load(tmp_path / "second" / "consolidated.00.pth", weights_only=True)
    assert written.keys() == weights.keys() - {"rope.freqs"}
    assert all(torch.equal(value, weights[name]) for name, value in written.items())
    params = json.loads((tmp_path / "second" / "params.json").read_text())
    hidden = feedforward_width(DIM, params["multiple_of"], params.get("ffn_dim_multiplier"))
    assert (params["n_kv_heads"], params["rope_theta"], hidden) == (GROUPS, 500.0, HIDDEN)


@pytest.mark.parametrize(
    ("width", "multiple_of", "multiplier", "expected"),
    [
        (4096, 256, None, 11008),  # LLaMA 7B
        (8192, 256, None, 22016),  # 65B
        (8192, 4096, 1.3, 28672),  # LLaMA 2 and 3, 70B
        (4096, 1024, 1.3, 14336),  # LLaMA 3, 8B
    ],
)
def test_metas_rule_gives_the_published_widths(width, multiple_of, multiplier, expected):
    assert feedforward_width(width, multiple_of, multiplier) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feedforward": "relu"}, r"Meta's LLaMA cannot express feedforward relu \(use swiglu\)"),
        ({"norm": "layernorm"}, r"norm layernorm \(use rmsnorm\)"),
        ({"positions": "alibi"}, "positions alibi"),
        ({"positions": {"name": "rope", "fraction": 0.5}}, r"positions rope\(fraction=0.5\)"),
        ({"bias": True}, r"bias true \(use false\)"),
        ({"window": 16}, "window 16"),
        ({"head_width": 12}, r"head_width 12 \(use width / heads\)"),
        ({"attention_softcap": 30.0}, "attention_softcap 30"),
    ],
)
def test_what_meta_has_no_words_for_is_refused(change, message, tmp_path):
    config = ModelConfig(**(LLAMA | change))
    with pytest.raises(UserError, match=message):
        write_checkpoint(config, ours(config), tmp_path / "meta", layout="meta")
    assert list(tmp_path.iterdir()) == []
