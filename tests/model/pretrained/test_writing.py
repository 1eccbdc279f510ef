"""What is written, transformers loads: bitwise the same tensors, the same logits."""

import json

import pytest
import torch
import transformers
from safetensors.torch import load_file

from workbench.errors import UserError
from workbench.model import Decoder, ModelConfig
from workbench.model.pretrained import huggingface, read_checkpoint, write_checkpoint
from workbench.model.weights import load_weights, plain_tensors

SIZES = {"vocab_size": 40}
WIDE = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
LLAMA = SIZES | WIDE | {"max_position_embeddings": 16}
GPT2 = SIZES | {"n_positions": 16, "n_embd": 16, "n_layer": 2, "n_head": 2}
NEO = SIZES | {"max_position_embeddings": 16, "hidden_size": 16, "num_layers": 4, "num_heads": 2}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 50.0,
    "factor": 2.0,
    "original_max_position_embeddings": 8,
    "attention_factor": 1.2,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 50.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8,
}


def llama(**changes):
    return transformers.LlamaConfig(**(LLAMA | changes))


MODELS = {
    "gpt2": transformers.GPT2Config(**GPT2),
    "gpt2, not tied, unscaled": transformers.GPT2Config(
        **GPT2, tie_word_embeddings=False, scale_attn_weights=False
    ),
    "gpt2, relu": transformers.GPT2Config(**GPT2, activation_function="relu", n_inner=24),
    "gpt_neo": transformers.GPTNeoConfig(**NEO, attention_types=[[["global", "local"], 2]], window_size=5),
    "gpt_neo, irregular": transformers.GPTNeoConfig(
        **NEO, attention_types=[[["global"], 3], [["local"], 1]], window_size=5
    ),
    "gpt_neo, all global": transformers.GPTNeoConfig(**NEO, attention_types=[[["global"], 4]]),
    "llama": llama(rms_norm_eps=1e-3),
    "llama, grouped, tied": llama(num_key_value_heads=1, tie_word_embeddings=True, rope_parameters=LLAMA3),
    "llama, linear": llama(rope_parameters={"rope_type": "linear", "rope_theta": 50.0, "factor": 2.0}),
    "llama, dynamic": llama(rope_parameters={"rope_type": "dynamic", "rope_theta": 50.0, "factor": 2.0}),
    "llama, yarn": llama(rope_parameters=YARN),
    "llama, attention_bias": llama(attention_bias=True),
    "llama, mlp_bias": llama(mlp_bias=True),
    "llama, reglu, wide heads": llama(hidden_act="relu", head_dim=12),
    "mistral": transformers.MistralConfig(**LLAMA, num_key_value_heads=1, sliding_window=5),
    "mistral, window of the context": transformers.MistralConfig(
        **LLAMA, num_key_value_heads=2, sliding_window=16
    ),
    "mistral, window beyond the context": transformers.MistralConfig(
        **LLAMA, num_key_value_heads=2, sliding_window=21
    ),
    "qwen2": transformers.Qwen2Config(**LLAMA, num_key_value_heads=1),
    "qwen2, window beyond the context": transformers.Qwen2Config(
        **LLAMA, num_key_value_heads=2, use_sliding_window=True, sliding_window=21, max_window_layers=1
    ),
    "qwen3, attention_bias": transformers.Qwen3Config(**LLAMA, num_key_value_heads=2, attention_bias=True),
    "qwen3": transformers.Qwen3Config(
        **LLAMA,
        num_key_value_heads=1,
        head_dim=12,
        use_sliding_window=True,
        sliding_window=5,
        max_window_layers=1,
    ),
}


def published(config, folder):
    torch.manual_seed(7)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return model


def tokens(length=16):
    return torch.randint(0, 40, (2, length), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_there_and_back_every_tensor_is_bitwise_the_same(name, tmp_path):
    model = published(MODELS[name], tmp_path / "first")
    checkpoint = read_checkpoint(tmp_path / "first")
    write_checkpoint(checkpoint.config, checkpoint.tensors, tmp_path / "second")
    first, second = (load_file(tmp_path / part / "model.safetensors") for part in ("first", "second"))
    assert first.keys() == second.keys()
    assert all(torch.equal(second[tensor], value) for tensor, value in first.items())
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "second").eval()
    assert type(again) is type(model)
    length = 29 if "dynamic" in name or "context" in name else 16
    assert torch.equal(again(tokens(length)).logits, model(tokens(length)).logits)
    assert read_checkpoint(tmp_path / "second").config == checkpoint.config
    assert getattr(again.config, "sliding_window", None) == getattr(model.config, "sliding_window", None)


def decoder(**changes):
    sizes = {"vocabulary": 40, "context": 16, "width": 16, "layers": 2, "heads": 2}
    model = Decoder(ModelConfig(**(sizes | changes))).eval()
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            parameter.copy_(
                0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(index))
            )
    return model


GPT_PARTS = {"positions": "learned", "norm": "layernorm", "feedforward": "gelu_tanh", "bias": True}
OURS = {
    "llama": {},
    "llama of geglu with biases": {"feedforward": "geglu", "bias": True},
    "llama of attention biases": {"qkv_bias": True, "output_bias": True},
    "llama of one bias, with a zero beside it": {"output_bias": True},
    "mistral": {"window": 5},
    "qwen2": {"qkv_bias": True},
    "qwen3": {"qk_norm": "rmsnorm", "window": 5, "attention_pattern": "local,global"},
    "gpt2": GPT_PARTS | {"dropout": 0.1},
    "gpt_neo": GPT_PARTS
    | {"qkv_bias": False, "attention_scale": 1.0, "window": 5, "attention_pattern": "global,local"},
    "gpt_neo with scaled scores' stand-in": GPT_PARTS | {"qkv_bias": False, "attention_scale": 1.0},
}


@pytest.mark.parametrize("name", OURS)
@torch.no_grad()
def test_transformers_computes_what_our_decoder_computes(name, tmp_path):
    ours = decoder(**OURS[name])
    write_checkpoint(ours.config, plain_tensors(ours), tmp_path / "out")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    assert theirs.config.model_type == name.split()[0]
    torch.testing.assert_close(theirs(tokens()).logits, ours(tokens()), atol=1e-5, rtol=1e-5)


def test_dropout_is_written_where_gpt2_has_it(tmp_path):
    ours = decoder(**OURS["gpt2"])
    write_checkpoint(ours.config, plain_tensors(ours), tmp_path / "out")
    values = json.loads((tmp_path / "out" / "config.json").read_text())
    assert [values[key] for key in ("embd_pdrop", "resid_pdrop", "attn_pdrop")] == [0.1, 0.1, 0.0]


REFUSED = [
    (
        {"feedforward": "relu"},
        r"Hugging Face's llama, .* feedforward relu \(use swiglu or geglu or reglu or bilinear",
    ),
    ({"positions": "alibi"}, r"llama.*positions alibi \(use rope, fraction 1\)"),
    ({"norm": "layernorm"}, r"llama.*norm layernorm \(use rmsnorm\)"),
    ({"norm_placement": "sandwich"}, r"norm_placement sandwich \(use pre\)"),
    ({"attention_gate": "headwise"}, r"attention_gate headwise \(use none\)"),
    ({"attention_softcap": 20.0}, r"attention_softcap 20 \(use null\)"),
    ({"attention_scale": 0.5}, r"attention_scale 0.5 \(use null\)"),
    (GPT_PARTS | {"feedforward": "swiglu"}, r"gpt2.*feedforward swiglu \(use gelu_tanh or gelu or relu"),
    (
        GPT_PARTS | {"norm": {"name": "layernorm", "bias": False}},
        r"gpt2.*norm layernorm\(bias=false\) \(use layernorm\)",
    ),
    (GPT_PARTS | {"key_value_heads": 1}, r"gpt2.*key_value_heads 1 \(use 2\)"),
    (GPT_PARTS | {"bias": False}, r"gpt2.* bias false \(use true\)"),
    (GPT_PARTS | {"positions": "rope"}, r"gpt2.*positions rope \(use learned\)"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[str(case[0])[:60] for case in REFUSED])
def test_a_part_that_no_model_type_has_is_named(change, message, tmp_path):
    ours = decoder(**change)
    with pytest.raises(UserError, match=message):
        write_checkpoint(ours.config, plain_tensors(ours), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_in_use_is_left_alone(tmp_path):
    ours = decoder()
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(UserError, match=r"exists already; name a new or an empty folder"):
        write_checkpoint(ours.config, plain_tensors(ours), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]
    with pytest.raises(UserError, match=r"note.txt: exists already"):
        write_checkpoint(ours.config, plain_tensors(ours), tmp_path / "note.txt")


def test_an_empty_folder_and_missing_parents_are_fine(tmp_path):
    ours = decoder()
    (tmp_path / "empty").mkdir()
    for target in (tmp_path / "empty", tmp_path / "a" / "b"):
        write_checkpoint(ours.config, plain_tensors(ours), target)
        assert read_checkpoint(target).config == ours.config
        assert [path.name for path in target.parent.glob(".*")] == []


def test_nothing_is_left_of_a_failed_write(tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError("no space left on device")

    monkeypatch.setattr(huggingface, "save_file", full)
    ours = decoder()
    with pytest.raises(OSError, match="no space"):
        write_checkpoint(ours.config, plain_tensors(ours), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_large_models_are_written_in_several_files(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface, "SHARD_BYTES", 4000)
    ours = decoder()
    write_checkpoint(ours.config, plain_tensors(ours), tmp_path / "out")
    files = sorted(path.name for path in (tmp_path / "out").glob("*.safetensors"))
    assert len(files) > 2
    assert files[0] == f"model-00001-of-{len(files):05}.safetensors"
    assert all((tmp_path / "out" / file).stat().st_size < 5500 for file in files)
    again = read_checkpoint(tmp_path / "out").tensors
    assert all(torch.equal(again[name], value) for name, value in plain_tensors(ours).items())
    transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out")


def test_a_type_can_be_asked_for(tmp_path):
    ours = decoder()
    write_checkpoint(ours.config, plain_tensors(ours), tmp_path / "out", dtype=torch.bfloat16)
    checkpoint = read_checkpoint(tmp_path / "out")
    assert checkpoint.dtype == torch.bfloat16
    expected = ours.token_embedding.weight.bfloat16()
    assert torch.equal(checkpoint.tensors["token_embedding.weight"], expected)
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert loaded.dtype == torch.bfloat16


def test_the_tokenizer_goes_along(tmp_path):
    from tokenizers import Tokenizer, models

    vocabulary = {"a": 0, "b": 1}
    file = tmp_path / "mine.json"
    Tokenizer(models.WordLevel(vocabulary, unk_token="a")).save(str(file))
    ours = decoder()
    write_checkpoint(ours.config, plain_tensors(ours), tmp_path / "out", tokenizer=file)
    assert read_checkpoint(tmp_path / "out").tokenizer == tmp_path / "out" / "tokenizer.json"
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab() == vocabulary
    with pytest.raises(UserError, match=r"nothing.json: there is no such file"):
        write_checkpoint(
            ours.config, plain_tensors(ours), tmp_path / "x", tokenizer=tmp_path / "nothing.json"
        )


def test_tensors_of_another_config_are_refused(tmp_path):
    tensors = plain_tensors(decoder())
    with pytest.raises(UserError, match=r"weights: missing or of another shape"):
        write_checkpoint(decoder(heads=4, key_value_heads=1).config, tensors, tmp_path / "out")


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"layout: unknown 'metta'; did you mean 'meta'"):
        write_checkpoint(decoder().config, {}, tmp_path / "out", layout="metta")


def test_writing_and_loading_leave_the_source_alone(tmp_path):
    published(MODELS["gpt2"], tmp_path / "first")
    before = (tmp_path / "first" / "model.safetensors").read_bytes()
    checkpoint = read_checkpoint(tmp_path / "first")
    model = Decoder(checkpoint.config)
    load_weights(model, checkpoint.tensors)
    checkpoint.tensors["token_embedding.weight"].zero_()
    assert (tmp_path / "first" / "model.safetensors").read_bytes() == before
