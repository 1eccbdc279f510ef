import io
import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.inspection.head_studies import CONTEXT, scope_of
from tests.inspection.position_studies import Bigrams, Counting, decoder, made_probe, study
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.panel_charts import chart
from workbench.errors import UserError
from workbench.inspection.capture import reading
from workbench.inspection.drawing import drawable, end_names, named
from workbench.inspection.panel_figures import figure
from workbench.inspection.position import extrapolation
from workbench.inspection.position.extrapolation import (
    contexts,
    disjoint_losses,
    extrapolation_table,
    extrapolation_tokens,
    tail_losses,
    tail_windows,
    window_losses,
)
from workbench.inspection.position.extrapolation_view import OPEN, REFUTED, SUPPORTED, Extrapolation, verdict
from workbench.inspection.probe import Probe
from workbench.inspection.scope import Scope
from workbench.inspection.variants_beside import ALL, chosen_beside
from workbench.inspection.views import find_view
from workbench.records.probes import read_probes, write_probes
from workbench.records.run import RunDirectory

INK = Ink("#111111", "#888888", "#FFFFFF")
FLAT = {1.25: 0.001, 1.5: 0.002, 2.0: 0.003, 4.0: 0.003, 8.0: 0.003}
RISING = {
    1.25: {"tail": 0.009, "full": -0.01, "nonoverlapping": -0.02},
    1.5: 0.04,
    2.0: {"tail": 0.34, "full": -0.08, "nonoverlapping": -0.1},
    4.0: 1.3,
    8.0: 1.5,
}
GAINING = {1.25: -0.01, 1.5: -0.02, 2.0: -0.05, 4.0: -0.06, 8.0: -0.07}


def _seeds(changes, apart=0.0005):
    """Three seeds around the given changes."""
    moved = {1: -apart, 2: 0.0, 3: apart}
    return {
        seed: {
            scale: {k: v + by for k, v in change.items()} if isinstance(change, dict) else change + by
            for scale, change in changes.items()
        }
        for seed, by in moved.items()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    variants = {
        "baseline": ("rope", _seeds(RISING)),
        "alibi": ("alibi", _seeds(FLAT)),
        "gains": ("none", _seeds(GAINING)),
        "learned": ("learned", _seeds({0.5: 0.1})),
        "noisy": ("t5_bias", _seeds(FLAT, apart=0.05)),
        "single": ("sinusoidal", {1: RISING}),
    }
    return study(tmp_path_factory.mktemp("extrapolation"), variants)


def _check(result):
    figure(result).savefig(io.BytesIO(), format="svg")
    for panel in result.panels:
        assert len(panel.data)
        assert chart(panel, INK).to_dict()
    for table in result.all_tables().values():
        assert not np.isinf(table.select_dtypes("number").to_numpy(dtype=float)).any()
    assert all(answer and "nan" not in answer for answer in result.answers)


def _values(table, metric):
    return table[table["metric"] == metric].set_index("x")["value"]


# The table


@pytest.mark.parametrize("context", [16, 10, 3, 1])
def test_every_context_scores_the_same_targets(context):
    """What predicts from the last token alone has the same loss at every length, target by target."""
    probe = made_probe(context)
    model, targets = decoder(cls=Bigrams, context=context), max(1, context // 2)
    inputs, aims = probe.long[:, -targets - 1 : -1], probe.long[:, -targets:]
    expected = -model.table().log_softmax(-1)[inputs, aims]
    for c in contexts(model, probe):
        found, _ = tail_losses(model, probe.long, c, targets)
        assert torch.allclose(found, expected, atol=1e-6), c


def test_tail_losses_are_flat_where_only_the_last_token_matters_and_the_foils_are_not():
    table = extrapolation_table(decoder(cls=Bigrams), made_probe())
    tail = _values(table, "tail")
    assert list(tail.index) == [2, 4, 8, 16, 20, 24, 32, 64, 128]
    assert tail.max() - tail.min() < 1e-6
    full = _values(table, "full")
    assert list(full.index) == [16, 20, 24, 32, 64, 128]
    assert full.max() - full.min() > 1e-3  # other targets
    assert set(table.loc[table["metric"] == "tail", "n"]) == {6 * 8}


def test_values_of_a_bigram_table_are_those_computed_by_hand():
    model, probe = decoder(cls=Bigrams), made_probe()
    losses = -model.table().log_softmax(-1)[probe.long[:, :-1], probe.long[:, 1:]].double()  # (6, 128)
    table = extrapolation_table(model, probe)
    assert _values(table, "tail")[32] == pytest.approx(float(losses[:, -8:].mean()), abs=1e-6)
    assert _values(table, "full")[32] == pytest.approx(float(losses[:, -32:].mean()), abs=1e-6)
    # One long window of the six is cut, all of it at every length.
    cut = table[table["metric"] == "nonoverlapping"]
    assert cut["value"].tolist() == pytest.approx([float(losses[0].mean())] * 6, abs=1e-6)
    assert set(cut["n"]) == {128}


def test_each_context_reads_as_many_tokens_as_it_says():
    """A decoder whose loss is the number of tokens that it has read."""
    model, probe = decoder(cls=Counting), made_probe(tokens=1)
    table = extrapolation_table(model, probe)
    tail, full, cut = (_values(table, metric) for metric in ("tail", "full", "nonoverlapping"))
    for c, value in tail.items():
        last = min(8, c // 2)  # targets that one window scores
        assert value == pytest.approx(np.arange(c - last + 1, c + 1).mean(), rel=1e-5), c
    for c in (16, 20, 24, 32, 64, 128):
        assert full[c] == pytest.approx((c + 1) / 2, rel=1e-5)
        lengths = [128 % c] + [c] * (128 // c)
        assert cut[c] == pytest.approx(sum(n * (n + 1) / 2 for n in lengths) / 128, rel=1e-5)


def test_windows_are_in_order_and_end_where_the_text_ends():
    text = torch.arange(33)[None]
    windows, stride = tail_windows(text, 4, 8)
    assert stride == 2
    assert windows.tolist() == [[list(range(end - 4, end + 1)) for end in (26, 28, 30, 32)]]
    windows, stride = tail_windows(text, 32, 8)
    assert (windows.shape, stride) == ((1, 1, 33), 8)


def test_attention_that_sees_four_tokens_is_flat_beyond_four():
    near, far = (decoder("alibi", window=window, layers=1) for window in (4, None))
    tails = [_values(extrapolation_table(model, made_probe()), "tail") for model in (near, far)]
    assert (tails[0].loc[8:] - tails[0].loc[16]).abs().max() < 1e-6
    assert abs(tails[0].loc[4] - tails[0].loc[16]) > 1e-6
    assert (tails[1].loc[32:] - tails[1].loc[16]).abs().max() > 1e-6


def test_learned_positions_have_no_rows_beyond_their_table():
    table = extrapolation_table(decoder("learned"), made_probe())
    assert table["x"].max() == 16
    assert set(table["metric"]) == {"tail", "full", "nonoverlapping"}


def test_short_texts_have_fewer_contexts():
    model = decoder()
    assert contexts(model, made_probe(longest=2.5)) == [2, 4, 8, 16, 20, 24, 32]
    # 0.75 L of text: eight targets fit behind windows of up to 8 tokens only.
    assert contexts(model, made_probe(longest=0.75)) == [2, 4, 8]
    assert len(extrapolation_table(model, made_probe(longest=0.75))) == 3


def test_memory_bounds_contexts_and_batches(monkeypatch):
    probe = made_probe()
    whole = {code: extrapolation_table(decoder(code), probe) for code in ("rope", "alibi")}
    monkeypatch.setattr(extrapolation, "_NUMBERS", 100)  # one sequence at a time
    for code, table in whole.items():
        again = extrapolation_table(decoder(code), probe)
        assert again["value"].tolist() == pytest.approx(table["value"].tolist(), abs=1e-6)
    monkeypatch.setattr(extrapolation, "_LARGEST", 40 * 40 * 2)  # heads x context x context
    assert max(contexts(decoder("alibi"), probe)) == 32
    assert max(contexts(decoder("rope"), probe)) == 128


def test_the_decoder_is_left_as_it_was():
    model = decoder(dropout=0.5)
    model.train()
    model.attention_kernel = "explicit"
    with torch.autocast("cpu", dtype=torch.bfloat16):
        first = extrapolation_table(model, made_probe())
    assert model.training
    assert model.attention_kernel == "explicit"
    assert all(parameter.grad is None for parameter in model.parameters())
    model.eval()
    again = extrapolation_table(model, made_probe())
    assert again["value"].tolist() == first["value"].tolist()
    with pytest.raises(UserError, match="float"), reading(model.bfloat16()):
        pass


def test_the_fused_kernel_is_used():
    with reading(decoder()) as plain:
        assert plain.attention_kernel == "fused"
        assert not torch.is_grad_enabled()


def test_losses_do_not_depend_on_batches():
    model, windows = decoder(), made_probe().text
    with reading(model) as plain:
        expected = torch.nn.functional.cross_entropy(
            plain(windows[:, :-1]).transpose(1, 2), windows[:, 1:], reduction="none"
        )
        assert torch.allclose(window_losses(plain, windows), expected, atol=1e-6)
        assert disjoint_losses(plain, windows, 5).shape == (16 * len(windows),)


@pytest.mark.parametrize("context", [16, 128])
def test_the_cost_is_as_stated(context):
    model = decoder(cls=Bigrams, context=context)
    draw = torch.Generator().manual_seed(0)
    long = torch.randint(16, (512 // context * 2, 8 * context + 1), generator=draw)
    probe = Probe(text=long, long=long, context=context, vocabulary=17)
    seen = []
    handle = model.register_forward_hook(lambda _, args, output: seen.append(args[0].numel()))
    extrapolation_table(model, probe)
    handle.remove()
    assert sum(seen) == extrapolation_tokens(probe)
    if context == 128:
        assert sum(seen) <= 220 * context


# The rule and the view


def test_verdicts():
    assert verdict([0.009, 0.010, 0.011], 0.02) == SUPPORTED
    assert verdict([0.33, 0.34, 0.35], 0.02) == REFUTED
    assert verdict([0.00, 0.02, 0.04], 0.02) == OPEN
    assert verdict([0.34], 0.02) == OPEN
    # The upper end counts, not the mean: 0.015 ± 4.303 * 0.005 / sqrt(3)
    assert verdict([0.010, 0.015, 0.020], 0.02) == OPEN
    assert verdict([-0.051, -0.050, -0.049], 0.0) == SUPPORTED
    assert verdict([0.003, 0.0031, 0.0032], 0.0) == REFUTED


@pytest.mark.parametrize(
    ("variant", "against", "measure"),
    [
        ("alibi", "baseline", "tail"),
        ("baseline", "alibi", "nonoverlapping"),
        ("learned", "baseline", "full"),
        ("learned", None, "tail"),
        ("single", "baseline", "tail"),
        ("single", None, "full"),
    ],
)
def test_every_kind_of_variant_can_be_drawn(variant, against, measure, made):
    _check(Extrapolation().show(scope_of(made, variant, against), {"measure": measure}))


def _answer(made, variant, **options):
    return Extrapolation().show(scope_of(made, variant), options).answers[0]


def test_words_of_a_variant_that_fails_beyond_its_length(made):
    told = _answer(made, "baseline")
    assert f"generalises to 1.25 x its training length of {CONTEXT} tokens (+0.0090" in told
    assert "at 1.5 x the loss changes by +0.040" in told
    assert f"'generalises to 2 x': {REFUTED}; 'uses longer context' (2 x): {REFUTED}" in told
    assert "(change +0.34 [0.34, 0.34] nats, 3 seeds)" in told


def test_words_of_a_flat_variant_and_of_one_that_gains(made):
    flat, gains = _answer(made, "alibi"), _answer(made, "gains")
    assert "generalises to 8 x" in flat
    assert "the longest context measured" in flat
    assert f"'generalises to 2 x': {SUPPORTED}; 'uses longer context' (2 x): {REFUTED}" in flat
    assert f"'generalises to 2 x': {SUPPORTED}; 'uses longer context' (2 x): {SUPPORTED}" in gains


def test_the_margin_and_the_length_of_the_claim_can_be_chosen(made):
    assert f"'generalises to 1.25 x': {SUPPORTED}" in _answer(made, "baseline", length="1.25")
    strict = _answer(made, "baseline", length="1.25", margin="0.005")
    assert f"'generalises to 1.25 x': {REFUTED}" in strict
    assert "is not shown to generalise beyond its training length" in strict
    for wrong in ("small", "-1", "nan"):
        with pytest.raises(UserError, match=r"write for example 0\.02"):
            _answer(made, "baseline", margin=wrong)


def test_noise_and_single_seeds_decide_nothing(made):
    assert f"'generalises to 2 x': {OPEN}; 'uses longer context' (2 x): {OPEN}" in _answer(made, "noisy")
    result = Extrapolation().show(scope_of(made, "single"))
    assert "one seed has no interval" in result.answers[0]
    assert f"'generalises to 2 x': {OPEN}" in result.answers[0]
    assert "(change +0.34 nats, 1 seed)" in result.answers[0]
    assert not any("low" in panel.data for panel in result.panels)


def test_learned_positions_are_not_defined_beyond(made):
    result = Extrapolation().show(scope_of(made, "learned", "baseline"))
    assert "positions beyond the training length are not defined" in result.answers[0]
    assert "a table of 32" in result.answers[0]
    assert result.answers[-1] == "There is no difference at 2 x: learned has no value there."


def test_changes_are_of_each_run_against_itself(made):
    """Seeds differ by 0.1 nats each: only changes within a run have so narrow a band."""
    panel = Extrapolation().show(scope_of(made, "baseline")).panels[0]
    at = panel.data.set_index("x").loc[2.0]
    assert at[["y", "low", "high"]].tolist() == pytest.approx([0.34, 0.3388, 0.3412], abs=1e-4)
    assert panel.data["x"].min() == 1
    assert [(rule.axis, rule.at) for rule in panel.rules] == [("y", 0), ("y", 0.02), ("x", 1)]
    assert panel.rules[-1].label == f"training length, {CONTEXT} tokens"
    assert len(panel.seeds) == 3 * 6


def test_foils_warn_and_the_claims_stay_with_the_same_targets(made):
    result = Extrapolation().show(scope_of(made, "baseline"), {"measure": "full"})
    warning, claims, beside = result.answers
    assert "a foil" in warning
    assert f"'generalises to 2 x': {REFUTED}" in claims
    assert "changes by -0.08" in beside
    assert "on the same targets by +0.34" in beside
    assert result.panels[0].data.set_index("x").loc[2.0, "y"] == pytest.approx(-0.08)


def test_two_variants_are_paired_by_seed(made):
    result = Extrapolation().show(scope_of(made, "alibi", "baseline"))
    paired = "alibi minus baseline: the change of the loss at 2 x differs by -0.34 [-0.34, -0.34] nats"
    assert paired in result.answers[-1]
    assert "paired over 3 seeds" in result.answers[-1]
    panel = next(panel for panel in result.panels if panel.title.startswith("Difference"))
    assert panel.data["category"].tolist() == ["1.25 x L", "1.5 x L", "2 x L", "4 x L", "8 x L"]
    assert panel.data["value"].tolist() == pytest.approx([-0.008, -0.038, -0.337, -1.297, -1.497])


def test_two_seeds_of_one_variant_have_no_difference(made):
    first, second = (scope_of(made, "alibi", seed=seed) for seed in (1, 2))
    result = Extrapolation().show(Scope(first.run, second.run))
    _check(result)
    assert "seeds of one variant" in result.answers[-1]
    assert len(result.panels) == 2


def test_a_measure_that_a_text_is_too_short_for_is_refused(tmp_path):
    seeds = {seed: {1.0: {"tail": 0.0}, 0.5: {"tail": 0.1}} for seed in (1, 2)}
    made = study(tmp_path, {"baseline": ("rope", seeds)})
    with pytest.raises(UserError, match="measure: the text is too short for 'full'"):
        Extrapolation().show(scope_of(made, "baseline"), {"measure": "full"})


# Every variant of a study in one figure


def _beside(made, variant="alibi", against="baseline", names=(ALL,)):
    scope = scope_of(made, variant, against)
    return replace(scope, others=chosen_beside(scope.study(), scope, list(names)))


def test_every_variant_is_a_series_with_its_interval_colour_and_title(made):
    scope = _beside(made)
    result = Extrapolation().show(scope)
    panel = result.panels[0]
    at_2 = panel.data[panel.data["x"] == 2].set_index("series")
    assert at_2.loc["alibi", ["y", "low", "high"]].tolist() == pytest.approx(
        [0.003, 0.0018, 0.0042], abs=1e-4
    )
    assert list(at_2.index) == ["alibi", "baseline", "gains", "noisy", "single"]
    assert panel.data[panel.data["series"] == "learned"]["x"].max() == 1  # a table of as many positions
    assert len(set(scope.colours.values())) == 6
    assert panel.labels["baseline"] == "RoPE (baseline)"
    assert panel.labels["alibi"] == "alibi"  # a name that its user gave
    _check(result)


def test_what_is_subtracted_from_each_variant_is_the_one_it_is_compared_with(made):
    result = Extrapolation().show(_beside(made, names=["gains", "learned"]))
    panel = next(panel for panel in result.panels if panel.title.startswith("Difference"))
    at_2 = panel.data[panel.data["category"] == "2 x L"].set_index("series")["value"]
    assert at_2.to_dict() == pytest.approx({"alibi": -0.337, "gains": -0.39})
    assert panel.x.startswith("each minus baseline")
    assert panel.colours == result.panels[0].colours
    own, others = result.split_answers()
    assert [answer.partition(":")[0] for answer in own] == ["alibi", "baseline", "alibi minus baseline"]
    assert [answer.partition(":")[0] for answer in others] == ["gains", "learned", "gains minus baseline"]


def test_a_variant_that_lacks_what_a_view_reads_costs_the_view_that_variant(made, tmp_path):
    copied = shutil.copytree(made, tmp_path / "heads")
    for path in sorted((copied / "runs").iterdir()):
        if RunDirectory(path).read().variant == "gains":
            write_probes(path, read_probes(path).query("table != 'extrapolation'"))
    result = Extrapolation().show(_beside(copied))
    assert set(result.panels[0].data["series"]) == {"alibi", "baseline", "learned", "noisy", "single"}
    assert any(answer.startswith("gains is left out: extrapolation: no seed") for answer in result.answers)


def test_names_that_are_no_variants_and_too_many_are_refused(made):
    with pytest.raises(UserError, match="no run of 'alib' can stand beside; did you mean"):
        _beside(made, "noisy", names=["alib"])
    with pytest.raises(UserError, match="no run of 'baseline'"):  # it is there already
        _beside(made, names=["baseline"])


def test_maps_stay_with_the_two(made):
    result = find_view("head_scores").show(_beside(made))
    panels = {panel.tab: panel for panel in result.panels}
    assert set(panels["Every head"].data["series"]) == {"alibi", "baseline"}
    assert panels["Sorted scores"].data["series"].nunique() == 6


def test_lines_are_named_where_they_end_and_no_name_is_on_another(made):
    panel = drawable(named(Extrapolation().show(_beside(made)).panels[0]))
    names = end_names(panel, 0.06)
    assert {one.text for one in names} == {
        "alibi", "RoPE (baseline)", "gains", "learned (to 1)", "noisy", "single"
    }  # fmt: skip
    places = [one.place for one in names]
    assert min(after - before for before, after in pairwise(places)) >= 0.06 - 1e-9
    far = [one for one in names if one.series in ("RoPE (baseline)", "single")]  # both at 1.5: the highest
    assert [names.index(one) for one in far] == [4, 5]
