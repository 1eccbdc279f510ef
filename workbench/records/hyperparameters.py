"""What is tuned of a trial: its learning rate, and any other number or name of its training, by name."""

import json
from typing import Any

from workbench.numbers import rate

Hyperparameters = dict[str, Any]  # numbers, and text where a name is chosen

LEARNING_RATE = "learning_rate"  # the one that every trial has
_SHORT = {LEARNING_RATE: "rate"}


def identity(hyperparameters: Hyperparameters) -> float | Hyperparameters:
    """What a run's id is a hash of: the learning rate by itself where nothing else is tuned.

    Else it is the mapping. Runs from before there was one keep their ids so, and a study goes on with them.
    """
    if list(hyperparameters) == [LEARNING_RATE]:
        return hyperparameters[LEARNING_RATE]
    return hyperparameters


def brought_up_to_date(values: dict[str, Any]) -> dict[str, Any]:
    """The content of a ``run.json`` with the mapping, which early ones have as a field ``learning_rate``."""
    if LEARNING_RATE not in values or "hyperparameters" in values:
        return values
    others = {key: value for key, value in values.items() if key != LEARNING_RATE}
    return others | {"hyperparameters": {LEARNING_RATE: values[LEARNING_RATE]}}


def described(hyperparameters: Hyperparameters) -> str:
    """All of them for people: ``rate 0.003``, or ``rate 0.003, weight_decay 0.1``."""
    return ", ".join(f"{_SHORT.get(name, name)} {shown(value)}" for name, value in hyperparameters.items())


def shown(value: float | str) -> str:
    """One value for people: ``0.003``, ``cosine``."""
    return value if isinstance(value, str) else rate(value)


def key_of(hyperparameters: Hyperparameters) -> str:
    """What tells two points apart, whatever the order of their names."""
    return json.dumps(hyperparameters, sort_keys=True)
