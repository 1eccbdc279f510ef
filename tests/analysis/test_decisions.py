"""From records to the words of a family: joint levels, looks, what is due, and what a row shows of it."""

import numpy as np
import pytest

from tests.analysis.synthetic_studies import Study, manifest
from workbench.analysis.decisions import confirm_phase, decisions, look_in_words, rule_of
from workbench.analysis.effects import study_report
from workbench.analysis.report import render
from workbench.analysis.statistics import Verdict
from workbench.analysis.variant_row import flat

LOOKS = [4, 8, 16]
SEEDS = {"pilot": [], "tune": [], "confirm": list(range(301, 317))}
NOISE = np.random.default_rng(0).normal(0, 0.01, (4, 16))


def study(path, shifts, pairs, looks=LOOKS, **changes):
    """A study whose variants differ by ``shifts`` and have so many ``pairs`` each."""
    body = manifest(seeds=SEEDS, phases=["confirm"], learning_rates=[0.006], **changes)
    if looks:
        body["looks"] = looks
    made = Study(path, body)
    made.confirm("baseline", list(3 + NOISE[0][: max(pairs)]))
    names = [entry["name"] for entry in body["variants"][1:]]
    for name, shift, many, noise in zip(names, shifts, pairs, NOISE[1:], strict=True):
        made.confirm(name, list(3 + shift + NOISE[0][:many] + noise[:many]))
    return made.load()


def test_a_fixed_number_of_seeds_is_one_look_of_all(tmp_path):
    loaded = study(tmp_path, [0.3, 0.0, 0.02], [16, 16, 16], looks=None)
    rule = rule_of(loaded.manifest)
    assert (rule.looks, rule.until_decided, rule.comparisons) == ((16,), False, 3)
    report = study_report(loaded)
    by_name = {row.variant: row for row in report.comparisons}
    learned, layernorm, relu = by_name.values()
    assert [row.verdict for row in (learned, layernorm)] == [Verdict.WORSE, Verdict.EQUIVALENT]
    # The first word is tested at a third of 5 %, and its interval says so.
    assert learned.interval.level == pytest.approx(1 - 0.05 / 3)
    assert relu.verdict is Verdict.INCONCLUSIVE
    assert relu.pairs_needed.low <= relu.seeds_needed <= relu.pairs_needed.high
    assert learned.pairs_needed is None
    assert "jointly for 3 comparisons" in report.footer["test"]


def test_before_the_first_look_all_are_to_have_the_first_pairs(tmp_path):
    loaded = study(tmp_path, [0.3, 0.0, 0.02], [2, 2, 2])
    _, outcomes = confirm_phase(loaded)
    assert {name: len(mine.planned) for name, mine in outcomes.items()} == dict.fromkeys(outcomes, 4)
    assert study_report(loaded).state == "stopped"
    assert all(one.goes_on and one.look == 0 for one in decisions(loaded.manifest, outcomes).values())


def test_what_is_undecided_goes_on_with_the_baseline_alone(tmp_path):
    loaded = study(tmp_path, [0.3, 0.0, 0.02], [4, 4, 4])
    _, outcomes = confirm_phase(loaded)
    due = {name: len(mine.planned) for name, mine in outcomes.items()}
    found = decisions(loaded.manifest, outcomes)
    learned, layernorm, relu = found.values()
    assert learned.verdict is Verdict.WORSE
    assert learned.stopped == "stopped at look 1 of 3"
    assert relu.goes_on
    names = list(found)
    assert due[names[0]] == 4
    assert due[names[2]] == due["baseline"] == 8
    assert look_in_words(learned) == "worse after 4 pairs"
    assert look_in_words(relu).startswith("not decided after 4 pairs, difference +0.0")
    assert layernorm.interval.level > 0.98


def test_the_last_look_ends_a_study_and_says_so(tmp_path):
    loaded = study(tmp_path, [0.3, 0.0, 0.02], [4, 16, 16])
    report = study_report(loaded)
    learned, _, relu = report.comparisons
    assert (learned.seeds_planned, learned.pairs, learned.verdict) == (4, 4, Verdict.WORSE)
    assert relu.verdict is Verdict.AT_MARGIN
    assert report.state == "complete"
    columns = flat(relu)
    assert (columns["look"], columns["looks"], columns["holm_p"]) == (3, 3, None)
    assert columns["p_better"] + columns["p_equal"] + columns["p_worse"] == pytest.approx(1)
    assert "stopped at look 3 of 3" in relu.notes
    text = render(report, "md")
    assert "at the margin" in text
    assert "looks at 4, 8, 16 pairs" in text


def test_a_variant_that_does_not_train_is_not_run_to_the_end(tmp_path):
    body = manifest(seeds=SEEDS, phases=["confirm"], learning_rates=[0.006], looks=LOOKS)
    made = Study(tmp_path, body)
    made.confirm("baseline", list(3 + NOISE[0][:4]))
    names = [entry["name"] for entry in body["variants"][1:]]
    made.confirm(names[0], [None] * 4)
    made.confirm(names[1], list(3.001 + NOISE[0][:4] + 0.1 * NOISE[1][:4]))
    made.confirm(names[2], list(3.3 + NOISE[0][:4] + NOISE[2][:4]))
    loaded = made.load()
    outcomes = confirm_phase(loaded)[1]
    assert len(outcomes[names[0]].planned) == 4
    row = study_report(loaded).comparisons[0]
    assert row.verdict is Verdict.DID_NOT_TRAIN


def test_lost_pairs_count_as_looked_at(tmp_path):
    body = manifest(seeds=SEEDS, phases=["confirm"], learning_rates=[0.006], looks=LOOKS)
    made = Study(tmp_path, body)
    made.confirm("baseline", list(3 + NOISE[0][:4]))
    names = [entry["name"] for entry in body["variants"][1:]]
    made.confirm(names[0], [3.3, None, 3.31, 3.3])
    for name, noise in zip(names[1:], NOISE[1:], strict=False):
        made.confirm(name, list(3.02 + NOISE[0][:4] + noise[:4]))
    loaded = made.load()
    found = decisions(loaded.manifest, confirm_phase(loaded)[1])
    assert (found[names[0]].look, found[names[0]].n) == (1, 3)
