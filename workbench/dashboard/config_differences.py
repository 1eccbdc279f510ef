"""How the configurations of runs differ, key by key."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

MISSING = "—"


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one level of dotted keys: ``model.feedforward.name``, ``data.evaluation.0.name``."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            value = {str(place): item for place, item in enumerate(value)}
        flat |= flatten(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def configuration(run: Mapping[str, Any]) -> dict[str, Any]:
    """All that decides a run's outcome: its configuration, hyperparameters and seed."""
    own = {"variant": run["variant"], "seed": run["seed"], **run["hyperparameters"]}
    return own | flatten(run["config"] or {})


def compare(configs: Mapping[str, Mapping[str, Any]], *, only_different: bool = True) -> pd.DataFrame:
    """One row per key and one text column per configuration; a dash where a configuration lacks the key."""
    keys = list(dict.fromkeys(key for config in configs.values() for key in config))
    rows = [{"key": key} | {name: _text(config, key) for name, config in configs.items()} for key in keys]
    kept = [row for row in rows if not only_different or len({row[name] for name in configs}) > 1]
    return pd.DataFrame(kept, columns=["key", *configs])


def varying(configs: list[Mapping[str, Any]]) -> list[str]:
    """Keys whose value is not the same in every configuration, in order of appearance."""
    keys = dict.fromkeys(key for config in configs for key in config)
    return [key for key in keys if len({_text(config, key) for config in configs}) > 1]


def _text(config: Mapping[str, Any], key: str) -> str:
    return str(config[key]) if key in config else MISSING
