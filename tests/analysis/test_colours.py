"""Colours belong to levels, wherever they appear."""

import subprocess
import sys

import numpy as np
import pytest

from tests.analysis.synthetic_studies import manifest, variant
from workbench.analysis.colours import (
    APART,
    BASELINE_COLOUR,
    PALETTE,
    colour_of,
    variant_colours,
)
from workbench.analysis.contrast import differences
from workbench.model.parts.component import FACTORS
from workbench.records.manifest import Manifest
from workbench.training.optimizers import OPTIMIZERS
from workbench.training.schedules import SCHEDULES


def colours_of(levels):
    """By level, in a study that has a variant with each of them in place of the baseline's."""
    variants = [variant("baseline"), *(variant(level, norm=level) for level in levels)]
    chosen = variant_colours(Manifest(**manifest(variants)))
    return {level: chosen[level] for level in levels}


def test_well_known_levels_keep_their_colour_in_any_company():
    assert colour_of("rope") == "#0072B2"
    for labels in (["rope", "learned"], ["my_own", "learned", "rope", "zzz"], ["rope"]):
        assert colours_of(labels)["rope"] == "#0072B2"


OWN = {
    "rope": "#0072B2",
    "learned": "#E69F00",
    "alibi": "#D55E00",
    "none": "#CC79A7",
    "rmsnorm": "#0072B2",
    "layernorm": "#009E73",
    "swiglu": "#0072B2",
    "relu": "#D55E00",
    "gpt2": "#882255",
    "sandwich": "#009E73",
    "elementwise": "#E69F00",
}


@pytest.mark.parametrize(("level", "colour"), OWN.items())
def test_a_level_keeps_the_colour_that_it_has_had(level, colour):
    assert colour_of(level) == colour


def test_where_levels_of_two_factors_want_one_colour_positions_have_it_then_norms():
    chosen = colours_of(["swiglu", "rmsnorm", "rope", "headwise", "layernorm"])
    assert chosen["rope"] == colour_of("rope")
    assert chosen["layernorm"] == colour_of("layernorm")
    assert chosen["swiglu"] != chosen["rmsnorm"] != chosen["rope"]
    assert chosen["headwise"] != colour_of("headwise")


def test_no_clash_within_a_list_and_no_dependence_on_order():
    labels = ["rope", "rmsnorm", "swiglu", "relu", "learned", *(f"own_{index}" for index in range(30))]
    chosen = colours_of(labels)
    assert len(set(chosen.values())) == len(labels)
    assert colours_of(labels[::-1]) == chosen
    assert chosen["learned"] == colour_of("learned")
    assert BASELINE_COLOUR not in chosen.values()


def test_the_fallback_is_the_same_in_every_process():
    code = "from workbench.analysis.colours import colour_of; print(colour_of('my_parts:ScaledNorm'))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == colour_of("my_parts:ScaledNorm")


def test_variants_take_the_colour_of_their_level():
    chosen = variant_colours(Manifest(**manifest()))
    assert chosen == {
        "baseline": BASELINE_COLOUR,
        "positions=learned": colour_of("learned"),
        "norm=layernorm": colour_of("layernorm"),
        "feedforward=relu": colour_of("relu"),
    }


def test_the_same_level_of_two_factors_gets_two_colours():
    variants = [
        variant("baseline"),
        variant("norm=none", norm="none"),
        variant("positions=none", positions="none"),
    ]
    chosen = variant_colours(Manifest(**manifest(variants)))
    assert len(set(chosen.values())) == 3
    assert chosen["norm=none"] == colour_of("none")
    other = Manifest(**manifest([variants[0], variants[2], variants[1]]))
    assert variant_colours(other) == chosen


def _nearest(colours):
    apart = differences(colours, colours)
    return apart[~np.eye(len(colours), dtype=bool)].min()


def test_no_two_colours_of_the_palette_are_taken_for_one():
    assert _nearest([*PALETTE, BASELINE_COLOUR]) >= APART


@pytest.mark.parametrize(
    "registry", [*FACTORS.values(), OPTIMIZERS, SCHEDULES], ids=lambda registry: registry.factor
)
def test_all_levels_of_a_factor_can_be_told_apart(registry):
    names = registry.names()
    chosen = colours_of(names)
    assert _nearest(list(chosen.values())) >= APART
    assert chosen == {name: colour_of(name) for name in names}  # each keeps its own in any company


def test_dynamic_tanh_is_no_second_green():
    assert differences([colour_of("dynamic_tanh")], [colour_of("layernorm")]).item() > 0.15


def test_variants_beyond_the_palette_are_as_far_apart_as_can_be():
    chosen = colours_of([f"own_{index}" for index in range(30)])
    assert len(set(chosen.values())) == 30
    assert _nearest(list(chosen.values())) > 0.02  # what is seen side by side
