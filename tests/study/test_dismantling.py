"""Two recipes taken apart: which variants there are, which parts are one, and what is refused."""

import json

import pytest
import yaml

from tests import in_process
from tests.study.studies import TINY, make_study
from tests.texts import BYTES
from workbench.errors import UserError
from workbench.study.check import render_check
from workbench.study.design import build_design
from workbench.study.schema import parse_study

BASE = {
    "name": "tiny",
    "question": "does it?",
    "context": 32,
    "size": {"layers": 2, "width": 32, "heads": 2},
    "design": "dismantle",
    "training": {"tokens": 1000, "batch_size": 2},
    "learning_rates": [0.001],
    "margin": 0.01,
}


def study(origin, to, **changes):
    return parse_study(BASE | {"from": origin, "to": to} | changes, "study.yaml")


def taken_apart(origin, to, **changes):
    """The variants by name, and the stack."""
    variants, stack, _ = build_design(study(origin, to, **changes), BYTES)
    return {variant.name: variant for variant in variants}, stack


@pytest.fixture(scope="module")
def llama_to_gpt2():
    return taken_apart("llama", "gpt2")


def test_each_part_is_left_out_of_the_one_and_added_to_the_other(llama_to_gpt2):
    variants, stack = llama_to_gpt2
    assert list(variants) == [
        "baseline",
        "positions=learned",
        "norm=layernorm",
        "feedforward=gelu_tanh",
        "initialization=gpt2",
        "tied_embeddings=true",
        "bias=true",
        "gpt2",
        "gpt2+positions=rope",
        "gpt2+norm=rmsnorm",
        "gpt2+feedforward=swiglu",
        "gpt2+initialization=llama",
        "gpt2+tied_embeddings=false",
        "gpt2+bias=false",
    ]
    assert (stack.origin, stack.whole) == ("llama", "gpt2")
    everything = {factor for part in stack.parts for factor in part.factors}
    assert set(variants["gpt2"].change) == everything
    for part in stack.parts:
        assert set(variants[part.out].change) == set(part.factors)
        assert set(variants[part.into].change) == everything - set(part.factors)


def test_a_part_that_is_exchanged_is_as_in_the_other_recipe_at_matched_size(llama_to_gpt2):
    variants, stack = llama_to_gpt2
    ours, theirs = variants["baseline"].levels, variants["gpt2"].levels
    for part in stack.parts:
        swapped = {factor: theirs[factor] for factor in part.factors}
        kept = {factor: ours[factor] for factor in part.factors}
        assert variants[part.out].levels == ours | swapped
        assert variants[part.into].levels == theirs | kept
    assert all(abs(variant.mismatch) < 0.05 for variant in variants.values())


def test_with_two_parts_leaving_out_the_one_is_adding_the_other():
    variants, stack = taken_apart("llama", {"norm": "layernorm", "bias": True})
    assert list(variants) == ["baseline", "norm=layernorm", "bias=true", "llama-changed"]
    assert [(part.factors, part.out, part.into) for part in stack.parts] == [
        (("norm",), "norm=layernorm", "bias=true"),
        (("bias",), "bias=true", "norm=layernorm"),
    ]


def test_a_single_part_is_the_whole():
    variants, stack = taken_apart("llama", {"norm": "layernorm"})
    assert list(variants) == ["baseline", "llama-changed"]
    assert [(part.factors, part.out, part.into) for part in stack.parts] == [
        (("norm",), "llama-changed", "baseline")
    ]


def parts(origin, to, **changes):
    return [part.factors for part in taken_apart(origin, to, **changes)[1].parts]


def test_what_means_nothing_apart_is_one_part():
    assert ("window", "attention_pattern") in parts("llama", "gpt3")
    assert ("context", "batch_size") in parts("llama", {"norm": "none", "context": 64, "batch_size": 4})


def test_what_does_nothing_alone_goes_with_what_it_needs():
    neo = parts("llama", "gpt-neo")
    assert ("bias", "qkv_bias") in neo  # without biases there is none of queries and keys to leave out
    assert not {("bias",), ("qkv_bias",)} & set(neo)
    # Without norms their place is no difference, and lion reads betas of its own.
    to = {"preset": "llama", "bias": True, "norm": "none", "norm_placement": "post"}
    assert parts("llama", to) == [("norm", "norm_placement"), ("bias",)]
    to = {"preset": "llama", "bias": True, "optimizer": "lion", "betas": [0.8, 0.9]}
    assert parts("llama", to) == [("bias",), ("optimizer", "betas")]


def test_what_is_spelled_otherwise_and_does_nothing_is_no_part():
    assert parts({"preset": "llama", "qkv_bias": False}, {"preset": "llama", "norm": "layernorm"}) == [
        ("norm",)
    ]


def test_each_end_is_trained_as_its_preset_was_published():
    variants, stack = taken_apart("llama", "gpt-neo-1.3b")
    assert ("weight_decay",) in [part.factors for part in stack.parts]
    assert variants["baseline"].recipe.training.weight_decay == 0.1
    assert variants["gpt-neo-1.3b"].recipe.training.weight_decay == 0
    assert variants["weight_decay=0"].recipe.training.weight_decay == 0
    assert variants["gpt-neo-1.3b+weight_decay=0.1"].recipe.training.weight_decay == 0.1
    assert {variant.recipe.training.warmup for variant in variants.values()} == {0.1}  # the study's own


def test_what_the_study_says_of_training_is_said_of_both():
    training = BASE["training"] | {"weight_decay": 0.05}
    variants, _ = taken_apart("llama", "gpt-neo-1.3b", training=training)
    assert {variant.recipe.training.weight_decay for variant in variants.values()} == {0.05}
    own = {"preset": "gpt-neo-1.3b", "weight_decay": 0.2}
    variants, _ = taken_apart("llama", own, training=training)
    assert variants["gpt-neo-1.3b"].recipe.training.weight_decay == 0.2


def test_the_second_recipe_has_none_of_the_levels_of_the_first():
    origin = {"preset": "llama", "optimizer": "lion", "dropout": 0.1}
    variants, stack = taken_apart(origin, "gpt2")
    assert {("optimizer",), ("dropout",)} < {part.factors for part in stack.parts}
    assert variants["gpt2"].levels["optimizer"] == "adamw"
    assert variants["gpt2"].model.dropout == 0
    # Levels without a preset are changes of the first, which keeps all else.
    variants, _ = taken_apart(origin, {"norm": "layernorm"})
    assert (
        variants["llama-changed"].levels["optimizer"] == variants["baseline"].levels["optimizer"] != "adamw"
    )


def test_unmatched_feedforward_networks_come_with_their_own_width():
    variants, _ = taken_apart("llama", "gpt2", match="none")
    widths = {name: variant.model.feedforward_width for name, variant in variants.items()}
    assert widths["feedforward=gelu_tanh"] == widths["gpt2"] == widths["gpt2+norm=rmsnorm"] == 128
    assert widths["gpt2+feedforward=swiglu"] == widths["baseline"] == widths["norm=layernorm"] == 88


def test_text_is_a_part_where_it_compares():
    to = {"preset": "llama", "norm": "layernorm", "treatment": "exact_dedup"}
    variants, stack = taken_apart("llama", to)
    assert [part.factors for part in stack.parts] == [("norm",), ("treatment",)]
    assert variants["norm=layernorm"].levels["treatment"] == "as_is"
    with pytest.raises(
        UserError, match=r"tiny: budget: at equal tokens, tokenizers .* write 'budget: flops'"
    ):
        taken_apart("llama", {"preset": "llama", "norm": "layernorm", "tokenizer": {"bpe": 300}})


@pytest.mark.parametrize(
    ("origin", "to", "changes", "message"),
    [
        ("llama", "llama", {}, r"tiny: to: does what llama does, which stands under from; name another"),
        ("llama", "nope", {}, r"tiny: to: unknown preset 'nope'"),
        ("nope", "llama", {}, r"tiny: from: unknown preset 'nope'"),
        ("llama", None, {}, r"design dismantle needs the key 'to'"),
        (None, "llama", {}, r"design dismantle needs the key 'from'"),
        ("llama", {"norms": "layernorm"}, {}, r"tiny: to: unknown factor 'norms'"),
        ({"preset": "llama", "tokenizer": {"bpe": 300}}, "gpt2", {}, r"from\.tokenizer: .* data\.tokenizer"),
        ("llama", "gpt2", {"baseline": "gpt2"}, r"baseline under from; remove the key baseline"),
        ("llama", "gpt2", {"factors": {"norm": ["rmsnorm", "none"]}}, r"has no use for the key 'factors'"),
        ("llama", "gpt2", {"design": "explicit", "variants": [{"name": "a"}]}, r"no use for the key 'from'"),
        (
            "llama",
            "gpt2",
            {"start": "imported/gpt2", "context": None},
            r"start: .* trained from fresh values",
        ),
        (3, "gpt2", {}, r"study\.yaml: from: input should be"),
    ],
)
def test_what_cannot_be_taken_apart_is_refused_with_the_key(origin, to, changes, message):
    values = BASE | {"from": origin, "to": to} | changes
    with pytest.raises(UserError, match=message):
        build_design(parse_study({key: value for key, value in values.items() if value}, "study.yaml"), BYTES)


def tiny_study(folder, origin, to):
    """A study file that trains in a moment."""
    training = TINY["training"] | {"tokens": 640, "evaluations": 2, "evaluation_tokens": 64, "probes": 0}
    path = make_study(folder, design="dismantle", learning_rates=[0.01], match="none", training=training)
    values = yaml.safe_load(path.read_text()) | {"from": origin, "to": to}
    path.write_text(
        yaml.safe_dump({key: values[key] for key in values if key not in ("baseline", "factors")})
    )


def test_check_says_which_parts_there_are_and_what_each_variant_changes(tmp_path):
    tiny_study(tmp_path, "llama", "gpt2")
    facts = json.loads(in_process.workbench(tmp_path, "check", "tiny.yaml", "--json").stdout)
    assert (facts["dismantle"]["from"], facts["dismantle"]["to"]) == ("llama", "gpt2")
    assert facts["dismantle"]["parts"][1] == {
        "factors": ["norm"],
        "out": "norm=layernorm",
        "into": "gpt2+norm=rmsnorm",
    }
    assert facts["trials"] == {"confirm": 28, "total": 28}
    table = render_check(facts).renderables[0]
    changes = dict(zip(table.columns[0].cells, table.columns[1].cells, strict=True))
    assert changes["norm=layernorm"] == "norm: rmsnorm → layernorm"
    assert changes["gpt2+norm=rmsnorm"] == "gpt2 with norm: layernorm → rmsnorm"
    assert any(
        str(line).startswith("parts:    llama → gpt2: 6 (positions, norm,")
        for line in render_check(facts).renderables
    )


def test_two_recipes_are_taken_apart_from_end_to_end(tmp_path):
    tiny_study(tmp_path, "llama", {"norm": "layernorm", "bias": True})
    assert in_process.workbench(tmp_path, "run", "tiny.yaml").returncode == 0
    report = json.loads(in_process.workbench(tmp_path, "report", "tiny", "--json").stdout)
    found = report["dismantled"]
    values = {row["variant"]: row["values"] for row in report["rows"]}
    assert list(values) == ["baseline", "norm=layernorm", "bias=true", "llama-changed"]
    for seed, gap in found["gap"]["by_seed"].items():
        assert gap == pytest.approx(values["llama-changed"][seed] - values["baseline"][seed])
        left_over = gap - sum(part["out"]["by_seed"][seed] for part in found["parts"])
        assert found["out"]["left_over"]["measured"]["by_seed"][seed] == pytest.approx(left_over)
