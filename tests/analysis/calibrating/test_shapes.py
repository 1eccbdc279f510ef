"""Noise that no run has, and the error rates by its shape."""

import numpy as np
import pytest
from scipy import stats

from workbench.analysis.calibrating.calibration import simulate_shapes
from workbench.analysis.calibrating.error_rates import ABOVE
from workbench.analysis.calibrating.report import lines_of, render_calibration
from workbench.analysis.calibrating.shapes import ROWS, SHAPES


def drawn(name):
    return SHAPES[name].noise.draw(np.random.default_rng(0), 20_000, 4, ROWS).reshape(-1, ROWS)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_has_no_mean_and_an_sd_of_one(name):
    noise = drawn(name)
    assert np.abs(noise.mean(axis=0)).max() < 0.02
    assert noise[:, 0].std() == pytest.approx(1, rel=0.05)


def test_each_shape_is_what_it_is_called():
    normal, heavy, skewed, outliers, unequal = map(drawn, SHAPES)
    assert abs(stats.skew(normal[:, 0])) < 0.05
    assert stats.kurtosis(heavy[:, 0]) > 5
    assert stats.skew(skewed[:, 0]) == pytest.approx(2, abs=0.15)
    assert (outliers[:, 0] > 2.5).mean() == pytest.approx(0.05, abs=0.01)
    assert unequal.std(axis=0)[1:] == pytest.approx([np.sqrt(2 / 10), np.sqrt(10 / 9 / 10)], rel=0.03)
    assert np.corrcoef(normal.T)[0, 1] == pytest.approx(0.5, abs=0.02)
    assert abs(np.corrcoef(skewed.T)[0, 1]) < 0.02


@pytest.fixture(scope="module")
def found():
    return simulate_shapes(studies=240)


def test_normal_noise_meets_what_skew_and_outliers_miss(found):
    shapes = {shape.shape: shape for shape in found.shapes}
    assert list(shapes) == list(SHAPES)

    def equivalent(name):
        rates = [one for one in shapes[name].rates if one.design == "16 seeds" and one.comparisons == 1]
        return rates[-1].at(ABOVE).false_equivalent

    assert equivalent("normal").value < 0.1
    assert equivalent("skewed (exponential)").value > 0.1
    assert equivalent("outliers (5 % of runs, 8 sd up)").value > 0.1
    assert equivalent("normal").seeds is None


def test_every_shape_has_its_line_and_its_tables(found):
    lines = lines_of(found)
    for shape in found.shapes:
        assert any(line.startswith(f"{shape.shape}: ") and "goals met" in line for line in lines)
    assert render_calibration(found, "latex").count("\\begin{tabular}") == 3 * len(SHAPES)
    assert render_calibration(found, "csv").startswith("shape,design,rows,margin")
    assert "nothing trained" in render_calibration(found, "md")
