import math

import pytest
import torch

from tests.inspection.activation_studies import CONTEXT, decoder_of, probe, stirred, write_study
from tests.inspection.attention.test_head_views import _check, _panel
from tests.inspection.head_studies import scope_of
from workbench.errors import UserError
from workbench.inspection.activations.feedforward_activity import (
    BINS,
    THRESHOLDS,
    bin_centres,
    effective_rank,
    feedforward_table,
    has_exact_zeros,
    histogram,
)
from workbench.inspection.activations.feedforward_view import HISTOGRAMS, FeedForwardUnits
from workbench.inspection.probe import Probe
from workbench.model.parts.component import FEEDFORWARDS
from workbench.model.parts.feedforward import FeedForward

PLAIN_OR_GATED = ["relu", "relu_squared", "gelu", "gelu_tanh", "silu", "swiglu", "geglu", "reglu", "bilinear"]
EXACT = {"relu", "relu_squared", "reglu"}
TOKENS = 4 * CONTEXT


def _values(table, layer=0):
    return table[(table["layer"] == layer) & table["x"].isna()].set_index("metric")["value"]


def _curve(table, metric, layer=0):
    return table[(table["layer"] == layer) & (table["metric"] == metric)].set_index("x")["value"]


def test_effective_rank_of_known_matrices():
    assert effective_rank(torch.eye(7)) == pytest.approx(7.0)
    assert effective_rank(3 * torch.eye(5).repeat(4, 1)) == pytest.approx(5.0)
    ones = torch.outer(torch.arange(1.0, 30.0), torch.randn(12, generator=torch.Generator().manual_seed(0)))
    assert effective_rank(ones) == pytest.approx(1.0, abs=1e-6)
    two = torch.diag(torch.tensor([3.0, 1.0, 0.0]))  # p = 3/4, 1/4
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert effective_rank(two) == pytest.approx(math.exp(entropy))
    assert effective_rank(torch.zeros(3, 3)) == 0.0
    assert math.isnan(effective_rank(torch.full((2, 2), math.inf)))


def test_histogram_bins_are_in_units_of_the_scale():
    counts = histogram(torch.tensor([0.0, 0.1, 2.0, -2.0, 1000.0, math.nan]), scale=2.0)
    centres = torch.tensor(bin_centres())
    assert len(counts) == BINS
    assert centres[BINS // 2] == 0.0
    found = {float(x): int(count) for x, count in zip(centres, counts, strict=True) if count}
    assert found == {0.0: 2, 1.0: 1, -1.0: 1, 4.0: 1}


def _biased(feedforward="relu", *, bias):
    """A network whose units before the activation are ``bias`` for every token."""
    decoder = decoder_of(feedforward=feedforward, bias=True)
    for block in decoder.blocks:
        network = block.feedforward
        first = network.gate if hasattr(network, "gate") else network.up
        with torch.no_grad():
            first.weight.zero_()
            first.bias.copy_(bias)
    return decoder


@pytest.mark.parametrize("feedforward", ["relu", "relu_squared", "reglu"])
def test_a_unit_with_a_hugely_negative_bias_is_dead_and_the_others_always_act(feedforward):
    bias = torch.ones(24)
    bias[:6] = -1e4
    values = _values(feedforward_table(_biased(feedforward, bias=bias), probe()))
    assert values["dead"] == pytest.approx(6 / 24)
    assert values["active"] == pytest.approx(18 / 24)
    assert values["negative"] == pytest.approx(6 / 24)
    assert values["units"] == 24


def test_all_positive_units_are_all_active_and_of_rank_one():
    table = feedforward_table(_biased(bias=torch.full((24,), 0.5)), probe())
    values = _values(table)
    assert values["active"] == 1.0
    assert values["dead"] == values["silent"] == values["negative"] == 0.0
    assert values["effective_rank"] == pytest.approx(1.0, abs=1e-6)
    assert values["effective_rank_share"] == pytest.approx(1 / 24, abs=1e-6)
    before = _curve(table, "before")
    assert before[1.0] == 1.0  # all equal: each is one root mean square


def test_a_network_without_any_positive_unit_is_dead():
    values = _values(feedforward_table(_biased(bias=torch.full((24,), -0.5)), probe()))
    assert values["active"] == 0.0
    assert values["dead"] == values["silent"] == values["negative"] == 1.0
    assert values["effective_rank"] == 0.0


def test_smooth_units_are_silent_if_they_never_reach_a_hundredth_of_the_largest():
    bias = torch.full((24,), 5.0)
    bias[:3] = -20.0  # silu(-20) = -4e-8
    bias[3] = 0.5  # silu = 0.31: above 1 % of 5, below 10 %
    table = feedforward_table(_biased("silu", bias=bias), probe())
    values = _values(table)
    assert values["silent"] == pytest.approx(3 / 24)
    assert "dead" not in values
    assert "active" not in values
    below = _curve(table, "below")
    assert below[0.01] == pytest.approx(3 / 24)
    assert below[0.03] == pytest.approx(3 / 24)
    assert below[0.1] == pytest.approx(4 / 24)


@pytest.mark.parametrize("placement", ["pre", "post", "sandwich", "parallel"])
@pytest.mark.parametrize("feedforward", PLAIN_OR_GATED)
def test_every_network_is_measured_and_left_as_it_was(feedforward, placement):
    decoder = stirred(decoder_of(feedforward=feedforward, norm_placement=placement, bias=True))
    before = decoder(probe().text)
    table = feedforward_table(decoder, probe())
    assert torch.equal(decoder(probe().text), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in decoder.modules())
    assert table["value"].map(math.isfinite).all()
    for layer in (0, 1):
        for name in HISTOGRAMS:
            assert _curve(table, name, layer).sum() == pytest.approx(1.0)
            assert list(_curve(table, name, layer).index) == bin_centres()
        below = _curve(table, "below", layer)
        assert list(below.index) == list(THRESHOLDS)
        assert below.is_monotonic_increasing
        assert ("dead" in _values(table, layer)) == (feedforward in EXACT)
    assert table.loc[table["metric"] == "silent", "n"].unique().tolist() == [TOKENS]
    assert has_exact_zeros(decoder.blocks[0].feedforward) == (feedforward in EXACT)


@pytest.mark.parametrize("placement", ["pre", "post", "sandwich", "parallel"])
def test_the_values_before_a_plain_activation_are_those_that_give_the_hidden_ones(placement):
    """ReLU: what is above 0 before is what is above 0 after, in the hidden layer itself."""
    decoder = stirred(decoder_of(feedforward="relu", norm_placement=placement, bias=True))
    values = _values(feedforward_table(decoder, probe()))
    assert values["negative"] == pytest.approx(1 - values["active"])
    table = feedforward_table(decoder, probe())
    assert _curve(table, "below")[THRESHOLDS[0]] == pytest.approx(1 - values["active"], abs=0.01)


def test_all_kinds_in_the_registry_are_covered():
    assert set(PLAIN_OR_GATED) == {name for name in FEEDFORWARDS.names() if ":" not in name}


class Straight(FeedForward):
    """A network of the user's own without units."""

    def __init__(self, config, width, hidden, bias):
        super().__init__(config, width, hidden, bias)
        self.down = torch.nn.Linear(width, width, bias=False)

    def forward(self, x):
        return self.down(x)


def test_a_network_of_ones_own_has_no_units_to_count(tmp_path):
    name = f"{__name__}:Straight"
    assert feedforward_table(decoder_of(feedforward=name), probe()).empty
    study = write_study(tmp_path, {"baseline": {"feedforward": name}}, seeds=(1,))
    scope = scope_of(study, "baseline")
    assert "neither gated nor plain" in FeedForwardUnits().available(scope)
    with pytest.raises(UserError, match="neither gated nor plain"):
        FeedForwardUnits().show(scope)


def test_a_diverged_decoder_is_measured_without_an_error():
    decoder = decoder_of()
    with torch.no_grad():
        decoder.token_embedding.weight.fill_(math.nan)
    assert feedforward_table(decoder, probe())["value"].isna().any()


def test_batches_do_not_change_the_table(monkeypatch):
    decoder, many = stirred(decoder_of(feedforward="gelu")), probe(12)
    whole = feedforward_table(decoder, many)
    monkeypatch.setattr("workbench.inspection.forward_passes._NUMBERS", 2 * 4 * CONTEXT**2)
    parts = feedforward_table(decoder, many)
    assert whole.drop(columns="value").equals(parts.drop(columns="value"))
    assert (whole["value"] - parts["value"]).abs().max() < 2e-3  # a value may cross the edge of a bin
    assert isinstance(many, Probe)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(
        tmp_path_factory.mktemp("feedforward"),
        {"baseline": {}, "changed": {"feedforward": "relu", "feedforward_width": 40}},
    )


@pytest.mark.parametrize("against", ["baseline", None])
@pytest.mark.parametrize("which", HISTOGRAMS)
@pytest.mark.parametrize("variant", ["changed", "baseline"])
def test_every_histogram_can_be_shown(variant, which, against, study):
    against = against if variant == "changed" else None
    _check(FeedForwardUnits().show(scope_of(study, variant, against), {"histogram": which}))


def test_two_networks_are_compared_by_shares_and_the_caveat_is_stated(study):
    result = FeedForwardUnits().show(scope_of(study, "changed", "baseline"))
    assert "relu 40 units and swiglu 24 units" in result.notes[0]
    assert "compare shares" in result.notes[0]
    relu, swiglu = result.answers[:2]
    assert "a token activates" in relu
    assert "above 0 on" in relu
    assert "64 tokens" in relu
    assert "a token activates" not in swiglu
    assert any("changed minus baseline: the share of values that reach 1 %" in one for one in result.answers)
    assert set(_panel(result, "Dead units").data["series"]) == {"changed"}
    assert set(_panel(result, "Effective rank").data["series"]) == {"changed", "baseline"}
    assert not any(
        "compare shares" in note for note in FeedForwardUnits().show(scope_of(study, "changed")).notes
    )


def test_the_curve_falls_with_the_threshold_and_the_histogram_sums_to_one(study):
    result = FeedForwardUnits().show(scope_of(study, "changed", "baseline"))
    for _, line in _panel(result, "Active by threshold").data.groupby(["layer", "series"]):
        assert line.sort_values("x")["y"].is_monotonic_decreasing
        assert line["x"].tolist() == pytest.approx([100 * t for t in THRESHOLDS])
    for _, line in _panel(result, "Values before").data.groupby(["layer", "series"]):
        assert line["y"].sum() == pytest.approx(1.0)


def test_two_seeds_of_one_variant_and_one_seed(study, tmp_path):
    first, second = scope_of(study, "changed"), scope_of(study, "changed", seed=2)
    result = FeedForwardUnits().show(type(first)(first.run, second.run))
    _check(result)
    assert any("seeds of one variant" in answer for answer in result.answers)
    alone = write_study(tmp_path, {"baseline": {"feedforward": "gelu"}}, seeds=(1,))
    _check(FeedForwardUnits().show(scope_of(alone, "baseline")))
