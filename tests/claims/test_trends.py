"""The trend of a card's effects over its own rungs."""

import json

import pytest

from tests.analysis.synthetic_studies import Study, manifest, variant
from tests.claims.claim_studies import LEARNED, SEEDS, card, judged, losses, prediction
from workbench.analysis.ladder import RungEffect, trend
from workbench.claims.tables import card_to_json, facts_of, render_card

TOKENS = {"small": 100_000, "middle": 500_000, "large": 2_500_000}
SHIFTS = {"small": 0.1, "middle": 0.2, "large": 0.3}


def write_rungs(results, rungs):
    """A finished study for each rung, whose effect grows with its tokens."""
    seeds = {"pilot": [], "tune": [101, 102], "confirm": SEEDS}
    for name in rungs:
        training = {"tokens": TOKENS[name], "batch_size": 16, "steps": 240}
        entries = [variant("baseline"), variant(LEARNED, positions="learned")]
        body = manifest(entries, name=name, seeds=seeds, phases=["tune", "confirm"], training=training)
        study = Study(results / name, body).tune()
        study.confirm("baseline", losses(), tokens=TOKENS[name])
        study.confirm(LEARNED, losses(SHIFTS[name], spread=2.0), tokens=TOKENS[name])


def over(rungs, **changes):
    """A card of one prediction, asked at these rungs."""
    of_each = {name: {"size": "nano", "about": "0.1M parameters"} for name in rungs}
    return card(prediction(study={name: name for name in rungs}, **changes), rungs=of_each)


def test_three_rungs_have_the_trend_of_the_ladders_and_two_have_none(tmp_path):
    write_rungs(tmp_path, TOKENS)
    found = judged(over(TOKENS), tmp_path)
    (one,) = found.trends
    effects = [
        RungEffect(
            compute=800_000.0 * TOKENS[own.placed.rung],
            mean=own.estimate,
            error=own.sd / own.n**0.5,
            n=own.n,
        )
        for own in found.evidence
    ]
    assert (one.prediction, one.rungs, one.line) == ("learned-is-higher", 3, trend(effects))
    assert one.line.per_decade == pytest.approx(0.1 / 0.69897, rel=0.02)  # 0.1 for five times the tokens
    said = dict(facts_of(found))["trend over rungs"]
    assert said.startswith("learned-is-higher: +0.14")
    assert said.endswith("nats for ten times the compute, over 3 rungs")
    assert "trend over rungs" in render_card(found, "md")
    written = json.loads(json.dumps(card_to_json(found)))
    assert written["trends"][0]["per_decade"] == one.line.per_decade
    assert written["evidence"][0]["facts"]["costs"][1]["variant"] == "baseline"

    two = judged(over(["small", "large"]), tmp_path)
    assert two.trends == []
    assert "trend over rungs" not in dict(facts_of(two))


def test_secondary_rungs_and_numbers_without_noise_have_no_part_in_a_trend(tmp_path):
    write_rungs(tmp_path, TOKENS)
    rungs = {name: {"size": "nano", "about": "small"} for name in TOKENS}
    rungs["large"] |= {"role": "secondary"}
    assert judged(card(prediction(study={name: name for name in TOKENS}), rungs=rungs), tmp_path).trends == []
    assert judged(over(TOKENS, quantity="parameters_ratio", direction="lower"), tmp_path).trends == []
