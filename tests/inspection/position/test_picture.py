import io
import math

import numpy as np
import pytest
import torch

from tests.inspection.head_studies import Made, probe, scope_of, write_study
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.panel_charts import chart
from workbench.errors import UserError
from workbench.inspection.capture import capture
from workbench.inspection.measuring import probe_of
from workbench.inspection.panel_figures import figure
from workbench.inspection.position import picture_bands as position_picture_bands
from workbench.inspection.position import positional_share_view
from workbench.inspection.position.linear_probe import held_out_r2, position_table
from workbench.inspection.position.picture import (
    cosine_matrix,
    position_scores,
    power_spectrum,
    principal_components,
    spaced,
    toeplitz_residual,
)
from workbench.inspection.position.picture_bias import alibi, t5
from workbench.inspection.position.picture_code import Code
from workbench.inspection.position.picture_learned import learned, sinusoidal
from workbench.inspection.position.picture_relative import (
    bias_by_distance,
    critical_dimension,
    decay,
    distances,
    half_lives,
)
from workbench.inspection.position.picture_rotary import rotary
from workbench.inspection.position.positional_share_view import PositionalShare
from workbench.inspection.position.rope_bands_view import RopeBands
from workbench.inspection.scope import Scope
from workbench.model import Decoder, preset
from workbench.model.parts.relative_bias import alibi_slopes, t5_bucket
from workbench.model.parts.rope_scaling import frequencies
from workbench.model.parts.rotary import Rotary
from workbench.model.parts.rotary_base import slow_bands
from workbench.seeds import generator

INK = Ink("#111111", "#888888", "#FFFFFF")


def _decoder(positions, **changes):
    sizes = {"vocabulary": 97, "context": 64, "width": 32, "layers": 2, "heads": 4, "feedforward_width": 32}
    decoder = Decoder(preset("llama", **(sizes | changes), positions=positions))
    decoder.initialize(3)
    return decoder.eval()


def _code(decoder, name="run"):
    return Code(name, "#0072B2", decoder.config, decoder)


def _random(*shape):
    return torch.randn(shape, generator=generator("position picture"))


def _panel(result, title):
    return next(panel for panel in result.panels if title in panel.title)


def test_likeness_of_sines_depends_on_distance_alone():
    table = _decoder("sinusoidal").positions.embed(torch.arange(64))
    found = cosine_matrix(table)
    assert found.diagonal().tolist() == pytest.approx([1.0] * 64)
    for distance in (1, 5, 40):
        diagonal = found.diagonal(distance)
        i = torch.arange(0, 32, 2)
        expected = float((distance / 10000.0 ** (i / 32)).cos().mean())
        assert diagonal.tolist() == pytest.approx([expected] * (64 - distance), abs=1e-5)
    assert toeplitz_residual(found) == pytest.approx(0.0, abs=1e-6)


def test_a_table_of_rank_one_has_one_component():
    place = torch.arange(40).double()
    scores, shares = principal_components(place[:, None] * torch.tensor([1.0, -2.0, 0.5]).double())
    assert shares.tolist() == pytest.approx([1.0, 0.0, 0.0], abs=1e-12)
    line = (place - place.mean()) * math.sqrt(5.25)
    assert scores[:, 0].abs().tolist() == pytest.approx(line.abs().tolist())
    assert scores[scores[:, 0].abs().argmax(), 0] > 0
    assert principal_components(torch.zeros(4, 3))[1].tolist() == [0.0, 0.0, 0.0]


def test_a_helix_has_two_equal_components_at_its_frequency():
    place = torch.arange(48).double()
    angle = 2 * math.pi * 3 * place / 48
    scores, shares = principal_components(torch.stack([angle.cos(), angle.sin()], dim=-1))
    assert shares.tolist() == pytest.approx([0.5, 0.5])
    power = power_spectrum(scores)
    assert power[3].tolist() == pytest.approx([1.0, 1.0])
    assert power.sum(0).tolist() == pytest.approx([1.0, 1.0])
    assert power_spectrum(torch.full((8, 1), 2.0)).abs().max() == 0  # a constant has no cycles


def test_toeplitz_residual_tells_relative_from_absolute():
    place = torch.arange(50).double()
    relative = (place[:, None] - place).cos()
    assert toeplitz_residual(relative) == pytest.approx(0.0, abs=1e-9)
    assert toeplitz_residual(_random(200, 200)) == pytest.approx(1.0, abs=0.03)
    # The key's place alone: far keys are early ones, so distance explains Var(d) / 4 of Var(j) = Var(d).
    assert toeplitz_residual(place[None, :].expand(50, 50)) == pytest.approx(0.75, abs=1e-6)
    assert math.isnan(toeplitz_residual(torch.ones(5, 5)))


@pytest.mark.parametrize("key_value_heads", [4, 2])
def test_position_scores_are_the_scores_of_a_model_of_positions_alone(key_value_heads):
    """With token embeddings of zero and no norm they are the scores themselves."""
    decoder = _decoder("learned", norm="none", key_value_heads=key_value_heads)
    with torch.no_grad():
        decoder.token_embedding.weight.zero_()
    with capture(decoder, {"scores"}, [0]) as seen:
        decoder(torch.zeros(1, 20, dtype=torch.long))
    for head in range(4):
        found = position_scores(decoder, decoder.positions.table[:20], head)
        assert torch.allclose(found, seen["scores", 0][0, head], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
def test_position_scores_take_what_is_linear_in_the_norm(norm):
    decoder = _decoder("learned", norm=norm)
    with torch.no_grad():
        decoder.blocks[0].attention_norm.weight.copy_(_random(32))
    table = decoder.positions.table.detach()
    shifted = position_scores(decoder, table + 3.0, 1)
    assert torch.allclose(shifted, position_scores(decoder, table, 1), atol=1e-5) == (norm == "layernorm")
    doubled = position_scores(decoder, 2 * table, 1)
    assert torch.allclose(doubled, 4 * position_scores(decoder, table, 1), rtol=1e-4, atol=1e-8)


def test_slopes_are_the_published_ones():
    eight = [2.0**-power for power in range(1, 9)]
    assert alibi_slopes(8).tolist() == pytest.approx(eight)
    further = [2.0**-0.5, 2.0**-1.5, 2.0**-2.5, 2.0**-3.5]
    for heads, slopes in ((8, eight), (12, eight + further)):
        decoder = _decoder("alibi", heads=heads, width=8 * heads)
        bias = bias_by_distance(decoder.positions, torch.tensor([0, 1, 3]))
        assert bias.tolist() == [pytest.approx([0.0, -m, -3 * m]) for m in slopes]
        bars = alibi([_code(decoder)]).panels[0].data
        assert bars["y"].tolist() == pytest.approx([math.log(2) / m for m in slopes])
    assert half_lives(torch.tensor([math.log(2)])).tolist() == pytest.approx([1.0])


def test_the_curve_of_t5_is_its_table():
    decoder = _decoder({"name": "t5_bias", "max_distance": 40})
    distance = torch.arange(64)
    table = decoder.positions.buckets.detach()  # (buckets, H)
    expected = table[t5_bucket(distance, 32, 40)].T
    assert torch.equal(bias_by_distance(decoder.positions, distance), expected)
    picture = t5([_code(decoder)])
    lines = picture.panels[0]
    for head in range(4):
        curve = lines.data[lines.data["series"] == f"head {head}"].set_index("x")["y"]
        assert curve[7] == pytest.approx(float(table[7, head]))
        assert curve[63] == pytest.approx(float(table[31, head]))
    assert lines.rules[0].at == 40
    lower = int((table[31] < table[0]).sum())
    assert f"lower at distance 40 than at 0 in {lower} of 4 heads" in picture.answers[0]


def _wavelengths(width, base=10000.0):
    config = Rotary.Config(base=base)
    return 2 * math.pi / frequencies(config, width, torch.arange(8))[0]


def test_critical_dimension_is_that_of_the_paper():
    assert critical_dimension(_wavelengths(128), 4096) == 92
    for width, context in ((32, 512), (64, 512), (64, 100), (128, 5)):
        formula = 2 * math.ceil(width / 2 * math.log(context / (2 * math.pi), 10000.0))
        assert critical_dimension(_wavelengths(width), context) == max(0, formula)
        assert critical_dimension(_wavelengths(width), context) == width - 2 * slow_bands(1e4, width, context)


def test_decay_is_the_published_curve_and_not_monotone():
    theta = 2 * math.pi / _wavelengths(64)
    found = decay(theta, torch.tensor([0, 10, 50, 100, 500]))
    assert found.tolist() == pytest.approx([16.5, 8.8, 5.7, 7.5, 3.0], abs=0.05)


def test_distances_and_places_keep_both_ends():
    assert distances(6, 200).tolist() == [0, 1, 2, 3, 4, 5]
    far = distances(100_000, 50)
    assert (far[0], far[-1], len(far) <= 50) == (0, 99_999, True)
    assert spaced(100, 3).tolist() == [0, 50, 99] or spaced(100, 3).tolist() == [0, 49, 99]
    assert spaced(3, 64).tolist() == [0, 1, 2]


def test_the_rotary_picture_counts_turns_and_knows_the_base():
    wide = _decoder("rope", width=64, heads=2, context=512)
    answers = rotary([_code(wide)]).answers
    assert "8 of 16 rotary bands never complete a turn within the context of 512 tokens" in answers[0]
    assert "16 of a head's 32 rotating dimensions" in answers[0]
    assert "its base of 10,000 is below 12,495" in answers[1]
    scaled = _decoder({"name": "rope", "scaling": "linear", "factor": 2.0}, width=64, heads=2, context=512)
    picture = rotary([_code(wide), _code(scaled, "scaled")])
    assert len(picture.answers) == 3  # the bound is for frequencies as they are
    data = picture.panels[0].data.pivot_table(index="x", columns="series", values="y")
    assert (data["scaled"] / data["run"]).tolist() == pytest.approx([2.0] * 16)


def test_the_learned_picture_is_of_the_table():
    decoder = _decoder("learned")
    picture = learned([_code(decoder), _code(_decoder("learned", context=80), "longer")])
    norms = picture.panels[-2].data
    expected = decoder.positions.table.detach().norm(dim=-1)
    assert norms.loc[norms["series"] == "run", "y"].tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    likeness = picture.panels[1]
    assert len(likeness.data) == 64**2
    assert "64 of 80 positions" in likeness.note
    assert likeness.data["x"].max() == 79


def test_sines_say_that_only_distance_counts():
    assert "distance alone: cosine" in sinusoidal([_code(_decoder("sinusoidal"))]).answers[0]


def test_positions_that_are_in_the_states_are_read():
    states = _random(8, 30, 12)
    assert held_out_r2(states) == pytest.approx(0.0, abs=0.1)
    place = torch.arange(30).float()
    states[..., 4] += 5 * states[..., 3]
    with_place = states.clone()
    with_place[..., 0] = place
    assert held_out_r2(with_place) == pytest.approx(1.0, abs=1e-6)
    mixed = with_place @ _random(12, 12)
    assert held_out_r2(mixed) == pytest.approx(1.0, abs=1e-4)
    noisy = _random(128, 30, 2)
    noisy[..., 0] = place + place.std() * noisy[..., 1]
    assert held_out_r2(noisy[..., :1]) == pytest.approx(0.5, abs=0.05)


def test_the_probe_is_tested_on_windows_it_has_not_seen():
    """Each window has a code of its own: what was fitted on others says nothing."""
    states = torch.stack([torch.arange(30).float()[:, None] * row for row in torch.eye(8)])
    assert held_out_r2(states) < 0.1
    with pytest.raises(UserError, match="3 windows of text leave none"):
        held_out_r2(states[:3])


def test_constant_and_huge_dimensions_do_no_harm():
    states = torch.cat([torch.full((8, 30, 1), 3.0), 1e6 * _random(8, 30, 1), _random(8, 30, 2)], dim=-1)
    states[..., 3] = torch.arange(30).float() * 1e-3
    assert held_out_r2(states) == pytest.approx(1.0, abs=1e-6)


def test_learned_positions_are_in_the_first_states_and_none_are_not():
    tokens = torch.randint(0, 96, (16, 48), generator=generator("probe"))
    found = {}
    for positions in ("learned", "none"):
        decoder = _decoder(positions, width=64)  # more dimensions than positions
        with torch.no_grad():
            decoder.token_embedding.weight *= 0.01
        found[positions] = position_table(decoder, tokens)
        assert found[positions]["layer"].tolist() == [0, 1, 2]
    assert found["learned"]["r2"].iloc[0] > 0.99
    assert found["none"]["r2"].iloc[0] < 0.1


POSITIONS = ["rope", "learned", "sinusoidal", "alibi", "t5_bias", "none"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    scores = {seed: {"induction": [0.1]} for seed in (1, 2)}
    variants = {name: Made(name, scores) for name in POSITIONS}
    return write_study(tmp_path_factory.mktemp("pictures"), variants)


@pytest.fixture(autouse=True)
def _probe(monkeypatch):
    monkeypatch.setattr(positional_share_view, "probe_of", lambda subject: probe())


def _check(result):
    figure(result).savefig(io.BytesIO(), format="svg")
    titles = [panel.title for panel in result.panels]
    assert len(set(titles)) == len(titles)
    for panel in result.panels:
        assert len(panel.data)
        assert chart(panel, INK).to_dict()
    for table in result.all_tables().values():
        assert not np.isinf(table.select_dtypes("number").to_numpy(dtype=float)).any()
    assert all(answer and "nan" not in answer and "missing" not in answer for answer in result.answers)


@pytest.mark.parametrize("positions", POSITIONS)
def test_every_code_can_be_drawn(study, positions):
    result = PositionalShare().show(scope_of(study, positions), {"probe": "True"})
    _check(result)
    panels = {"rope": 2, "learned": 6, "sinusoidal": 1, "alibi": 2, "t5_bias": 1, "none": 0}
    assert len(result.panels) == 3 + panels[positions]
    assert positions in result.answers[-1]


def test_two_codes_are_drawn_beside_each_other_and_a_shared_one_once(study):
    result = PositionalShare().show(scope_of(study, "alibi", "learned"))
    _check(result)
    assert len(result.panels) == 3 + 2 + 6
    seeds = Scope(scope_of(study, "rope").run, scope_of(study, "rope", seed=2).run)
    again = PositionalShare().show(seeds)
    _check(again)
    assert len(again.panels) == 2 + 2  # and no difference between seeds of one variant
    assert "rope (seed 1) and rope (seed 2): 1 of 2 rotary bands" in again.answers[-2]


def test_shares_are_means_over_heads_with_an_interval_over_seeds(study):
    scope = scope_of(study, "alibi", "none")
    result = PositionalShare().show(scope)
    heads = result.tables["positional share of every head and seed"]
    dots = _panel(result, "mean over heads")
    run = heads[heads["series"] == "alibi"].groupby("seed")["value"].mean()
    row = dots.data.set_index(["category", "series"]).loc[("all layers", "alibi")]
    assert row["value"] == pytest.approx(run.mean())
    assert row["high"] - row["value"] == pytest.approx(12.7062 * abs(run[1] - run[2]) / 2, rel=1e-4)
    assert list(dots.data["category"].unique()) == ["all layers", "layer 0", "layer 1"]
    bars = _panel(result, "sorted").data
    own = bars[bars["series"] == "alibi"]
    assert own["x"].tolist() == list(range(1, 9))
    assert own["y"].is_monotonic_decreasing
    assert result.answers[2].startswith("alibi minus none: the mean positional share differs by +0.")
    assert "paired over 2 seeds" in result.answers[2]
    assert _panel(result, "Difference").seeds["seed"].nunique() == 2


def test_alibi_of_untrained_heads_is_all_positional(study):
    answer = PositionalShare().show(scope_of(study, "alibi")).answers[0]
    assert "distance explains 0.99 [0.99, 0.99]" in answer
    assert "chance 0.0" in answer


def test_missing_weights_take_the_trained_picture_only(tmp_path):
    scores = {1: {"induction": [0.1]}}
    made = {"learned": Made("learned", scores), "rope": Made("rope", scores)}
    study = write_study(tmp_path, made, weights=False)
    result = PositionalShare().show(scope_of(study, "learned", "rope"), {"probe": "True"})
    _check(result)
    gone = [answer for answer in result.answers if "weights are gone" in answer]
    assert len(gone) == 3
    assert "its learned positions cannot be drawn" in gone[-1]
    assert [panel.title for panel in result.panels][-2:] == [
        "Rotary wavelengths",
        "Long-term decay of rotary scores, as a bound (contested)",
    ]


def test_views_of_a_trained_study(trained, monkeypatch):
    for module in (positional_share_view, position_picture_bands):
        monkeypatch.setattr(module, "probe_of", probe_of)
    _check(PositionalShare().show(trained, {"probe": "True"}))
    _check(RopeBands().show(Scope(trained.against)))
    assert "learned, which has no frequencies" in RopeBands().available(trained)
