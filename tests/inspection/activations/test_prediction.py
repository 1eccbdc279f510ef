from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from tests.inspection.activation_studies import decoder_of, stirred, tokens, write_study
from tests.inspection.attention.test_head_views import _check, _panel
from tests.inspection.head_studies import scope_of
from workbench.errors import UserError
from workbench.inspection.activations.attribution import (
    BIAS,
    FEEDFORWARD,
    HEAD,
    POSITION,
    TOKEN,
    attribution,
    not_additive,
)
from workbench.inspection.activations.logit_lens import logit_lens, read_out, residual_stream
from workbench.inspection.activations.prediction_view import EMBEDDING, TILE, PredictionByDepth
from workbench.inspection.capture import capture
from workbench.inspection.panels import Bars

TEXT = tokens(1, 12)
VIEW = PredictionByDepth()


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("placement", ["pre", "post", "sandwich", "parallel"])
@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm", "dynamic_tanh", "none"])
def test_the_lens_at_the_last_layer_is_the_decoder_itself(norm, placement, tied):
    decoder = stirred(decoder_of(norm=norm, norm_placement=placement, tied_embeddings=tied))
    with capture(decoder, ()):
        logits = decoder(TEXT)  # (1, T, V)
        assert torch.equal(read_out(decoder, residual_stream(decoder, TEXT)[-1]), logits)
        expected = F.cross_entropy(logits[0, :-1], TEXT[0, 1:], reduction="none")
    lens = logit_lens(decoder, TEXT)
    assert lens.loss.shape == lens.divergence.shape == lens.top.shape == (3, 11)
    torch.testing.assert_close(lens.loss[-1], expected)
    torch.testing.assert_close(lens.target, (-lens.loss).exp())
    assert torch.equal(lens.top[-1], logits[0, :-1].argmax(-1))
    assert (lens.divergence[-1] == 0).all()
    assert (lens.divergence >= 0).all()


def test_blocks_that_add_nothing_predict_alike_at_every_layer():
    lens = logit_lens(decoder_of(initialization="zero_output"), TEXT)
    for row in range(2):
        assert torch.equal(lens.loss[row], lens.loss[-1])
        assert torch.equal(lens.top[row], lens.top[-1])
    assert (lens.divergence == 0).all()


def test_the_lens_sees_where_a_prediction_is_made():
    """Only the last layer writes: the embedding's reading is even, and all is decided after layer 1."""
    decoder = decoder_of(norm="none", initialization="zero_output", feedforward="relu", bias=True)
    last = decoder.blocks[1].feedforward
    with torch.no_grad():
        decoder.token_embedding.weight.zero_()
        decoder.head.weight.zero_()
        decoder.head.weight[65, 0] = 1.0
        last.down.bias[0] = 4.0
    lens = logit_lens(decoder, TEXT)
    assert lens.target[:2] == pytest.approx(1 / 257)
    assert (lens.top[-1] == 65).all()
    top = torch.e**4 / (torch.e**4 + 256)
    even = -torch.tensor(257.0).log()
    divergence = top * (torch.tensor(top).log() - even) + (1 - top) * (
        torch.tensor((1 - top) / 256).log() - even
    )
    assert lens.divergence[0] == pytest.approx(float(divergence), rel=1e-4)


def test_long_texts_are_read_in_pieces(monkeypatch):
    decoder = stirred(decoder_of())
    whole = logit_lens(decoder, TEXT)
    monkeypatch.setattr("workbench.inspection.activations.logit_lens._LOGITS", 3 * 257)
    pieces = logit_lens(decoder, TEXT)
    torch.testing.assert_close(pieces.loss, whole.loss)
    assert torch.equal(pieces.top, whole.top)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("placement", ["pre", "parallel", "sandwich"])
@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm", "none"])
def test_the_terms_add_up_to_the_logit(norm, placement, tied, bias):
    levels = {"norm": norm, "norm_placement": placement, "tied_embeddings": tied, "bias": bias}
    decoder = stirred(decoder_of(**levels, key_value_heads=2, attention_gate="headwise"), 0.1)
    logits = decoder(TEXT)[0].detach()  # (T, V)
    for position in (0, 5, 10):
        for rival in (True, False):
            found = attribution(decoder, TEXT, position, against_rival=rival)
            expected = logits[position, found.target] - (logits[position, found.rival] if rival else 0)
            assert found.target == TEXT[0, position + 1]
            assert found.logit == pytest.approx(float(expected), abs=1e-5)
            assert found.terms["value"].sum() == pytest.approx(found.logit, abs=1e-4)
    counts = found.terms["part"].value_counts()
    assert counts[HEAD] == 8
    assert counts[FEEDFORWARD] == 2
    assert (BIAS in counts) == (bias or norm == "layernorm")


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "alibi"])
def test_positions_that_are_added_have_a_term(positions):
    decoder = stirred(decoder_of(positions=positions))
    found = attribution(decoder, TEXT, 4)
    assert found.terms["value"].sum() == pytest.approx(found.logit, abs=1e-4)
    assert (POSITION in set(found.terms["part"])) == (positions != "alibi")


def test_each_part_gets_what_it_wrote():
    """No norms: the embedding and one head write along known directions."""
    decoder = decoder_of(norm="none", initialization="zero_output", positions="learned")
    with torch.no_grad():
        decoder.token_embedding.weight.zero_()
        decoder.token_embedding.weight[:, 0] = 1.0
        decoder.positions.table.zero_()
        decoder.positions.table[:, 1] = 1.0
        decoder.head.weight.zero_()
        decoder.head.weight[:, :3] = torch.tensor([2.0, 3.0, 5.0])
        decoder.head.weight[7, :3] = 0.0
        values = decoder.blocks[1].attention.value.weight
        values.zero_()
        values[8:12, 0] = 1.0  # head 2 reads the embedding's direction, whatever it attends to
        decoder.blocks[1].attention.output.weight[2, 8:12] = 0.25
    text = TEXT.clone()
    text[0, 6] = 9
    terms = attribution(decoder, text, 5, against_rival=False).terms
    values = {(row.part, row.layer, row.head): row.value for row in terms.itertuples()}
    assert values[HEAD, 1.0, 2.0] == pytest.approx(5.0)
    assert terms.loc[terms["part"] == TOKEN, "value"].item() == pytest.approx(2.0)
    assert terms.loc[terms["part"] == POSITION, "value"].item() == pytest.approx(3.0)
    others = terms[~terms["part"].isin([TOKEN, POSITION])]["value"].sum() - 5.0
    assert others == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("levels", "reason"),
    [({"norm_placement": "post"}, "post-norm"), ({"norm": "dynamic_tanh"}, "no division by one number")],
)
def test_what_is_no_sum_says_so(levels, reason):
    decoder = decoder_of(**levels)
    assert reason in not_additive(decoder)
    with pytest.raises(UserError, match=reason):
        attribution(decoder, TEXT, 3)


def test_a_position_without_a_next_token_is_refused():
    with pytest.raises(UserError, match="give 0 to 10"):
        attribution(decoder_of(), TEXT, 11)


def test_nothing_is_left_behind():
    decoder = stirred(decoder_of())
    before = decoder(TEXT)
    logit_lens(decoder, TEXT)
    attribution(decoder, TEXT, 3)
    assert torch.equal(decoder(TEXT), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in decoder.modules())


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    variants = {
        "baseline": {},
        "changed": {"norm": "layernorm", "layers": 3, "positions": "learned", "bias": True},
        "post": {"norm_placement": "post"},
        "tanh": {"norm": "dynamic_tanh"},
    }
    return write_study(tmp_path_factory.mktemp("prediction"), variants, seeds=(1,))


WORDS = {"text": "def of(a): a"}


@pytest.mark.parametrize("against", ["baseline", None])
@pytest.mark.parametrize("variant", ["changed", "post", "tanh"])
@pytest.mark.parametrize("compared", ["the runner-up", "nothing"])
def test_the_view_can_be_drawn(variant, against, compared, study):
    _check(VIEW.show(scope_of(study, variant, against), WORDS | {"against": compared}))


def test_the_grid_has_a_cell_per_layer_and_position_the_last_layer_first(study):
    result = VIEW.show(scope_of(study, "changed", "baseline"), WORDS)
    grid = _panel(result, "changed: probability")
    assert grid.domain == (0.0, 1.0)
    assert list(dict.fromkeys(grid.data["y"])) == ["2", "1", "0", EMBEDDING]
    assert list(dict.fromkeys(grid.data["x"]))[:3] == ["0 d", "1 e", "2 f"]
    assert len(grid.data) == 4 * 11
    decoder = scope_of(study, "changed").subject().decoder
    text = scope_of(study, "changed").subject().encode(WORDS["text"])
    lens = logit_lens(decoder, text)
    cell = grid.data[(grid.data["y"] == "2") & (grid.data["x"] == "3 ␣")]
    assert cell["value"].item() == pytest.approx(float(lens.target[3, 3]))
    assert cell["next"].item() == "o"
    assert len(_panel(result, "baseline: probability").data) == 3 * 11
    loss = _panel(result, "Loss by depth").data
    own = loss[loss["series"] == "changed"].set_index("x")["y"]
    assert own.tolist() == pytest.approx(lens.loss.mean(-1).tolist())
    assert list(own.index) == [-1, 0, 1, 2]


def test_the_grid_starts_where_it_is_told_to(study):
    long = {"text": "abcdefghijklmnop" * 3, "first": "20"}
    scope = scope_of(study, "baseline")
    grid = VIEW.show(scope, long).panels[0]
    assert grid.data["x"].nunique() == TILE
    assert grid.data["x"].iloc[0] == "20 e"
    with pytest.raises(UserError, match="first: '99'"):
        VIEW.show(scope, long | {"first": "99"})
    with pytest.raises(UserError, match="give a number from 1 to 47"):
        VIEW.show(scope, long | {"token": "0"})
    with pytest.raises(UserError, match="text: it has one token"):
        VIEW.show(scope, {"text": "a"})


def test_bars_and_heads_add_up_to_the_value_that_is_told(study):
    result = VIEW.show(scope_of(study, "changed", "baseline"), WORDS | {"token": "6"})
    bars = _panel(result, "What wrote")
    assert isinstance(bars, Bars)
    terms = result.tables["contributions"].groupby("series")["value"].sum()
    assert bars.data.groupby("variant")["y"].sum().to_dict() == pytest.approx(terms.to_dict())
    assert set(bars.data["series"]) == {"attention", "feed-forward", "embedding, biases"}
    explained = [answer for answer in result.answers if "the value explained is" in answer]
    assert len(explained) == 2
    assert "for token 6 ('(';" in explained[0]
    assert all(answer.isprintable() for answer in result.answers)


def test_what_cannot_be_attributed_is_said_and_the_lens_still_shown(study):
    result = VIEW.show(scope_of(study, "post"), WORDS)
    assert any("cannot be told: post-norm" in answer for answer in result.answers)
    assert not any(isinstance(panel, Bars) for panel in result.panels)
    assert "contributions" not in result.tables
    assert len(result.panels) == 3


def test_a_run_with_another_tokenizer_is_left_out(study, monkeypatch):
    scope = scope_of(study, "changed", "baseline")
    other = type("Subject", (), {"splits": "other"})
    subjects = {"run": scope.subject("run"), "against": other}
    monkeypatch.setattr(type(scope), "subject", lambda self, role="run": subjects[role])
    result = VIEW.show(scope, WORDS)
    _check(result)
    assert "baseline is left out: it has another tokenizer" in result.answers[-1]
    assert set(result.tables["lens at every position"]["series"]) == {"changed"}


def test_variants_beside_have_lines_by_layer_and_no_maps(study):
    beside = tuple(scope_of(study, name).run for name in ("post", "tanh"))
    scope = replace(scope_of(study, "changed", "baseline"), others=beside)
    result = VIEW.show(scope, WORDS)
    _check(result)
    for title in ("Loss by depth", "How far each layer"):
        series = list(dict.fromkeys(_panel(result, title).data["series"]))
        assert series == ["changed", "baseline", "post", "tanh"]
    grids = [panel.title.split(":")[0] for panel in result.panels if panel.tab == "Token by token"]
    assert grids == ["changed", "baseline"]
    decoder = scope_of(study, "tanh").subject().decoder
    lens = logit_lens(decoder, scope.subject().encode(WORDS["text"]))
    data = _panel(result, "Loss by depth").data
    assert data.loc[data["series"] == "tanh", "y"].tolist() == pytest.approx(lens.loss.mean(-1).tolist())
    first, others = result.split_answers()
    assert [answer.split(":")[0] for answer in others] == ["post", "tanh"]
    assert not any("tanh" in answer for answer in first)


def test_a_trained_study(trained):
    """The default text fits a table of 32 positions."""
    result = VIEW.show(trained)
    _check(result)
    assert "tokens 0 to 31 of 32" in result.source


def test_a_text_longer_than_the_window_is_read_by_pages(study):
    text = "".join(chr(97 + (7 * place) % 26) for place in range(600))
    scope = scope_of(study, "baseline")
    table = VIEW.show(scope, {"text": text, "first": "300"}).tables["lens at every position"]
    assert (table["position"].min(), table["position"].max()) == (256, 510)
    assert VIEW.show(scope, {"text": text, "first": "300"}).panels[0].data["x"].iloc[0].startswith("300 ")
    subject = scope.subject()
    ids = subject.encode(text)[0, 256:512]
    with torch.no_grad():
        losses = torch.nn.functional.cross_entropy(
            subject.decoder(ids[None, :-1])[0], ids[1:], reduction="none"
        )
    last = table[table["layer"] == table["layer"].iloc[-1]]
    assert last["loss"].tolist() == pytest.approx(losses.tolist(), abs=1e-4)
    with pytest.raises(UserError, match="give a number from 257 to 511"):
        VIEW.show(scope, {"text": text, "first": "300", "token": "3"})
