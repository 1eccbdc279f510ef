"""Factors of training: each through each design, at equal tokens; twins and what cannot be are refused."""

import json
from pathlib import Path

import pytest

from tests.texts import BYTES
from workbench.data.batches import EvaluationBatches, TrainingBatches, prepare
from workbench.errors import UserError
from workbench.records.run import config_hash, run_id
from workbench.study.budget import trained_tokens
from workbench.study.design import build_variants
from workbench.study.plan import Plan
from workbench.study.schema import Data, load_study_file, parse_study
from workbench.study.warnings import study_warnings, what_is_paired
from workbench.training.config import TrainingConfig

ROOT = Path(__file__).parents[2]
STUDY = {
    "name": "tiny",
    "question": "does it?",
    "context": 32,
    "size": {"layers": 1, "width": 32, "heads": 2},
    "training": {"tokens": 2560, "batch_size": 4, "evaluations": 2, "evaluation_tokens": 64},
    "learning_rates": [0.01],
    "seeds": {"confirm": 3},
    "margin": 0.01,
}
# Of each factor a level that is not the baseline's, and the labels of both.
LEVELS = [
    ("weight_decay", 0.0, "0.1", "0"),
    ("betas", [0.9, 0.99], "0.9,0.95", "0.9,0.99"),
    ("batch_size", 8, "4", "8"),
    ("epsilon", "1e-6", "1e-08", "1e-06"),
    ("warmup", 0, "0.1", "0"),
    ("final_rate", 0.5, "0.1", "0.5"),
    ("clip", None, "1", "none"),
    ("precision", "bf16", "fp32", "bf16"),
    ("rate_multiplier", 1.1, "1", "1.1"),
    ("draws", "twin", "usual", "twin"),
    ("dropout", 0.2, "0", "0.2"),
    ("size", {"layers": 2, "width": 64}, "1x32x2", "2x64x2"),
]
OWN = {
    "betas": [0.9, 0.95],
    "size": {"layers": 1, "width": 32, "heads": 2},
    "clip": 1.0,
    "precision": "auto",
    "dropout": 0,
}


def own(factor):
    """The baseline's level as a study file writes it."""
    defaults = TrainingConfig(**STUDY["training"])
    return OWN[factor] if factor in OWN else getattr(defaults, factor)


def variants(training=(), **changes):
    values = STUDY | {"training": STUDY["training"] | dict(training)} | changes
    return build_variants(parse_study(values, "study.yaml"), BYTES)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    for index in range(20):
        (folder / f"{index}.txt").write_text("".join(f"{index} has line {line}\n" for line in range(60)))
    return prepare({"path": str(folder)}, "bytes", folder / "cache")


@pytest.fixture
def plan(corpus):
    def build(training=(), **changes):
        values = STUDY | {"training": STUDY["training"] | dict(training)} | changes
        return Plan.build(parse_study(values, "study.yaml"), corpus, "cpu")

    return build


def test_every_field_of_training_that_may_differ_is_tried_here():
    tried = {factor for factor, *_ in LEVELS}
    assert {"weight_decay", "betas", "batch_size", "warmup", "clip"} <= set(TrainingConfig.factors())
    # What is registered with levels of its own has a suite of its own.
    assert set(TrainingConfig.factors()) - {"optimizer", "schedule"} <= tried
    assert not {"tokens", "evaluations", "evaluation_tokens", "threads"} & set(TrainingConfig.factors())


def designs(factor, level):
    """The same swap in each design, beside another of a part."""
    return {
        "one_at_a_time": {"factors": {factor: [own(factor), level], "norm": ["rmsnorm", "layernorm"]}},
        "full_factorial": {"factors": {factor: [own(factor), level], "norm": ["rmsnorm", "layernorm"]}},
        "leave_one_out": {"reference": {factor: level, "norm": "layernorm"}},
        "explicit": {"variants": [{"name": "it", factor: level}, {"name": "two", "norm": "layernorm"}]},
    }


@pytest.mark.parametrize(("factor", "level", "ours", "theirs"), LEVELS)
def test_each_factor_goes_through_each_design(plan, factor, level, ours, theirs):
    for design, keys in designs(factor, level).items():
        whole = plan(design=design, **keys)
        (swapped,) = [one for one in whole.variants if list(one.change) == [factor]]
        assert swapped.change == {factor: (ours, theirs)}, design
        assert swapped.name in (f"{factor}={theirs}", "it")
        assert swapped.levels[factor] == theirs
        # The configuration of its runs has it, and is no other variant's.
        config, baseline = whole.config(swapped), whole.config(whole.baseline)
        assert len({config_hash(whole.config(one)) for one in whole.variants}) == len(whole.variants)
        changed = {
            key for part in config for key in config[part] if config[part][key] != baseline[part].get(key)
        }
        assert factor in changed or factor == "size"
        assert config["training"]["tokens"] == baseline["training"]["tokens"]
        # So have the manifest's entry, and a mapping of training only where that differs.
        described = whole.manifest("").to_dict()["variants"][whole.variants.index(swapped)]
        assert described["change"] == {factor: [ours, theirs]}
        if factor in TrainingConfig.model_fields:
            written = json.loads(TrainingConfig(**{**STUDY["training"], factor: level}).model_dump_json())
            assert described["training"] == {factor: written[factor]}
        else:
            assert "training" not in described
        others = [
            entry for entry in whole.manifest("").to_dict()["variants"] if factor not in entry["change"]
        ]
        assert not [entry for entry in others if "training" in entry]


def test_factors_of_both_parts_cross(plan):
    whole = plan(
        design="full_factorial",
        factors={"weight_decay": [0.1, 0.0], "norm": ["rmsnorm", "layernorm"], "dropout": [0, 0.1]},
    )
    assert len(whole.variants) == 8
    both = next(one for one in whole.variants if len(one.change) == 3)
    assert both.name == "norm=layernorm,dropout=0.1,weight_decay=0"
    assert (both.model.norm.name, both.model.dropout) == ("layernorm", 0.1)
    assert both.recipe.training.weight_decay == 0


def test_a_variant_whose_training_is_the_studys_own_is_the_run_that_it_was(plan):
    """It does not matter what else the study compares."""
    alone = plan(factors={"norm": ["rmsnorm", "layernorm"]})
    factors = {"norm": ["rmsnorm", "layernorm"], "weight_decay": [0.1, 0], "batch_size": [4, 8]}
    beside = plan(factors=factors)
    for one in alone.variants:
        twin = next(other for other in beside.variants if other.name == one.name)
        assert alone.config(one) == beside.config(twin)
    assert "training" not in alone.manifest("").to_dict()["variants"][0]


@pytest.mark.parametrize(
    ("study", "overrides"), [("quickstart", []), ("positions", ["training.tokens=400_000"])]
)
def test_published_runs_are_those_of_their_study_file(study, overrides):
    """Nothing that a recipe can say beside changes what was said before."""
    paths = sorted((ROOT / "results" / "published" / study / "runs").glob("*/run.json"))
    runs = {path.parent.name: json.loads(path.read_text()) for path in paths}
    assert len(runs) > 40
    device = next(iter(runs.values()))["config"]["training"]["device"]
    study_file = load_study_file(ROOT / "ablations" / f"{study}.yaml", overrides)
    made = {one.name: one.recipe for one in build_variants(study_file, BYTES, device=device)}
    for name, run in runs.items():
        recipe = made[run["variant"]]
        training = recipe.training.model_dump(mode="json") | {"device": device}
        config = {"model": recipe.model.to_dict(), "data": run["config"]["data"], "training": training}
        early = {"learning_rate": run.get("learning_rate")}  # its own field then
        assert run_id(config, run["phase"], run.get("hyperparameters", early), run["seed"]) == name


def test_the_baseline_sets_training_too():
    found = variants(
        baseline={"preset": "llama", "norm": "layernorm", "weight_decay": 0.05},
        factors={"norm": ["layernorm", "rmsnorm"], "weight_decay": [0.05, 0.0]},
    )
    assert [one.recipe.training.weight_decay for one in found] == [0.05, 0.05, 0.0]
    assert found[0].levels["weight_decay"] == "0.05"
    # The preset's own is what the study leaves out, and no second answer.
    other = variants(
        baseline={"preset": "gpt2-xl", "weight_decay": 0.3}, factors={"norm": ["layernorm", "rmsnorm"]}
    )
    assert other[0].recipe.training.weight_decay == 0.3


def test_two_answers_are_one_or_refused():
    norms = {"factors": {"norm": ["rmsnorm", "layernorm"]}}
    same = variants({"weight_decay": "5e-2"}, baseline={"weight_decay": 0.05}, **norms)
    assert same[0].recipe.training.weight_decay == 0.05
    message = r"baseline\.weight_decay: is 0\.05, and training\.weight_decay is 0\.1; remove one of them"
    with pytest.raises(UserError, match=message):
        variants({"weight_decay": 0.1}, baseline={"weight_decay": 0.05}, **norms)
    with pytest.raises(UserError, match=r"baseline\.size: .* write it as size"):
        variants(baseline={"size": {"layers": 2}}, **norms)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"weight_decai": [0.1, 0]}, r"unknown factor 'weight_decai'; did you mean 'weight_decay'"),
        ({"weight_decay": [0.1, -1]}, r"factors: weight_decay: input should be greater than or equal to 0"),
        ({"weight_decay": [0.1, True]}, r"weight_decay: true is no number"),
        ({"weight_decay": [0.1, "1e-1"]}, r"factors\.weight_decay: a level is listed twice"),
        ({"weight_decay": [0.2, 0.0]}, r"baseline's level '0.1' is not in 0.2, 0; add it, or write"),
        ({"betas": [[0.9, 0.95], [0.9]]}, r"betas\.1: is missing: the list is too short"),
        ({"betas": [[0.9, 0.95], 0.9]}, r"betas: input should be a list, got 0.9"),
        ({"batch_size": [4, 0]}, r"batch_size: input should be greater than 0"),
        ({"batch_size": [4, "20,000"]}, r"batch_size: 20,000 is text, for its comma; write 20000|20_000"),
        ({"precision": ["fp32", "fp16"]}, r"precision: input should be 'auto', 'fp32' or 'bf16'"),
        ({"precision": ["fp32", "auto"]}, r"factors\.precision: a level is listed twice"),  # on a CPU
        ({"dropout": [0, 1]}, r"dropout: 1.0 is not in \[0, 1\); use for example 0.1"),
        ({"size": ["small", "large"]}, r"size: 'small' is no size; give layers, width and heads"),
        ({"size": [{"layers": 1}, {"widht": 64}]}, r"size\.widht: unknown key; did you mean 'width'"),
        ({"size": [{"layers": 1}, {"feedforward_width": 8}]}, r"size\.feedforward_width: .* remove it"),
        ({"size": [{"width": 64}, {"width": 128}]}, r"'1x32x2' is not in .*; add it, or give it as size"),
        ({"tokens": [1, 2]}, r"'tokens'; it is the same for all variants: set training\.tokens"),
        ({"corpus": ["python-stdlib", "b"]}, r"factors: data\.corpus: unknown corpus 'b'"),
        (
            {"tokenizer": ["bytes", "words"]},
            r"factors: data\.tokenizer: unknown tokenizer 'words'; give bytes",
        ),
        ({"tokenizer": ["bytes", {"bpe": 12}]}, r"data\.tokenizer\.bpe: the vocabulary 12 is not a whole"),
        ({"context": [32, 1]}, r"context: 1 is no whole number from 2 to .*; give for example 256"),
        ({"context": [32, "1,024"]}, r"context: 1,024 is text, for its comma; write 1_?024"),
        ({"context": [32, 48]}, r"of 4 × 32 tokens is no whole number of windows of 48; take .* divides 128"),
        ({"context": [16, 64]}, r"the baseline's level '32' is not in 16, 64; add it, or give it as context"),
        ({"evaluation": [1, 2]}, r"'evaluation'; it is the same for all variants: set data\.evaluation"),
        ({"learning_rate": [1, 2]}, r"'learning_rate'; it is tuned for each variant: .* learning_rates"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(factors, message):
    with pytest.raises(UserError, match=message):
        variants(factors=factors)


def test_what_trains_alike_is_no_second_variant():
    """Ten steps have as many of a rising rate at 0.1 as at 0.11."""
    with pytest.raises(UserError, match=r"'baseline' and 'warmup=0.11' are the same model, trained alike"):
        variants({"tokens": 1280}, factors={"warmup": [0.1, 0.11]})
    assert len(variants({"tokens": 1280}, factors={"warmup": [0.1, 0.2]})) == 2
    twins = [{"name": "a", "weight_decay": 0.2}, {"name": "b", "weight_decay": "2e-1"}]
    with pytest.raises(UserError, match="'a' and 'b' are the same model, trained alike; remove one"):
        variants(design="explicit", variants=twins)


def test_larger_batches_take_fewer_steps_to_the_same_tokens(plan):
    whole = plan(factors={"batch_size": [4, 8, 16]})
    assert [whole.steps_of(one) for one in whole.variants] == [24, 12, 6]  # 20, 10 and 5: no two halves
    assert [trained_tokens(one.recipe) for one in whole.variants] == [3072] * 3


def test_tokens_are_equal_where_batches_do_not_divide_each_other(plan):
    whole = plan({"tokens": 4000, "evaluations": 3}, factors={"batch_size": [4, 6]})
    tokens = [trained_tokens(one.recipe) for one in whole.variants]
    assert len(set(tokens)) == 1
    assert tokens[0] == whole.tokens >= 4000
    steps = [whole.steps_of(one) for one in whole.variants]
    assert all(count % 3 == 0 for count in steps)  # so that evaluations fall at the same tokens
    assert whole.manifest("").training["tokens"] == whole.tokens


def test_evaluations_that_were_left_out_are_as_many_for_all(plan):
    training = {key: item for key, item in STUDY["training"].items() if key != "evaluations"}
    whole = plan(training={}, factors={"batch_size": [4, 16]})
    assert [one.recipe.training.evaluations for one in whole.variants] == [2, 2]
    values = STUDY | {"training": training, "factors": {"batch_size": [4, 16]}}
    found = build_variants(parse_study(values, "study.yaml"), BYTES)
    assert [one.recipe.training.evaluations for one in found] == [5, 5]


def test_batches_that_fall_on_no_common_tokens_are_refused():
    with pytest.raises(UserError, match=r"batch_size: 4, 7, 9 fall on the same tokens .* more training"):
        variants(factors={"batch_size": [4, 7, 9]})
    message = r"batch_size=64: training\.evaluations: 2 would multiply the budget: .* give 1 or fewer"
    with pytest.raises(UserError, match=message):
        variants({"tokens": 2000}, factors={"batch_size": [4, 64]})


def test_all_batch_sizes_are_judged_on_the_same_targets(corpus):
    targets = []
    for size in (4, 6):
        batches = EvaluationBatches(corpus, 32, size, 512)
        targets.append([row.tolist() for _, block, *_ in batches for row in block])
    assert targets[0] == targets[1]
    orders = [TrainingBatches(corpus.train, 32, size, seed=1) for size in (4, 8)]
    halves = [start for step in (0, 1) for start in orders[0].starts(step)]
    assert halves == list(orders[1].starts(0))  # the text comes in one order, cut into other batches


def test_a_ladder_of_sizes_is_matched_within_each_size():
    found = variants(
        design="full_factorial",
        factors={"size": [{}, {"width": 64, "heads": 4}], "feedforward": ["swiglu", "relu"]},
    )
    models = {one.name: one for one in found}
    large, crossed = models["size=1x64x4"], models["feedforward=relu,size=1x64x4"]
    assert (large.mismatch, large.model.feedforward_width) == (None, 176)
    assert large.model.key_value_heads == 4  # as many as heads, as in the baseline, and no change of its own
    expected = crossed.model.nonembedding_parameters() / large.model.nonembedding_parameters() - 1
    assert crossed.mismatch == pytest.approx(expected)
    assert abs(crossed.mismatch) < 0.05


def test_shared_key_heads_stay_shared_on_a_ladder():
    base = {"baseline": {"key_value_heads": 1}}
    found = variants(factors={"size": [{}, {"width": 64, "heads": 4}]}, **base)
    assert (found[1].model.heads, found[1].model.key_value_heads) == (4, 2)
    with pytest.raises(UserError, match=r"size: 2 heads share a key head, and 3 heads .* give 2 heads"):
        variants(factors={"size": [{}, {"width": 48, "heads": 3}]}, **base)


def test_a_study_that_starts_from_a_run_has_its_size():
    trained = variants(factors={"norm": ["rmsnorm", "layernorm"]})[0].model
    base = {key: item for key, item in STUDY.items() if key != "size"} | {"start": "imported/x"}

    def started(factors):
        return build_variants(parse_study(base | {"factors": factors}, "study.yaml"), BYTES, trained)

    assert [one.recipe.training.weight_decay for one in started({"weight_decay": [0.1, 0.0]})] == [0.1, 0.0]
    with pytest.raises(UserError, match="size: a study that starts from a run has that run's; remove it"):
        started({"size": [{}, {"layers": 2}]})


def test_check_says_what_stays_paired_and_what_a_swap_changes_beside(plan):
    whole = plan(factors={"batch_size": [4, 8], "precision": ["fp32", "bf16"], "dropout": [0, 0.1]})
    paired = what_is_paired(whole)
    assert paired is not None
    assert paired.startswith("initial values by name, validation tokens and the order of the training text")
    assert paired.endswith("not batches (batch_size cuts them otherwise)")
    found = study_warnings(whole, whole.manifest(""))
    assert [text.partition(":")[0] for text in found] == ["batch_size=8", "dropout=0.1", "precision=bf16"]
    assert what_is_paired(plan(factors={"weight_decay": [0.1, 0]})) is None
    assert study_warnings(plan(factors={"weight_decay": [0.1, 0]}), whole.manifest("")) == []
    (untied,) = study_warnings(plan(factors={"tied_embeddings": [False, True]}), whole.manifest(""))
    assert untied.startswith("tied_embeddings=true: tied_embeddings: ")


def test_parts_with_one_name_are_told_apart(monkeypatch):
    baseline = variants(factors={"norm": ["rmsnorm", "layernorm"]})[0].recipe
    assert "norm" in baseline.labels()
    monkeypatch.setattr(TrainingConfig, "factors", classmethod(lambda cls: ["dropout", "clip"]))
    monkeypatch.setattr(TrainingConfig, "dropout", 0.0, raising=False)
    labels = baseline.labels()
    assert {"model.dropout", "training.dropout", "clip", "norm"} <= labels.keys()
    assert "dropout" not in labels
    assert baseline.with_levels(**{"model.dropout": 0.5}).model.dropout == 0.5
    with pytest.raises(UserError, match=r"unknown factor 'dropout'"):
        baseline.with_levels(dropout=0.5)


def test_optimizers_and_schedules_are_factors_like_any_other():
    found = variants(factors={"optimizer": ["adamw", "lion"], "schedule": ["cosine", "wsd"]})
    assert [one.name for one in found] == ["baseline", "optimizer=lion", "schedule=wsd"]
    # What an optimizer or a schedule does not read makes no second variant.
    with pytest.raises(UserError, match=r"'baseline' and 'betas=0\.9,0\.99' are the same model"):
        variants({"optimizer": "lion"}, factors={"betas": [[0.9, 0.95], [0.9, 0.99]]})
    with pytest.raises(UserError, match=r"'baseline' and 'final_rate=0\.2' are the same model"):
        variants({"schedule": "constant"}, factors={"final_rate": [0.1, 0.2]})


def test_a_presets_parts_keep_the_baselines_dropout():
    swapped = [{"name": "neo", "preset": "gpt2"}]
    _, neo = variants(design="explicit", variants=swapped, baseline={"dropout": 0.1})
    assert neo.model.dropout == 0.1
    assert "dropout" not in neo.change


def test_recipes_are_equal_when_their_parts_are():
    one = variants(factors={"weight_decay": [0.1, 0]})
    other = variants(factors={"weight_decay": [0.1, 0]})
    assert [first.recipe == second.recipe for first, second in zip(one, other, strict=True)] == [True, True]
    assert one[0].recipe != one[1].recipe
    assert one[0].recipe.data == Data()
    assert one[0].model is one[0].recipe.model
