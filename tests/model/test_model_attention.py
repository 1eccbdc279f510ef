import math

import pytest
import torch

from workbench.model.attention import CausalSelfAttention, causal_mask
from workbench.seeds import generator


def _built(config):
    attention = CausalSelfAttention(config)
    for name, parameter in attention.named_parameters():
        torch.nn.init.normal_(parameter, std=0.5, generator=generator("attention test", name))
    return attention


def _input(length=7):
    return torch.randn(2, length, 16, generator=generator("attention input"))


def _linear(x, layer):
    y = x @ layer.weight.double().T
    return y if layer.bias is None else y + layer.bias.double()


def _reference(attention, x, config, bias=None):
    """Token by token and head by head, in float64."""
    x, width = x.double(), config.head_width
    q, k, v = (_linear(x, layer) for layer in (attention.query, attention.key, attention.value))
    mixed = torch.zeros_like(x)
    per_group = config.heads // config.key_value_heads
    for head in range(config.heads):
        mine = slice(head * width, (head + 1) * width)
        group = slice(head // per_group * width, (head // per_group + 1) * width)
        for t in range(x.shape[1]):
            scores = torch.einsum("bd,bsd->bs", q[:, t, mine], k[:, : t + 1, group]) / math.sqrt(width)
            if bias is not None:
                scores = scores + bias[head, t, : t + 1].double()
            mixed[:, t, mine] = torch.einsum("bs,bsd->bd", scores.softmax(-1), v[:, : t + 1, group])
    return _linear(mixed, attention.output)


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("key_value_heads", [4, 2, 1])
def test_attention_agrees_with_explicit_sums(small, key_value_heads, with_bias):
    config = small(key_value_heads=key_value_heads, bias=with_bias)
    attention = _built(config)
    expected = _reference(attention, _input(), config)
    torch.testing.assert_close(attention(_input(), lambda x: x).double(), expected, atol=1e-4, rtol=1e-4)


def test_attention_adds_the_bias_after_scaling(small):
    config = small(key_value_heads=2)
    attention = _built(config)
    bias = torch.randn(4, 7, 7, generator=generator("bias"))
    expected = _reference(attention, _input(), config, bias)
    found = attention(_input(), lambda x: x, causal_mask(bias))
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=1e-4)


def test_a_bias_of_zero_equals_the_kernels_own_causality(small):
    attention = _built(small())
    plain = attention(_input(), lambda x: x)
    torch.testing.assert_close(attention(_input(), lambda x: x, causal_mask(torch.zeros(4, 7, 7))), plain)


def test_attention_rotates_queries_and_keys_but_not_values(small):
    attention = _built(small())
    plain = attention(_input(), lambda x: x)
    torch.testing.assert_close(attention(_input(), lambda x: -x), plain)
    assert (attention(_input(), lambda x: 2 * x) - plain).abs().max() > 0.1


def test_attention_gradient_is_right(small):
    attention = _built(small(key_value_heads=2)).double()
    mask = causal_mask(torch.randn(4, 3, 3, generator=generator("bias"), dtype=torch.float64))
    x = _input(3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: attention(x, lambda y: y), x)
    assert torch.autograd.gradcheck(lambda x: attention(x, lambda y: y, mask), x)


def test_causal_mask_hides_later_keys_only():
    mask = causal_mask(torch.ones(2, 3, 3))
    assert mask[0].tolist() == [[1, -math.inf, -math.inf], [1, 1, -math.inf], [1, 1, 1]]
    assert causal_mask(None) is None
