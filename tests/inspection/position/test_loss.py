import io

import numpy as np
import pandas as pd
import pytest
import torch

from tests.inspection.head_studies import scope_of
from tests.inspection.position_studies import Bigrams, Counting, decoder, made_probe, study
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.panel_charts import chart
from workbench.errors import UserError
from workbench.inspection.panel_figures import figure
from workbench.inspection.position.loss import position_bins, position_loss_table
from workbench.inspection.position.loss_view import PositionLoss, effective_context
from workbench.inspection.scope import Scope
from workbench.records.probes import read_probes, write_probes

INK = Ink("#111111", "#888888", "#FFFFFF")
SHORT = {1: {0.125: 0.5, 0.25: 0.1, 0.5: 0.01}, 2: {0.125: 0.5, 0.25: 0.1, 0.5: 0.03}}
NONE = {seed: {0.125: 0.001, 0.25: 0.0, 0.5: 0.0} for seed in (1, 2)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    variants = {"baseline": ("rope", SHORT), "alibi": ("alibi", NONE), "single": ("learned", {1: SHORT[1]})}
    return study(tmp_path_factory.mktemp("position"), variants, later={"alibi": 0.2})


def _check(result):
    figure(result).savefig(io.BytesIO(), format="svg")
    for panel in result.panels:
        assert len(panel.data)
        assert chart(panel, INK).to_dict()
    for table in result.all_tables().values():
        assert not np.isinf(table.select_dtypes("number").to_numpy(dtype=float)).any()
    assert all(answer and "nan" not in answer for answer in result.answers)


def test_positions_count_the_tokens_seen():
    """A decoder whose loss is the number of tokens that it has read: the loss is the position."""
    table = position_loss_table(decoder(cls=Counting, context=64), made_probe(64, tokens=1))
    assert table["value"].tolist() == pytest.approx(table["x"].tolist(), rel=1e-5)
    assert table["x"].iloc[:9].tolist() == [1, 2, 3, 4, 5, 6, 7, 8.5, 10.5]
    assert table["n"].sum() == 6 * 64
    assert table["n"].iloc[:9].tolist() == [6] * 7 + [12, 12]


def test_bins_are_one_each_and_then_four_per_octave():
    bins = position_bins(256)
    assert len(bins[:8].unique()) == 8
    for octave in (8, 16, 32, 64, 128):
        assert len(bins[octave - 1 : 2 * octave - 1].unique()) == 4
    assert (bins.diff() >= 0).all()
    assert len(position_loss_table(decoder(context=256), made_probe(256, windows=1))) == 28


def test_losses_are_those_of_a_bigram_table_computed_by_hand():
    model, probe = decoder(cls=Bigrams), made_probe()
    losses = -model.table().log_softmax(-1)[probe.text[:, :-1], probe.text[:, 1:]].double()  # (6, 16)
    table = position_loss_table(model, probe).set_index("x")["value"]
    assert table[1] == pytest.approx(float(losses[:, 0].mean()), abs=1e-6)
    assert table[8.5] == pytest.approx(float(losses[:, 7:9].mean()), abs=1e-6)
    assert table[16] == pytest.approx(float(losses[:, 15].mean()), abs=1e-6)


def test_the_decoder_is_left_as_it_was():
    model = decoder("learned", dropout=0.5)
    model.train()
    first, again = (position_loss_table(model, made_probe()) for _ in range(2))
    assert model.training
    assert first.equals(again)
    assert torch.is_grad_enabled()


def test_effective_context_is_the_shortest_from_which_on_little_is_lost():
    x = [16.0, 32.0, 64.0, 128.0]
    runs = {
        "a": [0.5, 0.1, 0.01, 0.0],
        "b": [0.01, 0.03, 0.0, 0.0],
        "c": [0.0] * 4,
        "d": [0.5, 0.4, 0.3, 0.0],
    }
    rows = [
        {"role": "run", "series": "s", "seed": 1, "run_id": run, "x": c, "change": change}
        for run, changes in runs.items()
        for c, change in zip(x, changes, strict=True)
    ]
    found = effective_context(pd.DataFrame(rows), 0.02).set_index("run_id")
    assert found["value"].to_dict() == {"a": 64, "b": 64, "c": 16, "d": 128}
    assert set(found["length"]) == {128}
    assert set(effective_context(pd.DataFrame(rows), 0.0)["value"]) == {128}


@pytest.mark.parametrize(
    ("variant", "against"), [("alibi", "baseline"), ("baseline", None), ("single", "alibi")]
)
def test_every_kind_of_variant_can_be_drawn(variant, against, made):
    _check(PositionLoss().show(scope_of(made, variant, against)))


def test_differences_are_paired_by_position(made):
    result = PositionLoss().show(scope_of(made, "alibi", "baseline"))
    losses, differences, benefit = result.panels
    wide = differences.data.set_index("x")["y"]
    assert wide.to_dict() == pytest.approx({1: 0, 2: 0.2, 4: 0.2, 8: 0.2, 16: 0.2, 32: 0.2})
    assert differences.data["low"].tolist() == pytest.approx(wide.tolist())  # no spread: paired by seed
    assert len(losses.seeds) == 2 * 2 * 6
    assert benefit.data["x"].max() == 32
    assert "the loss in the window's second half differs by +0.20 [0.20, 0.20] nats" in result.answers[-1]


def test_effective_contexts_in_words(made):
    answers = PositionLoss().show(scope_of(made, "alibi", "baseline")).answers
    assert "alibi: effective context 4 or less of 32 tokens" in answers[2]
    assert "baseline: effective context 24 (seeds: 16 to 32) of 32 tokens" in answers[3]
    assert "with 4 tokens the loss of the same targets changes by +0.50" in answers[3]
    loose = PositionLoss().show(scope_of(made, "baseline"), {"epsilon": "0.2"}).answers
    assert "effective context 8 of 32 tokens" in loose[1]
    with pytest.raises(UserError, match=r"epsilon.*write for example 0\.02"):
        PositionLoss().show(scope_of(made, "baseline"), {"epsilon": "little"})


def test_one_seed_and_seeds_of_one_variant(made):
    result = PositionLoss().show(scope_of(made, "single"))
    assert "(1 seed)" in result.answers[0]
    assert not any("low" in panel.data for panel in result.panels)
    first, second = (scope_of(made, "alibi", seed=seed) for seed in (1, 2))
    pair = PositionLoss().show(Scope(first.run, second.run))
    _check(pair)
    assert "seeds of one variant" in pair.answers[-1]
    assert len(pair.panels) == 2


def test_without_the_table_of_contexts_the_curve_is_there_all_the_same(tmp_path):
    written = study(tmp_path, {"baseline": ("rope", SHORT)})
    for path in (written / "runs").iterdir():
        table = read_probes(path)
        write_probes(path, table[table["table"] != "extrapolation"])
    result = PositionLoss().show(scope_of(written, "baseline"))
    _check(result)
    assert [panel.title for panel in result.panels] == ["Loss by position"]
    assert any("was not measured" in note for note in result.notes)
