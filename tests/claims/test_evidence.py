"""What runs say of a card: the same numbers as the report's, and nothing that rests on unsound ones."""

import json
import shutil

import pytest

from tests.analysis.synthetic_studies import Study, manifest, variant
from tests.claims.claim_studies import (
    LEARNED,
    NORM,
    RELU,
    SEEDS,
    card,
    copied,
    judged,
    losses,
    prediction,
    write_parts,
)
from workbench.analysis.effects import study_report
from workbench.claims.quantities.costs import break_even
from workbench.claims.words import CardWord, Word
from workbench.records.index import load_study

SUPPORTED, REFUTED, UNDECIDED = CardWord
EQUAL = prediction(id="norm-is-equal", variant=NORM, direction="equal", margin=0.02)
LOWER = prediction(id="relu-is-lower", variant=RELU, direction="lower", margin=0.02)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A results folder with a finished study of three swaps at ten seeds."""
    folder = tmp_path_factory.mktemp("claims")
    write_parts(folder)
    return folder


def runs(results, name, phase="confirm"):
    """The directories of a variant's runs, by seed."""
    found = {}
    for path in (results / "parts" / "runs").iterdir():
        record = json.loads((path / "run.json").read_text())
        if record["variant"] == name and record["phase"] == phase:
            found.setdefault(record["seed"], []).append(path)
    return found


def lose(results, name, seed):
    shutil.rmtree(runs(results, name)[seed][0])


def test_the_numbers_are_those_of_the_report(results):
    report = study_report(load_study(results / "parts"))
    row = next(row for row in report.rows if row.variant == LEARNED)
    one = judged(card(prediction(margin=row.margin)), results).evidence[0]
    assert one.estimate == pytest.approx(row.difference, rel=1e-12)
    assert (one.n, one.sd) == (row.comparison.n, row.comparison.sd)
    # The report's interval is that of three comparisons; a prediction is one.
    assert row.decision.rule.comparisons == 3
    assert (one.interval.level, one.equivalence_interval.level) == pytest.approx((0.95, 0.9))
    assert one.interval.half_width <= row.interval.half_width


def test_a_card_all_of_whose_predictions_hold_is_supported(results):
    found = judged(card(prediction(), EQUAL), results)
    assert found.word is SUPPORTED
    assert [one.word for one in found.evidence] == [Word.HOLDS, Word.HOLDS]
    assert found.rungs == (1, 1)
    facts = found.evidence[0].facts
    assert (facts.parameters, facts.tokens, facts.title) == ((123_456,), (500_000,), "parts")
    assert facts.hardware == ("Testium 9, 2 cores",)
    assert facts.rates == (f"{LEARNED} 0.006 interior", "baseline 0.006 interior")


def test_a_card_of_which_one_prediction_fails_is_refuted_and_says_by_what(results):
    found = judged(card(prediction(), LOWER), results)
    assert found.word is REFUTED
    assert len(found.why) == 1
    assert found.why[0].startswith(
        "relu-is-lower at small fails: loss, feedforward=relu minus the baseline: below -0.02"
    )


def test_a_secondary_prediction_decides_nothing(results):
    assert judged(card(prediction(), LOWER | {"role": "secondary"}), results).word is SUPPORTED
    rungs = {
        "small": {"size": "nano", "about": "a"},
        "old": {"size": "nano", "about": "b", "role": "secondary"},
    }
    both = card(prediction(study={"small": "parts", "old": "parts"}), LOWER | {"rung": "old"}, rungs=rungs)
    assert judged(both, results).word is SUPPORTED


@pytest.mark.parametrize("name", ["baseline", LEARNED, NORM])
@pytest.mark.parametrize("seed", [SEEDS[0], SEEDS[-1]])
def test_a_run_that_is_taken_away_turns_a_card_to_undecided(results, tmp_path, name, seed):
    own = copied(results, tmp_path)
    lose(own, name, seed)
    found = judged(card(prediction(), EQUAL), own)
    assert found.word is UNDECIDED
    assert any("1 planned seed still to come" in why for why in found.why)
    if name != NORM:
        refuted = judged(card(LOWER | {"variant": LEARNED}), own)
        assert refuted.word is UNDECIDED


def test_a_lost_pair_forbids_both_words(results, tmp_path):
    own = copied(results, tmp_path)
    path = runs(own, LEARNED)[SEEDS[3]][0] / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "diverged", "summary": {}}))
    supported, refuted = card(prediction()), card(LOWER | {"variant": LEARNED})
    for one in (supported, refuted):
        found = judged(one, own)
        assert found.word is UNDECIDED
        assert found.evidence[0].word is not Word.OPEN
        assert f"lost pairs: seed {SEEDS[3]}: positions=learned diverged" in found.evidence[0].reservations


def seven(tmp_path, **changes):
    """A study of learned positions with seven seeds."""
    seeds = {"pilot": [], "tune": [101, 102], "confirm": SEEDS[:7]}
    body = manifest([variant("baseline"), variant(LEARNED, positions="learned")], name="parts", seeds=seeds)
    return Study(tmp_path / "parts", body | changes)


def test_seven_pairs_are_too_few(tmp_path):
    seven(tmp_path).tune().confirm("baseline", losses(0)).confirm(LEARNED, losses(0.2))
    found = judged(card(), tmp_path)
    assert (found.word, found.evidence[0].word) == (UNDECIDED, Word.HOLDS)
    assert found.evidence[0].reservations == ("7 pairs, and at least 8 are needed",)


@pytest.mark.parametrize(
    ("tune", "wanted"),
    [
        (lambda study: study.tune(best=0.003, rates=[0.003, 0.006, 0.012]), "at the edge of what was tried"),
        (
            lambda study: study.tune(variants=["baseline"]).tune(variants=[LEARNED], seeds=(101,)),
            "no verdict on unequal tuning",
        ),
        (lambda study: study, "no learning rate was tuned"),
    ],
    ids=["edge", "unequal", "untuned"],
)
def test_no_word_rests_on_learning_rates_that_were_not_searched_alike(tmp_path, tune, wanted):
    seeds = {"pilot": [], "tune": [101, 102], "confirm": SEEDS}
    study = tune(seven(tmp_path, seeds=seeds))
    rate = 0.003 if "edge" in wanted else 0.006
    study.confirm("baseline", losses(0), rate=rate).confirm(LEARNED, losses(0.2), rate=rate)
    found = judged(card(), tmp_path)
    assert (found.word, found.evidence[0].word) == (UNDECIDED, Word.HOLDS)
    assert any(wanted in text for text in found.evidence[0].reservations)
    assert any(wanted in why for why in found.why)


def test_an_open_prediction_says_how_many_pairs_and_how_long_would_decide(results, tmp_path):
    own = copied(results, tmp_path)
    study = Study(own / "parts", load_study(own / "parts").manifest.to_dict())
    study.confirm(RELU, losses(0.03, spread=20))
    found = judged(card(prediction(id="relu", variant=RELU, margin=0.02)), own)
    needed = found.evidence[0].needed
    assert found.evidence[0].word is Word.OPEN
    assert needed.pairs.likely > len(SEEDS)
    assert needed.seconds == pytest.approx((needed.pairs.likely - len(SEEDS)) * 2 * 36.0)
    assert f"likely decided by {needed.pairs.likely} pairs" in found.why[0]


def test_a_study_that_has_not_run_is_open_and_names_the_command(results):
    rungs = {"small": {"size": "nano", "about": "a"}, "long": {"size": "nano", "about": "b"}}
    both = card(prediction(study={"small": "parts", "long": "claims-parts-0.8M"}), rungs=rungs, id="mine")
    found = judged(both, results)
    assert found.word is UNDECIDED
    assert [one.word for one in found.evidence] == [Word.HOLDS, Word.OPEN]
    assert not found.evidence[1].has_run
    assert found.rungs_text == "at 1 of 2 rungs"
    assert "claims-parts-0.8M has not run" in found.why[0]
    assert "'workbench claims run mine'" in found.why[0]
    assert "by the pairs at small" in found.why[0]


def test_a_variant_or_a_text_that_the_study_lacks_is_open_and_said(results):
    for changes, wanted in (
        ({"variant": "positions=alibi"}, "parts has no variant 'positions=alibi'; it has baseline"),
        ({"evaluation": "prose"}, "parts is not judged on 'prose'; it has the validation split alone"),
        ({"quantity": "delta_ce_2x"}, "'workbench probe parts' measures it"),
        ({"quantity": "lr_sensitivity"}, "in steps of two are needed, and 3 from 0.003 to 0.012 were tried"),
    ):
        one = judged(card(prediction(**changes)), results).evidence[0]
        assert one.word is Word.OPEN
        assert wanted in one.missing


def test_two_variants_are_compared_where_a_prediction_names_both_sides(results):
    sides = {"variant": RELU, "against": LEARNED, "direction": "equal", "margin": 0.02}
    one = judged(card(prediction(**sides)), results).evidence[0]
    assert (one.word, one.n) == (Word.HOLDS, len(SEEDS))
    assert one.estimate == pytest.approx(0, abs=1e-9)


def test_bits_per_byte_are_those_of_the_same_runs(results):
    nats, bits = (
        judged(card(prediction(quantity=quantity)), results).evidence[0].estimate
        for quantity in ("loss", "bits_per_byte")
    )
    assert bits == pytest.approx(nats / 0.6931471805599453)


def test_costs_are_exact_but_for_seconds_on_which_nothing_rests(results):
    names = ["flops_per_token_ratio", "parameters_ratio", "seconds_per_token_ratio"]
    predictions = [prediction(id=name, quantity=name, direction="not_worse", margin=0.1) for name in names]
    flops, parameters, seconds = judged(card(*predictions), results).evidence
    assert (flops.estimate, flops.is_exact, flops.word) == (0.0, True, Word.HOLDS)
    assert (parameters.estimate, parameters.reservations) == (0.0, ())
    assert seconds.estimate == pytest.approx(0.0)
    assert "only step times that were measured in turns decide" in seconds.reservations[0]
    assert judged(card(*predictions), results).word is UNDECIDED


def test_break_even_is_the_arithmetic_of_training_and_serving():
    # N = 1, D = 100 against N = 1/2 on 2.5 D: 6 * (125 - 100) / (2 * (1 - 1/2)) = 150 tokens, 1.5 D.
    assert break_even(250, 100, 3.0, 6.0) == pytest.approx(1.5)
    assert break_even(200, 100, 3.0, 6.0) == pytest.approx(0.0)


def test_a_family_of_primaries_shares_the_error(tmp_path):
    study = seven(tmp_path, seeds={"pilot": [], "tune": [101, 102], "confirm": SEEDS}).tune()
    study.confirm("baseline", losses(0)).confirm(LEARNED, losses(0.03, spread=13))
    # Fails alone at 5 %, and not at a thirtieth of it.
    lower = prediction(direction="lower", margin=0)
    alone = judged(card(lower), tmp_path)
    family = judged(card(*[lower | {"id": f"p{i}"} for i in range(30)]), tmp_path)
    assert (alone.word, alone.evidence[0].firm) == (REFUTED, True)
    assert (family.word, family.evidence[0].word, family.evidence[0].firm) == (UNDECIDED, Word.FAILS, False)
    assert "fails alone, and not with Holm over 30 primaries" in family.why[0]
