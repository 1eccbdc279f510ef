import math

import pytest
import torch
from transformers import GPT2Config, LlamaConfig
from transformers.models.gpt2.modeling_gpt2 import GPT2MLP
from transformers.models.llama.modeling_llama import LlamaMLP

from workbench.model.parts.component import FEEDFORWARDS
from workbench.seeds import generator

WIDTH, HIDDEN = 8, 12


def _sigmoid(z):
    return 1 / (1 + torch.exp(-z))


def _gelu(z):
    return z * 0.5 * (1 + torch.erf(z / math.sqrt(2)))


def _gelu_tanh(z):
    return 0.5 * z * (1 + torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))


def _relu(z):
    return z * (z > 0)


GATED = {"swiglu": lambda z: z * _sigmoid(z), "geglu": _gelu, "reglu": _relu, "bilinear": lambda z: z}
PLAIN = {
    "relu": _relu,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": lambda z: z * _sigmoid(z),
    "relu_squared": lambda z: _relu(z) ** 2,
}


def _built(name, bias=False):
    network = FEEDFORWARDS.config(name).build(WIDTH, HIDDEN, bias)
    for key, parameter in network.named_parameters():
        torch.nn.init.normal_(parameter, generator=generator("feedforward test", key))
    return network


def _input():
    return torch.randn(3, 5, WIDTH, generator=generator("feedforward input"))


def _linear(x, layer):
    y = x @ layer.weight.double().T
    return y if layer.bias is None else y + layer.bias.double()


def test_every_feedforward_has_a_reference():
    assert {*GATED, *PLAIN} == set(FEEDFORWARDS.names())


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", FEEDFORWARDS.names())
def test_feedforward_agrees_with_its_formula_in_float64(name, bias):
    network, x = _built(name, bias), _input().double()
    if name in GATED:
        hidden = GATED[name](_linear(x, network.gate)) * _linear(x, network.up)
    else:
        hidden = PLAIN[name](_linear(x, network.up))
    expected = _linear(hidden, network.down)
    torch.testing.assert_close(network(_input()).double(), expected, rtol=1e-4, atol=1e-4)


def test_swiglu_is_the_network_of_llama_in_transformers():
    config = LlamaConfig(hidden_size=WIDTH, intermediate_size=HIDDEN, num_attention_heads=1)
    ours, theirs = _built("swiglu"), LlamaMLP(config)
    weights = {f"{name}_proj.weight": getattr(ours, name).weight for name in ("gate", "up", "down")}
    theirs.load_state_dict(weights)
    torch.testing.assert_close(ours(_input()), theirs(_input()))


def test_gelu_tanh_is_the_network_of_gpt2_in_transformers():
    """Whose Conv1D keeps matrices transposed."""
    ours, theirs = _built("gelu_tanh", bias=True), GPT2MLP(HIDDEN, GPT2Config(n_embd=WIDTH)).eval()
    layers = {"c_fc": ours.up, "c_proj": ours.down}
    state = {f"{name}.weight": layer.weight.T for name, layer in layers.items()}
    theirs.load_state_dict(state | {f"{name}.bias": layer.bias for name, layer in layers.items()})
    torch.testing.assert_close(ours(_input()), theirs(_input()))


def test_no_two_feedforwards_compute_the_same():
    outputs = {name: _built(name)(_input()) for name in FEEDFORWARDS.names()}
    names = list(outputs)
    same = [(a, b) for i, a in enumerate(names) for b in names[:i] if torch.equal(outputs[a], outputs[b])]
    assert same == []


@pytest.mark.parametrize("name", FEEDFORWARDS.names())
def test_gated_and_plain_share_up_and_down(name):
    names = {key for key, _ in _built(name).named_parameters()}
    gate = {"gate.weight"} if name in GATED else set()
    assert names == gate | {"up.weight", "down.weight"}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", FEEDFORWARDS.names())
def test_feedforward_counts_its_parameters(name, bias):
    config = FEEDFORWARDS.config(name)
    parameters = list(config.build(WIDTH, HIDDEN, bias).parameters())
    assert config.num_parameters(WIDTH, HIDDEN, bias) == sum(p.numel() for p in parameters)
    matrices = sum(p.numel() for p in parameters if p.ndim == 2)
    assert config.matmul_parameters(WIDTH, HIDDEN, bias) == matrices


@pytest.mark.parametrize("name", FEEDFORWARDS.names())
def test_feedforward_gradient_is_right(name):
    network = _built(name, bias=True).double()
    x = _input()[:, :2].double().requires_grad_()
    assert torch.autograd.gradcheck(network, x)


def test_default_hidden_width_follows_the_recipes():
    assert FEEDFORWARDS.config("gelu").default_hidden(64) == 256
    assert FEEDFORWARDS.config("swiglu").default_hidden(64) == 176
    # LLaMA: int(2 * 4d / 3), up to a multiple
    for width in range(8, 400, 2):
        expected = 8 * math.ceil(int(2 * 4 * width / 3) / 8)
        assert FEEDFORWARDS.config("swiglu").default_hidden(width) == expected
