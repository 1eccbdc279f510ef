"""Who trains more reliably: directed cases, and how often chance alone gives a word."""

from dataclasses import replace

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from tests.analysis.synthetic_studies import Study, manifest, one_at_a_time
from workbench.analysis.answer_sentences import answers, headline
from workbench.analysis.confirm_outcomes import Outcomes
from workbench.analysis.deciding.nominal_levels import nominal_level
from workbench.analysis.divergence import compare_divergences, mcnemar
from workbench.analysis.effects import study_report
from workbench.analysis.report import to_json
from workbench.analysis.report_tables import effects_table, verdict_cell
from workbench.analysis.statistics import Verdict, compare_pairs
from workbench.analysis.verdicts import decide

LEARNED = "positions=learned"
EIGHT = list(range(201, 209))


def outcomes(name, trained, states=None):
    """Runs at seeds 1, 2, ...: a loss where it trained, None where it diverged."""
    found = dict(enumerate(trained, 1))
    return Outcomes(
        variant=name,
        planned=tuple(found),
        values={seed: loss for seed, loss in found.items() if loss is not None},
        states={seed: "diverged" if loss is None else "complete" for seed, loss in found.items()}
        | (states or {}),
        runs={},
    )


def lost(seeds, at, loss=3.0):
    """``loss`` at all of ``seeds`` places but those in ``at``, with a little noise."""
    return [None if place in at else loss + 0.001 * (place % 3) for place in range(seeds)]


def compared(variant, baseline):
    return compare_divergences({"b": baseline, "v": variant}, "b")["v"]


def decided(variant, baseline, margin=0.02):
    differences = [
        variant.values[seed] - baseline.values[seed] for seed in variant.values if seed in baseline.values
    ]
    comparison = compare_pairs(differences) if differences else None
    return decide(comparison, variant, baseline, margin, reliability=compared(variant, baseline).verdict)


@pytest.mark.parametrize(
    ("variant", "baseline", "p", "word"),
    [
        # More than half of its seeds: a word of the variant alone, which no test of the two changes.
        (range(5), range(4), 1.0, Verdict.DID_NOT_TRAIN),
        (range(5), (), 0.0625, Verdict.DID_NOT_TRAIN),
        # The baseline trained nowhere and the variant everywhere.
        ((), range(8), 0.0078125, Verdict.BETTER),
        ((), range(6), 0.03125, Verdict.BETTER),
        # Five discordant seeds are not enough, and of the losses there is nothing to compare.
        ((), range(5), 0.0625, None),
        # One run: better where it trained, and not shown to train as often.
        ((0,), (), 1.0, Verdict.INCONCLUSIVE),
    ],
)
def test_directed_cases_of_eight_seeds(variant, baseline, p, word):
    mine, theirs = outcomes("v", lost(8, variant, 2.9)), outcomes("b", lost(8, baseline))
    assert compared(mine, theirs).p == pytest.approx(p)
    assert decided(mine, theirs)[0] is word


@pytest.mark.parametrize(("loss", "by_the_losses"), [(3.1, "worse"), (3.0, "equivalent"), (2.9, "better")])
def test_the_rule_is_the_same_in_both_directions(loss, by_the_losses):
    """Six of sixteen seeds against none, which is p = 0.031, whatever the losses say."""
    fragile, sound = outcomes("v", lost(16, range(6), loss)), outcomes("b", lost(16, ()))
    verdict, notes = decided(fragile, sound)
    assert verdict is Verdict.WORSE
    assert f"where both trained, {by_the_losses} by the losses" in notes
    assert decided(sound, fragile)[0] is Verdict.BETTER
    # The same counts, but at the same seeds: nothing tells the two apart.
    assert compared(fragile, replace(fragile, variant="b")).verdict is None


def test_shares_have_wilson_intervals_and_crashed_trials_do_not_count():
    mine = outcomes("v", lost(10, range(5)), {9: "failed", 10: "failed"})
    theirs = outcomes("b", lost(10, ()))
    found = compared(mine, theirs)
    assert (found.variant.lost, found.variant.runs, found.baseline.runs) == (5, 8, 10)
    assert (found.pairs, found.variant_only, found.baseline_only) == (8, 5, 0)
    interval = found.variant.interval
    assert (interval.low, interval.high) == pytest.approx((0.3057, 0.8632), abs=1e-4)
    assert found.note == (
        "did not train: 5 of 8 (31 % to 86 %) of its seeds, 0 of 10 (0 % to 28 %) of the baseline's, with "
        "95 % intervals; exact McNemar p = 0.062 from 5 seeds at which only one of the two did"
    )
    assert compared(replace(theirs, variant="v"), theirs).note is None


@pytest.mark.parametrize(("one_way", "other_way"), [(0, 0), (1, 0), (6, 0), (2, 9), (12, 1)])
def test_the_test_is_mcnemars(one_way, other_way):
    reference = statsmodels_mcnemar([[3, one_way], [other_way, 4]], exact=True).pvalue
    assert mcnemar(one_way, other_way) == pytest.approx(min(1.0, reference))


@pytest.mark.parametrize("share", [0.3, 0.5])
@pytest.mark.parametrize("seeds", [1, 3, 5, 8])
def test_identical_variants_are_hardly_ever_told_apart(share, seeds):
    """Without a test 19 % to 35 % of such studies called one of the two worse."""
    generator = np.random.default_rng(4)
    false = 0
    for _ in range(200):
        losses = generator.normal(3.0, 0.02, (2, seeds))
        diverged = generator.random((2, seeds)) < share
        mine, theirs = (
            outcomes(name, [None if gone else loss for loss, gone in zip(*runs, strict=True)])
            for name, *runs in zip("vb", losses, diverged, strict=True)
        )
        false += decided(mine, theirs)[0] in (Verdict.BETTER, Verdict.WORSE)
    assert false / 200 <= 0.05


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_any_of_ten_identical_variants_is_hardly_ever_told_apart(share):
    """Each test alone is exact; that any of ten is wrong is what Holm holds at 5 %."""
    generator = np.random.default_rng(8)
    studies, false, alone = 150, 0, 0
    for _ in range(studies):
        diverged = generator.random((11, 16)) < share
        runs = {
            f"v{place}": outcomes(f"v{place}", lost(16, set(np.flatnonzero(gone))))
            for place, gone in enumerate(diverged)
        }
        found = compare_divergences(runs, "v0").values()
        assert len(found) == 10
        false += any(one.verdict for one in found)
        alone += any(one.p < 0.05 for one in found)
    assert false / studies <= 0.05 + 3 * (0.05 * 0.95 / studies) ** 0.5
    assert alone / studies > 0.05 + 3 * (0.05 * 0.95 / studies) ** 0.5


def test_looking_several_times_at_identical_variants_hardly_ever_tells_them_apart():
    """Half of the runs of both are lost; a study that looks at 8, 16, 32 and 64 seeds may stop at any."""
    generator = np.random.default_rng(15)
    looks, studies, false, alone = (8, 16, 32, 64), 500, 0, 0
    for _ in range(studies):
        diverged = generator.random((2, 64)) < 0.5
        words, each = [], []
        for look in looks:
            mine, theirs = (
                outcomes(name, lost(look, set(np.flatnonzero(gone[:look]))))
                for name, gone in zip("vb", diverged, strict=True)
            )
            found = compare_divergences({"b": theirs, "v": mine}, "b", looks)["v"]
            words.append(found.verdict)
            each.append(found.p < 0.05)
        false += any(words)
        alone += any(each)
    assert alone / studies > 0.05
    assert 0 < false / studies <= 0.05


def test_looks_are_named_beside_the_p_that_is_left():
    runs = {"b": outcomes("b", lost(16, ())), "v": outcomes("v", lost(16, range(9)))}
    found = compare_divergences(runs, "b", (4, 8, 16))["v"]
    assert found.p == pytest.approx(2 / 2**9)
    assert found.adjusted_p == pytest.approx(found.p * 0.05 / (2 * nominal_level(0.025, (4, 8, 16))))
    assert found.verdict is Verdict.WORSE
    assert found.test == "exact McNemar p = 0.004, p = 0.010 over 3 looks"


def test_several_comparisons_share_the_error_and_say_so():
    runs = {"b": outcomes("b", lost(8, ()))}
    runs |= {"v": outcomes("v", lost(8, range(7))), "w": outcomes("w", lost(8, range(6)))}
    runs |= {"waiting": outcomes("waiting", lost(8, ()), dict.fromkeys(range(1, 9), "not started"))}
    found = compare_divergences(runs, "b")
    assert [found[name].adjusted_p for name in "vw"] == pytest.approx([3 * 2 / 2**7, 2 * 2 / 2**6])
    assert (found["v"].verdict, found["w"].verdict) == (Verdict.WORSE, None)
    assert found["v"].test == "exact McNemar p = 0.016, Holm p = 0.047"
    assert found["waiting"].adjusted_p == 1


def study_of_eight(path, variant, baseline):
    seeds = {"pilot": [], "tune": [101, 102], "confirm": EIGHT}
    study = Study(path, manifest(one_at_a_time()[:2], seeds=seeds)).tune()
    return study.confirm("baseline", baseline).confirm(LEARNED, variant)


def test_a_baseline_that_diverges_everywhere_is_worse_than_what_trains(tmp_path):
    report = study_report(study_of_eight(tmp_path, lost(8, ()), lost(8, range(8))).load())
    row = report.rows[1]
    assert (row.verdict, row.diverges, row.no_verdict, row.comparison) == (Verdict.BETTER, "less", None, None)
    assert verdict_cell(row) == "better: diverges less"
    assert effects_table(report).rows[1][7] == "better: diverges less"
    assert answers(report) == [
        "Learned positions instead of RoPE: better: diverges less (0 of 8 seeds did not train, of the "
        "baseline's 8 of 8; exact McNemar p = 0.008); validation/loss 3.001 ± 0.001 nats/token (8 seeds)."
    ]
    assert headline(report).endswith(
        "Of 1 change to it: 1 better. What diverges less is better than it, whatever the losses are."
    )
    columns = to_json(report)["rows"][1]
    assert (columns["verdict"], columns["diverges"]) == ("better", "less")
    assert (columns["lost_runs"], columns["baseline_lost_runs"], columns["baseline_lost_runs_of"]) == (
        0,
        8,
        8,
    )
    assert columns["mcnemar_p"] == pytest.approx(2 / 2**8)
    assert columns["baseline_lost_share_low"] == pytest.approx(0.6756, abs=1e-4)


def test_five_of_eight_are_no_verdict_but_told(tmp_path):
    row = study_report(study_of_eight(tmp_path, lost(8, ()), lost(8, range(5))).load()).rows[1]
    assert (row.verdict, row.no_verdict) == (None, "the baseline did not train")
    assert row.notes[0].startswith("did not train: 0 of 8 (0 % to 32 %) of its seeds, 5 of 8 (31 % to 86 %)")


def test_what_diverges_more_is_worse_though_better_where_it_trained(tmp_path):
    seeds = {"pilot": [], "tune": [101, 102], "confirm": list(range(201, 217))}
    study = Study(tmp_path, manifest(one_at_a_time()[:2], seeds=seeds)).tune()
    study.confirm("baseline", lost(16, ())).confirm(LEARNED, lost(16, range(7), 2.9))
    report = study_report(study.load())
    row = report.rows[1]
    assert (row.verdict, row.diverges, row.pairs, row.seeds_needed) == (Verdict.WORSE, "more", 9, None)
    assert not any("Holm" in note for note in row.notes)
    assert answers(report)[0].startswith(
        "Learned positions instead of RoPE: worse: diverges more (7 of 16 seeds did not train, of the "
        "baseline's 0 of 16; exact McNemar p = 0.016); where both trained, difference -0.100 nats/token"
    )
