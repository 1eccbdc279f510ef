"""Predictions and the numbers that they rest on, in words: for reasons, tables and pages alike."""

from workbench.analysis.deciding.decisions import level_text
from workbench.claims.card import Prediction
from workbench.claims.evidence import Evidence
from workbench.numbers import MISSING, decimals_for, fixed, plural, with_interval
from workbench.records.cells import CELLS

_DIRECTIONS = {
    "lower": "below {minus}",
    "higher": "above {plus}",
    "equal": "within ±{margin}",
    "not_worse": "below {plus}",
}


def asked_text(prediction: Prediction) -> str:
    """``loss, positions=learned minus the baseline: above +0.01``."""
    margin = prediction.margin
    border = _DIRECTIONS[prediction.direction].format(
        minus=f"-{margin:g}" if margin else "0",
        plus=f"+{margin:g}" if margin else "0",
        margin=f"{margin:g}",
    )
    text = f" on {prediction.evaluation}" if prediction.evaluation else ""
    if prediction.cell:
        text = f" on {CELLS[prediction.cell].words}"
    unit = f" {prediction.measured.unit}" if margin else ""
    return f"{prediction.measured.title}{text}, {sides_text(prediction)}: {border}{unit}"


def sides_text(prediction: Prediction) -> str:
    """``positions=learned minus the baseline``, or the variant where it is asked of alone."""
    if prediction.against is None and prediction.measured.alone:
        return prediction.variant
    return f"{prediction.variant} {prediction.measured.joined} {prediction.against or 'the baseline'}"


def estimate_text(one: Evidence) -> str:
    """The estimate with its interval and the interval's level; a dash where there is none."""
    if one.estimate is None:
        return MISSING
    decimals = decimals_for(one.placed.prediction.margin or 0.01)
    if one.interval is None:
        return fixed(one.estimate, decimals, sign=True)
    text = with_interval(one.estimate, one.interval, decimals, sign=True)
    return f"{text} {level_text(one.interval)}"


def pairs_text(one: Evidence) -> str:
    """How many pairs, or blocks of step times, or that the number has no noise."""
    if one.is_exact:
        return "exact"
    if not one.n:
        return MISSING
    counted = one.placed.prediction.measured.counted
    return str(one.n) if counted == "pair" else plural(one.n, counted)
