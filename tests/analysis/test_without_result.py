"""Variants that failed or did not train: words of their own, no numbers from what is none, and the remedy."""

import csv
import io
import json
import math

import pytest
from rich.console import Console

from tests.analysis.synthetic_studies import (
    BASELINE_LOSSES,
    RATES,
    Study,
    full_study,
    manifest,
    one_at_a_time,
    shifted,
    variant,
)
from workbench.analysis.answer_sentences import answers, headline
from workbench.analysis.curves_figure import curves_plot
from workbench.analysis.decisions import confirm_phase
from workbench.analysis.effects import study_report
from workbench.analysis.forest_figure import forest_plot
from workbench.analysis.report import render, to_json
from workbench.analysis.statistics import Verdict
from workbench.analysis.tuned_rates import choose_learning_rates
from workbench.records.training_outcome import BEFORE_LEARNING

LEARNED, NORM, RELU = "positions=learned", "norm=layernorm", "feedforward=relu"
ABSURD = 253_094_644.0
CRASH = 'Traceback (most recent call last):\n  File "a.py"\n    f()\nRuntimeError: the norm broke\nfor good'
ALL_FORMATS = ("terminal", "md", "csv", "latex")


def two_variants(path, **changes):
    return Study(path, manifest(one_at_a_time()[:2], **changes)).tune()


def learned(study):
    return next(row for row in study_report(study.load()).rows if row.variant == LEARNED)


def text_of(report, format):
    if format != "terminal":
        return render(report, format)
    console = Console(width=120, file=io.StringIO())
    console.print(render(report, "terminal"))
    return console.file.getvalue()


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Learned positions blow up, LayerNorm is worse, ReLU crashes."""
    study = Study(tmp_path_factory.mktemp("mixed"), manifest()).tune()
    study.confirm("baseline", BASELINE_LOSSES, curve=True)
    study.confirm(LEARNED, [ABSURD, 28.98, None, 1e7, 31.2], curve=True)
    study.confirm(NORM, shifted(0.2), curve=True)
    study.confirm(RELU, [None] * 5, state="failed", error=CRASH)
    return study.load()


def test_each_word_is_counted_by_itself(mixed):
    report = study_report(mixed)
    assert [row.verdict for row in report.comparisons] == [
        Verdict.DID_NOT_TRAIN,
        Verdict.WORSE,
        Verdict.FAILED,
    ]
    assert headline(report).endswith("of 3 changes to the baseline, 1 worse, 1 did not train, 1 failed.")
    blown_up, _, failed = answers(report)
    assert blown_up == (
        "Learned positions instead of RoPE: did not train in 5 of 5 seeds (1 diverged, 4 ended at 28.98 to "
        "2.531e+08 nats/token, where a uniform guess loses 5.55)."
    )
    assert failed == "ReLU instead of SwiGLU: failed in 5 of 5 trials: RuntimeError: the norm broke."


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (
            f"the training loss became nan at step 1, {BEFORE_LEARNING}; look",
            "mend the part that makes its first loss no number",
        ),
        ("the training loss became nan at step 2; try a smaller", "give smaller learning_rates than"),
    ],
)
def test_no_smaller_rate_is_advised_against_a_first_loss_that_is_none(tmp_path, error, remedy):
    study = two_variants(tmp_path).confirm("baseline", BASELINE_LOSSES)
    study.confirm(LEARNED, [None] * 5, error=error)
    row = learned(study)
    assert row.lost_at_once is (remedy != "give smaller learning_rates than")
    assert row.verdict is Verdict.DID_NOT_TRAIN
    assert remedy in row.notes[-1]


def test_no_number_is_made_of_losses_that_are_none(mixed):
    row, _, failed = study_report(mixed).comparisons
    assert (row.comparison, row.mean, row.sd, row.seeds_needed, row.holm_p) == (None,) * 5
    assert (row.seeds_done, row.diverged, row.pairs, row.differences) == (0, 1, 0, {})
    assert row.untrained == {201: ABSURD, 202: 28.98, 204: 1e7, 205: 31.2}
    assert row.uniform_loss == pytest.approx(math.log(257))
    assert (failed.failed, failed.error, failed.fate) == (5, "RuntimeError: the norm broke", Verdict.FAILED)


def test_programs_read_the_word_the_losses_and_the_error(mixed):
    rows = json.loads(json.dumps(to_json(study_report(mixed)), allow_nan=False))["rows"]
    assert [row["verdict"] for row in rows] == [None, "did not train", "worse", "failed"]
    assert [row["fate"] for row in rows] == [None, "did not train", None, "failed"]
    assert rows[1]["untrained"]["202"] == 28.98
    assert rows[3]["error"] == "RuntimeError: the norm broke"
    sheet = list(csv.DictReader(io.StringIO(render(study_report(mixed), "csv"))))
    assert [row["verdict"] for row in sheet] == ["", "did not train", "worse", "failed"]
    assert sheet[1]["untrained"].startswith("201=253094644.0; 202=28.98")


@pytest.mark.parametrize("format", ALL_FORMATS)
def test_every_format_says_the_words_and_the_error(mixed, format):
    text = text_of(study_report(mixed), format)
    assert "did not train" in text
    assert "the norm broke" in text
    assert "inconclusive" not in text
    if format == "terminal":
        assert max(map(len, text.splitlines())) <= 120
        (row,) = [line for line in text.splitlines() if line.startswith("feedforward:") and "0/5" in line]
        assert "0/5, 5 failed" in row
        assert "failed" in row.split()[-2:]  # the column after it has nothing, and may be left out


@pytest.mark.parametrize("broken", [True, False])
def test_one_seed_that_did_not_train_is_a_lost_pair_and_moves_no_number(tmp_path, broken):
    study = two_variants(tmp_path).confirm("baseline", BASELINE_LOSSES)
    row = learned(study.confirm(LEARNED, [*shifted(0.2)[:4], ABSURD if broken else "missing"]))
    assert (row.verdict, row.pairs) == (Verdict.WORSE, 4)
    assert row.difference == pytest.approx(0.19975)
    if broken:
        notes = " | ".join(row.notes)
        assert (
            "1 of 5 seeds did not train: 1 ended at 2.531e+08 nats/token, where a uniform guess loses 5.55"
            in notes
        )
        assert "lost pairs: seed 205: positions=learned did not train" in notes


def test_one_seed_that_did_not_train_forbids_a_good_verdict(tmp_path):
    study = two_variants(tmp_path).confirm("baseline", BASELINE_LOSSES)
    report = study_report(study.confirm(LEARNED, [*shifted(-0.1)[:4], 28.98]).load())
    assert report.rows[1].verdict is Verdict.INCONCLUSIVE
    assert report.rows[1].seeds_needed is None
    assert "better where it trained, but more of its seeds did not train" in answers(report)[0]


@pytest.mark.parametrize(
    ("shift", "verdict"), [(0.2, "inconclusive"), (0.0, "inconclusive"), (-0.2, "better")]
)
def test_a_baseline_that_did_not_train_once_forbids_a_bad_verdict(tmp_path, shift, verdict):
    study = two_variants(tmp_path).confirm("baseline", [*BASELINE_LOSSES[:4], 28.98])
    assert learned(study.confirm(LEARNED, shifted(shift))).verdict == verdict


def test_most_seeds_decide_and_what_the_others_lost_is_said(tmp_path):
    study = two_variants(tmp_path).confirm("baseline", BASELINE_LOSSES)
    report = study_report(study.confirm(LEARNED, [2.5, 2.6, None, 28.98, None]).load())
    assert answers(report) == [
        "Learned positions instead of RoPE: did not train in 3 of 5 seeds (2 diverged, 1 ended at 28.98 "
        "nats/token, where a uniform guess loses 5.55); where it trained, validation/loss 2.550 ± 0.071 "
        "nats/token (2 seeds)."
    ]


@pytest.mark.parametrize(
    ("losses", "failed", "verdict"),
    [
        ([], 5, "failed"),
        ([3.2], 4, "worse"),  # one pair is a screening; the note says so
        ([None, None], 3, "failed"),
        ([None, None, None], 2, "did not train"),
        ([None, 28.98], 2, "did not train"),  # as many of either: something was trained, and blew up
    ],
)
def test_failed_and_did_not_train_mixed(tmp_path, losses, failed, verdict):
    seeds = {"pilot": [], "tune": [101, 102], "confirm": list(range(201, 201 + len(losses) + failed))}
    study = two_variants(tmp_path, seeds=seeds).confirm("baseline", BASELINE_LOSSES).confirm(LEARNED, losses)
    for seed in seeds["confirm"][len(losses) :]:
        study.run(LEARNED, seed, state="failed", error=CRASH)
    row = learned(study)
    assert row.failed == failed
    assert str(row.verdict) == ("inconclusive" if verdict == "worse" else verdict)


def test_failed_at_every_seed_at_which_the_baseline_has_a_result(tmp_path):
    study = two_variants(tmp_path).confirm("baseline", [None, None, 3.0, 3.0, 3.0])
    study.confirm(LEARNED, [3.1, 3.1])
    for seed in (203, 204, 205):
        study.run(LEARNED, seed, state="failed", error=CRASH)
    row = learned(study)
    assert (row.verdict, row.fate, row.failed) == (Verdict.FAILED, Verdict.FAILED, 3)


def test_there_is_no_word_before_most_seeds_have_ended(tmp_path):
    study = two_variants(tmp_path).confirm("baseline", BASELINE_LOSSES)
    study.confirm(LEARNED, [None, 28.98])
    assert learned(study).verdict is None
    study.run(LEARNED, 203, ABSURD)
    report = study_report(study.load())
    assert report.rows[1].verdict is Verdict.DID_NOT_TRAIN
    assert "did not train in 3 of 5 seeds (1 diverged, 2 ended" in answers(report)[0]
    assert " so far" in answers(report)[0]


def test_bits_per_byte_are_judged_by_the_loss_per_token(tmp_path):
    """5 bits are below ln(257), 28.98 nats are not."""
    study = two_variants(tmp_path, metric="validation/bits_per_byte").confirm("baseline", BASELINE_LOSSES)
    row = learned(study.confirm(LEARNED, [28.98] * 5))
    assert (row.verdict, row.untrained[201]) == (Verdict.DID_NOT_TRAIN, 28.98)
    sane = learned(study.confirm(LEARNED, [5.0] * 5))  # 7.2 bits per byte, and below a guess
    assert (sane.verdict, sane.mean) == (Verdict.WORSE, pytest.approx(5 / math.log(2)))


@pytest.fixture(scope="module")
def without_baseline(tmp_path_factory):
    """The baseline blows up; learned positions train, LayerNorm crashes, ReLU blows up too."""
    study = Study(tmp_path_factory.mktemp("without"), manifest()).tune()
    study.confirm("baseline", [28.98, 29.5, 31.0, None, 28.0]).confirm(LEARNED, shifted(0.0))
    study.confirm(NORM, [None] * 5, state="failed", error=CRASH).confirm(RELU, [ABSURD] * 5)
    return study.load()


def test_nothing_is_compared_with_a_baseline_that_did_not_train(without_baseline):
    report = study_report(without_baseline)
    assert [row.verdict for row in report.rows] == [None, None, Verdict.FAILED, Verdict.DID_NOT_TRAIN]
    assert [row.no_verdict for row in report.comparisons] == ["the baseline did not train", None, None]
    assert all(row.comparison is None and row.seeds_needed is None for row in report.rows)
    assert (report.equal_flops, report.factorial, report.recovery) == (None, None, None)
    assert headline(report) == (
        "Nothing can be compared: the baseline did not train in 5 of 5 seeds (1 diverged, 4 ended at 28.00 "
        "to 31.00 nats/token, where a uniform guess loses 5.55). Remedy: give smaller learning_rates than "
        "0.006; the page Curves shows where its loss turns. Of 3 changes to it: 1 did not train, 1 failed."
    )
    assert answers(report)[0] == (
        "Learned positions instead of RoPE: no verdict, as the baseline did not train; validation/loss 3.002 "
        "± 0.018 nats/token (5 seeds)."
    )


@pytest.mark.parametrize("format", ALL_FORMATS)
def test_every_format_says_first_that_the_baseline_did_not_train(without_baseline, format):
    text = text_of(study_report(without_baseline), format)
    if format == "csv":
        first, second = list(csv.DictReader(io.StringIO(text)))[:2]
        assert (first["fate"], second["verdict"], second["no_verdict"]) == (
            "did not train",
            "",
            "the baseline did not train",
        )
    else:
        before, _, _ = text.partition("no verdict")
        assert "Nothing can be compared: the baseline did not train" in " ".join(before.split())
        assert "The baseline did not train: nothing is compared." in " ".join(text.split())
    assert "inconclusive" not in text


def test_nothing_is_compared_with_a_baseline_that_failed(tmp_path):
    study = two_variants(tmp_path).confirm("baseline", [None] * 5, state="failed", error=CRASH)
    report = study_report(study.confirm(LEARNED, BASELINE_LOSSES).load())
    assert report.rows[1].no_verdict == "the baseline failed"
    assert headline(report) == (
        "Nothing can be compared: the baseline failed in 5 of 5 trials: RuntimeError: the norm broke. "
        "Remedy: mend the cause (the page Runs has the whole error), then run again with --retry-failed."
    )


def chosen_rate(study):
    return choose_learning_rates(study.load().runs, ["baseline"], "validation/loss")["baseline"]


def test_a_rate_at_which_it_did_not_train_is_not_chosen(tmp_path):
    study = Study(tmp_path, manifest())
    for rate, loss in zip(RATES, [28.98, ABSURD, 40.0], strict=True):
        study.run("baseline", 101, loss, "tune", rate=rate)
    rate = chosen_rate(study)
    assert (rate.learning_rate, rate.interior, rate.trained, rate.place) == (0.003, False, False, "all lost")
    study.run("baseline", 101, 5.0, "tune", rate=0.006)
    rate = chosen_rate(study)
    assert (rate.learning_rate, rate.interior, rate.place) == (0.006, False, "one side lost")
    assert (rate.bounded_by, rate.losses[0.012]) == ((0.003, 0.012), [math.inf])
    study.run("baseline", 101, 5.1, "tune", rate=0.003)
    rate = chosen_rate(study)
    assert (rate.interior, rate.bounded_by) == (False, (0.012,))
    study.run("baseline", 101, 5.2, "tune", rate=0.012)
    rate = chosen_rate(study)
    assert (rate.interior, rate.bounded_by, rate.place) == (False, (), "noise not known")  # one seed


def test_a_rate_that_halving_stopped_is_preferred_to_one_that_did_not_train(tmp_path):
    study = Study(tmp_path, manifest()).run("baseline", 101, 28.98, "tune", rate=0.003)
    study.run("baseline", 101, 4.0, "tune", rate=0.006, state="pruned").run(
        "baseline", 101, None, "tune", rate=0.012
    )
    assert chosen_rate(study).learning_rate == 0.006


def test_what_lies_beside_the_chosen_rate_is_noted(tmp_path):
    study = Study(tmp_path, manifest(one_at_a_time()[:2])).tune(variants=["baseline"])
    for rate, loss in zip(RATES, [3.1, 3.0, ABSURD], strict=True):
        for seed in (101, 102):
            study.run(LEARNED, seed, loss, "tune", rate=rate)
    notes = learned(study.confirm("baseline", BASELINE_LOSSES).confirm(LEARNED, shifted(0.2))).notes
    assert (
        "learning rate 0.006 lies beside one without a result (0.012): the best may lie between them" in notes
    )


def test_a_pilot_that_did_not_train_measures_no_noise(tmp_path):
    pilot = study_report(Study(tmp_path, manifest()).pilot([3.0, 28.98, ABSURD]).load()).pilot
    assert (pilot.seeds_done, pilot.lost, pilot.sd) == (1, 2, None)


def test_the_forest_has_the_scale_of_those_that_trained_and_names_the_others(mixed, without_baseline):
    (axes,) = forest_plot(study_report(mixed)).axes
    assert axes.get_xlim()[1] < 1
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["did not train, 5 of 5 seeds", "worse, 5 seeds", "failed, 5 of 5 seeds"]
    assert axes.get_yticklabels()[0].get_text() == "positions: rope → learned"
    (axes,) = forest_plot(study_report(without_baseline)).axes
    assert axes.get_title(loc="left") == "the baseline did not train: nothing is compared"


def test_curves_have_the_scale_of_those_that_trained_and_name_the_others(mixed):
    (axes,) = curves_plot(mixed).axes
    assert axes.get_ylim()[1] < 10
    labels = [" ".join(label.split()) for label in axes.get_legend_handles_labels()[1]]  # of several lines
    assert labels == [
        "baseline (n = 5)",
        "positions=learned (did not train)",
        "norm=layernorm (n = 5)",
        "feedforward=relu (failed)",
    ]


def test_at_equal_flops_a_seed_that_cannot_be_read_is_no_failure(tmp_path):
    variants = [variant("baseline"), variant(LEARNED, 1_600_000, positions="learned")]
    study = Study(tmp_path, manifest(variants)).tune().confirm("baseline", BASELINE_LOSSES, curve=True)
    report = study_report(study.confirm(LEARNED, shifted(0.2)).load())  # without curves
    assert report.equal_flops.rows[1].comparison is None
    assert report.equal_flops.rows[1].at_the_end.n == 5
    study.confirm(LEARNED, [*shifted(0.2)[:2], ABSURD, None, 28.98], curve=True)
    row = study_report(study.load()).equal_flops.rows[1]
    assert (row.comparison, row.at_the_end) == (None, None)


def test_a_sane_study_has_no_fate(tmp_path):
    study = full_study(tmp_path).load()
    report = study_report(study)
    assert [(row.fate, row.no_verdict, row.error, row.untrained) for row in report.rows] == [
        (None, None, None, {})
    ] * 4
    assert all(not outcomes.blown_up_share for outcomes in confirm_phase(study)[1].values())
