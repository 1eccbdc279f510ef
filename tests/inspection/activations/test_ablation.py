from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from tests.inspection.activation_studies import decoder_of, stirred, tokens, write_study
from tests.inspection.attention.test_head_views import _check, _panel
from tests.inspection.head_studies import scope_of
from workbench.errors import UserError
from workbench.inspection.activations.ablation import effects_of, head_effects, seconds, silenced
from workbench.inspection.activations.ablation_view import REPEATS, HeadAblation
from workbench.inspection.measuring import probe_of
from workbench.records.probes import PROBES

TEXT = tokens(3, 13)
VIEW = HeadAblation()
FEW = {"tokens": "32"}


def _loss(decoder):
    with torch.no_grad():
        logits = decoder(TEXT[:, :-1])  # (B, T, V)
    return float(F.cross_entropy(logits.flatten(0, 1).double(), TEXT[:, 1:].flatten()))


LEVELS = [
    {},
    {"norm_placement": "post", "norm": "layernorm", "bias": True},
    {"norm_placement": "sandwich", "key_value_heads": 2, "attention_gate": "elementwise"},
    {"norm_placement": "parallel", "positions": "alibi", "attention_pattern": "local,global", "window": 4},
    {"positions": "learned", "attention_softcap": 20.0, "tied_embeddings": True, "head_width": 8},
]


@pytest.mark.parametrize("levels", LEVELS, ids=lambda levels: "-".join(levels) or "default")
def test_silencing_a_head_is_zeroing_its_columns_of_the_output(levels):
    decoder = stirred(decoder_of(**levels))
    found = head_effects(decoder, TEXT)
    assert found.loss == pytest.approx(_loss(decoder), abs=1e-5)
    assert found.changes.shape == (2, 4)
    width = decoder.config.head_width
    for layer in (0, 1):
        for head in range(4):
            weight = decoder.blocks[layer].attention.output.weight
            kept = weight.detach().clone()
            with torch.no_grad():
                weight[:, head * width : (head + 1) * width] = 0.0
            expected = _loss(decoder) - found.loss
            with torch.no_grad():
                weight.copy_(kept)
            assert found.changes[layer, head] == pytest.approx(expected, abs=1e-5)
    assert found.changes.abs().min() > 1e-6


@pytest.mark.parametrize("mode", ["zero", "mean"])
def test_a_head_that_writes_nothing_changes_nothing(mode):
    decoder = stirred(decoder_of())
    with torch.no_grad():
        decoder.blocks[0].attention.output.weight[:, 4:8] = 0.0
    changes = head_effects(decoder, TEXT, mode).changes
    assert changes[0, 1] == 0.0
    assert (changes != 0).sum() == 7


def test_a_constant_head_matters_if_zeroed_but_not_if_replaced_by_its_mean():
    decoder = stirred(decoder_of(bias=True))
    attention = decoder.blocks[1].attention
    with torch.no_grad():
        attention.value.weight[8:12] = 0.0  # head 2 gives its bias whatever it reads
    zero, mean = (head_effects(decoder, TEXT, mode).changes for mode in ("zero", "mean"))
    assert abs(zero[1, 2]) > 1e-4
    assert mean[1, 2] == pytest.approx(0.0, abs=1e-6)
    assert abs(mean[1, 1]) > 1e-5


def test_one_layer_alone_gives_the_same_numbers_and_errors_are_over_sequences():
    decoder = stirred(decoder_of())
    every, last = head_effects(decoder, TEXT), head_effects(decoder, TEXT, layers=[1])
    assert torch.equal(every.changes[1:], last.changes)
    assert last.layers == [1]
    single = torch.stack([head_effects(decoder, row[None]).changes for row in TEXT])  # (B, L, H)
    torch.testing.assert_close(every.changes, single.mean(0), atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(every.errors, single.std(0) / 3**0.5, atol=1e-6, rtol=1e-3)
    assert head_effects(decoder, TEXT[:1]).errors.isnan().all()


def test_only_counted_targets_count():
    decoder = stirred(decoder_of())
    counted = torch.zeros(3, 12, dtype=torch.bool)
    counted[:, :5] = True
    short = head_effects(decoder, TEXT[:, :6])
    some = head_effects(decoder, TEXT, counted=counted)
    assert some.loss == pytest.approx(short.loss, abs=1e-5)
    torch.testing.assert_close(some.changes, short.changes, atol=1e-5, rtol=1e-3)


def test_nothing_is_left_behind():
    decoder = stirred(decoder_of())
    decoder.train()
    decoder.attention_kernel = "explicit"
    before = decoder(TEXT)
    head_effects(decoder, TEXT)
    assert decoder.training
    assert decoder.attention_kernel == "explicit"
    assert torch.equal(decoder(TEXT), before)
    with silenced(decoder.blocks[0], 1):
        assert not torch.equal(decoder(TEXT), before)
    with pytest.raises(UserError, match="position_ids"), silenced(decoder.blocks[0], 1):
        decoder(TEXT, position_ids=torch.arange(3))
    assert torch.equal(decoder(TEXT), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in decoder.modules())


def test_the_estimate_grows_with_tokens_and_falls_with_depth():
    config = decoder_of().config
    assert seconds(config, 200) == pytest.approx(2 * seconds(config, 100))
    assert seconds(config, 100, [0]) + seconds(config, 100, [1]) == pytest.approx(seconds(config, 100))
    assert seconds(config, 100, [0]) > seconds(config, 100, [1])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    variants = {"baseline": {}, "changed": {"positions": "alibi", "layers": 3, "heads": 2}}
    return write_study(tmp_path_factory.mktemp("ablation"), variants, seeds=(1, 2))


@pytest.mark.parametrize("against", ["baseline", None])
@pytest.mark.parametrize("options", [{}, {"mode": "mean"}, {"on": REPEATS}, {"layer": "2"}, {"tokens": "9"}])
def test_the_view_can_be_drawn(options, against, study):
    _check(VIEW.show(scope_of(study, "changed", against), FEW | options))


def test_the_map_has_what_was_measured_and_the_worst_head_is_named(study):
    scope = scope_of(study, "baseline")
    result = VIEW.show(scope, FEW)
    subject = scope.subject()
    expected = head_effects(subject.decoder, probe_of(subject).text[:2]).changes
    data = _panel(result, "baseline: change").data
    assert torch.tensor(data["value"].tolist()).view(2, 4) == pytest.approx(expected.float())
    layer, head = divmod(int(expected.argmax()), 4)
    assert f"Without layer {layer} head {head} it rises most" in result.answers[0]
    assert "32 tokens of validation text" in result.source


def test_heads_stand_beside_their_score_the_highest_first(study):
    result = VIEW.show(scope_of(study, "changed"), FEW | {"score": "previous_token"})
    panel = _panel(result, "changed: heads by their previous-token score")
    assert len(panel.data) == 6
    scores = [float(name.split(": ")[1]) for name in panel.data["category"]]
    assert scores == sorted(scores, reverse=True)
    table = result.tables["effect of every head"].set_index(["layer", "head"])
    layer, head = map(int, panel.data["category"][0].split(":")[0].split("."))
    assert panel.data["value"][0] == table.loc[(layer, head), "change"]
    assert table.loc[(layer, head), "score"] == table["score"].max()
    assert f"the strongest previous-token head, layer {layer} head {head}" in result.answers[1]
    correlation = table["score"].corr(table["change"], method="spearman")
    assert f"{correlation:+.2f}"[:4] in result.answers[1]


@pytest.mark.parametrize("mode", ["zero", "mean"])
def test_some_heads_have_the_effects_that_all_have(mode):
    decoder = stirred(decoder_of())
    every = head_effects(decoder, TEXT, mode)
    whole, changes, errors = effects_of(decoder, TEXT, [(1, 3), (0, 1)], mode)
    assert whole == every.loss
    assert changes.tolist() == [every.changes[1, 3].item(), every.changes[0, 1].item()]
    assert errors.tolist() == [every.errors[1, 3].item(), every.errors[0, 1].item()]


def test_the_strongest_heads_of_every_variant_stand_together(tmp_path):
    changed = {"positions": "alibi", "heads": 2}
    variants = {"baseline": {}, "changed": changed, "learned": {"positions": "learned"}}
    study = write_study(tmp_path, variants, seeds=(1,))
    scope = replace(scope_of(study, "changed", "baseline"), others=(scope_of(study, "learned").run,))
    result = VIEW.show(scope, FEW | {"score": "previous_token"})
    _check(result)
    data = _panel(result, "Heads with the highest").data
    assert data["series"].tolist() == ["changed", "baseline", "learned"] * 4
    assert list(dict.fromkeys(data["category"])) == ["highest score", "second", "third", "fourth"]
    subject = scope.subject("other 1")
    effects = head_effects(subject.decoder, probe_of(subject).text[:2])
    own = data[data["series"] == "learned"]
    assert own["score"].is_monotonic_decreasing
    for row in own.itertuples():
        assert row.value == pytest.approx(float(effects.changes[row.layer, row.head]))
    titles = [panel.title.split(":")[0] for panel in result.panels if panel.tab == "Every head"]
    assert titles == ["changed", "baseline"]
    _, others = result.split_answers()
    assert others[0].startswith("learned: without the strongest previous-token head")
    (scope.directory("other 1").path / PROBES).unlink()
    assert VIEW.show(scope, FEW | {"score": "previous_token"}).split_answers()[1] == [
        "learned: its heads' previous-token score was not measured; 'workbench probe' does it."
    ]


def test_without_measured_scores_the_effects_stand_alone(tmp_path):
    study = write_study(tmp_path, {"baseline": {}}, seeds=(1,))
    for path in (study / "runs").iterdir():
        (path / PROBES).unlink()
    result = VIEW.show(scope_of(study, "baseline"), FEW)
    _check(result)
    assert len(result.panels) == 1
    assert "was not measured" in result.answers[1]
    assert "score" not in result.tables["effect of every head"]


def test_a_layer_that_only_one_run_has_is_shown_for_that_run(study):
    result = VIEW.show(scope_of(study, "changed", "baseline"), FEW | {"layer": "2"})
    assert {panel.title.split(":")[0] for panel in result.panels} == {"changed"}


def test_large_models_start_with_one_layer_and_few_tokens(study, monkeypatch):
    scope = scope_of(study, "changed")
    options = {option.name: option for option in VIEW.options}
    assert options["layer"].value(scope, None) == "all"
    assert options["tokens"].value(scope, None) == "2048"
    monkeypatch.setattr("workbench.inspection.activations.ablation._SPEED", 1e5)
    assert options["layer"].value(scope, None) == "2"
    assert options["tokens"].value(scope, None) == "64"


def test_tokens_must_be_a_number(study):
    with pytest.raises(UserError, match="tokens: 'many'"):
        VIEW.show(scope_of(study, "baseline"), {"tokens": "many"})


def test_a_trained_study(trained):
    _check(VIEW.show(trained, {"tokens": "64"}))
