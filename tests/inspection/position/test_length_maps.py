"""Maps of one run at another length than it was trained with, beside the loss of the same tokens."""

import io
from dataclasses import replace

import numpy as np
import pytest

from workbench.errors import UserError
from workbench.inspection.capture import capture
from workbench.inspection.measuring import probe_of
from workbench.inspection.panel_figures import figure
from workbench.inspection.position import length_maps_view
from workbench.inspection.position.extrapolation import scored_targets, tail_losses
from workbench.inspection.views import find_view

VIEW = find_view("length_maps")
TRAINED = 32


@pytest.fixture
def rotary(trained):
    """The rotary baseline of a study that was really trained, against learned positions."""
    return replace(trained, run=trained.against, against=trained.run)


def panels_of(result):
    return {panel.tab: panel for panel in result.panels[1:]}  # the first is of small maps


@pytest.mark.parametrize("length", [16, 64, 128])
def test_maps_and_losses_are_those_of_the_end_of_one_text(rotary, length):
    result = VIEW.show(rotary, {"length": str(length), "layer": "1", "head": "1"})
    figure(result).savefig(io.BytesIO(), format="svg")
    subject = rotary.subject()
    probe = probe_of(subject)
    targets = scored_targets(probe)
    maps, losses = result.panels[1], panels_of(result)["Loss by token"]
    longest = max(length, TRAINED)
    assert maps.names == [f"{length:,} tokens", f"{TRAINED:,} tokens, as trained", "difference"]
    for name, tokens in zip(maps.names, (length, TRAINED), strict=False):
        with capture(subject.decoder, {"probabilities"}, [1]) as seen:
            subject.decoder(probe.long[:1, -(tokens + 1) : -1])
        wanted = seen["probabilities", 1][0, 1].numpy()
        queries = min(targets, tokens)
        found = maps.grid(name)[-queries:, -tokens:]
        np.testing.assert_allclose(np.nan_to_num(found), wanted[-queries:], atol=1e-5)
    assert (len(maps.queries), len(maps.keys)) == (targets, longest)
    here, trained = (
        tail_losses(subject.decoder, probe.long[:1], c, targets)[0][0] for c in (length, TRAINED)
    )
    np.testing.assert_allclose(losses.data["value"], (here - trained).detach().numpy(), atol=1e-5)
    assert ("Beyond training" in panels_of(result)) == (length > TRAINED)


def test_attention_beyond_the_training_length_is_its_share(rotary):
    result = VIEW.show(rotary, {"length": "64"})
    subject = rotary.subject()
    probe = probe_of(subject)
    with capture(subject.decoder, {"probabilities"}) as seen:
        subject.decoder(probe.long[:1, -65:-1])
    shares = panels_of(result)["Beyond training"].data.set_index(["y", "x"])["value"]
    for layer, head in shares.index:
        attention = seen["probabilities", layer][0, head]
        far = [float(attention[query, : query - TRAINED + 1].sum()) for query in range(48, 64)]
        assert shares[layer, head] == pytest.approx(100 * np.mean(far), abs=1e-3)
    assert "goes further back than any in training" in " ".join(result.answers)


def test_what_cannot_be_shown_is_said(rotary, monkeypatch):
    monkeypatch.setattr(length_maps_view, "_LARGEST", 2 * TRAINED**2)  # as many as two heads have
    length = next(option for option in VIEW.options if option.name == "length")
    assert max(map(int, length.choices(rotary))) == TRAINED
    monkeypatch.setattr(length_maps_view, "_LARGEST", 2 * TRAINED**2 - 1)
    with pytest.raises(UserError, match="maps of the 32 tokens that it was trained on take too much memory"):
        VIEW.show(rotary)
    whole = probe_of(rotary.subject())
    short = replace(whole, long=whole.long[:, :20])
    monkeypatch.setattr(length_maps_view, "probe_of", lambda subject: short)
    with pytest.raises(UserError, match="text is too short for contexts of 32 tokens"):
        VIEW.show(rotary)


def test_a_table_of_positions_has_maps_up_to_its_end(trained):
    length = next(option for option in VIEW.options if option.name == "length")
    assert max(map(int, length.choices(trained))) == TRAINED
    result = VIEW.show(trained, {})
    assert result.panels[1].names == ["32 tokens, as trained"]
    assert panels_of(result)["Loss by token"].title == "Loss of each scored token"
    assert "against" not in result.source
