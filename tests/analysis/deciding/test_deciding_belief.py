"""P(better), P(equal) and P(worse) of the published studies, and their edges."""

import numpy as np
import pytest

from workbench.analysis.deciding.belief import belief
from workbench.analysis.statistics import Verdict, compare_pairs, judge
from workbench.errors import UserError


# Mean and sd of the paired differences as published; margins .02, and .01 for ALiBi.
@pytest.mark.parametrize(
    ("mean", "sd", "margin", "expected"),
    [
        (0.02127, 0.02387, 0.02, (0.0009, 0.4401, 0.5590)),
        (0.04709, 0.02812, 0.02, (0.0001, 0.0146, 0.9853)),
        (0.3642, 0.0376, 0.02, (0, 0, 1)),
        (-0.0993, 0.0381, 0.01, (0.9999, 0.0001, 0)),
    ],
)
def test_published_differences(mean, sd, margin, expected):
    found = belief(8, mean, sd, margin)
    # Mean and sd are known to the printed digits only.
    assert (found.better, found.equal, found.worse) == pytest.approx(expected, abs=0.004)
    assert found.better + found.equal + found.worse == pytest.approx(1)


def test_a_single_comparison_is_worse_exactly_from_97_5_percent_on():
    generator = np.random.default_rng(0)
    for _ in range(200):
        found = compare_pairs(generator.normal(0.04, 0.02, 5))
        beliefs = belief(found.n, found.mean, found.sd, 0.02)
        assert (beliefs.worse > 0.975) == (judge(found, 0.02) is Verdict.WORSE)


def test_edges():
    assert belief(1, 0.3, 0.0, 0.02) is None
    assert vars(belief(3, 0.3, 0.0, 0.02)) == {"better": 0, "equal": 0, "worse": 1}
    assert vars(belief(3, -0.02, 0.0, 0.02)) == {"better": 0, "equal": 1, "worse": 0}
    assert belief(8, 0.0, 1.0, 0.0).equal == 0
    assert belief(8, 0.0, 1.0, 0.0).better == pytest.approx(0.5)
    with pytest.raises(UserError, match="margin: -1"):
        belief(8, 0.0, 1.0, -1)
