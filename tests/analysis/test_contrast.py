"""Contrast as WCAG reckons it, and text that can be read on any colour."""

import numpy as np
import pytest

from workbench.analysis.colours import PALETTE
from workbench.analysis.contrast import MARK, contrast, differences, ink_on, luminance, paler, seen_on
from workbench.inspection.drawing import scale_colours


@pytest.mark.parametrize(
    ("first", "second", "ratio"),
    [
        ("#000000", "#FFFFFF", 21.0),
        ("#777777", "#FFFFFF", 4.48),
        ("#767676", "#FFFFFF", 4.54),
        ("#0072B2", "#0072B2", 1),
    ],
)
def test_contrast_is_that_of_wcag(first, second, ratio):
    assert contrast(first, second) == pytest.approx(ratio, abs=0.005)
    assert contrast(second, first) == contrast(first, second)


def test_luminance_runs_from_black_to_white():
    assert [luminance(f"#{level:02X}{level:02X}{level:02X}") for level in (0, 255)] == pytest.approx([0, 1])


@pytest.mark.parametrize("diverging", [True, False])
def test_text_can_be_read_on_every_shade_of_every_scale(diverging):
    for shade in scale_colours(diverging):
        assert contrast(ink_on(shade), shade) >= 4.5


def test_text_on_dark_red_and_dark_blue_is_white():
    low, *_, high = scale_colours(diverging=True)
    assert (ink_on(low), ink_on(high)) == ("#FFFFFF", "#FFFFFF")
    assert ink_on("#F7F7F7") == "#000000"


def test_every_colour_is_seen_on_a_dark_page_and_stays_on_a_light_one():
    for colour in PALETTE:
        assert contrast(seen_on(colour, "#12161C"), "#12161C") >= MARK
        assert seen_on(colour, "#FFFFFF") == colour


def test_differences_are_those_of_oklab():
    found = differences(["#000000", "#FFFFFF"], ["#FFFFFF", "#FF0000"])
    assert found.shape == (2, 2)
    assert found[:, 0] == pytest.approx([1, 0], abs=1e-4)
    assert found[1, 1] == pytest.approx(np.linalg.norm([1 - 0.62796, 0.22486, 0.12585]), abs=1e-4)


def test_paler_is_nearer_to_white():
    assert paler("#000000", 0.5) == "#808080"
    assert paler("#D55E00", 0.0) == "#D55E00"
