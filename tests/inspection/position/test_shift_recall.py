import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.inspection.head_studies import CONTEXT, scope_of
from tests.inspection.position_studies import VOCABULARY, Bigrams, Lookup, Uniform, decoder, made_probe, study
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.panel_charts import chart
from workbench.errors import UserError
from workbench.inspection.panel_figures import figure
from workbench.inspection.position import shift_recall_view
from workbench.inspection.position.recall import cells, many_pairs, one_pair, recall_table, recalled
from workbench.inspection.position.shift_invariance import (
    id_shifts,
    preceded_loss,
    shift_texts,
    shifted_divergence,
    shifts_of_ids,
    shifts_up_to,
    text_shifts,
)
from workbench.inspection.position.shift_recall_view import PositionShift, RecallView
from workbench.inspection.scope import Scope
from workbench.model import Decoder, preset

INK = Ink("#111111", "#888888", "#FFFFFF")
POOL = torch.arange(10, 90)
LARGE = 257


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    one = {seed: {2.0: 0.0} for seed in (1, 2)}
    variants = {"baseline": ("rope", one), "learned": ("learned", one), "alibi": ("alibi", one)}
    return study(tmp_path_factory.mktemp("live"), variants, weights=True)


@pytest.fixture
def live(made, monkeypatch):
    probe = replace(made_probe(CONTEXT, windows=8), vocabulary=LARGE)
    probe = replace(probe, text=torch.randint(0, 200, (8, CONTEXT + 1), generator=_draw()))
    monkeypatch.setattr(shift_recall_view, "probe_of", lambda subject: probe)
    return made


def _draw():
    return torch.Generator().manual_seed(3)


def _check(result):
    figure(result).savefig(io.BytesIO(), format="svg")
    for panel in result.panels:
        assert len(panel.data)
        assert chart(panel, INK).to_dict()
        assert not np.isinf(panel.data.select_dtypes("number").to_numpy(dtype=float)).any()
    assert all(answer and "nan" not in answer for answer in result.answers)


def _large(cls, context=64):
    return decoder(cls=cls, context=context, vocabulary=LARGE)


# Shift


@pytest.mark.parametrize("positions", ["rope", "alibi", "t5_bias", "none"])
def test_relative_codes_do_not_see_a_shift(positions):
    model = _loud(positions)
    found = id_shifts(model, made_probe(32).text[:, :17])
    assert found["x"].tolist() == [8, 32, 128, 256]
    assert found["divergence"].max() < 1e-6


@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_absolute_codes_do(positions):
    model = _loud(positions)
    found = id_shifts(model, made_probe(32).text[:, :17])
    assert found["x"].tolist() == ([8, 16] if positions == "learned" else [8, 32, 128, 256])
    assert found["divergence"].min() > 1e-4


def _loud(positions):
    """Random weights ten times as large as at the start of training, so that all of it matters."""
    model = decoder(positions, context=32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(10)
    return model


def test_the_divergence_is_that_of_two_known_predictions():
    class Shifted(Decoder):
        """Token 0 with 0.5 at positions 0 to 3, with 0.9 beyond; the other tokens share the rest."""

        def forward(self, tokens, position_ids=None, cache=None):
            first = torch.where(position_ids < 4, 0.5, 0.9)  # (T,)
            rest = ((1 - first) / (VOCABULARY - 1))[:, None].repeat(1, VOCABULARY - 1)
            return torch.cat([first[:, None], rest], 1).log().expand(len(tokens), -1, -1)

    tokens = torch.zeros(2, 4, dtype=torch.long)
    found = shifted_divergence(decoder(cls=Shifted), tokens, [0, 2, 4])
    full = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    assert found.tolist() == pytest.approx([0, full / 2, full], abs=1e-6)


def test_shifts_end_with_the_table():
    assert shifts_up_to(100) == [8, 32]
    assert shifts_up_to(128) == [8, 32, 128]
    assert shifts_up_to(100, last=True) == [8, 32, 100]
    assert shifts_up_to(5, last=True) == [5]
    assert shifts_up_to(0, last=True) == []
    assert shifts_of_ids(decoder("learned", context=64), 32) == [8, 32]
    assert shifts_of_ids(decoder("learned", context=96), 40) == [8, 32, 56]
    assert max(shifts_of_ids(decoder("rope", context=64), 32)) == 512


def test_text_in_front_changes_nothing_for_bigrams_and_something_for_attention():
    windows, unrelated = shift_texts(made_probe(32), 16, 4)
    assert windows.shape == (4, 17)
    assert not torch.equal(windows, unrelated[:, :17])
    assert preceded_loss(decoder(cls=Bigrams, context=32), windows, unrelated, [3, 16]).abs().max() < 1e-6
    assert text_shifts(_loud("rope"), windows, unrelated)["y"].abs().min() > 1e-3


def test_text_in_front_is_put_in_front():
    """The loss of what looks things up falls if the windows themselves stand in front."""
    text = POOL[:17][None]
    alone = preceded_loss(_large(Lookup), text, text, [17])
    assert float(alone) == pytest.approx(-math.log(LARGE), abs=1e-3)


def test_text_in_front_stays_within_the_context():
    windows, unrelated = shift_texts(made_probe(32), 16, 4)
    assert text_shifts(decoder("learned", context=32), windows, unrelated)["x"].tolist() == [8, 16]


# Recall


@pytest.mark.parametrize("pairs", [1, 2, 8, 16])
def test_pairs_stand_first_and_are_asked_at_the_end(pairs):
    recall = many_pairs(POOL, pairs, 64, 5)
    assert recall.tokens.shape == (5, 64)
    for row in recall.tokens.tolist():
        first, last = row[: 2 * pairs], row[64 - 2 * pairs :]
        pairs_first = set(zip(first[::2], first[1::2], strict=True))
        assert pairs_first == set(zip(last[::2], last[1::2], strict=True))
        keys = set(first[::2])
        assert len(keys) == pairs
        assert sum(token in keys for token in row) == 2 * pairs  # nowhere else
        assert set(row) <= set(POOL.tolist())


def test_orders_differ_and_draws_repeat():
    recall = many_pairs(POOL, 8, 64, 5)
    assert torch.equal(recall.tokens, many_pairs(POOL, 8, 64, 5).tokens)
    assert not torch.equal(recall.tokens[:, :16], recall.tokens[:, -16:])
    assert len({tuple(row) for row in recall.tokens.tolist()}) == 5


@pytest.mark.parametrize(("depth", "place"), [(0.0, 0), (0.5, 30), (1.0, 60)])
def test_a_needle_is_at_its_depth(depth, place):
    for row in one_pair(POOL, depth, 64, 3).tokens.tolist():
        assert row[place : place + 2] == row[-2:]
        assert row.count(row[-2]) == 2


def test_what_looks_up_recalls_everything():
    model = _large(Lookup)
    for test in ("pairs", "needle"):
        table = recall_table(model, test, POOL, cells(test, 128, POOL), 4)
        assert (table["accuracy"] == 1.0).all()
        assert (table["loss"] < 1e-3).all()
    assert len(table) == 5 * 4
    assert set(table["n"]) == {4}


def test_what_guesses_recalls_by_chance():
    model = _large(Uniform)
    found = recalled(model, many_pairs(POOL, 16, 64, 256))
    assert found.n == 16 * 256
    assert found.accuracy == pytest.approx(1 / LARGE, abs=0.004)
    assert found.loss == pytest.approx(math.log(LARGE), abs=1e-4)


def test_a_short_reach_ends_recall_where_it_should():
    model = _large(Lookup)
    model.reach = 20
    table = recall_table(model, "needle", POOL, [(depth, 64) for depth in (0.0, 0.5, 0.75, 1.0)], 3)
    # The key is repeated at place 62; the needle is at 0, 30, 45 and 60.
    assert table["accuracy"].tolist() == [0, 0, 1, 1]


def test_only_cells_that_fit_are_measured():
    assert cells("pairs", 64, POOL)[:3] == [(2, 8), (2, 16), (2, 32)]
    assert (16, 64) in cells("pairs", 64, POOL)
    assert (32, 64) not in cells("pairs", 64, POOL)
    assert (16, 128) not in cells("pairs", 128, POOL[:20])  # no token left for values
    assert cells("pairs", 128, POOL[:3]) == []
    learned = decoder("learned", context=32, vocabulary=LARGE)
    assert set(recall_table(learned, "pairs", POOL, cells("pairs", 64, POOL), 1)["x"]) == {8, 16, 32}


# The views


@pytest.mark.parametrize("against", ["baseline", "learned", None])
def test_shifts_can_be_drawn(against, live):
    _check(PositionShift().show(scope_of(live, "alibi", against)))


def test_shifts_in_words(live):
    result = PositionShift().show(scope_of(live, "learned", "baseline"))
    learned, rope = result.answers[:2]
    assert "learned (learned) depends on absolute positions: shifts change it by" in learned
    assert " at 8, " in learned
    assert "at 16 nats" in learned
    assert "baseline (rope) does not see absolute positions: no shift up to 256 changes it" in rope
    ids = result.panels[0]
    assert ids.data["y"].min() >= 1e-10  # a logarithmic axis
    assert ids.data["x"].groupby(ids.data["series"]).max().to_dict() == {"learned": 16, "baseline": 256}
    with pytest.raises(UserError, match="windows"):
        PositionShift().show(scope_of(live, "alibi"), {"windows": "none"})


@pytest.mark.parametrize("test", ["pairs", "needle"])
@pytest.mark.parametrize("quantity", ["accuracy", "loss"])
def test_recall_can_be_drawn(test, quantity, live):
    options = {"test": test, "quantity": quantity, "sequences": "2"}
    _check(RecallView().show(scope_of(live, "learned", "baseline"), options))
    _check(RecallView().show(scope_of(live, "alibi"), options))


def test_recall_goes_to_twice_the_context_where_positions_allow(live):
    table = RecallView().show(scope_of(live, "learned", "baseline"), {"sequences": "1"}).tables["recall"]
    assert table.groupby("series")["x"].max().to_dict() == {"learned": 32, "baseline": 64}
    alone = RecallView().show(scope_of(live, "learned"), {"sequences": "1"}).tables["recall"]
    assert alone["x"].max() == 32
    with pytest.raises(UserError, match="longest"):
        RecallView().show(scope_of(live, "learned"), {"longest": "64"})


def test_recall_in_words(live, monkeypatch):
    scope = scope_of(live, "baseline")
    monkeypatch.setattr(Decoder, "forward", Lookup.forward)
    monkeypatch.setattr(Decoder, "reach", 20, raising=False)
    needle = RecallView().show(scope, {"test": "needle", "sequences": "2"}).answers[0]
    assert "90 % right up to 17 tokens back (in 64 tokens)" in needle
    monkeypatch.setattr(Decoder, "reach", 10**6)
    pairs = RecallView().show(scope, {"sequences": "2"}).answers[0]
    assert "90 % right with up to 16 pairs (in 64 tokens)" in pairs
    assert "mean over the cells 1.00, 0.00 nats" in pairs
    monkeypatch.setattr(Decoder, "forward", Uniform.forward)
    chance = RecallView().show(scope, {"sequences": "2"}).answers[0]
    assert "nowhere 90 % right" in chance
    assert "among the values shown: 0.50 with 2 pairs, 0.062 with 16" in chance


def test_sequences_follow_the_size_of_the_model(live):
    scope = scope_of(live, "baseline")
    few, many = (shift_recall_view._count(scope, "sequences", "auto", tokens) for tokens in (10**9, 1000))
    assert (few, many) == (1, 16)
    assert shift_recall_view._count(scope, "sequences", "40", 1000) == 40
    with pytest.raises(UserError, match="sequences"):
        RecallView().show(scope, {"sequences": "0"})


def test_very_short_contexts_have_no_room(live, monkeypatch):
    small = preset("llama", vocabulary=17, context=4, width=16, layers=1, heads=2)
    monkeypatch.setattr(shift_recall_view, "_config", lambda scope, role: small)
    for view in (PositionShift(), RecallView()):
        assert "a context of 4 tokens" in view.available(Scope(scope_of(live, "alibi").run))
