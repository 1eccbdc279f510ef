"""Every view of models from elsewhere: GPT-2 and LLaMA, as ``transformers`` knows them."""

import io
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.inspection.tiny_imports import CONTEXT, bring, save_gpt2, save_llama, write_text
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.panel_charts import chart
from workbench.errors import UserError
from workbench.inspection.attention.reading import read_prompt
from workbench.inspection.measuring import lacking, measure_missing
from workbench.inspection.panel_figures import figure
from workbench.inspection.panels import Maps, TokenMaps, Tokens
from workbench.inspection.scope import Scope
from workbench.inspection.tables import known_tables
from workbench.inspection.views import find_view, views
from workbench.records.probes import read_probes
from workbench.records.run import RunDirectory
from workbench.trained import imports

INK = Ink("#111111", "#888888", "#FFFFFF")
NAMES = [view.name for view in views()]
SCOPES = [("gpt2", None), ("llama", None), ("gpt2", "llama"), ("llama", "gpt2")]
# What a view says that cannot be shown for a run.
UNAVAILABLE = {
    ("gpt2", "rope_bands"): "the run's positions are learned, which has no frequencies to look at",
    ("gpt2", "formation"): "these runs were measured once, at their end",
    ("llama", "formation"): "these runs were measured once, at their end",
    ("gpt2", "answers"): "the run is judged on no generated task",
    ("llama", "answers"): "the run is judged on no generated task",
}
CHEAP = {"head_ablation": {"tokens": "96"}, "position_shift": {"windows": "4"}, "recall": {"sequences": "4"}}


@dataclass(frozen=True)
class Imported:
    """Models as ``transformers`` has them, and as runs."""

    theirs: dict[str, torch.nn.Module]
    ours: dict[str, RunDirectory]

    def scope(self, run: str, against: str | None = None) -> Scope:
        return Scope(self.ours[run], self.ours[against] if against else None)


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imported")
    theirs = {"gpt2": save_gpt2(folder / "gpt2"), "llama": save_llama(folder / "llama")}
    theirs["short"] = save_llama(folder / "short", context=32)
    with pytest.MonkeyPatch.context() as patch:
        # As `python-stdlib` would be, but small.
        patch.setattr(imports, "CORPUS", write_text(folder / "text"))
        patch.setenv("WORKBENCH_CACHE", str(folder / "cache"))
        ours = {name: bring(folder / name, folder / "results") for name in theirs}
        measure_missing(list(ours.values()))
    return Imported(theirs, ours)


def _check(result):
    """Words without a missing number, finite numbers, and panels that can be drawn."""
    assert result.answers
    assert result.source
    for words in (*result.answers, *result.notes):
        assert words
        assert not {"nan", "inf", "missing"} & set(words.replace(",", " ").replace(".", " ").split())
    for table in result.all_tables().values():
        assert len(table)
        assert not np.isinf(table.select_dtypes("number").to_numpy(dtype=float, na_value=np.nan)).any()
    for panel in result.panels:
        if not isinstance(panel, Maps | TokenMaps | Tokens):  # those are no charts
            assert chart(panel, INK).to_dict(validate=False)


def test_an_import_is_evaluated_on_the_standard_library_by_default(tmp_path):
    save_gpt2(tmp_path / "gpt2")
    record = bring(tmp_path / "gpt2", tmp_path / "results").read()
    assert record.config["data"]["corpus"] == imports.CORPUS == "python-stdlib"


def test_every_table_is_measured_once(imported):
    for run in imported.ours.values():
        assert lacking(run) == []
        rows = read_probes(run.path)
        assert set(rows["step"]) == {0}
        assert set(rows["table"]) == set(known_tables())
        assert not np.isinf(rows["value"]).any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("run", "against"), SCOPES)
def test_every_view(run, against, name, imported):
    view, scope = find_view(name), imported.scope(run, against)
    expected = UNAVAILABLE.get((run, name))
    if expected:
        assert view.available(scope).startswith(expected)
        with pytest.raises(UserError, match=f"{name}: {expected}"):
            view.show(scope)
        return
    assert view.available(scope) is None
    result = view.show(scope, CHEAP.get(name))
    _check(result)
    if (run, against) == ("gpt2", "llama") or name == "rope_bands":  # a picture takes a second
        figure(result).savefig(io.BytesIO(), format="png")
    for role in (run,) if view.alone else (run, against):
        assert role is None or role in result.source or (name, role) == ("rope_bands", "gpt2")


def test_all_that_is_unavailable_is_known_here(imported):
    found = {
        (run, view.name)
        for run in ("gpt2", "llama")
        for view in views()
        if view.available(imported.scope(run))
    }
    assert found == set(UNAVAILABLE)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_attention_and_losses_are_those_of_transformers(name, imported):
    theirs, subject = imported.theirs[name], imported.scope(name).subject()
    found = read_prompt(subject, subject.tokenizer.decode(subject.corpus.validation[:40]))
    with torch.no_grad():
        answer = theirs(found.ids[None], output_attentions=True)
    for layer, attention in enumerate(answer.attentions):
        assert attention.shape == (1, 4, len(found.ids), len(found.ids))
        assert attention[0].max() > 0.2
        for head, expected in enumerate(attention[0]):
            torch.testing.assert_close(found.shown(layer, head, "attention"), expected, atol=1e-5, rtol=1e-4)
    expected = F.cross_entropy(answer.logits[0, :-1], found.ids[1:], reduction="none")
    torch.testing.assert_close(found.losses, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_the_lens_ends_with_what_transformers_predicts(name, imported):
    theirs, scope = imported.theirs[name], imported.scope(name)
    result = find_view("logit_lens").show(scope, {"text": "return value for alpha in range"})
    rows = next(table for table in result.tables.values() if {"layer", "loss"} <= set(table))
    ids = scope.subject().encode("return value for alpha in range")
    with torch.no_grad():
        logits = theirs(ids).logits[0, :-1]
    last = rows[rows["layer"].astype(str) == str(theirs.config.num_hidden_layers - 1)]
    expected = F.cross_entropy(logits, ids[0, 1:], reduction="none")
    assert last["loss"].tolist() == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.mark.parametrize("name", ["prompt_attention", "logit_lens"])
def test_one_tokenizer_in_two_files_is_one(name, imported):
    result = find_view(name).show(imported.scope("gpt2", "llama"))
    assert not any("other tokens" in answer for answer in result.answers)
    shown = {value for table in result.all_tables().values() for value in table.get("series", [])}
    assert {"gpt2", "llama"} <= shown


def test_heads_of_both_imports_are_matched(imported):
    result = find_view("prompt_attention").show(imported.scope("gpt2", "llama"))
    assert "is matched with head" in result.answers[0]
    assert "There is no second seed" in result.answers[0]
    assert float(result.answers[-1].rpartition(" ")[2].rstrip(".")) < 1e-4
    assert len(result.tables["matched heads"]) == 2 * 4  # the layers that both have
    longer = find_view("prompt_attention").show(imported.scope("llama", "gpt2"), {"text": "alpha beta " * 60})
    assert any(f"{CONTEXT} tokens are read at once" in note for note in longer.notes)


def test_runs_of_another_context_were_measured_on_other_texts(imported):
    for view in views():
        scope = imported.scope("llama", "short")
        if view.name in ("formation", "answers"):
            assert view.available(scope)
            continue
        result = view.show(scope, CHEAP.get(view.name))
        _check(result)
        if view.tables:  # values of two probes share no axis: the run is shown alone
            assert view.at_hand(scope).scope.roles == ("run",)
            assert any("short is left out" in answer for answer in result.answers)
            drawn = {name for table in result.all_tables().values() for name in table.get("series", [])}
            assert "short" not in drawn
