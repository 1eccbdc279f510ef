"""The trimmed mean beside t: known numbers, what it is for, and when a note says so."""

import numpy as np
import pytest
from scipy import stats

from tests.analysis.synthetic_studies import Study, manifest, one_at_a_time
from workbench.analysis.effects import study_report
from workbench.analysis.report import to_json
from workbench.analysis.statistics import Verdict, compare_pairs
from workbench.analysis.trimmed_means import compare_trimmed, trimmed_notes

LEARNED = "positions=learned"
CALM = [0.010, 0.012, 0.008, 0.011, 0.009, 0.013, 0.007, 0.010, 0.011, 0.009]


def by_seed(differences):
    return dict(enumerate(differences, 201))


def test_yuens_interval_of_a_known_sample():
    """Two of ten are trimmed at each end, six are left; the winsorised sum of squares by hand."""
    found = compare_trimmed(by_seed([1, 2, 3, 4, 5, 6, 7, 8, 9, 100]))
    assert found.mean == 5.5
    winsorised = [3, 3, 3, 4, 5, 6, 7, 8, 8, 8]
    error = (np.sum((np.array(winsorised) - 5.5) ** 2) / (6 * 5)) ** 0.5
    assert found.interval.high == pytest.approx(5.5 + stats.t.ppf(0.975, 5) * error)
    assert found.equivalence_interval.low == pytest.approx(5.5 - stats.t.ppf(0.95, 5) * error)
    assert (found.furthest, found.has_outlier) == (210, True)
    assert found.distance == pytest.approx(94.5 / (1.4826 * 2.5))


def test_it_is_scipys_of_a_sample_and_zeros():
    """Yuen's test of two samples, one of them all zeros, is this one."""
    sample = np.random.default_rng(1).normal(0.3, 1, 12)
    found = compare_trimmed(by_seed(sample))
    reference = stats.ttest_ind(sample, np.zeros(12), equal_var=False, trim=0.2)
    assert found.mean / found.interval.half_width * stats.t.ppf(0.975, 7) == pytest.approx(
        reference.statistic
    )


def test_below_eight_pairs_there_is_none():
    assert compare_trimmed(by_seed(CALM[:7])) is None
    assert compare_trimmed(by_seed(CALM[:8])).n == 8
    assert trimmed_notes(None, compare_pairs(CALM), 0.02) == []


def test_an_outlier_run_is_named_and_counts():
    sample = [*CALM[:7], 0.2]
    comparison = compare_pairs(sample)
    notes = trimmed_notes(compare_trimmed(by_seed(sample)), comparison, 0.02)
    assert comparison.mean == pytest.approx(np.mean(sample))
    assert [note.split(":")[0] for note in notes] == [
        "the 20 % trimmed mean, +0.0105 [0.0079, 0.0131], would lead to another verdict",
        "seed 208 lies far from the others",
    ]
    assert "equivalent; read with care" in notes[0]
    assert "it counts like any other" in notes[1]


def test_a_calm_sample_has_no_note():
    assert trimmed_notes(compare_trimmed(by_seed(CALM)), compare_pairs(CALM), 0.02) == []


def test_equal_differences_but_one():
    found = compare_trimmed(by_seed([0.01] * 9 + [0.02]))
    assert (found.mean, found.distance, found.furthest) == (pytest.approx(0.01), float("inf"), 210)
    assert (
        "most seeds have the same difference"
        in trimmed_notes(found, compare_pairs([0.01] * 9 + [0.02]), 1)[0]
    )
    assert compare_trimmed(by_seed([0.01] * 10)).has_outlier is False


@pytest.mark.parametrize(("seeds", "draw"), [(8, "normal"), (16, "normal"), (16, "outliers")])
def test_its_interval_covers_the_centre(seeds, draw):
    """With 5 % of runs off by 8 sd, t covers 86 % at 16 seeds, and fewer the more seeds there are."""
    generator = np.random.default_rng(6)
    hits = 0
    for _ in range(400):
        sample = generator.normal(0, 1, seeds)
        if draw == "outliers":
            sample += 8 * (generator.random(seeds) < 0.05) * generator.choice([-1, 1], seeds)
        hits += not compare_trimmed(by_seed(sample)).interval.excludes(0)
    assert hits / 400 >= 0.92


def test_normal_noise_is_seldom_called_an_outlier_and_a_run_that_is_one_mostly():
    generator = np.random.default_rng(8)
    samples = generator.normal(0, 1, (300, 12))
    assert np.mean([compare_trimmed(by_seed(sample)).has_outlier for sample in samples]) < 0.06
    samples[:, 3] += 10
    found = [compare_trimmed(by_seed(sample)) for sample in samples]
    assert np.mean([one.has_outlier and one.furthest == 204 for one in found]) > 0.8


def test_the_report_keeps_the_run_and_shows_both(tmp_path):
    seeds = {"pilot": [], "tune": [101, 102], "confirm": list(range(201, 209))}
    study = Study(tmp_path, manifest(one_at_a_time()[:2], seeds=seeds)).tune()
    study.confirm("baseline", [3.0] * 8).confirm(LEARNED, [3.0 + d for d in [*CALM[:7], 0.2]])
    report = study_report(study.load())
    row = report.rows[1]
    assert (row.verdict, row.pairs) == (Verdict.INCONCLUSIVE, 8)
    assert any(note.startswith("seed 208 lies far from the others") for note in row.notes)
    columns = to_json(report)["rows"][1]
    assert columns["trimmed"] == pytest.approx(0.0105)
    assert columns["trimmed_low"] < columns["trimmed_equivalence_low"] < columns["trimmed"]
    assert (columns["furthest_seed"], columns["furthest_distance"] > 5) == (208, True)
