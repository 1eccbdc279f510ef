"""Inference cost, additivity and trends over rungs: by arithmetic, and as the studies report them."""

import math
from pathlib import Path

import pytest

from tests.analysis.gain_studies import GainStudy, gain_manifest, gain_of, gain_study
from tests.analysis.synthetic_studies import variant
from tests.claims.claim_studies import LARGER, card, inference_study, judged, prediction, repaid, write_parts
from workbench.analysis.effects import study_report
from workbench.analysis.ladder_effects import ladder_report
from workbench.claims.evidence import Studies
from workbench.claims.quantities.costs import break_even
from workbench.claims.quantities.quantity import NotMeasurableError, Sides
from workbench.claims.quantities.registry import QUANTITIES
from workbench.claims.words import Word
from workbench.model.config import ModelConfig
from workbench.model.cost import matmul_parameters

PUBLISHED = Path(__file__).parents[2] / "results"


def test_a_decoded_token_takes_a_forward_pass_of_one_token_at_the_full_context():
    measured = QUANTITIES["decode_flops_ratio"].measure(
        Studies(PUBLISHED).open("positions"), Sides("positions=learned")
    )
    by_hand = []
    manifest = Studies(PUBLISHED).open("positions").records.manifest
    for name in ("positions=learned", "baseline"):
        entry = next(one for one in manifest.variants if one.name == name)
        config = ModelConfig.from_dict(entry.model)
        attention = 4 * config.layers * config.attention_width * config.context
        by_hand.append(2 * matmul_parameters(config) + attention)
    assert measured.exact == pytest.approx(by_hand[0] / by_hand[1], rel=1e-12)


def test_the_break_even_at_equal_loss_is_that_of_the_tokens_the_larger_loss_takes(tmp_path):
    inference_study(tmp_path / "inference")
    one = judged(card(repaid()), tmp_path).evidence[0]
    ratio = gain_of(-0.1)  # times the tokens: exp(0.25)
    assert one.estimate == pytest.approx(break_even(ratio, 1, 800_000, 1_600_000), abs=0.05)
    assert one.interval.low < one.estimate < one.interval.high
    assert (one.word, one.is_exact, one.n) == (Word.HOLDS, False, 5)
    # It is the report's gain, at the level of one prediction: the same tokens, as a sum of FLOPs.
    gain = judged(card(repaid(quantity="ln_gain", variant=LARGER, against=None)), tmp_path).evidence[0]
    for ours, theirs in ((one.interval.low, gain.interval.low), (one.interval.high, gain.interval.high)):
        assert ours == pytest.approx(break_even(math.exp(theirs), 1, 800_000, 1_600_000))
    assert [(cost.variant, cost.flops_per_token) for cost in one.facts.costs] == [
        ("baseline", 800_000),
        (LARGER, 1_600_000),
    ]


def test_a_small_model_that_needs_many_tokens_is_repaid_late(tmp_path):
    inference_study(tmp_path / "inference", better=0.5)
    one = judged(card(repaid()), tmp_path).evidence[0]
    assert one.estimate == pytest.approx(3 * (math.exp(0.5 / 0.4) / 2 - 1) / 0.5, abs=0.3)
    assert one.word is Word.FAILS


@pytest.mark.parametrize(
    ("sides", "wanted"),
    [
        (Sides("baseline"), "name the larger one under against"),
        (Sides(LARGER, "baseline"), "the variant must be the study's baseline"),
        (Sides("baseline", "same cost"), "costs no less than one of the other side"),
    ],
)
def test_a_break_even_that_cannot_be_says_why(tmp_path, sides, wanted):
    entries = [variant("baseline"), variant(LARGER, flops_per_token=1_600_000), variant("same cost")]
    GainStudy(tmp_path / "inference", gain_manifest(entries, name="inference"))
    with pytest.raises(NotMeasurableError, match=wanted):
        QUANTITIES["break_even_at_equal_loss"].measure(Studies(tmp_path).open("inference"), sides)


def test_without_other_budgets_nothing_says_what_an_equal_loss_takes(tmp_path):
    write_parts(tmp_path)
    parts = Studies(tmp_path).open("parts")
    entry = parts.variant("norm=layernorm")
    object.__setattr__(entry, "flops_per_token", 2 * entry.flops_per_token)
    with pytest.raises(NotMeasurableError, match="give it the key gain"):
        QUANTITIES["break_even_at_equal_loss"].measure(parts, Sides("baseline", "norm=layernorm"))


def test_additivity_is_what_the_report_of_the_published_study_leaves_over():
    study = Studies(PUBLISHED).open("dismantle")
    measured = QUANTITIES["additivity"].measure(study, Sides("gpt2"))
    left_over = study_report(study.records).dismantled.out.left_over.measured
    assert list(measured.values) == list(left_over.by_seed.values())
    assert (measured.lost, measured.due) == ((), 0)
    # By hand at one seed: the gap minus the steps of the six parts.
    seed = study.outcomes["baseline"].planned[0]
    losses = {name: outcomes.values[seed] for name, outcomes in study.outcomes.items()}
    steps = [losses[part.out] - losses["baseline"] for part in study.records.manifest.stack.parts]
    assert measured.values[0] == pytest.approx(losses["gpt2"] - losses["baseline"] - sum(steps))
    asked = prediction(study="dismantle", variant="gpt2", quantity="additivity", direction="equal")
    one = judged(card(asked | {"margin": 0.01}), PUBLISHED).evidence[0]
    assert one.word is Word.FAILS
    assert any("feedforward=gelu_tanh: learning rate" in text for text in one.reservations)


def test_additivity_needs_recipes_that_were_taken_apart(tmp_path):
    write_parts(tmp_path)
    with pytest.raises(NotMeasurableError, match="parts takes no recipe apart"):
        QUANTITIES["additivity"].measure(Studies(tmp_path).open("parts"), Sides("norm=layernorm"))
    with pytest.raises(NotMeasurableError, match="lie between gpt2 and baseline"):
        QUANTITIES["additivity"].measure(Studies(PUBLISHED).open("dismantle"), Sides("bias=true"))


def test_a_slope_over_rungs_is_the_trend_of_the_published_ladder():
    asked = prediction(study="ladder", variant="positions=learned", quantity="slope_over_rungs", margin=0)
    one = judged(card(asked), PUBLISHED).evidence[0]
    ladder = Studies(PUBLISHED).open("ladder", as_ladder=True)
    row = next(row for row in ladder_report(ladder.records).rows if row.called == "positions=learned")
    assert one.estimate == pytest.approx(row.trend.per_decade, rel=1e-9)
    assert (one.interval.low, one.interval.high) == pytest.approx(
        (row.trend.per_decade_interval.low, row.trend.per_decade_interval.high), rel=1e-9
    )
    assert one.equivalence_interval.half_width < one.interval.half_width
    assert (one.n, one.word) == (8, Word.HOLDS)
    assert one.facts.rates[0].startswith("rung 1: positions=learned 0.0")


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"study": "ladder", "quantity": "loss"}, "is a ladder, of which each rung is compared by itself"),
        ({"study": "quickstart"}, "quickstart is no ladder; write a study with the key rungs"),
        ({"study": "ladder", "variant": "rung 1: baseline"}, "has no variant 'rung 1: baseline'; it has"),
    ],
)
def test_rungs_and_studies_are_not_taken_for_one_another(changes, wanted):
    asked = prediction(variant="positions=learned", quantity="slope_over_rungs") | changes
    one = judged(card(asked), PUBLISHED).evidence[0]
    assert (one.word, one.estimate) == (Word.OPEN, None)
    assert wanted in one.missing


def test_a_study_of_gains_gives_both_quantities_without_training_anything_twice(tmp_path):
    gain_study(tmp_path / "gains", name="gains")
    cheaper = prediction(
        study="gains",
        variant="baseline",
        against="feedforward=relu",
        quantity="break_even_at_equal_loss",
        direction="not_worse",
    )
    one = judged(card(cheaper | {"margin": 3}), tmp_path).evidence[0]
    assert one.estimate == pytest.approx(break_even(gain_of(-0.1), 1, 800_000, 1_000_000), abs=0.1)
