import math

import pytest
import torch

from tests.model.gradients import check_gradient
from workbench.errors import UserError
from workbench.model import Decoder, Positions
from workbench.model.attention import CausalSelfAttention, Order
from workbench.model.windows import attention_mask, layer_windows, parse_pattern
from workbench.seeds import generator


class Fixed(Positions):
    """Positions with a bias and a rotation of the test's choosing."""

    def __init__(self, bias=None, turn=1.0):
        torch.nn.Module.__init__(self)
        self.fixed, self.turn = bias, turn

    def rotate(self, x, prepared):
        return self.turn * x

    def bias(self, query_ids, key_ids):
        return self.fixed


def _built(config):
    attention = CausalSelfAttention(config, config.window)
    for name, parameter in attention.named_parameters():
        torch.nn.init.normal_(parameter, std=0.5, generator=generator("attention test", name))
    return attention


def _input(length=7):
    return torch.randn(2, length, 16, generator=generator("attention input"))


def _order(attention, length=7, **options):
    return Order.of(Fixed(**options), torch.arange(length), length, {attention.window})


def _linear(x, layer):
    y = x @ layer.weight.double().T
    return y if layer.bias is None else y + layer.bias.double()


def _normed(heads, norm, config):
    if config.qk_norm.name == "none":
        return heads
    rms = (heads.square().mean(-1, keepdim=True) + config.qk_norm.eps).sqrt()
    return heads / rms * norm.weight.double()


def _reference(attention, x, config, bias=None):
    """Token by token and head by head, in float64."""
    x, width = x.double(), config.head_width
    q, k, v = (_linear(x, layer) for layer in (attention.query, attention.key, attention.value))
    mixed = torch.zeros_like(q)
    per_group = config.heads // config.key_value_heads
    scale = config.attention_scale or 1 / math.sqrt(width)
    for head in range(config.heads):
        mine = slice(head * width, (head + 1) * width)
        group = slice(head // per_group * width, (head // per_group + 1) * width)
        query = _normed(q[..., mine], attention.query_norm, config)
        keys = _normed(k[..., group], attention.key_norm, config)
        for t in range(x.shape[1]):
            first = max(0, t + 1 - (config.window or t + 1))
            scores = scale * torch.einsum("bd,bsd->bs", query[:, t], keys[:, first : t + 1])
            if config.attention_softcap:
                scores = config.attention_softcap * torch.tanh(scores / config.attention_softcap)
            if bias is not None:
                scores = scores + bias[head, t, first : t + 1].double()
            mixed[:, t, mine] = torch.einsum("bs,bsd->bd", scores.softmax(-1), v[:, first : t + 1, group])
    if attention.gate is not None:
        gate = torch.sigmoid(x @ attention.gate.weight.double().T)
        mixed = mixed * (gate if gate.shape == mixed.shape else gate.repeat_interleave(width, -1))
    return _linear(mixed, attention.output)


OPTIONS = [
    {},
    {"key_value_heads": 2},
    {"key_value_heads": 1, "bias": True},
    {"bias": True, "qkv_bias": False},
    {"qkv_bias": True},
    {"head_width": 6},
    {"window": 3},
    {"window": 1},
    {"attention_gate": "headwise"},
    {"attention_gate": "elementwise", "head_width": 6},
    {"attention_softcap": 1.5},
    {"attention_scale": 1.0},
    {"qk_norm": "rmsnorm", "key_value_heads": 2},
    {"window": 3, "attention_softcap": 1.5, "attention_gate": "headwise", "qk_norm": "rmsnorm"},
]


@pytest.mark.parametrize("kernel", ["fused", "explicit"])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_attention_agrees_with_explicit_sums(small, options, with_bias, kernel):
    config = small(**options)
    attention = _built(config)
    attention.kernel = "explicit" if config.attention_softcap is not None else kernel
    bias = torch.randn(4, 7, 7, generator=generator("bias")) if with_bias else None
    found = attention(_input(), _order(attention, bias=bias))
    expected = _reference(attention, _input(), config, bias)
    torch.testing.assert_close(found.double(), expected, atol=1e-4, rtol=1e-4)


def test_each_option_changes_the_output(small):
    outputs = [
        attention(_input(), _order(attention))
        for attention in (_built(small(**options)) for options in OPTIONS if "head_width" not in options)
    ]
    for index, output in enumerate(outputs):
        assert all((output - other).abs().max() > 1e-3 for other in outputs[:index]), OPTIONS[index]


def test_a_bias_of_zero_equals_the_kernels_own_causality(small):
    attention = _built(small())
    plain = attention(_input(), _order(attention))
    torch.testing.assert_close(attention(_input(), _order(attention, bias=torch.zeros(4, 7, 7))), plain)


def test_attention_rotates_queries_and_keys_but_not_values(small):
    attention = _built(small())
    plain = attention(_input(), _order(attention))
    torch.testing.assert_close(attention(_input(), _order(attention, turn=-1.0)), plain)
    assert (attention(_input(), _order(attention, turn=2.0)) - plain).abs().max() > 0.1


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_attention_gradient_is_right(small, options):
    attention = _built(small(**options)).double()
    bias = torch.randn(4, 3, 3, generator=generator("bias"), dtype=torch.float64)
    attention.kernel = "explicit"
    for x in _input(3).double()[:, None]:
        check_gradient(lambda x: attention(x, _order(attention, 3)), x)
        check_gradient(lambda x: attention(x, _order(attention, 3, bias=bias)), x)


def test_explicit_attention_offers_scores_and_probabilities_to_hooks(decoder, tokens):
    model, seen = decoder(window=4), {}
    model.attention_kernel = "explicit"
    attention = model.blocks[1].attention
    attention.scores.register_forward_hook(lambda module, args, out: seen.update(scores=out))
    attention.probabilities.register_forward_hook(lambda module, args, out: seen.update(probabilities=out))
    model(tokens())
    assert seen["scores"].shape == seen["probabilities"].shape == (2, 4, 12, 12)
    torch.testing.assert_close(seen["probabilities"].sum(-1), torch.ones(2, 4, 12))
    distance = torch.arange(12)[:, None] - torch.arange(12)
    outside = (distance < 0) | (distance >= 4)
    assert (seen["probabilities"][..., outside] == 0).all()
    assert (seen["probabilities"][..., ~outside] > 0).all()


def test_a_hook_on_the_probabilities_changes_what_the_model_says(decoder, tokens):
    model = decoder()
    model.attention_kernel = "explicit"
    before = model(tokens())
    model.blocks[0].attention.probabilities.register_forward_hook(lambda module, args, out: out * 0)
    assert (model(tokens()) - before).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("dtype", "window", "explicit"),
    [
        (torch.float32, None, True),
        (torch.bfloat16, 4, True),
        (torch.bfloat16, None, False),
    ],
)
def test_what_the_flash_kernel_does_not_take_is_written_out(decoder, tokens, dtype, window, explicit):
    model, seen = decoder(window=window).to(dtype), []
    model.attention_kernel = "flash"
    model.blocks[0].attention.probabilities.register_forward_hook(lambda *_: seen.append(1))
    written_out = model(tokens())
    assert bool(seen) is explicit
    model.attention_kernel = "fused"
    tolerance = 1e-5 if dtype == torch.float32 else 0.1
    torch.testing.assert_close(written_out, model(tokens()), atol=tolerance, rtol=tolerance)


def test_the_kernel_is_chosen_for_all_layers(decoder):
    model = decoder()
    assert model.attention_kernel == "fused"
    model.attention_kernel = "explicit"
    assert [block.attention.kernel for block in model.blocks] == ["explicit", "explicit"]
    with pytest.raises(UserError, match="attention_kernel: unknown 'paged'"):
        model.attention_kernel = "paged"


def test_soft_capped_scores_stay_explicit(decoder, tokens):
    model = decoder(attention_softcap=5.0)
    expected = model(tokens())
    model.attention_kernel = "fused"
    assert model.attention_kernel == "explicit"
    assert torch.equal(model(tokens()), expected)


def _mask(queries, keys, window=None, bias=None):
    return attention_mask(queries, keys, window=window, bias=bias, device=torch.device("cpu"))


def test_the_mask_hides_later_keys_only():
    mask = _mask(3, 3, bias=torch.ones(2, 3, 3))
    assert mask[0].tolist() == [[1, -math.inf, -math.inf], [1, 1, -math.inf], [1, 1, 1]]
    assert _mask(3, 3) is None


def test_a_window_that_reaches_all_keys_is_plain_causality(decoder, tokens):
    """And one beyond the context begins to limit where a text is longer than it."""
    assert _mask(4, 4, window=4) is None
    model, plain = decoder(window=14), decoder()
    assert torch.equal(model(tokens(1)), plain(tokens(1)))
    longer = tokens(1, 16)
    same = (model(longer) - plain(longer)).abs().amax(-1)[0]
    assert same[:14].max() < 1e-5 < same[14:].min()


def test_a_window_counts_the_query_itself():
    assert _mask(4, 4, window=2).int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]


def test_new_queries_see_all_cached_keys():
    assert _mask(2, 4).int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert _mask(1, 4, window=2).int().tolist() == [[0, 0, 1, 1]]


def test_a_pattern_is_repeated_over_the_layers():
    assert layer_windows("global,local", 8, 5) == (None, 8, None, 8, None)
    assert layer_windows(None, 8, 2) == (8, 8)
    assert layer_windows(None, None, 2) == (None, None)
    assert parse_pattern(["global", " local"]) == parse_pattern("global, local") == "global,local"


@pytest.mark.parametrize("value", ["dense", [], 3, "global,,local"])
def test_other_patterns_are_refused(value):
    with pytest.raises(UserError, match="attention_pattern: "):
        parse_pattern(value)


def test_layers_of_a_pattern_have_their_own_window(small):
    model = Decoder(small(window=4, attention_pattern="global,local"))
    assert [block.attention.window for block in model.blocks] == [None, 4]


def test_a_windowed_layer_cannot_see_past_its_window(decoder, tokens):
    """One layer of window 4: the logits at position 8 depend on tokens 5 to 8 and on no other."""
    model, ids = decoder(window=4, layers=1), tokens(1)
    before = model(ids)[0, 8]
    for position in range(9):
        changed = ids.clone()
        changed[0, position] = (ids[0, position] + 1) % 19
        same = torch.equal(model(changed)[0, 8], before)
        assert same == (position < 5), position


def test_grouped_heads_equal_full_heads_with_repeated_keys(decoder, tokens):
    """MHA whose key and value rows are copied per group is GQA."""
    grouped, full = decoder(key_value_heads=2), decoder()
    for few, many in zip(grouped.blocks, full.blocks, strict=True):
        for name in ("key", "value"):
            rows = getattr(few.attention, name).weight.unflatten(0, (2, 4))
            getattr(many.attention, name).weight.data = rows.repeat_interleave(2, 0).flatten(0, 1)
    torch.testing.assert_close(grouped(tokens()), full(tokens()))


def test_the_gate_is_a_sigmoid_of_the_attentions_input(small):
    attention = _built(small(attention_gate="headwise"))
    open_ = _built(small(attention_gate="headwise"))
    open_.gate.weight.data.zero_()
    plain = _built(small())
    half = plain(_input(), _order(plain)) / 2
    torch.testing.assert_close(open_(_input(), _order(open_)), half)
    assert not torch.equal(attention(_input(), _order(attention)), half)
    assert attention.gate.weight.shape == (4, 16)
