"""The tables that probes write, by name, and what each costs."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from workbench.inspection.activations.feedforward_activity import feedforward_table
from workbench.inspection.activations.residual import residual_table
from workbench.inspection.attention.head_scores import LONGEST_REPEAT, WINDOWS, head_table
from workbench.inspection.attention.repeats import REPEATS
from workbench.inspection.position.distance import profile_table
from workbench.inspection.position.extrapolation import extrapolation_table, extrapolation_tokens
from workbench.inspection.position.loss import position_loss_table
from workbench.inspection.probe import Probe
from workbench.model.decoder import Decoder


@dataclass(frozen=True)
class Table:
    """How a table is measured. ``tokens``: as long as training on so many tokens takes, or less."""

    measure: Callable[[Decoder, Probe], pd.DataFrame]
    tokens: Callable[[Probe], float]


def _head_tokens(probe: Probe) -> float:
    length = probe.text.shape[1] - 1
    return WINDOWS * length + 2 * REPEATS * min(length, LONGEST_REPEAT)


def _profile_tokens(probe: Probe) -> float:
    return WINDOWS * (probe.text.shape[1] - 1)


# The first are measured first where the time does not suffice for all.
TABLES = {
    "heads": Table(head_table, _head_tokens),
    "profiles": Table(profile_table, _profile_tokens),
    "residual": Table(residual_table, _profile_tokens),
    "feedforward": Table(feedforward_table, lambda probe: 1.75 * _profile_tokens(probe)),
    "extrapolation": Table(extrapolation_table, extrapolation_tokens),
    "position_loss": Table(position_loss_table, lambda probe: probe.text[:, 1:].numel() / 2),
}
