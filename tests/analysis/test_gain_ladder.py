"""A study's gains from its records: rates, rungs, reasons for none, and how they are said in every format."""

import csv
import io
import json

import pytest

from tests.analysis.gain_studies import (
    MEAN,
    RUNGS,
    TOKENS,
    GainStudy,
    gain_manifest,
    gain_of,
    gain_study,
    rung_losses,
)
from tests.analysis.synthetic_studies import BASELINE_LOSSES, full_study, shifted, variant
from tests.drawn_figures import Drawn, faults
from workbench.analysis.answer_sentences import answers, gain_sentence
from workbench.analysis.compute_gain import Gain
from workbench.analysis.effects import study_report
from workbench.analysis.gain_ladder import VariantGain, interpolated, read_off, rung_rates
from workbench.analysis.paper_figures import to_bytes
from workbench.analysis.report import render, to_json
from workbench.analysis.report_tables import effects_table, gain_budgets_table, gains_table
from workbench.analysis.statistics import Interval
from workbench.analysis.study_figures import study_figures
from workbench.files import read_yaml, write_yaml
from workbench.records.index import load_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return gain_study(tmp_path_factory.mktemp("gains")).load()


@pytest.fixture(scope="module")
def report(study):
    return study_report(study)


def test_each_variant_has_its_gain_at_the_level_of_its_row(report):
    for name, change in (("positions=learned", 0.2), ("norm=layernorm", 0.001), ("feedforward=relu", -0.1)):
        one = report.gains.of(name)
        row = next(row for row in report.rows if row.variant == name)
        assert one.tokens.value == pytest.approx(gain_of(change), rel=2e-3)
        assert one.tokens.interval.level == row.interval.level != 0.95  # three comparisons share the error
    assert report.gains.of("norm=layernorm").tokens.is_settled is False


def test_flops_and_seconds_are_apart_from_tokens(report):
    """A token of ReLU costs a quarter more of both here."""
    one = report.gains.of("feedforward=relu")
    assert one.flops.value == pytest.approx(one.tokens.value * 0.8)
    assert one.seconds.value == pytest.approx(one.tokens.value / 1.25)
    assert one.seconds.interval.low == pytest.approx(one.tokens.interval.low / 1.25)


def test_the_rungs_are_the_budgets_and_the_confirm_runs_are_one_of_them(report):
    rungs = report.gains.rungs
    assert [rung.tokens for rung in rungs] == [125_000, 250_000, 500_000, 1_000_000, 2_000_000]
    own = rungs[2]
    assert (own.is_own, own.mean, own.planned) == (True, pytest.approx(MEAN), 5)
    assert all(rung.learning_rate == 0.006 and len(rung.losses) == 3 for rung in rungs if not rung.is_own)
    assert report.state == "complete"


def test_the_other_budgets_change_no_other_number(study, report, tmp_path):
    without = GainStudy(tmp_path, gain_manifest(phases=["confirm"]))
    values = read_yaml(tmp_path / "study.yaml")
    del values["gain"]
    write_yaml(tmp_path / "study.yaml", values)
    for name, losses in (
        ("baseline", BASELINE_LOSSES),
        ("positions=learned", shifted(0.2)),
        ("norm=layernorm", shifted(0.001)),
        ("feedforward=relu", shifted(-0.1)),
    ):
        without.confirm(name, losses)
    plain = study_report(without.load())
    assert plain.gains is None
    assert plain.rows == report.rows
    assert effects_table(plain) == effects_table(report)
    assert "compute_gain" not in to_json(plain)


def test_a_study_without_the_key_says_nothing_of_gains(tmp_path):
    report = study_report(full_study(tmp_path).load())
    assert report.gains is None
    shown = str(render(report, "md")) + str(render(report, "csv"))
    assert not {"Compute-equivalent", "gain_tokens"} & set(shown.replace(",", " ").split())


@pytest.mark.parametrize("share", [0.25, 4.0])
def test_until_all_budgets_are_trained_the_study_is_not_complete(tmp_path, share):
    study = GainStudy(tmp_path, gain_manifest())
    study.confirm("baseline", BASELINE_LOSSES).confirm("positions=learned", shifted(0.2))
    study.confirm("norm=layernorm", shifted(0.001)).confirm("feedforward=relu", shifted(-0.1))
    for known in RUNGS:
        if known != share:
            study.rung(known, rung_losses(known))
    report = study_report(study.load())
    assert report.state == "stopped"
    missing = next(rung for rung in report.gains.rungs if rung.tokens == share * TOKENS)
    assert (missing.mean, missing.is_done) == (None, False)
    assert report.gains.of("feedforward=relu").tokens.value == pytest.approx(gain_of(-0.1), rel=2e-3)


def test_a_variant_beyond_the_ladder_is_said_to_be_beyond_it(tmp_path):
    study = gain_study(tmp_path)
    study.confirm("positions=learned", shifted(0.9))
    report = study_report(study.load())
    one = report.gains.of("positions=learned")
    assert (one.tokens.text, one.flops.text) == ("<1/4x", "<1/4x")
    said = next(text for text in answers(report) if "Learned positions" in text and "the tokens" in text)
    assert "it needs more than 4x the tokens of the baseline" in said
    drawn = next(one for one in read_off(report.gains) if one.variant == "positions=learned")
    assert (drawn.reached, drawn.low, drawn.high) == (None, 125_000, 125_000)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"data": {"tokenizer": {"bpe": 512, "sha256": "ab"}}}, "its tokens are those of another tokenizer"),
        ({"data": {"corpus": "another"}}, "it trains on another text"),
        (
            {"budget": {"tokens": 400_000, "bytes": 4e5, "flops": 4e11, "mismatch": 0.0}},
            "it trains on another number of tokens",
        ),
    ],
)
def test_where_the_baselines_losses_say_nothing_of_a_variant_that_is_said(tmp_path, change, why):
    entries = [variant("baseline"), variant("other", norm="layernorm"), variant("norm=layernorm")]
    entries[1] |= change
    study = GainStudy(tmp_path, gain_manifest(entries, metric="validation/loss"))
    study.confirm("baseline", BASELINE_LOSSES).confirm("other", shifted(-0.1))
    for share in RUNGS:
        study.rung(share, rung_losses(share))
    report = study_report(study.load())
    one = report.gains.of("other")
    assert (one.why, one.tokens) == (why, None)
    assert why in gains_table(report, report.gains).rows[0]
    assert report.gains.of("norm=layernorm").why == "no two pairs of complete runs yet"


def test_a_slope_within_its_noise_is_said_and_drawn_as_no_more_than_a_loss(tmp_path):
    study = gain_study(tmp_path)
    for share in RUNGS:  # a fall that is far within the noise
        study.rung(
            share, [loss + turn for turn, loss in zip((-0.5, 0, 0.5), rung_losses(share), strict=True)]
        )
    report = study_report(study.load())
    one = report.gains.of("norm=layernorm")
    assert (one.tokens, one.why) == (None, "slope not known well enough")
    assert not any("LayerNorm" in text and "the tokens" in text for text in answers(report))
    drawn = next(one for one in read_off(report.gains) if one.variant == "norm=layernorm")
    assert (drawn.low, drawn.high, drawn.gain) == (TOKENS, TOKENS, "slope not known well enough")


def test_until_all_is_decided_a_gain_rests_on_the_pairs_of_the_last_look(tmp_path):
    study = gain_study(tmp_path, looks=[2, 4, 8])
    report = study_report(study.load())
    row = next(row for row in report.rows if row.variant == "feedforward=relu")
    one = report.gains.of("feedforward=relu")
    counted = list(row.differences.values())[: row.decision.n]
    assert row.decision.n < 5
    assert one.found.loss == pytest.approx(report.gains.rungs[2].mean + sum(counted) / len(counted))
    assert one.tokens.interval.level == row.interval.level


def test_lost_runs_of_a_budget_are_named_and_left_out(tmp_path):
    study = gain_study(tmp_path)
    study.rung(2.0, [*rung_losses(2.0)[:2], None])
    report = study_report(study.load())
    rung = next(rung for rung in report.gains.rungs if rung.tokens == 1_000_000)
    assert (rung.lost, len(rung.losses), rung.is_done) == (1, 2, True)
    lost = "baseline at 1,000,000 tokens: 1 of 3 runs gave no result"
    assert any(lost in str(note) for note in report.reading)
    assert "2/3, 1 lost" in gain_budgets_table(report, report.gains).rows[3]


def test_a_baseline_that_did_not_train_leaves_no_gains(tmp_path):
    study = gain_study(tmp_path)
    study.confirm("baseline", [None] * 5)
    assert study_report(study.load()).gains is None


# --- learning rates


def test_rates_are_chosen_at_the_ends_and_interpolated_in_logarithms_between(tmp_path):
    study = GainStudy(tmp_path, gain_manifest(tuned=True))
    study.tune(best=0.006, variants=["baseline"]).tuned_at(0.25, 0.009).tuned_at(4.0, 0.004)
    rates = list(rung_rates(study.load(), 0.006).values())
    assert rates[0] == pytest.approx(0.009, rel=0.03)
    assert rates[-1] == pytest.approx(0.004, rel=0.03)
    assert rates[1] == float(f"{(rates[0] * 0.006) ** 0.5:.2g}")
    assert rates[2] == float(f"{(rates[-1] * 0.006) ** 0.5:.2g}")


def test_before_an_end_is_tuned_the_rates_that_follow_from_it_are_not_known(tmp_path):
    study = GainStudy(tmp_path, gain_manifest(tuned=True))
    study.tune(variants=["baseline"]).tuned_at(0.25, 0.009)
    rates = rung_rates(study.load(), 0.006)
    assert [one is None for one in rates.values()] == [False, False, True, True]


def test_an_end_whose_best_rate_is_at_the_edge_is_named(tmp_path):
    study = gain_study(tmp_path, tuned=True)
    study.tune(best=0.006).tuned_at(0.25, 0.05).tuned_at(4.0, 0.006)
    notes = [str(note) for note in study_report(study.load()).reading]
    assert any("baseline at 125,000 tokens: its learning rate 0.012 is at the edge" in note for note in notes)


def test_runs_at_an_earlier_rate_are_not_mixed_in(tmp_path):
    study = gain_study(tmp_path)
    study.rung(0.5, [9.0, 9.1, 9.2], rate=0.1)
    rung = study_report(study.load()).gains.rungs[1]
    assert rung.mean == pytest.approx(sum(rung_losses(0.5)) / 3)


@pytest.mark.parametrize(
    ("tokens", "rate"), [(100, 0.01), (200, 0.0071), (400, 0.005), (800, 0.005), (50, None)]
)
def test_interpolation(tokens, rate):
    assert interpolated(tokens, {100: 0.01, 400: 0.005, 1600: 0.005}) == rate


# --- how it is said


def _one(value, low, high, *, ratio=1.0):
    gain = Gain(value=value, interval=Interval(low, high, 0.95), reach=(0.25, 4.0))
    return VariantGain(variant="v", found=None, tokens=gain, flops=gain.scaled(ratio), seconds=None, why=None)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (_one(1.517, 1.24, 1.92), "V: for its loss the baseline needs 1.52x [1.24, 1.92] the tokens."),
        (
            _one(0.461, 0.344, 0.559),
            "V: needs 2.17x [1.79, 2.91] the tokens of the baseline for the same loss.",
        ),
        (
            _one(1.02, 0.95, 1.1),
            "V: for its loss the baseline needs 1.02x [0.95, 1.10] the tokens; whether it needs more or less "
            "is not settled.",
        ),
        (
            _one(1.5, 1.2, 1.8, ratio=0.8),
            "V: for its loss the baseline needs 1.50x [1.20, 1.80] the tokens and 1.20x [0.96, 1.44] the "
            "FLOPs.",
        ),
        (
            _one(5.0, 3.5, 7.0),
            "V: the baseline does not reach its loss with 4x the tokens, its largest budget.",
        ),
        (
            _one(0.1, 0.05, 0.2),
            "V: the baseline reaches its loss with less than its smallest budget, so that it needs more than "
            "4x the tokens of the baseline for the same loss.",
        ),
    ],
)
def test_a_sentence_says_who_needs_more(one, said):
    assert gain_sentence("V", one) == said


def test_every_format_has_the_gains(report):
    text = report.gains.of("feedforward=relu").tokens.text
    for format in ("md", "latex"):
        shown = str(render(report, format))
        assert "Compute-equivalent gain" in shown
        assert text in shown.replace("{[}", "[").replace("{]}", "]")
    rows = {row["variant"]: row for row in csv.DictReader(io.StringIO(str(render(report, "csv"))))}
    assert float(rows["feedforward=relu"]["gain_tokens"]) == pytest.approx(gain_of(-0.1), rel=2e-3)
    assert rows["feedforward=relu"]["gain_tokens_text"] == text
    assert rows["baseline"]["gain_tokens"] == ""
    found = json.loads(json.dumps(to_json(report)))["compute_gain"]
    assert found["tokens"] == TOKENS
    assert [rung["tokens"] for rung in found["rungs"]] == [125_000, 250_000, 500_000, 1_000_000, 2_000_000]
    assert {one["variant"]: one["no_gain"] for one in found["gains"]} == dict.fromkeys(
        ["positions=learned", "norm=layernorm", "feedforward=relu"]
    )


def test_the_footer_names_the_seeds_of_the_other_budgets(report):
    assert report.footer["seeds"]["gain"] == [401, 402, 403]


def test_the_figure_has_every_variant_with_its_gain(study, report):
    figures = study_figures(study)
    assert not faults(Drawn(figures["gains"]))
    drawn = to_bytes(figures["gains"], "svg").decode()
    assert "training tokens" in drawn
    for one in report.gains.gains:
        assert one.tokens.text.partition(" ")[0] in drawn


def test_a_record_of_another_budget_is_no_run_of_the_study_without_the_key(study, tmp_path):
    """They stay on disk, are counted, and mix with nothing."""
    other = gain_study(tmp_path)
    values = read_yaml(tmp_path / "study.yaml")
    del values["gain"]
    values["phases"] = ["confirm"]
    write_yaml(tmp_path / "study.yaml", values)
    assert other.load().superseded == 12
    assert load_study(study.path).superseded == 0
