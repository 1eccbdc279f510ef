"""A preset brings its recipe into a study: optimizer settings as defaults, parts at the study's size."""

from pathlib import Path

import pytest
import yaml

from tests.texts import BYTES
from workbench.model import ModelConfig
from workbench.study.design import build_variants
from workbench.study.schema import load_study_file, parse_study
from workbench.training.config import TrainingConfig

ABLATIONS = Path(__file__).parents[2] / "ablations"
BASE = {
    "name": "tiny",
    "question": "does it?",
    "context": 64,
    "size": {"layers": 2, "width": 32, "heads": 2},
    "training": {"tokens": 1000, "batch_size": 2},
    "learning_rates": [0.001],
    "margin": 0.01,
}
NORMS = {"norm": ["rmsnorm", "layernorm"]}


def parse(**changes):
    return parse_study(BASE | {"factors": NORMS} | changes, "study.yaml")


def variants(**changes):
    return build_variants(parse(**changes), BYTES)


@pytest.mark.parametrize("path", sorted(ABLATIONS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_llama_baseline_trains_as_without_a_recipe(path):
    written = yaml.safe_load(path.read_text())
    baseline = written["from"] if written["design"] == "dismantle" else written["baseline"]
    assert (baseline["preset"] if isinstance(baseline, dict) else baseline) == "llama"
    given = written["training"]
    if "rungs" in written:  # which have the tokens
        given = given | {"tokens": written["rungs"][-1]["tokens"]}
    training = load_study_file(path).training
    assert training == TrainingConfig(**given)
    assert training.model_dump_json() == TrainingConfig(**given).model_dump_json()


def test_the_quickstart_is_the_model_that_it_was():
    baseline = build_variants(load_study_file(ABLATIONS / "quickstart.yaml"), BYTES)[0].model
    sizes = {"layers": 2, "width": 64, "heads": 4, "feedforward_width": 176}
    assert baseline == ModelConfig(vocabulary=257, context=128, **sizes)


def test_the_baseline_gives_the_optimizer_and_explicit_keys_win():
    assert parse(baseline="llama2-7b").training.epsilon == 1e-5
    assert parse(baseline={"preset": "gpt-neo-1.3b", "norm": "rmsnorm"}).training.weight_decay == 0.0
    explicit = BASE["training"] | {"epsilon": 1e-6, "betas": [0.8, 0.9]}
    study = parse(baseline="llama2-7b", training=explicit)
    assert (study.training.epsilon, study.training.betas) == (1e-6, (0.8, 0.9))


def test_the_warm_up_stays_the_studys():
    assert parse(baseline="llama-7b").training.warmup == TrainingConfig(tokens=1, batch_size=1).warmup == 0.1
    assert parse(baseline="gpt3-175b").training.tokens == 1000


def test_all_variants_share_the_baselines_training():
    swapped = parse(
        design="explicit", factors={}, variants=[{"name": "neo", "preset": "gpt-neo-1.3b"}], baseline="llama"
    )
    assert swapped.training.weight_decay == 0.1
    assert len(build_variants(swapped, BYTES)) == 2


@pytest.mark.parametrize("baseline", ["llama-65b", "llama3-70b", "gpt3-13b", "gpt-neo-2.7b", "gpt2"])
def test_a_published_baseline_takes_the_studys_size(baseline):
    model = variants(baseline=baseline, factors={"norm_placement": ["pre", "post"]})[0].model
    assert (model.layers, model.width, model.heads, model.head_width) == (2, 32, 2, 16)
    assert (model.vocabulary, model.context) == (257, 64)
    assert model.key_value_heads == (1 if baseline.startswith("llama3") else 2)
    assert model.feedforward_width in (4 * 32, 88)
    assert model.window == (16 if model.attention_pattern else None)


def test_an_unchanged_size_keeps_the_published_one():
    model = variants(baseline="gpt2", size={"layers": 2}, factors={"bias": [True, False]})[0].model
    assert (model.width, model.heads, model.feedforward_width, model.vocabulary) == (768, 12, 3072, 257)


@pytest.mark.parametrize("reference", ["gpt2", "gpt2-xl", "gpt2-nano"])
def test_a_reference_lends_its_parts_not_its_size(reference):
    for size in (BASE["size"], {}):
        baseline, *_, whole = variants(design="leave_one_out", factors={}, reference=reference, size=size)
        ours, theirs = baseline.model, whole.model
        assert (ours.layers, ours.width, ours.heads) == (theirs.layers, theirs.width, theirs.heads)
        assert whole.levels["positions"] == "learned"
        assert abs(whole.mismatch) < 0.05


def test_a_grouped_or_banded_reference_goes_part_by_part():
    found = variants(design="leave_one_out", factors={}, reference="gpt3")
    banded = next(variant for variant in found if variant.name == "attention_pattern=global,local")
    assert banded.change == {
        "window": ("none", "16"),
        "attention_pattern": ("none", "global,local"),
    }
    assert banded.model.layer_windows == (None, 16)
    assert "window=16" not in {variant.name for variant in found}
    grouped = variants(design="leave_one_out", factors={}, reference="llama3")
    assert [variant.name for variant in grouped[1:]] == [
        "positions=rope(base=500000)",
        "key_value_heads=1",
        "llama3",
    ]


def test_a_part_that_alone_does_nothing_is_no_variant():
    names = [v.name for v in variants(design="leave_one_out", factors={}, reference="gpt-neo-125m")]
    assert "qkv_bias=false" not in names  # without biases there is none to leave out
    assert "attention_scale=1" in names
    assert names[-1] == "gpt-neo-125m"
