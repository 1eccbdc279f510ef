"""A study file from results alone: the published studies, asked again, plan what they planned."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from workbench.errors import UserError
from workbench.records.manifest import read_manifest
from workbench.study.design import build_variants
from workbench.study.from_manifest import study_values
from workbench.study.schema import study_of

PUBLISHED = Path(__file__).parents[2] / "results" / "published"
ASKED_AGAIN = ["quickstart", "norms", "positions", "optimizers", "search-confirmed", "noise", "dismantle"]


@pytest.mark.parametrize("name", ASKED_AGAIN)
def test_a_published_study_plans_the_same_variants_and_seeds(name):
    manifest = read_manifest(PUBLISHED / name)
    study = study_of(study_values(manifest), Path(f"{name}.yaml"))
    text = SimpleNamespace(vocabulary=manifest.variants[0].model["vocabulary"])
    found = build_variants(study, SimpleNamespace(of=lambda data: text))
    assert [one.name for one in found] == manifest.names
    assert [one.model.to_dict() for one in found] == [one.model for one in manifest.variants]
    assert [{key: list(pair) for key, pair in one.change.items()} for one in found] == [
        one.change for one in manifest.variants
    ]
    trained = [one.recipe.training.model_dump(mode="json") for one in found]
    for own, recorded in zip(trained, manifest.variants, strict=True):
        assert recorded.training.items() <= own.items()
    assert study.margin == manifest.margin
    assert study.learning_rates == manifest.learning_rates
    seeds = study.seeds.lists()
    assert seeds["tune"] == manifest.seeds.tune
    assert seeds["confirm"] == manifest.seeds.confirm
    assert study.training.tokens == manifest.training["tokens"]


@pytest.mark.parametrize(
    ("name", "why"), [("search", "is a search"), ("ladder", "is a ladder"), ("tuned", "space")]
)
def test_what_a_manifest_cannot_say_is_asked_by_its_file(name, why):
    with pytest.raises(UserError, match=why):
        study_values(read_manifest(PUBLISHED / name))


@pytest.mark.parametrize("name", ["data-halves", "data-quality", "data-scale", "tasks", "tokenizers"])
def test_texts_and_budgets_are_asked_as_they_were(name):
    manifest = read_manifest(PUBLISHED / name)
    study = study_of(study_values(manifest), Path(f"{name}.yaml"))
    assert study.budget == manifest.budget
    assert study.metric == manifest.metric
    units = {one.name: one.budget.unit for one in manifest.variants if one.budget and one.budget.unit}
    assert {one.name: study.budget_unit(one.name) for one in manifest.variants if one.name in units} == units
    assert bool(units) == (name == "data-scale")
    assert list(study.data.evaluation) == [one.name for one in manifest.evaluation]
