import math

import pytest
import torch
from transformers import T5Config
from transformers.models.t5.modeling_t5 import T5Attention

from workbench.errors import UserError
from workbench.model.parts.relative_bias import alibi_slopes, t5_bucket
from workbench.seeds import generator


def _alibi(small):
    config = small(positions="alibi")
    return config.positions.build(config)


def _t5(small, **options):
    config = small(positions={"name": "t5_bias", **options})
    return config.positions.build(config)


def _official_slopes(n):
    """The function of the ALiBi repository (fairseq/models/transformer.py), as published."""

    def power_of_two(n):
        start = 2 ** (-(2 ** -(math.log2(n) - 3)))
        return [start * start**i for i in range(n)]

    if math.log2(n).is_integer():
        return power_of_two(n)
    closest = 2 ** math.floor(math.log2(n))
    return power_of_two(closest) + _official_slopes(2 * closest)[0::2][: n - closest]


@pytest.mark.parametrize(
    ("heads", "exponents"),
    [
        (8, [1, 2, 3, 4, 5, 6, 7, 8]),  # the paper's 1/2 to 1/256
        (12, [1, 2, 3, 4, 5, 6, 7, 8, 0.5, 1.5, 2.5, 3.5]),
    ],
)
def test_alibi_slopes_are_the_published_list(heads, exponents):
    torch.testing.assert_close(alibi_slopes(heads), torch.tensor([2.0**-e for e in exponents]))


@pytest.mark.parametrize("heads", [1, 2, 3, 4, 6, 8, 12, 16])
def test_alibi_slopes_are_the_official_ones(heads):
    torch.testing.assert_close(alibi_slopes(heads), torch.tensor(_official_slopes(heads)))


def test_alibi_penalises_distance(small):
    positions = _alibi(small)
    bias = positions.bias(torch.arange(5, 8), torch.arange(8))
    assert bias.shape == (4, 3, 8)
    for head, slope in enumerate(_official_slopes(4)):
        for query in range(3):
            expected = [-slope * (query + 5 - key) for key in range(8)]
            assert bias[head, query].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("buckets", "max_distance"), [(32, 128), (8, 20), (16, 9)])
def test_t5_bias_agrees_with_transformers(small, buckets, max_distance):
    theirs = T5Attention(
        T5Config(
            d_model=16,
            d_kv=4,
            num_heads=4,
            relative_attention_num_buckets=buckets,
            relative_attention_max_distance=max_distance,
            is_decoder=True,
        ),
        has_relative_attention_bias=True,
    )
    ours = _t5(small, buckets=buckets, max_distance=max_distance)
    table = torch.randn(buckets, 4, generator=generator("table"))
    ours.buckets.data, theirs.relative_attention_bias.weight.data = table, table
    ids, allowed = torch.arange(200), torch.ones(200, 200).tril().bool()
    expected = theirs.compute_bias(200, 200)[0].masked_fill(~allowed, 0)  # later keys are masked anyway
    assert torch.equal(ours.bias(ids, ids).masked_fill(~allowed, 0), expected)


def test_small_distances_have_their_own_bucket_and_far_ones_share_the_last():
    buckets = t5_bucket(torch.arange(300), 32, 128)
    assert buckets[:16].tolist() == list(range(16))
    assert buckets.diff().min() >= 0
    assert buckets[112] < 31
    assert (buckets[128:] == 31).all()


def test_t5_bias_starts_as_in_transformers(decoder):
    model = decoder(positions="t5_bias", width=64, heads=4)
    table = model.positions.buckets
    assert table.shape == (32, 4)
    assert table.std().item() == pytest.approx(1 / math.sqrt(64), rel=0.25)


def test_t5_bias_learns(decoder, tokens):
    model = decoder(positions="t5_bias")
    model(tokens()).square().sum().backward()
    gradient = model.positions.buckets.grad
    assert (gradient[:12].abs().sum(1) > 0).all()
    assert (gradient[12:] == 0).all()  # distances beyond the text


def test_t5_bias_gradient_is_right(small):
    positions, ids = _t5(small, buckets=8, max_distance=20).double(), torch.arange(12)

    def bias(table):
        return torch.func.functional_call(_Bias(positions), {"positions.buckets": table}, (ids,))

    table = torch.randn(8, 4, generator=generator("table"), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(bias, table)


class _Bias(torch.nn.Module):
    def __init__(self, positions):
        super().__init__()
        self.positions = positions

    def forward(self, ids):
        return self.positions.bias(ids, ids)


def test_t5_bias_has_one_table_for_all_layers(decoder):
    model = decoder(positions="t5_bias", layers=3)
    assert [name for name in model.state_dict() if "buckets" in name] == ["positions.buckets"]


def test_t5_bias_tables_can_be_stacked(small):
    """As when several models train in one program."""
    positions, ids = _t5(small), torch.arange(40)
    tables = torch.randn(3, 32, 4, generator=generator("tables"))

    def bias(table):
        return torch.func.functional_call(_Bias(positions), {"positions.buckets": table}, (ids,))

    together = torch.func.vmap(bias)(tables)
    assert torch.equal(together, torch.stack([bias(table) for table in tables]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"buckets": 7}, "t5_bias.buckets: 7 is not a positive even number"),
        ({"buckets": 0}, "t5_bias.buckets: 0 is not"),
        ({"max_distance": 16}, "t5_bias.max_distance: 16 leaves nothing for the logarithmic half of 32"),
    ],
)
def test_impossible_buckets_are_refused(small, options, message):
    with pytest.raises(UserError, match=message):
        _t5(small, **options)


def test_buckets_that_training_never_reaches_are_told(small):
    config = small(positions="t5_bias", context=64)
    assert "beyond the context 64" in config.positions.warnings(config)[0]
    config = small(positions="t5_bias", context=128)
    assert config.positions.warnings(config) == []


def test_alibi_in_a_context_beyond_its_reach_is_told(small):
    config = small(positions="alibi", heads=1, width=16, context=1024)  # slope 2^-8: half-life 177 tokens
    assert "every 177 tokens" in config.positions.warnings(config)[0]
    config = small(positions="alibi", heads=1, width=16, context=512)
    assert config.positions.warnings(config) == []
