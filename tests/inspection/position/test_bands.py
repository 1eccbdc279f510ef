import io
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from tests.inspection import head_studies
from tests.inspection.head_studies import Made, probe, scope_of, write_study
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.panel_charts import chart
from workbench.errors import UserError
from workbench.inspection.attention.shape import reachable, uniform
from workbench.inspection.capture import capture
from workbench.inspection.panel_figures import figure
from workbench.inspection.position import picture_bands as position_picture_bands
from workbench.inspection.position.bands import (
    band_norms,
    band_scores,
    band_table,
    bands_of,
    contributions,
    halves,
    identity_error,
    mean_window_losses,
    octaves,
    removal_losses,
    split_bands,
    without_rotation,
)
from workbench.inspection.position.rope_bands_view import RopeBands
from workbench.inspection.scope import Scope
from workbench.model import Decoder, preset
from workbench.model.parts.rope_scaling import frequencies
from workbench.seeds import generator

INK = Ink("#111111", "#888888", "#FFFFFF")
LENGTH = 24
# Original contexts below LENGTH, so that every scaling acts.
SCALINGS = {
    "none": {},
    "base": {"base": 100.0},
    "linear": {"scaling": "linear", "factor": 4.0},
    "ntk": {"scaling": "ntk", "factor": 4.0},
    "dynamic_ntk": {"scaling": "dynamic_ntk", "factor": 2.0, "original_context": 8},
    "yarn": {"scaling": "yarn", "factor": 4.0, "original_context": 8},
    "llama3": {"scaling": "llama3", "factor": 4.0, "original_context": 16},
}


def _decoder(positions=None, *, sharpen=8.0, **changes):
    sizes = {"vocabulary": 97, "context": 32, "width": 48, "layers": 2, "heads": 4, "feedforward_width": 32}
    config = preset("llama", **sizes, positions=positions or {"name": "rope"}, **changes)
    decoder = Decoder(config)
    decoder.initialize(3)
    with torch.no_grad():  # scores of a size that matters, unlike those at the start
        for block in decoder.blocks:
            block.attention.query.weight *= sharpen
            block.attention.key.weight *= sharpen
    return decoder.eval()


def _tokens(count=2, length=LENGTH):
    return torch.randint(0, 96, (count, length), generator=generator("bands"))


def _rope(scaling, fraction=1.0):
    return {"name": "rope", "fraction": fraction, **SCALINGS[scaling]}


@pytest.mark.parametrize("fraction", [1.0, 2 / 3])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_bands_sum_up_to_the_scores(scaling, fraction):
    decoder, tokens = _decoder(_rope(scaling, fraction)), _tokens()
    bands = bands_of(decoder, LENGTH)
    with capture(decoder, ("queries", "keys", "scores")) as seen:
        decoder(tokens)
    for layer in range(2):
        found = band_scores(seen["queries", layer], seen["keys", layer], bands.width, 1 / math.sqrt(12))
        assert len(found) == len(bands) + (fraction < 1)
        scores = seen["scores", layer]
        size = float(scores.abs().max())
        assert size > 0.3
        assert float((found.sum(0) - scores).abs().max()) < 1e-6 * max(1.0, size)  # what fp32 can hold
    assert identity_error(decoder.double(), tokens[:1]) < 1e-12


@pytest.mark.parametrize(
    "changes",
    [{"key_value_heads": 2}, {"qk_norm": "rmsnorm"}, {"attention_scale": 0.5}, {"attention_softcap": 1.0}],
    ids=lambda changes: next(iter(changes)),
)
def test_bands_sum_up_whatever_else_attention_does(changes):
    assert identity_error(_decoder(_rope("yarn", 2 / 3), **changes).double(), _tokens(1)) < 1e-12


@pytest.mark.parametrize("scaling", SCALINGS)
def test_each_band_is_norms_times_the_cosine_of_the_turned_angle(scaling):
    """The identity itself, from queries and keys before rotation and the frequencies of the model."""
    decoder, tokens = _decoder(_rope(scaling, 2 / 3)), _tokens(1)
    bands = bands_of(decoder, LENGTH)
    with capture(decoder, ("attention_norm_output", "queries", "keys")) as seen:
        decoder(tokens)
    attention, x = decoder.blocks[1].attention, seen["attention_norm_output", 1]
    maps = (attention.query, attention.key)
    query, key = (layer(x).detach().unflatten(-1, (4, 12)).transpose(1, 2) for layer in maps)
    theta, gain = frequencies(decoder.config.positions, bands.width, torch.arange(LENGTH))
    place = torch.arange(LENGTH).float()
    apart = place[:, None] - place
    found = band_scores(seen["queries", 1], seen["keys", 1], bands.width, attention.scale)
    for band, turn in enumerate(theta):
        (q, k) = (torch.complex(*split_bands(part, bands.width)[band].unbind(-1)) for part in (query, key))
        angle = q.angle()[..., :, None] - k.angle()[..., None, :] + apart * turn
        expected = gain**2 * attention.scale * q.abs()[..., :, None] * k.abs()[..., None, :] * angle.cos()
        assert float((found[band] - expected).abs().max()) < 1e-5 * float(expected.abs().max())


def test_wavelengths_are_those_of_the_formula():
    bands = bands_of(_decoder(), LENGTH)
    assert bands.wavelengths.tolist() == pytest.approx([2 * math.pi * 1e4 ** (2 * f / 12) for f in range(6)])
    wide = Decoder(preset("llama", vocabulary=97, context=512, width=64, layers=1, heads=2))
    assert (bands_of(wide, 256).slow(512), len(bands_of(wide, 256))) == (8, 16)
    linear = bands_of(_decoder(_rope("linear")), LENGTH)
    assert (linear.wavelengths / bands.wavelengths).tolist() == pytest.approx([4.0] * 6)


def test_only_rotary_positions_have_bands():
    with pytest.raises(UserError, match=r"learned has no bands; choose a run with rope"):
        bands_of(_decoder({"name": "learned"}), LENGTH)


def test_norms_are_per_pair():
    x = torch.tensor([3.0, 1.0, 4.0, 2.0, 2.0, 2.0, 2.0, 2.0]).expand(1, 1, 5, 8)
    # Pairs (0, 2) and (1, 3) rotate; four dimensions of 2 are two pairs of norm sqrt(8).
    assert band_norms(x, 4)[0, 0].tolist() == pytest.approx([5.0, math.sqrt(5), math.sqrt(8)])


def _turning(theta, length):
    """The same vector (1, 0) at every position, rotated: one band."""
    angle = torch.arange(length).double() * theta
    return torch.stack([angle.cos(), angle.sin()], dim=-1)[None, None]


def test_contribution_of_a_constant_head_that_reads_itself():
    theta, length = 0.7, 9
    x = _turning(theta, length)
    own = torch.eye(length, dtype=torch.float64)[None, None]
    place = np.arange(length)
    mean = [np.cos(theta * (i - place[: i + 1])).mean() for i in place]
    expected = 0.5 * (1 - np.mean(mean))
    assert contributions(x, x, own, 2, 0.5)[0, 0].tolist() == pytest.approx([expected])
    near = [np.cos(theta * (i - place[max(0, i - 2) : i + 1])).mean() for i in place]
    assert contributions(x, x, own, 2, 0.5, window=3)[0, 0].tolist() == pytest.approx(
        [0.5 * (1 - np.mean(near))]
    )


@pytest.mark.parametrize("window", [None, 4])
def test_even_attention_has_no_contribution(window):
    x, even = _turning(0.7, 9), uniform(9, window).double()[None, None]
    assert contributions(x, x, even, 2, 1.0, window).abs().max() < 1e-7


@pytest.mark.parametrize(
    "changes", [{}, {"window": 6}, {"key_value_heads": 2}], ids=["all", "window", "shared"]
)
def test_the_table_is_what_band_scores_say(changes):
    decoder, tokens = _decoder(_rope("yarn", 2 / 3), **changes), _tokens()
    table = band_table(decoder, tokens).set_index(["layer", "head", "band"])
    assert len(table) == 2 * 4 * 5
    assert table["wavelength"].isna().groupby("band").all().tolist() == [False] * 4 + [True]
    with capture(decoder, ("queries", "keys", "probabilities")) as seen:
        decoder(tokens)
    window = changes.get("window")
    even = uniform(LENGTH, window)
    for layer, head in ((0, 1), (1, 3)):
        query, key = seen["queries", layer][:, head], seen["keys", layer][:, head]
        scores = band_scores(query, key, 8, decoder.blocks[0].attention.scale)  # (F + 1, B, T, T)
        scores = scores * reachable(LENGTH, window)
        expected = ((seen["probabilities", layer][:, head] - even) * scores).sum(-1).mean((1, 2))
        assert table.loc[(layer, head), "contribution"].tolist() == pytest.approx(expected.tolist(), abs=1e-6)
        first = query[..., [0, 4]].norm(dim=-1).mean()
        assert table.loc[(layer, head, 0), "query_norm"] == pytest.approx(float(first), rel=1e-5)


@pytest.mark.parametrize("fraction", [1.0, 2 / 3])
def test_without_any_rotation_the_decoder_has_no_positions(fraction):
    rope, tokens = _decoder(_rope("none", fraction)), _tokens()
    none = _decoder({"name": "none"})
    with torch.no_grad():
        before, expected = rope(tokens), none(tokens)
        with without_rotation(rope, range(len(bands_of(rope, LENGTH)))):
            found = rope(tokens)
        assert torch.equal(found, expected)
        assert not torch.equal(before, expected)
        assert torch.equal(rope(tokens), before)


def test_rotation_is_left_out_where_asked_and_comes_back():
    decoder, ids = _decoder(_rope("yarn")), torch.arange(5)
    cos, sin = decoder.positions.prepare(ids)
    gain = 0.1 * math.log(4.0) + 1
    with without_rotation(decoder, [1]), without_rotation(decoder, [4]):
        inner = decoder.positions.prepare(ids)
    assert inner[0][:, [1, 4]].unique().tolist() == pytest.approx([gain])
    assert inner[1][:, [1, 4]].abs().max() == 0
    assert torch.equal(inner[0][:, [0, 2, 3, 5]], cos[:, [0, 2, 3, 5]])
    with pytest.raises(RuntimeError), without_rotation(decoder, [0]):
        raise RuntimeError
    assert "prepare" not in vars(decoder.positions)
    assert torch.equal(decoder.positions.prepare(ids)[1], sin)


def test_losses_without_a_group_are_those_of_the_changed_decoder():
    rope, none = _decoder(sharpen=20.0), _decoder({"name": "none"}, sharpen=20.0)
    rope.train()
    text = _tokens(3, LENGTH + 1)
    found = removal_losses(rope, text, {"nothing": [], "all bands": list(range(6))})
    groups = found.set_index(["group", "window"])
    assert groups.loc["nothing", "difference"].tolist() == [0.0, 0.0, 0.0]
    expected = mean_window_losses(none, text)
    assert groups.loc["all bands", "loss"].tolist() == pytest.approx(expected.tolist(), abs=1e-6)
    difference = expected - mean_window_losses(rope, text)
    assert groups.loc["all bands", "difference"].tolist() == pytest.approx(difference.tolist(), abs=1e-6)
    assert difference.abs().min() > 1e-5
    assert rope.training
    assert rope.attention_kernel == "fused"


def test_groups_cover_every_band_once():
    bands = bands_of(_decoder({"name": "rope", "base": 100.0}), LENGTH)
    assert halves(bands) == {
        "fastest half": [0, 1, 2],
        "slowest half": [3, 4, 5],
        "all bands": [0, 1, 2, 3, 4, 5],
    }
    # Wavelengths 6.3, 13.5, 29, 63, 135, 292.
    assert octaves(bands) == {
        "4 to 8 tokens": [0],
        "8 to 16 tokens": [1],
        "16 to 32 tokens": [2],
        "32 to 64 tokens": [3],
        "128 to 256 tokens": [4],
        "256 to 512 tokens": [5],
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    scores = {1: {"induction": [0.1]}}
    variants = {
        "baseline": Made("rope", scores),
        "partial": Made({"name": "rope", "fraction": 0.5}, scores),
        "alibi": Made("alibi", scores),
    }
    return write_study(tmp_path_factory.mktemp("bands"), variants)


@pytest.fixture(autouse=True)
def _probe(monkeypatch):
    monkeypatch.setattr(position_picture_bands, "probe_of", lambda subject: probe())


def _check(result):
    figure(result).savefig(io.BytesIO(), format="svg")
    for panel in result.panels:
        assert len(panel.data)
        assert chart(panel, INK).to_dict()
    for table in result.all_tables().values():
        assert not np.isinf(table.select_dtypes("number").to_numpy(dtype=float)).any()
    assert all(answer and "nan" not in answer and "missing" not in answer for answer in result.answers)


@pytest.mark.parametrize(
    ("quantity", "layer", "remove"),
    [
        ("query_norm", "all", "none"),
        ("key_norm", "1", "halves"),
        ("contribution", "all", "octaves"),
        ("contribution", "1", "none"),
    ],
)
def test_every_option_can_be_drawn(study, quantity, layer, remove):
    options = {"quantity": quantity, "layer": layer, "remove": remove}
    result = RopeBands().show(scope_of(study, "partial", "baseline"), options)
    _check(result)
    assert len(result.panels) == (4 if remove == "none" else 5)
    # The baseline's heads are 4 wide: two bands, of 6.28 and 628 tokens, at a context of 32.
    partial, baseline = result.panels[:2]
    assert list(partial.data["x"].unique()) == ["6.28", "still"]
    assert list(baseline.data["x"].unique()) == ["6.28", "628 > L"]
    assert partial.domain == baseline.domain
    assert list(baseline.data["y"].unique())[:2] == (
        ["0.0", "0.1"] if layer == "all" else ["head 0", "head 1"]
    )
    assert result.panels[2].rules[0].at == 32


def test_answers_count_turns_and_weigh_the_halves(study):
    result = RopeBands().show(scope_of(study, "baseline"), {"remove": "halves"})
    _check(result)
    turns, norms, contribution, removed, exact = result.answers
    assert "1 of 2 bands never complete a turn within the context of 32 tokens" in turns
    assert "evenly spread it would be 50 %" in norms
    assert "from the faster half" in contribution
    assert all(name in removed for name in ("fastest half", "slowest half", "all bands"))
    assert float(exact.rsplit(" ", 1)[1].rstrip(".")) < 1e-6
    dots = result.panels[-1].data
    assert dots["windows"].tolist() == [4, 4, 4]
    assert {"low", "high"} <= set(dots)


def test_small_decoders_are_ablated_unasked(study):
    assert len(RopeBands().show(scope_of(study, "baseline")).panels) == 4


def test_other_codes_are_refused_or_left_out(study):
    assert "alibi, which has no frequencies" in RopeBands().available(scope_of(study, "alibi"))
    assert RopeBands().available(scope_of(study, "baseline")) is None
    result = RopeBands().show(scope_of(study, "baseline", "alibi"))
    _check(result)
    assert result.answers[-1].startswith("alibi is left out: its positions are alibi")
    assert "against" not in result.source


def test_variants_beside_have_wavelengths_and_others_are_left_out_in_words(study):
    runs = {name: scope_of(study, name).run for name in ("partial", "alibi")}
    result = RopeBands().show(replace(scope_of(study, "baseline"), others=tuple(runs.values())))
    _check(result)
    data = next(panel for panel in result.panels if panel.title.startswith("Wavelength")).data
    assert data.groupby("series", sort=False)["y"].size().to_dict() == {"baseline": 2, "partial": 1}
    assert [panel.title.split(":")[0] for panel in result.panels[:1]] == ["baseline"]
    _, others = result.split_answers()
    assert others[0].startswith("partial: ")
    assert "bands never complete a turn" in others[0]
    result = RopeBands().show(replace(scope_of(study, "baseline"), others=(runs["alibi"],)))
    assert "alibi is left out: the run's positions are alibi" in result.answers[-1]


def test_bands_of_equal_wavelength_have_names_of_their_own(study):
    scope = scope_of(study, "baseline")
    reading = position_picture_bands.BandReading(scope, "run", "none")
    object.__setattr__(reading, "bands", bands_of(_decoder({"name": "rope", "base": 1.0000001}), 8))
    assert reading.labels == [f"{band}: 6.28" for band in range(6)]
    assert isinstance(reading.table, pd.DataFrame)


def test_a_layer_that_only_one_run_has(study, tmp_path, monkeypatch):
    deep = head_studies._config

    def shallow(positions):
        config = deep(positions)
        return config | {"model": config["model"] | {"layers": 1}}

    monkeypatch.setattr(head_studies, "_config", shallow)
    other = scope_of(write_study(tmp_path, {"shallow": Made("rope", {1: {"induction": [0.1]}})}), "shallow")
    scope = Scope(scope_of(study, "baseline").run, other.run)
    result = RopeBands().show(scope, {"layer": "1", "remove": "halves"})
    _check(result)
    assert result.answers[-1] == "shallow has no layer 1."
    assert len(result.panels) == 4
    assert set(result.panels[-1].data["series"]) == {"baseline", "shallow"}
