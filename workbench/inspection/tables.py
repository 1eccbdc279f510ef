"""The tables that are measured of a decoder on a probe, by name, and what each costs.

A table is registered where its measure stands, so that no measure is named here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import pandas as pd

from workbench.inspection.probe import Probe
from workbench.model.decoder import Decoder

Measure = Callable[[Decoder, Probe], pd.DataFrame]

MEASURED_COLUMNS = ["layer", "head", "x", "metric", "value", "n"]
# Each registers one table or more. The first are measured first where the time does not suffice for all.
_MODULES = (
    "attention.head_scores",
    "position.distance",
    "activations.residual",
    "activations.feedforward_activity",
    "position.extrapolation",
    "position.loss",
)
_TABLES: dict[str, "Table"] = {}


@dataclass(frozen=True)
class Table:
    """How a table is measured. ``tokens``: as long as training on so many tokens takes, or less."""

    measure: Measure
    tokens: Callable[[Probe], float]


def register_table(name: str, *, tokens: Callable[[Probe], float]) -> Callable[[Measure], Measure]:
    """Function decorator: what it measures is the table ``name``, with the columns ``MEASURED_COLUMNS``."""

    def register(measure: Measure) -> Measure:
        _TABLES[name] = Table(measure, tokens)
        return measure

    return register


def known_tables() -> dict[str, Table]:
    """All tables by name, in the order of their modules, whichever was imported first."""
    modules = [import_module(f"workbench.inspection.{module}").__name__ for module in _MODULES]
    names = sorted(_TABLES, key=lambda name: modules.index(_TABLES[name].measure.__module__))
    return {name: _TABLES[name] for name in names}


def measured_rows(rows: list[dict] | pd.DataFrame) -> pd.DataFrame:
    """Rows of a table with all its columns: what is not given is missing (``n`` must be)."""
    return pd.DataFrame(rows).reindex(columns=MEASURED_COLUMNS)
