import math

import pytest
import torch

from tests.inspection.activation_studies import CONTEXT, decoder_of, probe, stirred, write_study
from tests.inspection.attention.test_head_views import _check, _panel
from tests.inspection.head_studies import scope_of
from workbench.errors import UserError
from workbench.inspection.activations.residual import (
    EMBEDDING,
    NORM_PLACES,
    kurtosis,
    mean_share,
    over_median,
    residual_table,
    rms,
)
from workbench.inspection.activations.residual_view import QUANTITIES, Residual

NORMS = ["rmsnorm", "layernorm", "dynamic_tanh", "none"]
PLACEMENTS = ["pre", "post", "sandwich", "parallel"]


def _values(table):
    """Values by layer and metric."""
    return table.set_index(["layer", "metric"])["value"]


def test_sizes_of_built_vectors():
    assert rms(torch.tensor([3.0, -3.0, 3.0, 3.0])) == 3.0
    constant, centred = torch.full((8,), -2.5), torch.tensor([1.0, -1.0, 2.0, -2.0])
    assert mean_share(constant) == pytest.approx(1.0)
    assert mean_share(centred) == 0.0
    assert mean_share(torch.tensor([1.0, 0.0, 0.0, 0.0])) == pytest.approx(1 / 4)  # cos^2 of an axis: 1 / D
    assert math.isnan(mean_share(torch.zeros(4)))


def test_kurtosis_is_one_for_equal_channels_and_the_width_for_a_single_one():
    assert kurtosis(torch.full((6,), 0.3)) == pytest.approx(1.0)
    assert kurtosis(torch.tensor([0.0, 0.0, 7.0, 0.0, 0.0])) == pytest.approx(5.0)


def test_largest_over_median():
    assert over_median(torch.tensor([1.0, 2.0, 50.0])) == 25.0
    assert math.isnan(over_median(torch.tensor([0.0, 0.0, 5.0])))


def _embedded(rows):
    """A decoder without norms whose blocks add nothing and whose embedding is ``rows``."""
    decoder = decoder_of(norm="none", initialization="zero_output")
    with torch.no_grad():
        decoder.token_embedding.weight.copy_(rows)
    return decoder


def test_constant_embeddings_are_all_mean_and_one_hot_ones_all_outlier():
    values = _values(residual_table(_embedded(torch.full((257, 16), 3.0)), probe()))
    for layer in (EMBEDDING, 0, 1):
        assert values[layer, "rms"] == pytest.approx(3.0)
        assert values[layer, "mean"] == pytest.approx(3.0)
        assert values[layer, "mean_share"] == pytest.approx(1.0)
        assert values[layer, "kurtosis"] == pytest.approx(1.0)
        assert values[layer, "channel_ratio"] == pytest.approx(1.0)
        assert values[layer, "massive_ratio"] == pytest.approx(1.0)
    rows = torch.zeros(257, 16)
    rows[:, 3] = 2.0
    values = _values(residual_table(_embedded(rows), probe()))
    assert values[1, "kurtosis"] == pytest.approx(16.0)
    assert values[1, "mean_share"] == pytest.approx(1 / 16)
    assert math.isnan(values[1, "massive_ratio"])


def test_massive_values_are_found_and_the_first_token_is_apart():
    decoder = _embedded(torch.ones(257, 16))
    text = probe().text.clamp(max=199)
    text[:, 0], text[:, 5] = 200, 201
    with torch.no_grad():
        decoder.token_embedding.weight[200, 0] = 500.0
        decoder.token_embedding.weight[201, 1] = -40.0
    one = type(probe())(text=text, long=text, context=CONTEXT, vocabulary=257)
    table = residual_table(decoder, one)
    values = _values(table)
    assert values[1, "largest_1"] == pytest.approx(40.0)
    assert values[1, "largest_2"] == pytest.approx(1.0)
    assert values[1, "median"] == pytest.approx(1.0)
    assert values[1, "massive_ratio"] == pytest.approx(40.0)
    assert values[1, "massive_ratio_first"] == pytest.approx(500.0)
    assert values[1, "rms_first"] == pytest.approx(math.sqrt((500**2 + 15) / 16))
    n = table.set_index(["layer", "metric"])["n"]
    assert n[1, "rms"] == 4 * (CONTEXT - 1)
    assert n[1, "rms_first"] == 4


def test_layernorm_leaves_no_mean_and_rmsnorm_keeps_its_share():
    for norm in ("layernorm", "rmsnorm"):
        decoder = decoder_of(norm=norm)
        with torch.no_grad():
            decoder.token_embedding.weight.add_(0.05)
        values = _values(residual_table(decoder, probe()))
        kept = values[0, "attention_norm_output_mean_share"]
        entered = values[0, "attention_norm_input_mean_share"]
        assert entered > 0.5
        assert kept == pytest.approx(0.0 if norm == "layernorm" else entered, abs=1e-5)
        assert values[0, "attention_norm_output_rms"] == pytest.approx(1.0, abs=0.02)


def test_zero_outputs_give_updates_of_size_zero():
    values = _values(residual_table(decoder_of(initialization="zero_output"), probe()))
    for layer in (0, 1):
        for name in ("attention_update", "feedforward_update"):
            assert values[layer, name] == 0.0
            assert values[layer, f"{name}_first"] == 0.0
        assert values[layer, "rms"] == values[EMBEDDING, "rms"]


def test_updates_are_relative_to_the_stream_that_they_are_added_to():
    """A feed-forward network that adds twice the stream, in every placement where that is what is added."""
    for placement, expected in (("pre", 2.0), ("parallel", 2.0), ("post", 2.0)):
        decoder = decoder_of(
            norm="none", norm_placement=placement, feedforward="relu", feedforward_width=32, layers=1
        )
        block = decoder.blocks[0]
        eye = torch.eye(16)
        with torch.no_grad():
            block.attention.output.weight.zero_()
            block.feedforward.up.weight.copy_(torch.cat([eye, -eye]))  # x = relu(x) - relu(-x)
            block.feedforward.down.weight.copy_(2 * torch.cat([eye, -eye], dim=1))
        values = _values(residual_table(decoder, probe()))
        assert values[0, "feedforward_update"] == pytest.approx(expected, rel=1e-5)
        assert values[0, "attention_update"] == pytest.approx(0.0, abs=1e-6)
        assert values[0, "rms"] == pytest.approx(3 * values[EMBEDDING, "rms"], rel=1e-5)


def test_a_sandwich_norm_belongs_to_the_update():
    decoder = decoder_of(norm="rmsnorm", norm_placement="sandwich")
    with torch.no_grad():
        for parameter in decoder.blocks[0].attention.parameters():
            parameter.mul_(50)  # so that eps is nothing beside the output
    values = _values(residual_table(decoder, probe()))
    # Between sandwich norms an update has the root mean square 1, however large the output is.
    expected = 1 / values[EMBEDDING, "rms"]
    assert values[0, "attention_update"] == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("norm", NORMS)
def test_every_norm_and_placement_is_measured_and_left_as_it_was(norm, placement):
    decoder = stirred(decoder_of(norm=norm, norm_placement=placement, key_value_heads=2, window=4))
    before = decoder(probe().text)
    table = residual_table(decoder, probe())
    assert torch.equal(decoder(probe().text), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in decoder.modules())
    assert table["value"].notna().all()
    assert table["value"].map(math.isfinite).all()
    assert table["layer"].astype("Int16").min() == EMBEDDING
    metrics = set(table["metric"])
    assert {f"{place}_{name}" for place in NORM_PLACES for name in ("rms", "mean", "mean_share")} <= metrics
    assert ("attention_norm_gain_mean" in metrics) == (norm != "none")
    assert ("attention_output_norm_gain_sd" in metrics) == (norm != "none" and placement == "sandwich")
    assert residual_table(decoder, probe()).equals(table)


def test_a_diverged_decoder_is_measured_without_an_error():
    decoder = decoder_of()
    with torch.no_grad():
        decoder.blocks[0].feedforward.down.weight[0, 0] = math.nan
    assert residual_table(decoder, probe())["value"].isna().any()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(
        tmp_path_factory.mktemp("residual"), {"baseline": {}, "changed": {"norm": "layernorm"}}
    )


@pytest.mark.parametrize("against", ["baseline", None])
@pytest.mark.parametrize("quantity", QUANTITIES)
def test_every_quantity_can_be_shown(quantity, against, study):
    _check(Residual().show(scope_of(study, "changed", against), {"quantity": quantity}))


def test_the_mean_component_is_told_for_both_norms(study):
    result = Residual().show(scope_of(study, "changed", "baseline"), {"quantity": "mean component"})
    layernorm, rmsnorm, *_, difference = result.answers
    assert "Its LayerNorms take that away" in layernorm
    assert "Its RMSNorms keep it" in rmsnorm
    assert "a random direction 6.25 %" in layernorm
    assert "3 seeds" in layernorm
    assert "changed minus baseline: the mean component" in difference
    panel = _panel(result, "Mean component: input of the attention norm")
    assert [rule.at for rule in panel.rules] == [1 / 16]


def test_lines_have_a_value_per_layer_and_the_first_token_a_line_of_its_own(study):
    result = Residual().show(scope_of(study, "changed", "baseline"))
    panel = result.panels[0]
    assert panel.log_y
    assert set(panel.data["series"]) == {
        "changed",
        "baseline",
        "changed, first token",
        "baseline, first token",
    }
    assert sorted(panel.data["x"].unique()) == [EMBEDDING, 0, 1]
    assert len(panel.seeds) == 4 * 3 * 3
    one = panel.seeds[(panel.seeds["series"] == "changed") & (panel.seeds["x"] == 1)]["y"]
    mean = panel.data[(panel.data["series"] == "changed") & (panel.data["x"] == 1)]["y"]
    assert mean.item() == pytest.approx(math.exp(one.map(math.log).mean()))


def test_one_seed_and_norms_without_weights(tmp_path):
    study = write_study(tmp_path, {"baseline": {"norm": "none"}}, seeds=(1,))
    scope = scope_of(study, "baseline")
    for quantity in set(QUANTITIES) - {"norm weights"}:
        result = Residual().show(scope, {"quantity": quantity})
        _check(result)
        assert not any("low" in panel.data for panel in result.panels)
    with pytest.raises(UserError, match="have no norm weights"):
        Residual().show(scope, {"quantity": "norm weights"})


def test_two_seeds_of_one_variant(study):
    first, second = scope_of(study, "changed"), scope_of(study, "changed", seed=2)
    result = Residual().show(type(first)(first.run, second.run))
    _check(result)
    assert any("seeds of one variant" in answer for answer in result.answers)
