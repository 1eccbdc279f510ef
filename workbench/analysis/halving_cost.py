"""What stopping learning rates early could have cost: the best of them, had it gained as much as any did."""

from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pandas as pd

from workbench.analysis.metric_units import unit_of
from workbench.analysis.tuned_rates import TunedRate
from workbench.errors import RecordError
from workbench.numbers import decimals_for, fixed
from workbench.records.hyperparameters import described
from workbench.records.index import StudyRecords
from workbench.records.metrics import read_evaluations
from workbench.records.run import Phase, State


def halving_warnings(study: StudyRecords, tuned: Mapping[str, TunedRate | None]) -> list[str]:
    """At which steps rates were stopped, and how much lower one of them might have ended; empty without any.

    From the step at which a rate was stopped, those that went on lowered their loss by so much; by the most
    that any rate of any variant did, the stopped one could at best have ended so far below what was chosen.
    """
    metric, runs = study.manifest.metric, study.runs
    tune = runs[runs["phase"] == Phase.TUNE]
    tune = tune.assign(point=[described(point) for point in tune["hyperparameters"]])
    stopped = tune[tune["state"] == State.PRUNED]
    if stopped.empty:
        return []
    gains = _gains(tune[tune["state"] == State.COMPLETE], metric, sorted(set(stopped["step"])))
    could = []
    for (variant, tried, step), own in stopped.groupby(["variant", "point", "step"]):
        chosen = tuned.get(str(variant))
        losses = pd.to_numeric(own[metric], errors="coerce")
        if chosen is None or not chosen.trained or step not in gains or not np.isfinite(losses).all():
            continue
        ended = min(value for value in chosen.candidate_means if np.isfinite(value))
        could.append((ended - (float(losses.mean()) - gains[step]), str(variant), str(tried)))
    at = " and ".join(f"{step:,}" for step in sorted(set(stopped["step"].astype(int))))
    steps = int(stopped["steps"].max())
    what = "learning rates" if study.manifest.tuning is None else "points"
    text = f"halving stopped {_points(stopped)} of {_points(tune)} {what} at step {at} of {steps:,}"
    return [f"{text}: {_worst(could, metric, study.manifest.smallest_margin)}"]


def _worst(could: list[tuple[float, str, str]], metric: str, margin: float) -> str:
    if not could:
        return "what that could have cost is not known"
    cost, variant, value = max(could)
    if cost <= 0:
        return "none of them could have ended below the chosen one, by the most that any gained from there on"
    return (
        f"by the most that any gained from there on, {variant} could have ended up to "
        f"{fixed(cost, decimals_for(margin))} {unit_of(metric)} lower at the {value}"
    )


def _points(runs: pd.DataFrame) -> int:
    """How many pairs of a variant and a point."""
    return len(runs.groupby(["variant", "point"]))


def _gains(complete: pd.DataFrame, metric: str, steps: list[Any]) -> dict[Any, float]:
    """By how much, at most, a rate's mean loss fell from each of ``steps`` to the end."""
    fallen: dict[Any, dict[tuple[str, str], list[float]]] = {step: {} for step in steps}
    for run in complete.to_dict("records"):
        try:
            curve = read_evaluations(Path(run["path"]), metric)
        except RecordError:  # the others still say how much was gained
            continue
        if curve.empty:
            continue
        at = dict(zip(curve["step"], curve[metric], strict=True))
        for step in steps:
            if step in at and np.isfinite(at[step] - run[metric]):
                key = (run["variant"], run["point"])
                fallen[step].setdefault(key, []).append(float(at[step] - run[metric]))
    return {step: max(map(mean, found.values())) for step, found in fallen.items() if found}
