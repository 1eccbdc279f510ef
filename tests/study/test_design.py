"""Designs: the right variants, each one change at matched size, and refusals that say what to do."""

import pytest

from tests.texts import BYTES
from workbench.errors import UserError
from workbench.study.design import build_variants
from workbench.study.schema import parse_study

BASE = {
    "name": "tiny",
    "question": "does it?",
    "context": 32,
    "size": {"layers": 2, "width": 32, "heads": 2},
    "training": {"tokens": 1000, "batch_size": 2},
    "learning_rates": [0.001],
    "margin": 0.01,
}
THREE = {
    "positions": ["rope", "learned"],
    "norm": ["rmsnorm", "layernorm"],
    "feedforward": ["swiglu", "relu"],
}


def variants(**changes):
    return build_variants(parse_study(BASE | changes, "study.yaml"), BYTES)


def test_one_at_a_time_changes_one_factor_each():
    found = variants(factors=THREE)
    assert [variant.name for variant in found] == [
        "baseline",
        "positions=learned",
        "norm=layernorm",
        "feedforward=relu",
    ]
    assert [list(variant.change) for variant in found] == [[], ["positions"], ["norm"], ["feedforward"]]
    assert found[1].change["positions"] == ("rope", "learned")


def test_a_swap_touches_nothing_else_of_the_model():
    baseline, *others = variants(factors=THREE)
    for variant in others:
        factor = next(iter(variant.change))
        ours, theirs = baseline.model.to_dict(), variant.model.to_dict()
        differing = {key for key in ours if ours[key] != theirs[key]}
        assert differing <= {factor, "feedforward_width"}
        if factor != "feedforward":
            assert differing == {factor}


@pytest.mark.parametrize("window", [32, 40])
def test_a_window_that_limits_nothing_is_no_level(window):
    with pytest.raises(
        UserError, match=rf"factors: window: {window} keys are no limit within a context of 32"
    ):
        variants(factors={"window": [None, window]})
    with pytest.raises(UserError, match=r"baseline: window: .* use a smaller window, or null"):
        variants(baseline={"preset": "llama", "window": window}, factors={"norm": ["rmsnorm", "layernorm"]})


def test_a_trained_start_keeps_a_window_beyond_the_context():
    """It is the model's own, and no variant's change; a level of the study must be a limit as ever."""
    trained = variants(factors={"norm": ["rmsnorm", "layernorm"]})[0].model.with_levels(window=40)
    base = {key: value for key, value in BASE.items() if key != "size"} | {"start": "imported/mistral"}

    def started(factors):
        return build_variants(parse_study(base | {"factors": factors}, "study.yaml"), BYTES, trained)

    assert [one.model.window for one in started({"norm": ["rmsnorm", "layernorm"]})] == [40, 40]
    with pytest.raises(UserError, match=r"window: 40 keys are no limit"):
        started({"window": [40, 8]})


def test_full_factorial_has_every_combination():
    found = variants(design="full_factorial", factors=THREE)
    assert len(found) == 8
    assert len({variant.name for variant in found}) == 8
    assert found[0].name == "baseline"
    assert max(len(variant.change) for variant in found) == 3


FEW_FACTORS = {"norm": ["rmsnorm", "layernorm"], "feedforward": ["swiglu", "relu"]}


@pytest.mark.parametrize(
    "design",
    [
        {"factors": FEW_FACTORS},
        {"design": "full_factorial", "factors": FEW_FACTORS},
        {"design": "leave_one_out", "reference": "gpt2"},
        {"design": "dismantle", "from": "llama", "to": {"norm": "layernorm", "positions": "learned"}},
        {"design": "explicit", "variants": [{"name": "other", "norm": "layernorm"}]},
    ],
)
def test_controls_add_a_null_twin_to_any_design(design):
    plain, controlled = variants(**design), variants(**design, controls=True)
    baseline, twin, *others = controlled
    assert [one.name for one in (baseline, *others)] == [one.name for one in plain]
    assert twin.name == "null-twin"
    assert twin.change == {"draws": ("usual", "twin")}
    assert twin.model == baseline.model
    assert twin.recipe.training.model_dump() == baseline.recipe.training.model_dump() | {"draws": "twin"}


def test_controls_are_refused_where_no_values_are_drawn_or_nothing_is_compared():
    started = {key: value for key, value in BASE.items() if key != "size"}
    with pytest.raises(UserError, match=r"controls: a study that starts from a run .* remove it"):
        parse_study({**started, "start": "imported/gpt2", "factors": FEW_FACTORS, "controls": True}, "s.yaml")
    search = {"space": {"norm": ["rmsnorm", "layernorm"]}, "trials": 4}
    searched = {key: value for key, value in BASE.items() if key != "margin"} | {"seeds": {"tune": 1}}
    with pytest.raises(UserError, match="controls: a search has no rows"):
        parse_study({**searched, "design": "search", "search": search, "controls": True}, "study.yaml")


def test_leave_one_out_takes_parts_back_one_by_one_and_then_all():
    baseline, *parts, whole = variants(design="leave_one_out", reference="gpt2")
    assert all(len(variant.change) == 1 for variant in parts)
    assert {factor for variant in parts for factor in variant.change} == set(whole.change)
    assert whole.name == "gpt2"
    assert {"positions", "norm", "feedforward", "bias", "tied_embeddings"} <= set(whole.change)
    assert not baseline.change


def test_explicit_variants_start_from_the_baseline_or_a_preset():
    found = variants(
        design="explicit",
        variants=[
            {"name": "gpt2", "preset": "gpt2"},
            {"name": "two", "norm": {"name": "layernorm", "eps": 1e-6}, "positions": "learned"},
        ],
    )
    assert found[1].levels["feedforward"] == "gelu_tanh"
    assert found[2].change == {
        "positions": ("rope", "learned"),
        "norm": ("rmsnorm", "layernorm(eps=1e-06)"),
    }


def test_the_baseline_may_change_parts_of_its_preset():
    found = variants(
        baseline={"preset": "llama", "norm": "layernorm"}, factors={"norm": ["layernorm", "rmsnorm"]}
    )
    assert found[0].levels["norm"] == "layernorm"
    assert found[1].change == {"norm": ("layernorm", "rmsnorm")}


def test_sizes_are_matched_and_the_rest_is_shown():
    baseline, *_, relu = variants(factors=THREE, match="parameters")
    assert relu.model.feedforward_width % 8 == 0
    assert relu.mismatch == pytest.approx(
        relu.model.nonembedding_parameters() / baseline.model.nonembedding_parameters() - 1
    )
    assert abs(relu.mismatch) < 0.03  # half a step of 8 units at this width


def test_matching_by_flops_and_not_at_all():
    baseline, *_, relu = variants(factors=THREE, match="flops")
    expected = relu.model.flops_per_token() / baseline.model.flops_per_token() - 1
    assert relu.mismatch == pytest.approx(expected)
    *_, unmatched = variants(factors=THREE, match="none")
    assert unmatched.mismatch is None
    assert unmatched.model.feedforward_width == 4 * 32


def test_the_matched_model_is_the_one_that_trains():
    """At this width the kind's own rule (4 x 64) is not the width that matches."""
    baseline, relu = variants(
        size={"layers": 2, "width": 64, "heads": 2}, factors={"feedforward": ["swiglu", "relu"]}
    )
    assert (baseline.model.feedforward_width, relu.model.feedforward_width) == (176, 264)


def test_what_is_matched_is_what_the_study_says():
    """A window saves arithmetic and no parameters: only at equal FLOPs is the network wider for it."""
    widths = {
        match: [
            one.model.feedforward_width
            for one in variants(match=match, context=256, factors={"window": [None, 32]})
        ]
        for match in ("parameters", "flops", "none")
    }
    assert widths["parameters"] == widths["none"] == [88, 88]
    baseline, windowed = widths["flops"]
    assert windowed > baseline == 88


def test_numeric_factors_and_options_are_levels_too():
    found = variants(
        baseline={"preset": "llama", "key_value_heads": 2},
        factors={"key_value_heads": [2, 1], "positions": ["rope", {"name": "rope", "base": 500}]},
    )
    assert [variant.name for variant in found] == [
        "baseline",
        "key_value_heads=1",
        "positions=rope(base=500)",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factors": {"norms": ["rmsnorm", "layernorm"]}}, "unknown factor 'norms'; did you mean 'norm'"),
        ({"factors": {"norm": ["rmsnorm", "layrnorm"]}}, "did you mean 'layernorm'"),
        ({"factors": {"norm": ["layernorm", "none"]}}, r"baseline's level 'rmsnorm' is not in.*add it"),
        ({"factors": {"norm": ["rmsnorm", "rmsnorm"]}}, "a level is listed twice"),
        ({"factors": {"norm": ["rmsnorm", {"name": "rmsnorm", "epsilon": 1}]}}, "epsilon"),
        ({"baseline": "lama", "factors": THREE}, "llama"),
        ({"design": "leave_one_out", "reference": "llama"}, "choose another preset"),
        ({"design": "explicit", "variants": [{"norm": "layernorm"}]}, r"variants\.0: needs a name"),
        (
            {"design": "explicit", "variants": [{"name": "a\nb", "norm": "layernorm"}]},
            r"variants\.0\.name: 'a\\nb'",
        ),
        (
            {"design": "explicit", "variants": [{"name": "a", "norm": "rmsnorm"}]},
            "'baseline' and 'a' are the same model",
        ),
        (
            {"design": "explicit", "variants": [{"name": "a", "bias": True}, {"name": "a", "norm": "none"}]},
            "two variants are named 'a'",
        ),
        ({"size": {"layers": 1, "width": 30, "heads": 2}, "factors": THREE}, "rope"),
        ({"size": {"layers": 1, "width": 32, "heads": 3}, "factors": THREE}, "heads"),
    ],
)
def test_what_cannot_be_is_refused_with_the_remedy(changes, message):
    with pytest.raises(UserError, match=message):
        variants(**changes)
