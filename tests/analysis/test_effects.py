"""Study reports: verdict by verdict, with everything that can be missing."""

import math
from dataclasses import replace

import pytest

from tests.analysis.synthetic_studies import (
    BASELINE_LOSSES,
    RATES,
    TOKENS,
    Study,
    full_study,
    manifest,
    one_at_a_time,
    shifted,
    variant,
)
from workbench.analysis.answer_sentences import describe_change
from workbench.analysis.confirm_outcomes import Outcomes
from workbench.analysis.effects import study_report
from workbench.analysis.statistics import Verdict
from workbench.errors import UserError
from workbench.files import write_json
from workbench.records.run import now

LEARNED, NORM, RELU = "positions=learned", "norm=layernorm", "feedforward=relu"


def two_variants(path, **changes):
    return Study(path, manifest(one_at_a_time()[:2], **changes))


def rows(study):
    return {row.variant: row for row in study_report(study.load()).rows}


def learned(study):
    return rows(study)[LEARNED]


def test_a_null_twin_that_is_called_worse_is_said_to_be_called_so_falsely(tmp_path):
    twin = variant("null-twin") | {"change": {"draws": ["usual", "twin"]}}
    study = Study(tmp_path, manifest([variant("baseline"), twin]))
    for seed, loss in zip(range(201, 206), BASELINE_LOSSES, strict=True):
        study.run("baseline", seed, loss)
        study.run("null-twin", seed, loss + 0.2 + seed / 1e5)
    row = rows(study)["null-twin"]
    assert row.verdict is Verdict.WORSE
    assert [note for note in row.notes if "worse is a false word" in note]
    assert describe_change(row) == "Null twin, which changes nothing but one draw"


def test_a_finished_study(tmp_path):
    report = study_report(full_study(tmp_path).load())
    verdicts = {row.variant: row.verdict for row in report.rows}
    assert verdicts == {
        "baseline": None,
        LEARNED: Verdict.WORSE,
        NORM: Verdict.EQUIVALENT,
        RELU: Verdict.INCONCLUSIVE,
    }
    row = report.rows[1]
    assert row.difference == pytest.approx(0.2002)
    assert row.differences[201] == pytest.approx(0.203)
    assert row.relative == pytest.approx(0.2002 / 3.002)
    assert (row.seeds_done, row.seeds_planned, row.pairs, row.wins) == (5, 5, 5, 0)
    assert (row.learning_rate, row.interior, row.tuning_trials) == (0.006, True, 6)
    assert row.detectable_effect == pytest.approx(1.682 * row.comparison.sd, rel=1e-3)
    assert row.seeds_needed is None
    assert report.rows[3].seeds_needed > 5
    assert report.baseline.mean == pytest.approx(3.002)
    assert report.baseline.comparison is None
    assert report.baseline.notes == ()
    assert (report.state, report.family_size, report.equal_flops) == ("complete", 3, None)


def test_better(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", BASELINE_LOSSES).confirm(LEARNED, shifted(-0.1))
    row = learned(study)
    assert (row.verdict, row.wins) == (Verdict.BETTER, 5)


def test_only_the_confirm_phase_counts(tmp_path):
    study = full_study(tmp_path)
    before = study_report(study.load()).rows
    study.run("baseline", 3, 99.0, "pilot").run(LEARNED, 102, 99.0, "tune", rate=0.003)
    after = study_report(study.load()).rows
    assert [row.comparison for row in before] == [row.comparison for row in after]
    assert [row.mean for row in before] == [row.mean for row in after]


def test_holm_runs_over_the_declared_family(tmp_path):
    report = study_report(full_study(tmp_path).load())
    p = sorted(row.comparison.p for row in report.comparisons)
    assert min(row.holm_p for row in report.comparisons) == pytest.approx(3 * p[0])
    assert [row.holm_p for row in report.rows if row.is_baseline] == [None]


def test_a_variant_without_p_keeps_its_place_in_the_family(tmp_path):
    study = Study(tmp_path, manifest()).tune().confirm("baseline", BASELINE_LOSSES)
    study.confirm(LEARNED, shifted(0.2))
    row = learned(study)
    assert row.holm_p == pytest.approx(3 * row.comparison.p)


def test_a_word_that_holds_alone_and_not_among_all_is_none(tmp_path):
    study = Study(tmp_path, manifest(margin=0.0001)).tune().confirm("baseline", BASELINE_LOSSES)
    losses = [base + d for base, d in zip(BASELINE_LOSSES, [0.01, 0.02, 0.03, 0.005, 0.03], strict=True)]
    row = learned(study.confirm(LEARNED, losses))
    assert row.verdict is Verdict.INCONCLUSIVE
    assert row.comparison.p < 0.05 <= row.holm_p
    assert row.interval.level == pytest.approx(1 - 0.05 / 3)  # of three that were declared


def test_divergence_forbids_a_good_verdict(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", BASELINE_LOSSES)
    row = learned(study.confirm(LEARNED, [*shifted(-0.1)[:4], None]))
    assert row.verdict is Verdict.INCONCLUSIVE
    assert (row.diverged, row.seeds_done, row.pairs, row.seeds_needed) == (1, 4, 4, None)
    assert row.median == pytest.approx(2.907)
    assert row.worst == pytest.approx(2.928)
    text = " | ".join(row.notes)
    assert "better where it trained, but more of its seeds did not train" in text
    assert "seed 205: positions=learned diverged" in text
    assert "median is 2.9070; worst that trained 2.9280" in text


def test_divergence_also_forbids_equivalent(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", BASELINE_LOSSES)
    assert learned(study.confirm(LEARNED, [*shifted(0)[:4], None])).verdict is Verdict.INCONCLUSIVE


def test_mostly_diverged_did_not_train(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", BASELINE_LOSSES)
    row = learned(study.confirm(LEARNED, [2.5, 2.5, None, None, None]))
    assert row.verdict is Verdict.DID_NOT_TRAIN
    assert any(note.startswith("did not train in 3 of 5 seeds (3 diverged);") for note in row.notes)


def test_half_of_the_seeds_is_not_most(tmp_path):
    seeds = {"pilot": [], "tune": [101, 102], "confirm": [201, 202, 203, 204]}
    study = two_variants(tmp_path, seeds=seeds).tune().confirm("baseline", BASELINE_LOSSES)
    row = learned(study.confirm(LEARNED, [2.5, 2.5, None, None]))
    assert (row.verdict, row.diverged, row.pairs) == (Verdict.INCONCLUSIVE, 2, 2)


def test_there_is_no_verdict_before_the_baseline_has_run(tmp_path):
    study = two_variants(tmp_path).tune().confirm(LEARNED, BASELINE_LOSSES)
    assert (learned(study).status, learned(study).verdict) == ("done", None)


def test_all_diverged_did_not_train(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", BASELINE_LOSSES)
    row = learned(study.confirm(LEARNED, [None] * 5))
    assert (row.verdict, row.comparison, row.mean) == (Verdict.DID_NOT_TRAIN, None, None)


def test_divergence_of_the_baseline_alone_does_not_count_against_the_variant(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", [*BASELINE_LOSSES[:4], None])
    row = learned(study.confirm(LEARNED, shifted(-0.1)))
    assert row.verdict is Verdict.BETTER
    assert "lost pairs: seed 205: baseline diverged" in row.notes


def test_both_mostly_diverged_is_no_comparison(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", [3.0, 3.0, None, None, None])
    row = learned(study.confirm(LEARNED, [3.0, 3.0, None, None, None]))
    assert (row.verdict, row.comparison) == (Verdict.DID_NOT_TRAIN, None)


def test_failed_runs_are_counted_and_their_pairs_named(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", BASELINE_LOSSES)
    study.confirm(LEARNED, shifted(0.2)[:4]).run(LEARNED, 205, state="failed")
    row = learned(study)
    assert (row.failed, row.seeds_done, row.pairs, row.status) == (1, 4, 4, "done")
    assert "lost pairs: seed 205: positions=learned failed" in row.notes


def test_no_pair_at_all_is_inconclusive(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", BASELINE_LOSSES)
    row = learned(study.confirm(LEARNED, shifted(0.2), tokens=900_000))
    assert (row.verdict, row.pairs) == (Verdict.INCONCLUSIVE, 0)
    assert "no pair of complete runs" in row.notes


def test_a_complete_run_without_a_number_is_no_result(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", BASELINE_LOSSES)
    study.confirm(LEARNED, [*shifted(0.2)[:4], math.nan], state="complete")
    row = learned(study)
    assert (row.failed, row.seeds_done, row.pairs) == (1, 4, 4)


def test_a_confirm_run_that_was_stopped_early_is_no_result(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", BASELINE_LOSSES)
    study.confirm(LEARNED, shifted(0.2)[:4]).run(LEARNED, 205, 2.0, state="pruned")
    row = learned(study)
    assert (row.failed, row.seeds_done) == (1, 4)
    assert "lost pairs: seed 205: positions=learned pruned" in row.notes


def test_the_relative_difference_is_over_the_baseline_at_the_same_seeds(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", [2.0, 2.0, 2.0, 2.0, 5.0])
    row = learned(study.confirm(LEARNED, [2.2, 2.2, 2.2, 2.2, None]))
    assert row.relative == pytest.approx(0.1)


def test_pairs_need_equal_tokens(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", BASELINE_LOSSES)
    study.confirm(LEARNED, shifted(0.2)[:4]).run(LEARNED, 205, 2.0, tokens=900_000)
    row = learned(study)
    assert row.pairs == 4
    assert any("900,000 tokens" in note for note in row.notes)


def test_a_hundredth_more_tokens_is_more(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", BASELINE_LOSSES)
    study.confirm(LEARNED, shifted(0.2)[:4]).run(LEARNED, 205, 3.2, tokens=TOKENS * 101 // 100)
    assert learned(study).pairs == 4


def test_confirm_runs_at_another_rate_are_left_out(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", BASELINE_LOSSES)
    study.confirm(LEARNED, shifted(0.2)[:3]).run(LEARNED, 204, 1.0, rate=0.0061)
    row = learned(study)
    assert row.seeds_done == 3
    assert any("another learning rate" in note for note in row.notes)


def test_seeds_that_were_not_declared_are_left_out(tmp_path):
    study = full_study(tmp_path).run(LEARNED, 999, 1.0)
    assert any("999" in note for note in learned(study).notes)
    assert learned(study).seeds_done == 5
    assert learned(study).seconds == 5 * 36


def test_one_seed_is_a_screening(tmp_path):
    study = two_variants(tmp_path).pilot().tune().confirm("baseline", [3.0]).confirm(LEARNED, [3.1])
    row = learned(study)
    assert (row.verdict, row.interval, row.pairs) == (Verdict.INCONCLUSIVE, None, 1)
    assert row.seeds_needed is None  # a single pair has no noise to reckon with
    assert any("screening" in note for note in row.notes)
    assert any("1 of 5 pairs so far" in note for note in row.notes)


def test_identical_variants_are_equivalent(tmp_path, recwarn):
    study = two_variants(tmp_path).tune().confirm("baseline", BASELINE_LOSSES)
    row = learned(study.confirm(LEARNED, BASELINE_LOSSES))
    assert (row.verdict, row.comparison.p, row.difference) == (Verdict.EQUIVALENT, 1.0, 0.0)
    assert not recwarn.list


def test_unequal_tuning_refuses_a_verdict(tmp_path):
    study = two_variants(tmp_path).tune(variants=["baseline"]).tune(variants=[LEARNED], rates=[0.003, 0.006])
    study.confirm("baseline", BASELINE_LOSSES).confirm(LEARNED, shifted(-0.1))
    row = learned(study)
    assert (row.verdict, row.seeds_needed) == (Verdict.INCONCLUSIVE, None)
    assert any("no verdict on unequal tuning" in note for note in row.notes)


def test_tuning_that_goes_on_is_no_reason_to_refuse(tmp_path):
    study = two_variants(tmp_path).tune(variants=["baseline"]).tune(variants=[LEARNED], rates=[0.003, 0.006])
    study.run(LEARNED, 101, phase="tune", rate=0.012, state="running")
    study.confirm("baseline", BASELINE_LOSSES).confirm(LEARNED, shifted(-0.1))
    assert learned(study).verdict is Verdict.BETTER


@pytest.mark.parametrize(("phase", "verdict"), [("tune", Verdict.BETTER), ("confirm", Verdict.INCONCLUSIVE)])
def test_while_a_driver_tunes_its_sums_are_not_final(tmp_path, phase, verdict):
    """Between two rounds of a grid that grows, no run is unfinished."""
    study = two_variants(tmp_path).tune(variants=["baseline"]).tune(variants=[LEARNED], rates=[0.003, 0.006])
    study.confirm("baseline", BASELINE_LOSSES).confirm(LEARNED, shifted(-0.1))
    write_json(tmp_path / "driver.json", {"state": "running", "updated": now(), "phase": phase})
    assert learned(study).verdict is verdict


def test_equal_trials_of_unequal_length_are_unequal_tuning(tmp_path):
    study = two_variants(tmp_path).tune(variants=["baseline"])
    for rate in RATES:
        for seed in (101, 102):
            study.run(LEARNED, seed, 3.0 + abs(rate - 0.006), "tune", rate=rate, tokens=2 * TOKENS)
    study.confirm("baseline", BASELINE_LOSSES).confirm(LEARNED, shifted(0.03, spread=10))
    row = learned(study)
    assert any("tuned on 6,000,000 tokens, the baseline on 3,000,000" in note for note in row.notes)
    assert (row.verdict, row.seeds_needed) == (Verdict.INCONCLUSIVE, None)  # more seeds would not mend it


def test_an_edge_rate_is_noted(tmp_path):
    study = two_variants(tmp_path).tune(best=0.003)
    study.confirm("baseline", BASELINE_LOSSES, rate=0.003).confirm(LEARNED, shifted(0.2), rate=0.003)
    row = learned(study)
    assert row.interior is False
    assert any("edge" in note for note in row.notes)


def test_without_a_tuning_phase(tmp_path):
    study = two_variants(
        tmp_path, phases=["confirm"], seeds={"pilot": [], "tune": [], "confirm": [201, 202, 203]}
    )
    study.confirm("baseline", BASELINE_LOSSES).confirm(LEARNED, shifted(0.2))
    report = study_report(study.load())
    row = report.rows[1]
    assert (row.learning_rate, row.interior, row.tuning_trials) == (0.006, None, 0)
    assert (row.verdict, report.pilot) == (Verdict.WORSE, None)


def test_small_but_real_is_noted(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", BASELINE_LOSSES).confirm(LEARNED, shifted(0.01))
    row = learned(study)
    assert row.verdict is Verdict.EQUIVALENT
    assert any("small but real" in note for note in row.notes)


def test_real_and_of_a_size_that_is_not_settled_is_noted(tmp_path):
    """-0.129 [-0.209, -0.049] at a margin of 0.05: 2.6 margins are not small."""
    noise = [0.0826, -0.0826, 0.0384, -0.0384, 0.0]
    losses = [base - 0.129 + d for base, d in zip(BASELINE_LOSSES, noise, strict=True)]
    study = two_variants(tmp_path, margin=0.05).tune().confirm("baseline", BASELINE_LOSSES)
    row = learned(study.confirm(LEARNED, losses))
    assert row.verdict is Verdict.INCONCLUSIVE
    assert any(note.startswith("real; size not settled") for note in row.notes)


def test_what_holm_does_not_support_is_not_called_real(tmp_path):
    study = Study(tmp_path, manifest()).tune().confirm("baseline", BASELINE_LOSSES)
    losses = [base + d for base, d in zip(BASELINE_LOSSES, [0.01, 0.02, 0.03, 0.005, 0.03], strict=True)]
    row = learned(study.confirm(LEARNED, losses))
    assert (row.comparison.p < 0.05 < row.holm_p, row.verdict) == (True, Verdict.INCONCLUSIVE)
    assert not any("real" in note for note in row.notes)


def test_the_pilot(tmp_path):
    report = study_report(Study(tmp_path, manifest()).pilot([3.0, 3.02, 2.98]).load())
    assert report.pilot.sd == pytest.approx(0.02)
    assert report.pilot.paired_sd_bound == pytest.approx(0.02 * 2**0.5)
    assert report.pilot.detectable_effect == pytest.approx(1.682 * 0.02 * 2**0.5, rel=1e-3)
    assert report.pilot.seeds_for_margin == 18
    assert (report.pilot.sd_range.low, report.pilot.sd_range.high) == pytest.approx(
        (0.0104, 0.1257), abs=1e-4
    )
    assert report.pilot.safe_detectable_effect == pytest.approx(
        2.117 * report.pilot.detectable_effect, rel=1e-3
    )
    assert report.pilot.safe_seeds_for_margin == 73
    assert any("18 (on the safe side 73) would" in note for note in report.notes)
    quiet = Study(tmp_path, manifest()).pilot([3.0, 3.0001, 2.9999])
    assert not any("may not see" in note for note in study_report(quiet.load()).notes)


def test_a_pilot_run_that_diverged_is_told(tmp_path):
    report = study_report(Study(tmp_path, manifest()).pilot([3.0, 3.02, None]).load())
    assert (report.pilot.seeds_done, report.pilot.lost) == (2, 1)
    assert "pilot: 1 baseline run diverged, failed or did not train" in report.notes


@pytest.mark.parametrize("stage", ["nothing", "pilot", "tune", "baseline only", "one running"])
def test_partial_studies_have_a_report(tmp_path, stage, recwarn):
    study = Study(tmp_path, manifest())
    if stage != "nothing":
        study.pilot()
    if stage not in ("nothing", "pilot"):
        study.tune()
    if stage == "baseline only":
        study.confirm("baseline", [3.0])
    if stage == "one running":
        study.run("baseline", 201, state="running").run(LEARNED, 201, state="queued")
    report = study_report(study.load())
    assert [row.verdict for row in report.rows] == [None] * 4
    assert report.rows[1].status == "not started"
    assert report.rows[1].difference is None
    assert report.state == ("not started" if stage == "nothing" else "stopped")
    if stage == "one running":
        assert (report.rows[0].status, report.rows[0].running) == ("running", 1)
    assert not recwarn.list


def test_an_interim_verdict_says_that_it_is_one(tmp_path):
    study = (
        two_variants(tmp_path).tune().confirm("baseline", BASELINE_LOSSES).confirm(LEARNED, shifted(0.2)[:3])
    )
    row = learned(study)
    assert (row.verdict, row.status) == (Verdict.WORSE, "partial")
    assert any("3 of 5 pairs so far" in note for note in row.notes)


def test_a_verdict_is_interim_while_the_baseline_runs(tmp_path):
    study = two_variants(tmp_path).tune().confirm("baseline", BASELINE_LOSSES[:3])
    report = study_report(study.confirm(LEARNED, shifted(0.2)).load())
    assert (report.rows[1].status, report.state) == ("done", "stopped")
    assert any("3 of 5 pairs so far" in note for note in report.rows[1].notes)


def test_what_a_few_pairs_cannot_say_is_noted(tmp_path):
    def notes(seeds, losses):
        study = two_variants(tmp_path / str(seeds), seeds={"confirm": list(range(seeds))}, phases=["confirm"])
        row = learned(study.confirm("baseline", BASELINE_LOSSES).confirm(LEARNED, losses))
        return " | ".join(row.notes)

    assert "2 pairs only: a screening" in notes(2, shifted(0.2))
    assert "screening" not in notes(3, shifted(0.2))
    assert "no noise to estimate" not in notes(4, shifted(0.2))
    assert "the same at every seed: no noise to estimate" in notes(5, shifted(0.25, spread=0))


def test_the_share_that_did_not_train_is_of_the_runs_that_ended():
    states = {1: "diverged", 2: "complete", 3: "running", 4: "not started", 5: "did not train", 6: "failed"}
    outcomes = Outcomes(variant="v", planned=tuple(states), values={2: 3.0}, states=states, runs={})
    assert outcomes.blown_up_share == 0.5


def test_damaged_runs_and_mixed_provenance_are_noted(tmp_path):
    study = full_study(tmp_path, git_dirty=True, amendments=[{"time": "2026-01-01", "keys": ["seeds"]}])
    (tmp_path / "runs/broken").mkdir()
    (tmp_path / "runs/broken/run.json").write_text("{")
    record = next((tmp_path / "runs").glob("*/run.json"))
    text = record.read_text().replace("abc1234", "fff9999")
    record.write_text(text)
    notes = " | ".join(study_report(study.load()).notes)
    for part in ("broken", "uncommitted changes", "amended 2026-01-01: seeds", "2 commits"):
        assert part in notes


def test_a_live_study_is_running(tmp_path):
    study = two_variants(tmp_path).tune()
    write_json(tmp_path / "driver.json", {"state": "running", "updated": now(), "phase": "confirm"})
    assert study_report(study.load()).state == "running"


def test_a_metric_of_which_more_is_better_is_refused(tmp_path):
    with pytest.raises(UserError, match="lower as better"):
        study_report(Study(tmp_path, manifest(metric="validation/accuracy")).load())


def test_the_footer(tmp_path):
    footer = study_report(full_study(tmp_path).load()).footer
    assert footer["family_size"] == 3
    assert footer["hardware"] == ["Testium 9, 2 cores"]
    assert footer["core_hours"] == pytest.approx((3 + 24 + 20) * 36 / 3600)
    assert footer["gpu_hours"] == 0
    assert (footer["manifest"], footer["commit"]) == ("3f2a00112233", "abc1234")


def test_hours_are_of_a_gpu_or_of_each_core(tmp_path):
    study = two_variants(tmp_path).confirm("baseline", BASELINE_LOSSES[:3])
    loaded = study.load()
    devices = [{"device": "cuda"}, {"device": "cpu", "threads": 4}, {"device": "cpu", "threads": 1}]
    loaded.runs["config"] = [{"training": device} for device in devices]
    footer = study_report(loaded).footer
    assert (footer["gpu_hours"], footer["core_hours"]) == (pytest.approx(0.01), pytest.approx(0.05))


def test_runs_of_an_earlier_version_are_told(tmp_path):
    loaded = replace(full_study(tmp_path).load(), superseded=2)
    assert "2 runs of an earlier version of this study left out" in study_report(loaded).notes
