import base64
import io
import math
from functools import cache
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from tests.inspection.head_studies import scope_of
from workbench.dashboard.attention_maps import _encoded
from workbench.data.batches import prepare
from workbench.data.tokenizers import ByteTokenizer
from workbench.errors import UserError
from workbench.files import write_yaml
from workbench.inspection.attention import prompt_attention, reading
from workbench.inspection.attention.head_pairs import HeadPairs, pair_heads
from workbench.inspection.attention.map_choices import SHOWS
from workbench.inspection.attention.matching import jensen_shannon, match_heads
from workbench.inspection.attention.prompt_attention_view import PromptAttention
from workbench.inspection.attention.reading import read_prompt, window_size
from workbench.inspection.capture import capture
from workbench.inspection.panel_figures import figure
from workbench.inspection.panels import TokenMaps
from workbench.inspection.subject import Subject
from workbench.model import Decoder, preset
from workbench.model.weights import plain_tensors
from workbench.records.run import Phase, RunDirectory, RunRecord, State, config_hash, run_id, write_record
from workbench.seeds import generator
from workbench.training.run_text import keep_tokenizer

CONTEXT, HEADS, LAYERS, WINDOW = 32, 4, 2, 8
ORDER = [[1, 3, 0, 2], [2, 0, 3, 1]]  # head j of the permuted copy is head ORDER[layer][j] of the original
TEXT = "".join(f"alpha{number * number % 97} beta gamma\n" for number in range(6))[:80]
VIEW = PromptAttention()
# Variant: what its decoder changes, its tokenizer, and its seeds.
VARIANTS = {
    "baseline": ({}, "bytes", (1, 2)),
    "permuted": ({}, "bytes", (1,)),
    "learned": ({"positions": "learned"}, "bytes", (1, 2)),
    "windowed": ({"window": WINDOW}, "bytes", (1,)),
    "grouped": ({"key_value_heads": 2, "bias": True}, "bytes", (1,)),
    "small": ({"layers": 1, "heads": 2}, "bytes", (1,)),
    "merged": ({"vocabulary": 300}, {"bpe": 300}, (1,)),
    "short": ({"context": 16, "positions": "learned"}, "bytes", (1,)),
}


def _decoder(seed=1, **changes):
    """Sharp attention: with the scale of initialisation every head is all but uniform."""
    sizes = {"vocabulary": 257, "context": CONTEXT, "width": 16, "layers": LAYERS, "heads": HEADS}
    decoder = Decoder(preset("llama", **(sizes | {"feedforward_width": 24} | changes)))
    decoder.initialize(seed)
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            if parameter.ndim > 1 or name.endswith("bias"):
                parameter.normal_(std=0.5, generator=generator("prompt attention", seed, name))
    return decoder.eval()


def _permute_heads(decoder):
    """The same function of tokens, its heads in another order."""
    for block, order in zip(decoder.blocks, ORDER, strict=True):
        attention = block.attention
        width = attention.head_width
        rows = torch.cat([torch.arange(width) + head * width for head in order])
        for part in (attention.query, attention.key, attention.value):
            part.weight.data = part.weight.data[rows]
        attention.output.weight.data = attention.output.weight.data[:, rows]
    return decoder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prompt")
    (folder / "text").mkdir()
    for index in range(12):
        lines = [f"line {index * number % 11} of alpha{number} and beta\n" for number in range(60)]
        (folder / "text" / f"{index}.txt").write_text("".join(lines))
    corpus, known = {"path": str(folder / "text")}, []
    for name, (changes, asked, seeds) in VARIANTS.items():
        tokenizer = prepare(corpus, asked, folder / "cache").tokenizer
        keep_tokenizer(tokenizer, folder)
        config = {
            "model": _decoder(**changes).config.to_dict(),
            "data": {"corpus": corpus, "tokenizer": tokenizer.spec},
            "training": {"batch_size": 8, "tokens": 800, "of": name},  # equal models must not be one run
        }
        known.append({"name": name, "change": {}, "config_hash": config_hash(config)})
        for seed in seeds:
            decoder = _decoder(seed, **changes)
            _write_run(folder, name, config, seed, _permute_heads(decoder) if name == "permuted" else decoder)
    manifest = {"name": "prompt", "variants": known, "baseline": "baseline", "metric": "validation/loss"}
    write_yaml(folder / "study.yaml", manifest)
    return folder


def _write_run(study, variant, config, seed, decoder):
    record = RunRecord(
        run_id=run_id(config, Phase.CONFIRM, {"learning_rate": 0.01}, seed),
        study="prompt",
        variant=variant,
        phase="confirm",
        seed=seed,
        hyperparameters={"learning_rate": 0.01},
        config=config,
        state=State.COMPLETE,
        progress={"step": 100, "steps": 100},
    )
    save_file(plain_tensors(decoder), write_record(study, record).weights)


@pytest.fixture
def subject(study):
    return lambda variant, seed=1: scope_of(study, variant, seed=seed).subject()


def _direct(subject, ids):
    """Maps ``(L, H, W, W)`` and losses of one forward, without the code under test."""
    with capture(subject.decoder, {"probabilities"}) as seen:
        logits = subject.decoder(ids[None])
    return seen.stacked("probabilities")[:, 0], F.cross_entropy(logits[0, :-1], ids[1:], reduction="none")


def _check(result):
    """Numbers are finite or missing, and words have neither."""
    assert all(answer and "nan" not in answer and "missing" not in answer for answer in result.answers)
    for table in result.all_tables().values():
        assert len(table)
        assert not np.isinf(table.select_dtypes("number").to_numpy(dtype=float, na_value=np.nan)).any()


def _panel(result, title):
    return next(panel for panel in result.panels if panel.title.startswith(title))


# One reading


@cache
def _identity_reader():
    """Each head reads the token itself and nothing else, as all tokens differ."""
    decoder = _decoder(positions="none", context=256, layers=1)
    block = decoder.blocks[0].attention
    with torch.no_grad():
        table = torch.randn(257, HEADS, 4, generator=generator("identity"))
        decoder.token_embedding.weight.copy_(F.normalize(table, dim=-1).flatten(1))
        for part in (block.query, block.key):
            part.weight.copy_(300 * torch.eye(16))
    return decoder


class _AllBytes(ByteTokenizer):
    """One whose ids are those of ``text``'s characters, all 256 of them."""

    def encode(self, text):
        return np.array([ord(one) for one in text], dtype=np.uint16)

    def decode(self, ids):
        return "".join(map(chr, ids))


@pytest.mark.parametrize("length", [256, 200, 64, 30])
def test_a_single_diagonal_survives_in_thumbnails(length):
    subject = Subject(None, None, _identity_reader())
    vars(subject)["tokenizer"] = _AllBytes()
    found = read_prompt(subject, "".join(map(chr, range(length))))
    side = min(length, 64)
    assert found.thumbnails.shape == (1, HEADS, side, side)
    assert found.shown(0, 0, "attention").diagonal().min() > 0.99
    for small in found.thumbnails[0]:
        assert small.diagonal().min() > 0.99  # a mean over a cell of four by four would be 1/4
        apart = (torch.arange(side)[:, None] - torch.arange(side)).abs()
        assert small[apart > 1].max() < 0.01


def test_a_small_text_is_shown_as_it_is(subject):
    found = read_prompt(subject("baseline"), TEXT[:20])
    maps, losses = _direct(subject("baseline"), found.ids)
    torch.testing.assert_close(found.thumbnails, maps)
    torch.testing.assert_close(found.losses, losses)


@pytest.mark.parametrize(("first", "start", "width"), [(0, 0, 32), (31, 0, 32), (32, 32, 32), (70, 64, 16)])
def test_a_long_text_is_read_by_pages(first, start, width, subject):
    learned = subject("learned")
    found = read_prompt(learned, TEXT, first)
    assert (found.start, found.total, len(found.ids)) == (start, 80, width)
    assert found.pieces == learned.pieces(learned.encode(TEXT[start : start + width])[0])
    assert "".join(found.pieces).replace("␣", " ").replace("⏎", "\n") == TEXT[start : start + width]
    maps, losses = _direct(learned, learned.encode(TEXT[start : start + width])[0])
    torch.testing.assert_close(found.losses, losses)
    for layer in range(LAYERS):
        for head in range(HEADS):
            torch.testing.assert_close(found.shown(layer, head, "attention"), maps[layer, head])


def test_a_last_token_is_read_with_the_one_before_it(subject):
    learned, text = subject("learned"), TEXT[: CONTEXT + 1]
    found = read_prompt(learned, text, CONTEXT)
    assert (found.start, len(found.ids), len(found.losses)) == (CONTEXT - 1, 2, 1)
    maps, losses = _direct(learned, learned.encode(text[-2:])[0])
    torch.testing.assert_close(found.losses, losses)
    torch.testing.assert_close(found.shown(1, 0, "attention"), maps[1, 0])


def test_as_much_is_read_at_once_as_the_positions_allow(subject):
    assert window_size(subject("learned")) == CONTEXT
    assert window_size(subject("short")) == 16
    assert window_size(subject("baseline")) == 256
    assert window_size(Subject(None, None, _decoder(context=512))) == 512
    assert len(read_prompt(subject("baseline"), 4 * TEXT, 40).ids) == 256
    assert read_prompt(subject("baseline"), 4 * TEXT, 300).start == 256


@pytest.mark.parametrize("variant", ["baseline", "windowed", "grouped"])
def test_attention_that_is_not_kept_is_the_same(variant, subject, monkeypatch):
    one = subject(variant)
    kept = read_prompt(one, TEXT)
    monkeypatch.setattr(reading, "_KEPT_NUMBERS", 0)
    monkeypatch.setattr("workbench.inspection.forward_passes._NUMBERS", 1)  # layer by layer
    again = reading.Reading(one, one.encode(TEXT)[0], 0, 256)
    torch.testing.assert_close(again.thumbnails, kept.thumbnails)
    torch.testing.assert_close(again.losses, kept.losses)
    for layer in (0, 1, 0):
        for head in range(HEADS):
            for show in SHOWS:
                torch.testing.assert_close(again.shown(layer, head, show), kept.shown(layer, head, show))


def test_a_text_that_is_asked_for_again_is_not_read_again(subject):
    assert read_prompt(subject("learned"), TEXT, 40) is read_prompt(subject("learned"), TEXT, 63)
    assert read_prompt(subject("learned"), TEXT, 40) is not read_prompt(subject("learned"), TEXT, 64)


# What is shown of it


@pytest.mark.parametrize("variant", ["baseline", "grouped"])
def test_weights_times_the_size_of_what_is_read(variant, subject):
    """By hand: the value vector, from the normalised stream, through the head's columns of the output."""
    one = subject(variant)
    found, attention = read_prompt(one, TEXT[:24]), one.decoder.blocks[1].attention
    with capture(one.decoder, {"attention_norm_output"}) as seen:
        one.decoder(found.ids[None])
    states, width = seen["attention_norm_output", 1][0], attention.head_width  # (W, D)
    for head in range(HEADS):
        own = head // attention.groups * width  # where the head's values begin
        sizes = []
        for state in states:
            value = attention.value.weight[own : own + width] @ state
            if attention.value.bias is not None:
                value = value + attention.value.bias[own : own + width]
            written = attention.output.weight[:, head * width : (head + 1) * width] @ value
            sizes.append(float(written.detach().norm()))
        expected = found.shown(1, head, "attention") * torch.tensor(sizes)
        shown = found.shown(1, head, "attention x size of what is read")
        torch.testing.assert_close(shown, expected, rtol=1e-4, atol=1e-6)
    assert max(sizes) > 1.5 * min(sizes)


@pytest.mark.parametrize("variant", ["baseline", "windowed"])
def test_attention_minus_uniform_sums_to_zero(variant, subject):
    found = read_prompt(subject(variant), TEXT)
    for layer in range(LAYERS):
        shown = found.shown(layer, 1, "attention minus uniform")
        assert shown.sum(-1).abs().max() < 1e-5
        even = found.shown(layer, 1, "attention") - shown
        reach = WINDOW if variant == "windowed" else 80
        for query in (0, 3, 40, 79):
            keys = even[query].nonzero().flatten()
            assert keys.tolist() == list(range(max(0, query - reach + 1), query + 1))
            assert even[query, keys].tolist() == pytest.approx([1 / len(keys)] * len(keys), abs=1e-6)


def test_nothing_is_read_outside_the_window(subject):
    place = torch.arange(80)
    apart = place[:, None] - place
    found = read_prompt(subject("windowed"), TEXT)
    for show in SHOWS:
        assert (found.shown(1, 2, show)[(apart >= WINDOW) | (apart < 0)] == 0).all()
    assert (read_prompt(subject("baseline"), TEXT).shown(1, 2, "attention")[apart >= WINDOW] > 0).any()


def test_the_first_token_can_be_left_out(subject):
    found = read_prompt(subject("baseline"), TEXT)
    shown = found.shown(0, 3, "attention without the first token")
    assert (shown[:, 0] == 0).all()
    assert torch.equal(shown[:, 1:], found.shown(0, 3, "attention")[:, 1:])


# Which heads match


def test_the_distance_of_two_heads():
    eye, first = torch.eye(3), F.one_hot(torch.zeros(3, dtype=torch.long), 3).float()
    half = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0], [0, 0.5, 0.5]])
    found = jensen_shannon(torch.stack([eye, first])[None], torch.stack([first, eye, half])[None])
    # One row against half of it and half of another: entropy of (3/4, 1/4) minus half of ln 2.
    part = -0.75 * math.log(0.75) - 0.25 * math.log(0.25) - 0.5 * math.log(2)
    whole = math.log(2)
    expected = [[2 / 3 * whole, 0, 2 / 3 * part], [0, 2 / 3 * whole, (part + whole) / 3]]
    assert found.tolist() == [pytest.approx(row, abs=1e-6) for row in expected]


def test_the_distance_is_the_mean_over_texts():
    eye, first = torch.eye(4), F.one_hot(torch.zeros(4, dtype=torch.long), 4).float()
    found = jensen_shannon(torch.stack([eye, eye])[:, None], torch.stack([eye, first])[:, None])
    assert found.tolist() == [[pytest.approx(3 / 8 * math.log(2))]]


def test_heads_are_paired_for_the_smallest_sum():
    assert match_heads(torch.tensor([[0.0, 1.0], [0.1, 10.0]])) == [1, 0]
    distance = torch.rand(4, 4, generator=generator("matching"))
    best = min(permutations(range(4)), key=lambda order: sum(distance[i, j] for i, j in enumerate(order)))
    assert match_heads(distance) == list(best)


def test_columns_run_out():
    assert match_heads(torch.tensor([[0.5], [0.1], [0.3]])) == [-1, 0, -1]
    assert match_heads(torch.tensor([[0.5, 0.1, 0.3]])) == [1]


def test_a_permuted_copy_is_matched_back(subject):
    pairs = pair_heads(subject("baseline"), subject("permuted"), subject("baseline", 2))
    assert pairs.partner == [np.argsort(order).tolist() for order in ORDER]
    assert pairs.distance.shape == (LAYERS, HEADS)
    assert pairs.distance == pytest.approx(0, abs=1e-5)
    assert (pairs.floor > 0.01).all()
    assert not any(pairs.apart(layer, head) for layer in range(LAYERS) for head in range(HEADS))
    back = pair_heads(subject("permuted"), subject("baseline"), None)
    assert back.partner == ORDER
    assert back.floor is None


def test_the_floor_is_the_median_between_two_seeds(subject):
    first, second = subject("baseline"), subject("baseline", 2)
    pairs = pair_heads(first, second, second)
    assert pairs.floor == pytest.approx(np.median(pairs.distance, axis=1))


def test_apart_is_beyond_the_floor_where_both_are_known():
    pairs = HeadPairs([[0, 1, -1]], np.array([[0.1, 0.3, math.nan]]), np.array([0.1]))
    assert [pairs.apart(0, head) for head in range(3)] == [False, True, False]
    table = pairs.table()
    assert table["partner"].tolist() == [0, 1, pd.NA]
    assert table["floor"].tolist() == [0.1] * 3
    unknown = HeadPairs([[0, 1]], np.array([[0.1, 9.0]]), None)
    assert not unknown.apart(0, 1)
    assert unknown.table()["floor"].isna().all()


@pytest.mark.parametrize(("run", "against"), [("baseline", "small"), ("small", "baseline")])
def test_runs_of_other_sizes_are_paired_as_far_as_they_go(run, against, subject):
    pairs = pair_heads(subject(run), subject(against), subject("baseline", 2) if run == "baseline" else None)
    assert len(pairs.partner) == 1
    assert pairs.distance.shape == (1, len(pairs.partner[0]))
    assert sum(partner >= 0 for partner in pairs.partner[0]) == 2
    assert np.isfinite(pairs.distance).sum() == 2
    assert len(pairs.table()) == (4 if run == "baseline" else 2)


def test_heads_of_learned_positions_are_compared_within_their_table(subject):
    for other in (subject("learned", 2), subject("short"), subject("baseline")):
        assert np.isfinite(pair_heads(subject("learned"), other, None).distance).all()
        assert np.isfinite(pair_heads(other, subject("learned"), None).distance).all()


# The view


def _show(study, run, against=None, **options):
    result = VIEW.show(scope_of(study, run, against), {"text": TEXT} | options)
    _check(result)
    assert not any("nan" in note or "missing" in note for note in result.notes)
    return result


@pytest.mark.parametrize("show", SHOWS)
@pytest.mark.parametrize(
    ("run", "against"),
    [
        ("baseline", None),
        ("baseline", "permuted"),
        ("permuted", "baseline"),
        ("learned", "baseline"),
        ("windowed", "grouped"),
        ("small", "baseline"),
        ("merged", "baseline"),
    ],
)
def test_every_pair_of_runs_can_be_shown(run, against, show, study):
    result = _show(study, run, against, show=show)
    maps = next(panel for panel in result.panels if isinstance(panel, TokenMaps))
    assert maps.value == SHOWS[show]
    assert ("difference" in maps.names) == (against is not None and run != "merged")
    if show == "attention" or (show == "attention minus uniform" and run == "baseline"):
        # Not always: a picture takes a second.
        figure(result).savefig(io.BytesIO(), format="png")


def test_a_match_is_named_and_both_show_the_same(study):
    result = _show(study, "baseline", "permuted", layer="1", head="3")
    own = ORDER[1].index(3)
    assert result.answers[0].startswith(
        f"Head 3 of layer 1 is matched with head {own} of permuted: they are 0.000 nats apart "
        "(Jensen-Shannon), no more than heads of two seeds of one variant are (median 0."
    )
    assert result.answers[1].startswith("0 of 8 pairs are further apart")
    maps = _panel(result, "Layer and head in full")
    assert maps.names == ["baseline: head 3", f"permuted: head {own}", "difference"]
    assert maps.data["difference"].abs().max() < 1e-5
    assert maps.data["baseline: head 3"].max() > 0.5
    losses = _panel(result, "Which tokens baseline predicts better").data
    assert losses["value"][1:].abs().max() < 1e-4
    small = _panel(result, "Every head, and")
    assert not small.data["pale"].any()
    assert small.chosen == (1, 3)
    np.testing.assert_allclose(small.maps[: LAYERS * HEADS], small.maps[LAYERS * HEADS :], atol=1e-5)
    assert small.data["name"].tolist()[LAYERS * HEADS :] == [
        f"layer {layer} head {ORDER[layer].index(head)}" for layer in range(LAYERS) for head in range(HEADS)
    ]
    table = result.tables["matched heads"].set_index(["layer", "head"])
    assert table.loc[(1, 3), "partner"] == own


def test_the_difference_is_the_runs_map_minus_its_partners(study, subject):
    result = _show(study, "learned", "windowed", layer="0", head="2", first="32")
    maps = _panel(result, "Layer and head in full")
    mine, other, difference = maps.names
    partner = int(other.rpartition(" ")[2])
    assert difference == "difference"
    assert maps.diverging == {"difference"}
    ids = subject("learned").encode(TEXT)[0, 32:64]
    for variant, name, head in (("learned", mine, 2), ("windowed", other, partner)):
        expected = _direct(subject(variant), ids)[0][0, head].numpy()
        grid = maps.grid(name)
        assert np.array_equal(np.isnan(grid), ~np.tri(32, dtype=bool))
        np.testing.assert_allclose(grid[np.tri(32, dtype=bool)], expected[np.tri(32, dtype=bool)], atol=1e-6)
    np.testing.assert_allclose(maps.grid("difference"), maps.grid(mine) - maps.grid(other), atol=1e-6)
    assert np.nanmax(np.abs(maps.grid("difference"))) > 0.1


def test_the_difference_of_losses_is_that_of_cross_entropies(study, subject):
    """Also where the runs read windows of different sizes: each token has the same tokens before it."""
    for first, start, stop in (("0", 0, 32), ("40", 32, 64)):
        result = _show(study, "baseline", "learned", first=first)
        data = _panel(result, "Which tokens baseline predicts better (blue) and worse (red)").data
        ids = subject("baseline").encode(TEXT)[0, start:stop]
        losses = [_direct(subject(name), ids)[1].numpy() for name in ("baseline", "learned")]
        assert data["token"].tolist() == subject("baseline").pieces(ids)
        assert math.isnan(data["value"][0])
        np.testing.assert_allclose(data["value"][1:], losses[0] - losses[1], atol=1e-5)
        np.testing.assert_allclose(data["learned"][1:], losses[1], atol=1e-5)
        assert f"baseline {losses[0].mean():.2f}, learned {losses[1].mean():.2f} nats" in result.answers[-2]
        assert any(f"shown are {start} to {stop - 1} of 80" in note for note in result.notes)


def test_without_a_second_seed_nothing_is_called_far(study):
    result = _show(study, "permuted", "baseline")
    assert "There is no second seed to tell whether that is much." in result.answers[0]
    assert not any("pairs are further" in answer for answer in result.answers)
    assert not _panel(result, "Every head").data["pale"].any()


def test_a_second_seed_without_weights_is_no_floor(study, tmp_path, monkeypatch):
    scope = scope_of(study, "baseline", "permuted")
    other = next(Path(path) for path in scope.seeds()["path"] if Path(path).name != scope.run.run_id)
    monkeypatch.setattr(
        RunDirectory,
        "weights",
        property(lambda run: run.path / ("gone" if run.path == other else "model.safetensors")),
    )
    assert "There is no second seed" in VIEW.show(scope, {"text": TEXT}).answers[0]


def test_other_tokens_are_not_compared(study):
    result = _show(study, "merged", "baseline")
    assert result.answers[0] == "baseline splits the text into other tokens: its heads cannot be compared."
    assert "baseline" not in result.answers[1]
    assert [panel.title for panel in result.panels] == [
        "Every head",
        "Layer and head in full",
        "Loss of each token",
    ]
    # The bytes are more than the merged tokens: a later page is beyond the other's text.
    assert (
        _show(study, "baseline", "merged", text=4 * TEXT, first="319").answers[0].startswith("merged splits")
    )


def test_tokens_that_agree_by_chance_do_not_make_vocabularies_one(study, subject, monkeypatch):
    tokenizer = subject("baseline").tokenizer
    monkeypatch.setattr(type(subject("merged").tokenizer), "encode", lambda _, text: tokenizer.encode(text))
    assert "splits the text into other tokens" in _show(study, "merged", "baseline").answers[0]


def test_heads_without_partner_are_told(study):
    pairs = _show(study, "baseline", "small").tables["matched heads"]
    for row in pairs.itertuples():
        first = _show(study, "baseline", "small", layer="0", head=str(row.head)).answers[0]
        if row.partner is pd.NA:
            assert first == f"Head {row.head} of layer 0 has no partner: small has fewer."
        else:
            assert f"is matched with head {row.partner} of small" in first
    result = _show(study, "baseline", "small", layer="1", head="0")
    assert result.answers[0] == "Head 0 of layer 1 has no partner: small has fewer."
    assert _panel(result, "Layer and head in full").names == ["baseline: head 0"]


@pytest.mark.parametrize("text", ["a", "ab"])
def test_the_shortest_texts(text, study):
    result = _show(study, "baseline", "learned", text=text)
    figure(result).savefig(io.BytesIO(), format="png")
    assert _panel(result, "Layer and head in full").grid("baseline: head 0").shape == (len(text), len(text))
    assert any("Loss on this text" in answer for answer in result.answers) == (len(text) > 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"first": "80"}, r"first: '80' is no token .* from 0 to 79"),
        ({"first": "-1"}, r"first: '-1' .* from 0 to 79"),
        ({"first": "1.5"}, r"first: '1.5' .* from 0 to 79"),
        ({"first": "²"}, r"first: '²' .* from 0 to 79"),
        ({"first": ""}, r"first: '' .* from 0 to 79"),
        ({"key": "80"}, r"key: '80' .* from 0 to 31"),
        ({"key": "x"}, r"key: 'x' .* from 0 to 31"),
        ({"key": "32"}, r"key: '32' .* from 0 to 31"),
        ({"first": "40", "key": "31"}, r"key: '31' .* from 32 to 63"),
        ({"text": ""}, r"text: it has no tokens"),
        ({"layer": "2"}, r"layer: unknown '2'.*0, 1"),
        ({"head": "4"}, r"head: unknown '4'.*0, 1, 2, 3"),
        ({"show": "weight"}, r"show: unknown 'weight'.*attention"),
        ({"query": "3"}, r"unknown option 'query'"),
    ],
)
def test_mistakes_name_the_option_and_what_it_takes(options, message, study):
    with pytest.raises(UserError, match=message):
        VIEW.show(scope_of(study, "learned"), {"text": TEXT} | options)


def test_queries_and_keys_can_be_looked_at_apart(study, subject, monkeypatch):
    monkeypatch.setattr(prompt_attention, "TILE", 8)
    maps = _panel(_show(study, "learned", first="44", key="34"), "Layer and head in full")
    assert maps.first == (44, 34)
    pieces = subject("learned").pieces(subject("learned").encode(TEXT)[0])
    assert (maps.queries, maps.keys) == (pieces[44:52], pieces[34:42])
    expected = _direct(subject("learned"), subject("learned").encode(TEXT)[0, 32:64])[0][0, 0, 12:20, 2:10]
    np.testing.assert_allclose(maps.grid("learned: head 0"), expected.numpy(), atol=1e-6)
    later = _panel(_show(study, "learned", first="44", key="50"), "Layer and head in full")
    assert np.isfinite(later.grid("learned: head 0")).sum() == 3  # queries 50, 51 of keys 50, 51
    with pytest.raises(UserError, match=r"key: '52' .* from 32 to 51"):
        VIEW.show(scope_of(study, "learned"), {"text": TEXT, "first": "44", "key": "52"})


def test_the_default_text_is_validation_text(study):
    scope = scope_of(study, "learned")
    result = VIEW.show(scope)
    shown = "".join(_panel(result, "Layer and head in full").queries)
    start = scope.subject().corpus.validation[:CONTEXT]
    assert shown == "".join(scope.subject().pieces(torch.as_tensor(start.astype("int64"))))
    assert result.source.endswith("32 tokens")
    assert VIEW.show(scope_of(study, "learned", "short")).source.endswith("16 tokens")


def test_extrapolation_and_sinks_are_noted(study):
    assert any("longer than the 32 tokens" in note for note in _show(study, "baseline").notes)
    notes = _show(study, "learned", show="attention without the first token").notes
    assert not any("extrapolated" in note for note in notes)
    assert any("The first token, on which heads park" in note for note in notes)


@pytest.mark.parametrize("show", SHOWS)
def test_a_trained_study(show, trained):
    result = VIEW.show(trained, {"show": show, "layer": "1", "head": "1"})
    _check(result)
    assert "is matched with head" in result.answers[0]
    assert "of 4 pairs are further apart" in result.answers[1]
    assert VIEW.available(trained) is None


# Maps in the browser


def _panel_of(**maps):
    """A panel of three queries and two keys; one cell is empty."""
    data = {"query": [0, 1, 1, 2, 2], "key": [0, 0, 1, 0, 1]}
    return TokenMaps(
        title="maps",
        data=pd.DataFrame(data | maps),
        queries=["a", "b", "c"],
        keys=["a", "b"],
        first=(0, 0),
        value="weight",
        diverging=frozenset({"difference"}),
    )


def test_a_grid_has_each_pair_in_its_place():
    panel = _panel_of(one=[0.1, 0.2, 0.3, 0.4, 0.5], difference=[-1.0, 0, 1, 2, 3])
    assert panel.names == ["one", "difference"]
    assert panel.grid("one") == pytest.approx(np.array([[0.1, np.nan], [0.2, 0.3], [0.4, 0.5]]), nan_ok=True)
    data = panel.data
    for name in panel.names:
        back = panel.grid(name)[data["query"], data["key"]]
        assert back.tolist() == pytest.approx(data[name].tolist())


def _decoded(encoded, shape):
    """As ``values`` in token_maps.js."""
    levels = np.frombuffer(base64.b64decode(encoded["levels"]), dtype="<u2").astype(float)
    scale = (encoded["high"] - encoded["low"]) / 65534
    return np.where(levels > 0, encoded["low"] + (levels - 1) * scale, np.nan).reshape(shape)


@pytest.mark.parametrize(
    ("name", "values", "low", "high"),
    [
        ("one", [0.1, 0.2, 0.3, 0.4, 0.5], 0.0, 0.5),
        ("one", [0.5] * 5, 0.0, 0.5),
        ("one", [0.0] * 5, 0.0, 0.0),
        ("one", [1e-9, 1, 2, 3, 4], 0.0, 4.0),
        ("difference", [-0.2, 0.1, 0.0, 0.4, -0.3], -0.3, 0.4),
        ("difference", [0.2, 0.1, 0.3, 0.4, 0.3], 0.1, 0.4),
        ("difference", [-0.5] * 5, -0.5, -0.5),
    ],
)
def test_maps_come_out_of_the_browser_as_they_went_in(name, values, low, high):
    panel = _panel_of(**{name: values})
    encoded = _encoded(panel, name)
    assert (encoded["low"], encoded["high"]) == (pytest.approx(low), pytest.approx(high))
    assert encoded["diverging"] == (name == "difference")
    assert float(encoded["reach"]) == pytest.approx(max(abs(low), abs(high)), rel=1e-2)
    grid, decoded = panel.grid(name), _decoded(encoded, (3, 2))
    assert np.array_equal(np.isnan(decoded), np.isnan(grid))
    assert np.isnan(decoded).sum() == 1
    assert np.nanmax(np.abs(decoded - grid)) <= (high - low) / 65534 + 1e-12


def test_maps_of_a_view_come_out_of_the_browser_as_they_went_in(study):
    for show in SHOWS:
        panel = _panel(_show(study, "learned", "windowed", show=show), "Layer and head in full")
        for name in panel.names:
            encoded, grid = _encoded(panel, name), panel.grid(name)
            decoded = _decoded(encoded, grid.shape)
            assert np.array_equal(np.isnan(decoded), np.isnan(grid))
            assert np.nanmax(np.abs(decoded - grid)) <= (encoded["high"] - encoded["low"]) / 65534
            assert encoded["diverging"] == (name == "difference" or show == "attention minus uniform")
