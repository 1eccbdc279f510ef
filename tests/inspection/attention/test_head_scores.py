import math

import pandas as pd
import pytest
import torch

from workbench.inspection.attention.head_scores import (
    copy_loss_gap,
    duplicate_token,
    head_table,
    icl_indices,
    icl_score,
    induction,
    position_bias,
    previous_token,
    sink,
    token_losses,
)
from workbench.inspection.attention.repeats import Repeats, random_repeats, usual_tokens
from workbench.inspection.attention.shape import uniform
from workbench.inspection.position.distance import profile_of_bias, profile_table
from workbench.inspection.probe import Probe
from workbench.inspection.tables import MEASURED_COLUMNS
from workbench.model import Decoder, preset
from workbench.model.parts.component import POSITIONS
from workbench.seeds import generator

POOL = torch.arange(100, 400)
TEXT_SCORES = {
    "entropy",
    "distance",
    "previous_token",
    "sink",
    "positional_fraction",
    "max_score",
    "positional_share",
}
REPEAT_SCORES = {"duplicate_token", "induction", "induction_fixed"}
MODEL_SCORES = {"copy_loss_gap", "icl_score"}


def _onto(key):
    """``key (B, T)``: the one key that each query attends to; ``(B, 1, T, T)``."""
    return torch.eye(key.shape[1])[key][:, None]


def _back(offset, repeats):
    """A head that looks ``offset (B,)`` tokens back, and at itself where there is nothing."""
    place = torch.arange(repeats.tokens.shape[1]).expand(len(repeats.tokens), -1)
    key = place - offset[:, None]
    return _onto(torch.where(key >= 0, key, place))


def _ideal_induction(repeats):
    """A head that finds the present token's last occurrence and attends to what came after it."""
    key = torch.arange(repeats.tokens.shape[1]).repeat(len(repeats.tokens), 1)
    for row, tokens in enumerate(repeats.tokens.tolist()):
        for query, token in enumerate(tokens):
            earlier = [place for place in range(query) if tokens[place] == token]
            if earlier:
                key[row, query] = earlier[-1] + 1
    return _onto(key)


def _decoder(layers=2, heads=4, **changes):
    sizes = {"vocabulary": 257, "context": 32, "width": 32, "feedforward_width": 24}
    decoder = Decoder(preset("llama", **sizes, layers=layers, heads=heads, **changes))
    decoder.initialize(1)
    return decoder


def _probe(windows=6, context=32, ids=200):
    draw = generator("head test")
    text = torch.randint(0, ids, (windows, context + 1), generator=draw)
    long = torch.randint(0, ids, (1, 8 * context + 1), generator=draw)
    return Probe(text=text, long=long, context=context, vocabulary=257)


def _wide(table):
    return table.dropna(subset="head").pivot_table(index=["layer", "head"], columns="metric", values="value")


def test_periods_are_12_to_31_for_64_tokens_and_in_proportion_otherwise():
    for length, least, most in ((64, 12, 31), (32, 6, 15), (128, 24, 63)):
        periods = random_repeats(POOL, length, count=400).periods
        assert (int(periods.min()), int(periods.max())) == (least, most)
    assert random_repeats(POOL, 64, fixed=True).periods.unique().tolist() == [32]


def test_blocks_repeat_at_their_period_and_hold_no_token_twice():
    repeats = random_repeats(POOL, 64)
    assert repeats.periods.unique().numel() > 5
    for tokens, period in zip(repeats.tokens, repeats.periods.tolist(), strict=True):
        assert tokens[:period].unique().numel() == period
        assert torch.equal(tokens[period:], tokens[:-period])
    again = random_repeats(POOL, 64)
    assert torch.equal(repeats.tokens, again.tokens)


def test_periods_do_not_depend_on_the_tokens():
    few = random_repeats(POOL[:5], 64)  # fewer ids than a block has places
    assert torch.equal(few.periods, random_repeats(POOL, 64).periods)
    assert set(few.tokens.flatten().tolist()) <= set(POOL[:5].tolist())


def test_random_tokens_are_those_of_the_text_without_the_end_of_documents():
    probe = Probe(
        text=torch.tensor([[3, 256, 7, 9, 3]]), long=torch.zeros(1, 9).long(), context=4, vocabulary=257
    )
    assert usual_tokens(probe, least=3).tolist() == [3, 7, 9]
    assert usual_tokens(probe, least=4).tolist() == list(range(256))


@pytest.mark.parametrize("length", [4, 7, 32, 64])
def test_an_ideal_induction_head_scores_one_at_every_period(length):
    for fixed in (False, True):
        repeats = random_repeats(POOL, length, fixed=fixed)
        assert induction(_ideal_induction(repeats), repeats).flatten().tolist() == pytest.approx([1.0] * 16)


def test_a_fixed_offset_head_scores_one_only_at_its_own_period():
    fixed, random = random_repeats(POOL, 64, fixed=True), random_repeats(POOL, 64)
    offset = torch.full((16,), 31)  # what an induction head does at period 32
    assert float(induction(_back(offset, fixed), fixed).mean()) == pytest.approx(1.0)
    assert float(induction(_back(offset, random), random).mean()) < 0.1


def test_only_the_second_copy_counts():
    """A head that attends to the first token from the end of the first copy is no induction head."""
    repeats = random_repeats(POOL, 32)
    key = torch.zeros(16, 32, dtype=torch.long)
    attention = _onto(key)
    assert float(induction(attention, repeats).abs().max()) == 0.0


def test_previous_and_duplicate_token_heads_score_one():
    repeats = random_repeats(POOL, 64)
    assert previous_token(_back(torch.ones(16).long(), repeats)).unique().tolist() == [1.0]
    assert duplicate_token(_back(repeats.periods, repeats), repeats).unique().tolist() == [1.0]
    assert float(duplicate_token(_ideal_induction(repeats), repeats).max()) == 0.0
    assert float(induction(_back(repeats.periods, repeats), repeats).max()) == 0.0


def test_chance_levels_of_uniform_attention():
    """The numbers that the literature's sizes give: 64 tokens; period 50 of 100."""
    even = uniform(64)[None, None]
    assert float(previous_token(even)) == pytest.approx(sum(1 / k for k in range(2, 65)) / 63)
    assert float(previous_token(even)) == pytest.approx(0.06, abs=0.001)
    assert float(sink(even)) == pytest.approx(0.074, abs=0.0005)
    fifty = Repeats(torch.zeros(1, 100).long(), torch.tensor([50]))
    assert float(induction(uniform(100)[None, None], fifty)) == pytest.approx(0.014, abs=0.0005)


def test_a_window_leaves_out_what_it_cannot_reach():
    repeats = Repeats(torch.zeros(2, 32).long(), torch.tensor([6, 15]))
    near = induction(_back(repeats.periods - 1, repeats), repeats, window=8)
    assert near[0].tolist() == [1.0]
    assert near[1].isnan().all()
    assert previous_token(uniform(16, 1)[None, None], window=1).isnan().all()
    assert float(sink(uniform(64, 4), window=4)) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_sink_is_one_where_all_attend_to_the_first_token():
    first = torch.zeros(1, 2, 8, 8)
    first[:, 0, :, 0], first[:, 1] = 1.0, torch.eye(8)
    assert sink(first).tolist() == [[1.0, pytest.approx(1 / 8)]]


def test_the_copy_gap_compares_the_same_targets():
    repeats = Repeats(torch.arange(4).repeat(3)[None, :10], torch.tensor([4]))
    losses = torch.tensor([[5.0, 6, 7, 99, 1, 2, 3, 99, 99]])  # of the targets 1 to 9
    assert copy_loss_gap(losses, repeats).tolist() == [pytest.approx(6.0 - 2.0)]


def test_the_in_context_score_is_late_minus_early():
    late, early = icl_indices(512)
    assert (499 in late, 49 in early) == (True, True)
    assert (len(early), late[-1]) == (33, 511)
    losses = torch.full((3, 512), 4.0)
    losses[:, 300:] = 2.5
    assert icl_score(losses).tolist() == [-1.5] * 3
    for length in (2, 4, 32):
        assert all(0 <= index < length for part in icl_indices(length) for index in part)


def test_token_losses_are_the_cross_entropy_of_each_target():
    logits = torch.randn(2, 5, 9, generator=generator("losses"))
    targets = torch.randint(0, 9, (2, 5), generator=generator("targets"))
    found = token_losses(logits, targets)
    assert float(found[1, 3]) == pytest.approx(-float(logits[1, 3].log_softmax(-1)[targets[1, 3]]), rel=1e-5)


@pytest.mark.parametrize("positions", POSITIONS.names())
def test_the_table_has_every_score_of_every_head(positions):
    decoder = _decoder(positions=positions)
    table = head_table(decoder, _probe())
    assert list(table.columns) == MEASURED_COLUMNS
    heads = table.dropna(subset="head")
    assert set(heads["metric"]) == TEXT_SCORES | REPEAT_SCORES
    assert (heads.groupby("metric").size() == 8).all()
    whole = table[table["layer"].isna()]
    assert set(whole["metric"]) == MODEL_SCORES
    chance = table[table["layer"].notna() & table["head"].isna()]
    expected = (TEXT_SCORES | REPEAT_SCORES) - {"max_score"}
    assert set(chance["metric"]) == {f"{name}_chance" for name in expected}
    assert table["value"].map(math.isfinite).all()
    assert (table["n"] > 0).all()


def test_an_untrained_decoder_scores_chance():
    """Its attention is uniform but for small noise, so each score is what uniform attention gives."""
    table = head_table(_decoder(positions="none"), _probe())
    scores = _wide(table).mean()
    chance = table[table["metric"].str.endswith("_chance")].groupby("metric")["value"].mean()
    for name in ("entropy", "distance", "previous_token", "sink", "induction", "induction_fixed"):
        assert scores[name] == pytest.approx(chance[f"{name}_chance"], rel=0.01), name
    whole = table.set_index("metric")["value"]
    assert abs(whole["copy_loss_gap"]) < 0.05


def test_the_table_is_the_same_in_parts(monkeypatch):
    decoder, probe = _decoder(), _probe()
    whole = head_table(decoder, probe), profile_table(decoder, probe)
    monkeypatch.setattr("workbench.inspection.forward_passes._NUMBERS", 2 * 4 * 32 * 32)
    for expected, found in zip(
        whole, (head_table(decoder, probe), profile_table(decoder, probe)), strict=True
    ):
        pd.testing.assert_frame_equal(expected, found, rtol=1e-4, atol=1e-6)


def test_windowed_layers_are_measured_within_their_windows():
    decoder = _decoder(window=4, attention_pattern="global,local")
    table = head_table(decoder, _probe())
    by_layer = table.set_index(["metric", "layer"])["value"]
    assert by_layer["induction_chance", 0] == pytest.approx(0.07, abs=0.02)
    assert math.isnan(by_layer["induction_chance", 1])  # no period is as short as 4
    assert by_layer["sink_chance", 1] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert by_layer["entropy"].tolist() == pytest.approx([1.0] * 8, abs=0.01)
    profiles = profile_table(decoder, _probe())
    local = profiles[profiles["layer"] == 1]
    assert sorted(local["x"].unique()) == [0, 1, 2, 3]
    assert profiles["value"].notna().all()


def test_the_bias_counts_as_position():
    """ALiBi's scores are almost all distance, however little of them is in queries and keys."""
    shares = {
        name: _wide(head_table(_decoder(positions=name), _probe()))["positional_share"].min()
        for name in ("alibi", "none")
    }
    assert shares["alibi"] > 0.3
    assert shares["none"] < 0.05


def test_the_profile_of_alibi_alone_is_the_softmax_of_its_bias():
    decoder = _decoder(positions="alibi")
    for block in decoder.blocks:
        torch.nn.init.zeros_(block.attention.query.weight)
    table = profile_table(decoder, _probe())
    theory = profile_of_bias(position_bias(decoder, 32))  # (H, T)
    for metric, expected in (("probability", theory), ("score", position_bias(decoder, 32)[:, :, 0])):
        for layer in range(2):
            rows = table[(table["metric"] == metric) & (table["layer"] == layer)].sort_values(["head", "x"])
            found = torch.tensor(rows["value"].to_numpy()).view(4, 32)
            assert torch.allclose(found.float(), expected, atol=1e-5)
    pairs = table[(table["metric"] == "score") & (table["layer"] == 0) & (table["head"] == 0)]
    assert pairs.sort_values("x")["n"].tolist() == [6 * (32 - distance) for distance in range(32)]
    positional = _wide(head_table(decoder, _probe()))["positional_share"]
    assert positional.tolist() == pytest.approx([1.0] * 8, abs=1e-5)


def _induction_circuit():
    """A previous-token head, and in the next layer an induction head that is composed with its keys.

    No norms, one-hot everything. The stream holds the present token, the previous token, the prediction and
    the position. Layer 0, head 0 looks from each position to the one before and copies its token into the
    second part; layer 1, head 0 looks for a key whose previous token is the query's, and predicts its token.
    """
    ids, context = 40, 64
    size = ids + 1
    config = preset(
        "llama",
        vocabulary=size,
        context=context,
        width=3 * size + context,
        layers=2,
        heads=2,
        head_width=context,
        feedforward_width=8,
        norm="none",
        positions="learned",
        attention_scale=1.0,
    )
    decoder = Decoder(config)
    token, previous, answer = (slice(part * size, (part + 1) * size) for part in range(3))
    position, head, one = slice(3 * size, None), slice(0, size), torch.eye(size)
    first, second = decoder.blocks[0].attention, decoder.blocks[1].attention
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.zero_()
        decoder.token_embedding.weight[:, token] = one
        decoder.positions.table[:, position] = torch.eye(context)
        first.query.weight[:context, position] = 100 * torch.eye(context)
        first.key.weight[:context, position] = torch.eye(context).roll(1, 0)  # as if one place further
        first.value.weight[head, token], first.output.weight[previous, head] = one, one
        second.query.weight[head, token], second.key.weight[head, previous] = 100 * one, one
        # The first token has none before it and looks at itself: it must not pass for its own successor.
        second.query.weight[size, token], second.key.weight[size, 3 * size] = 100, -1
        second.value.weight[head, token], second.output.weight[answer, head] = one, one
        decoder.head.weight[:, answer] = 20 * one
    text = torch.randint(0, ids, (4, context + 1), generator=generator("circuit"))
    return decoder, Probe(text=text, long=text[:1], context=text.shape[1] - 1, vocabulary=size)


def test_a_built_induction_circuit_is_found():
    decoder, probe = _induction_circuit()
    table = head_table(decoder, probe)
    scores = _wide(table)
    assert scores.loc[(0, 0), "previous_token"] == pytest.approx(1.0, abs=1e-5)
    assert scores.loc[(0, 0), "positional_fraction"] == pytest.approx(1.0, abs=1e-5)
    assert scores.loc[(0, 0), "positional_share"] > 0.9
    assert scores.loc[(1, 0), ["induction", "induction_fixed"]].tolist() == pytest.approx(
        [1.0, 1.0], abs=1e-5
    )
    assert scores.drop((1, 0))["induction"].max() < 0.1
    assert scores.drop((0, 0))["previous_token"].max() < 0.1
    assert table.set_index("metric")["value"]["copy_loss_gap"] > 3.0
