import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from workbench.analysis.shifts import shifts

GENERATOR = np.random.default_rng(3)
SAMPLES = {
    "a little": GENERATOR.normal(0.3, 1.0, 8),
    "not at all": GENERATOR.normal(0.0, 1.0, 5),
    "down, far": GENERATOR.normal(-20.0, 1.0, 8),
}


def test_t_interval_and_holm_are_those_of_the_libraries():
    found = {one.name: one for one in shifts(SAMPLES)}
    tests = {name: stats.ttest_1samp(sample, 0) for name, sample in SAMPLES.items()}
    adjusted = multipletests([test.pvalue for test in tests.values()], method="holm")[1]
    for (name, test), p in zip(tests.items(), adjusted, strict=True):
        interval = test.confidence_interval(0.95)
        assert found[name].t == pytest.approx(test.statistic)
        assert (found[name].interval.low, found[name].interval.high) == pytest.approx(tuple(interval))
        assert found[name].p == pytest.approx(p)
        assert found[name].n == len(SAMPLES[name])
    assert [name for name, one in found.items() if one.moved] == ["down, far"]


def test_the_largest_t_comes_first_whatever_its_sign():
    assert next(iter(shifts(SAMPLES))).name == "down, far"


def test_what_no_seed_changes_or_one_pair_has_is_no_test():
    alone = shifts({"down, far": SAMPLES["down, far"]})
    assert shifts({"same": [0.0] * 8, "one": [3.0], "none": [], "down, far": SAMPLES["down, far"]}) == alone


def test_the_same_difference_at_every_seed_has_moved():
    (one,) = shifts({"by two": [2.0, 2.0, 2.0]})
    assert (one.t, one.p, one.moved) == (math.inf, 0.0, True)
    assert (one.interval.low, one.interval.high) == (2.0, 2.0)
