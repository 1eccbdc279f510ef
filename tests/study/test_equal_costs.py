"""``budget: seconds`` and ``budget: memory``: what is measured, what follows, and what is refused."""

import json
from dataclasses import replace

import pytest
import torch

from tests.claims.claim_studies import step_times
from tests.in_process import workbench
from tests.study.studies import make_study
from workbench.errors import UserError
from workbench.files import read_yaml
from workbench.model.decoder import Decoder
from workbench.model.loss import next_token_loss
from workbench.records.manifest import Manifest
from workbench.study import preparation
from workbench.study.budget import trained_tokens
from workbench.study.plan import Plan
from workbench.study.schema import parse_study
from workbench.study.step_measuring import step_pair
from workbench.study.texts import PreparedTexts
from workbench.study.training_bytes import training_bytes
from workbench.study.warnings import what_is_paired
from workbench.terminal import console

VARIANT = "gpt2"
RATIO = 0.8  # a step of the variant takes so much of the baseline's time
STUDY = {
    "name": "costs",
    "question": "which is better for what it costs?",
    "context": 32,
    "size": {"layers": 1, "width": 32, "heads": 2},
    "design": "explicit",
    "variants": [{"name": VARIANT, "preset": "gpt2"}],
    "learning_rates": [0.01],
    "seeds": {"tune": 0, "confirm": 3},
    "margin": 0.01,
}
TRAINING = {"tokens": 20_000, "batch_size": 12, "evaluations": 2, "evaluation_tokens": 64}


def measured(recipes, texts, cell, *, ratio=RATIO, **changes):
    """Step times as if the second recipe's step took ``ratio`` of the first one's 0.1 s."""
    (first, baseline), *variants = recipes.items()
    pairs = [
        step_pair(name, recipe, baseline, steps=10, blocks=[[0.1 * ratio, 0.1]] * 20)
        for name, recipe in variants
    ]
    own = {"device": cell.device, "precision": cell.precision, "compiled": cell.compiled, "baseline": first}
    return step_times().model_copy(update={"pairs": pairs, **own, **changes})


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """``plan(budget, training, …)``: of a study of two whole recipes."""
    folder = tmp_path_factory.mktemp("costs")
    (folder / "text").mkdir()
    for number in range(30):
        (folder / "text" / f"{number}.txt").write_text(f"{number} of words and words of words " * 60)

    def build(budget, training=None, timed=True, **changes):
        values = STUDY | {"data": {"corpus": {"path": str(folder / "text")}}, "budget": budget}
        values |= {"training": TRAINING | (training or {})} | changes
        study = parse_study(values, "study.yaml")
        texts = PreparedTexts(values["data"]["corpus"], folder / "cache")

        def measure(recipes, texts, device):
            (baseline, *_) = recipes.values()
            return measured(recipes, texts, preparation.cell_of(baseline, device))

        return Plan.build(study, texts, "cpu", measure=measure if timed else None)

    return build


def test_equal_seconds_give_the_cheaper_step_more_tokens_and_a_schedule_of_its_own(plan):
    whole = plan("seconds")
    baseline, cheaper = whole.variants
    assert trained_tokens(cheaper.recipe) == pytest.approx(trained_tokens(baseline.recipe) / RATIO, rel=0.02)
    assert cheaper.recipe.training.tokens == whole.tokens_of(cheaper)  # no longer run is read early
    ours, theirs = (whole.budget_of(one) for one in (cheaper, baseline))
    assert ours.seconds == pytest.approx(theirs.seconds, rel=0.02)
    assert theirs.seconds == pytest.approx(0.1 * whole.steps)
    assert ours.mismatch == pytest.approx(ours.seconds / theirs.seconds - 1)


def test_the_manifest_keeps_what_equal_seconds_were_planned_by(plan, tmp_path):
    manifest = plan("seconds").manifest("")
    manifest.write(tmp_path)
    kept = Manifest.model_validate(read_yaml(tmp_path / "study.yaml"))
    assert kept == manifest
    assert kept.step_times.pair(VARIANT).ratio == pytest.approx(RATIO)
    assert plan("flops").manifest("").to_dict().keys().isdisjoint({"step_times"})


def test_equal_seconds_need_a_machine_to_measure_on_and_one_size(plan):
    with pytest.raises(UserError, match="costs: budget: seconds are measured on the machine that trains"):
        plan("seconds", timed=False)
    rungs = [{"tokens": 1000}, {"tokens": 2000}]
    values = STUDY | {"rungs": rungs, "budget": "seconds", "training": {"batch_size": 4}}
    with pytest.raises(UserError, match="budget: seconds are measured for one size, and a ladder has"):
        parse_study(values, "study.yaml")


def test_equal_memory_solves_the_batch_and_leaves_the_tokens(plan):
    whole = plan("memory", {"tokens": 40_000})
    baseline, other = whole.variants
    assert other.recipe.training.batch_size > baseline.recipe.training.batch_size == 12
    assert whole.tokens_of(other) == pytest.approx(whole.tokens, rel=0.05)
    held = [training_bytes(one.recipe).at(one.recipe.training.batch_size) for one in (baseline, other)]
    budgets = [whole.budget_of(one) for one in (baseline, other)]
    assert [one.memory for one in budgets] == held
    assert budgets[1].mismatch == pytest.approx(held[1] / held[0] - 1)
    assert abs(budgets[1].mismatch) < 0.05
    manifest = whole.manifest("")
    assert manifest.variants[1].training["batch_size"] == other.recipe.training.batch_size
    assert manifest.to_dict()["budget"] == "memory"
    assert "not batches (batch_size cuts them otherwise)" in what_is_paired(whole)
    # Its runs have that batch.
    assert whole.config(other)["training"]["batch_size"] == other.recipe.training.batch_size


@pytest.mark.parametrize("preset", ["llama", "gpt2"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_bytes_are_those_that_autograd_saves_at_any_batch_size(plan, preset, precision):
    swap = [{"name": VARIANT, "feedforward": "relu"}]
    recipe = plan("tokens", {"precision": precision}, baseline=preset, variants=swap).baseline.recipe
    found, decoder, kept = training_bytes(recipe), Decoder(recipe.model), {}
    own = {parameter.untyped_storage().data_ptr() for parameter in decoder.parameters()}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    tokens = torch.zeros(5, recipe.model.context, dtype=torch.long)
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"),
    ):
        next_token_loss(decoder, tokens, tokens)
    saved = sum(size for size, _ in kept.values())
    assert found.shared + 5 * found.each == pytest.approx(saved, rel=0.01)
    assert found.model == 16 * recipe.model.num_parameters()  # parameters, gradients, AdamW's two moments
    assert found.batch_size(found.at(7)) == 7


@pytest.mark.parametrize(
    ("training", "variant", "wanted"),
    [
        (
            {"batch_size": 1},
            {"size": {"layers": 3}},
            "whole windows come nearer",
        ),
        ({"gradient_accumulation": 2}, {"norm": "layernorm"}, "leave that out of training"),
        ({}, {"batch_size": 24}, "leave batch_size out of its levels, or take another budget"),
    ],
)
def test_memory_that_cannot_be_equal_is_refused(plan, training, variant, wanted):
    with pytest.raises(UserError, match="costs: budget: ") as caught:
        plan("memory", training, variants=[{"name": VARIANT, **variant}], match="none")
    assert str(caught.value).endswith(wanted)
    assert len(str(caught.value).splitlines()) == 1


def test_a_run_measures_once_and_goes_on_by_the_same_times(tmp_path, monkeypatch):
    calls = []

    def measure(recipes, texts, cell, **options):
        calls.append(options["blocks"])
        return measured(recipes, texts, cell, others=0.5)

    monkeypatch.setattr(preparation, "measure_recipes", measure)
    make_study(tmp_path, budget="seconds", learning_rates=[0.01], seeds={"tune": 0, "confirm": 2})
    checked = json.loads(workbench(tmp_path, "check", "tiny.yaml", "--json").stdout)
    assert calls == [3]
    assert any("run measures 20 before its first trial" in note for note in checked["notes"]) is False
    for _ in range(2):
        answer = workbench(tmp_path, "run", "tiny.yaml")
        assert answer.returncode == 0, answer.stderr
    assert calls == [3, 20]  # and then no more
    manifest = Manifest.model_validate(read_yaml(tmp_path / "results" / "tiny" / "study.yaml"))
    tokens = [one.budget.tokens for one in manifest.variants]
    assert tokens[1] > tokens[0]
    assert not manifest.amendments
    notes = json.loads(workbench(tmp_path, "report", "tiny", "--json").stdout)["notes"]
    text = " ".join(map(str, notes))
    assert "a training token takes, of the baseline's time, norm=layernorm 0.800" in text
    assert "equal seconds: other processes kept 50 % of the cores busy" in text


def test_step_times_in_doubt_are_measured_anew_until_something_was_trained_by_them(
    plan, tmp_path, monkeypatch
):
    whole = plan("seconds")
    doubtful = whole.step_times.model_copy(update={"others": 0.5})
    whole.manifest("").model_copy(update={"step_times": doubtful}).write(tmp_path)
    monkeypatch.setattr(
        preparation, "measure_recipes", lambda recipes, texts, cell, **options: measured(recipes, texts, cell)
    )
    recipes = {one.name: one.recipe for one in whole.variants}
    before = preparation.StepTimesBefore(tmp_path, console(), 20)
    assert before(recipes, whole.texts, "cpu").others == pytest.approx(0.02)
    (tmp_path / "runs" / "0123456789ab").mkdir(parents=True)
    assert before(recipes, whole.texts, "cpu") == doubtful


def test_step_times_of_another_model_are_measured_anew(plan, tmp_path):
    whole = plan("seconds")
    whole.manifest("").write(tmp_path)
    recipes = {one.name: one.recipe for one in whole.variants}
    kept = preparation.StepTimesBefore(tmp_path, None, 20)(recipes, whole.texts, "cpu")
    assert kept == whole.step_times
    wider = replace(recipes[VARIANT], model=recipes[VARIANT].model.with_levels(feedforward_width=256))
    assert not preparation.step_times_fit(kept, recipes | {VARIANT: wider})
