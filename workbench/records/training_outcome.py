"""Whether a run that came to its end trained: its loss against that of a uniform guess over the vocabulary.

A model that gives every token the same probability loses ln(vocabulary) nats per token without having seen a
text. A run whose final validation loss is not below that learned nothing of its text: its number is finite,
and yet no result, whatever the metric of its study is.
"""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from workbench.records.run import State

UNIFORM = "uniform_loss"  # a column beside a run's summary: ln(vocabulary), nats per token
DID_NOT_TRAIN = "did not train"
# In the error of a run whose first loss was no number, which no learning rate explains.
BEFORE_LEARNING = "before anything was learned"
_LOSS = "validation/loss"  # nats per token in every record, also where a study is judged by bits per byte
_ROUNDING = 1e-4  # a model that outputs all zeros is at the guess itself, give or take its sums in fp32


def uniform_loss(config: Mapping[str, Any]) -> float | None:
    """The loss of a uniform guess, ln(vocabulary) of the run's own model; None where none is recorded."""
    model = config.get("model")
    vocabulary = model.get("vocabulary") if isinstance(model, Mapping) else None
    if not isinstance(vocabulary, int) or vocabulary < 2:
        return None
    return math.log(vocabulary)


def below_guess(loss: float | None, guess: float | None) -> bool:
    """Whether ``loss`` (nats per token) is below ``guess``, beyond rounding; True where one is not known."""
    if loss is None or guess is None or not (math.isfinite(loss) and math.isfinite(guess)):
        return True
    return loss < guess * (1 - _ROUNDING)


def did_not_train(run: Mapping[str, Any]) -> bool:
    """Whether a row of a study's runs is complete, and its final validation loss not below the guess."""
    return run["state"] == State.COMPLETE and not below_guess(run.get(_LOSS), run.get(UNIFORM))


def untrained(runs: pd.DataFrame) -> pd.Series:
    """The same for a whole table of runs: one boolean per row."""
    numbers = runs.reindex(columns=[_LOSS, UNIFORM]).apply(pd.to_numeric, errors="coerce")
    # A comparison with NaN, which stands for a loss that is not known, is False.
    return (runs["state"] == State.COMPLETE) & (numbers[_LOSS] >= numbers[UNIFORM] * (1 - _ROUNDING))
