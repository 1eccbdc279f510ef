"""Cards and finished studies with known answers, for the tests of claims."""

import shutil
from pathlib import Path

from tests.analysis.gain_studies import GainStudy, gain_manifest, rung_losses
from tests.analysis.synthetic_studies import (
    BASELINE_LOSSES,
    Study,
    manifest,
    one_at_a_time,
    shifted,
    variant,
)
from workbench.claims.card import Card
from workbench.claims.evidence import Studies
from workbench.claims.results import CardResult, card_result
from workbench.records.step_times import StepTimes, step_digest
from workbench.user_input import read_as

SEEDS = list(range(201, 211))  # ten, two more than a word needs
LARGER = "twice the layers"
LEARNED, NORM, RELU = "positions=learned", "norm=layernorm", "feedforward=relu"
_NOISE = [0.003, -0.002, 0.001, -0.003, 0.002, 0.0, -0.001, 0.002, -0.002, 0.001]
_BASE = [3.00, 3.03, 2.98, 3.01, 2.99, 3.02, 3.00, 2.97, 3.01, 3.00]


def prediction(**changes):
    """That learned positions lose more than 0.05 against the baseline of the study ``parts``."""
    return {
        "id": "learned-is-higher",
        "study": "parts",
        "variant": LEARNED,
        "quantity": "loss",
        "direction": "higher",
        "margin": 0.05,
    } | changes


def card(*predictions, **changes) -> Card:
    """A card of one rung with these predictions, or the one above."""
    values = {
        "id": "a-card",
        "title": "Positions",
        "statement": "Rotary positions give a lower loss.",
        "sources": [
            {"paper": "Somebody 2020", "where": "table 1", "number": "-0.05 nats", "certainty": "derived"}
        ],
        "rungs": {"small": {"size": "nano", "about": "0.1M parameters"}},
        "predictions": list(predictions) or [prediction()],
        "scope": "Small ones.",
    }
    return read_as(Card, values | changes)


def losses(shift=0.0, spread=1.0):
    """The baseline's losses moved by ``shift``, with noise of their own."""
    return [base + shift + spread * noise for base, noise in zip(_BASE, _NOISE, strict=True)]


def write_parts(results: Path, **changes) -> Study:
    """A finished study: learned positions worse by 0.2, LayerNorm equal, ReLU worse by 0.2."""
    seeds = {"pilot": [], "tune": [101, 102], "confirm": SEEDS}
    body = manifest(one_at_a_time(), name="parts", seeds=seeds, phases=["tune", "confirm"], **changes)
    study = Study(results / "parts", body).tune()
    study.confirm("baseline", _BASE)
    for name, shift in ((LEARNED, 0.2), (NORM, 0.0), (RELU, 0.2)):
        study.confirm(name, losses(shift))
    return study


def step_times(ratios=(1.06, 1.04, 1.05), blocks=24, **changes) -> StepTimes:
    """LayerNorm's step takes so many times the baseline's, in turn, in blocks of 2 s on a quiet CPU."""
    step = step_digest({}, {"batch_size": 16})
    pair = {
        "variant": NORM,
        "step": step,
        "baseline_step": step,
        "batch_size": 16,
        "context": 128,
        "baseline_batch_size": 16,
        "baseline_context": 128,
        "steps": 10,
        "blocks": [[0.1 * ratios[number % len(ratios)], 0.1] for number in range(blocks)],
    }
    values = {
        "device": "cpu",
        "hardware": {"device": "cpu", "processor": "Testium 9", "cores": 2},
        "precision": "fp32",
        "compiled": False,
        "threads": 1,
        "baseline": "baseline",
        "date": "2026-11-27T04:00:00+00:00",
        "load_average": 0.21,
        "others": 0.02,
        "git_commit": "abc1234",
        "git_dirty": False,
        "pairs": [pair],
    }
    return StepTimes.model_validate(values | changes)


def inference_study(path, better=0.1):
    """A small baseline at five budgets, and a model of twice its cost whose loss is lower by ``better``."""
    entries = [variant("baseline"), variant(LARGER, flops_per_token=1_600_000, norm="layernorm")]
    study = GainStudy(path, gain_manifest(entries, name="inference"))
    study.confirm("baseline", BASELINE_LOSSES)
    study.confirm(LARGER, shifted(-better))
    for share in (0.25, 0.5, 2.0, 4.0):
        study.rung(share, rung_losses(share))
    return study


def repaid(**changes):
    """That the small model has paid back its training after three times the tokens of the larger one."""
    return prediction(
        study="inference",
        variant="baseline",
        against=LARGER,
        quantity="break_even_at_equal_loss",
        direction="not_worse",
        margin=3,
    ) | {"id": "repaid", **changes}


def copied(results: Path, to: Path) -> Path:
    """A copy of a results folder that a test may change."""
    return Path(shutil.copytree(results, to / "results"))


def judged(one: Card, results: Path, size="nano") -> CardResult:
    """The card's word by the results."""
    return card_result(one, size, Studies(results))
