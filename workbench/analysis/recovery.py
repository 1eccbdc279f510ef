"""Damage and recovery: what a swap in a trained model costs at once, and how much of it training wins back.

For studies that start from a run. Every trial is validated before its first step: there a variant's
difference to the baseline is the damage of the swap alone. At the end it is what remains, the baseline having
trained as long. Both are paired by seed.
"""

from dataclasses import dataclass
from statistics import mean

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from workbench.analysis.confirm_outcomes import Outcomes
from workbench.analysis.decisions import confirm_phase
from workbench.analysis.flops import validation_curve
from workbench.analysis.ratios import fieller
from workbench.analysis.statistics import CONFIDENCE, Interval, mean_interval
from workbench.errors import RecordError
from workbench.numbers import fixed, span
from workbench.records.index import StudyRecords
from workbench.records.training_outcome import below_guess


@dataclass(frozen=True, kw_only=True)
class RecoveryRow:
    """One variant: mean paired differences in the metric's unit, with 95 % intervals (two seeds or more).

    ``share`` is 1 - remaining / damage, with Fieller's interval of a ratio of means over the same seeds;
    None where the damage is not beyond noise. ``tokens`` are the training tokens until the mean curve over
    seeds, interpolated between evaluations, is within the margin of the baseline's final loss; None if it
    never gets there.
    """

    variant: str
    pairs: int
    damage: float | None
    damage_interval: Interval | None
    remaining: float | None
    remaining_interval: Interval | None
    share: float | None
    share_interval: Interval | None
    tokens: float | None


def recovery(study: StudyRecords) -> tuple[RecoveryRow, ...] | None:
    """A row per compared variant; None for a study that does not start from a run."""
    if study.manifest.start is None:
        return None
    metric = study.manifest.metric
    _, outcomes = confirm_phase(study)
    curves = {name: _curves(mine, metric) for name, mine in outcomes.items()}
    baseline = curves[study.manifest.baseline]
    return tuple(
        recovery_row(name, mine, baseline, study.manifest.margin_of(name))
        for name, mine in curves.items()
        if name != study.manifest.baseline
    )


def start_warnings(study: StudyRecords, outcomes: dict[str, Outcomes]) -> list[str]:
    """Which variants lose more than a uniform guess before the first step, and what that may mean."""
    if study.manifest.start is None:
        return []
    warnings = []
    for name, mine in outcomes.items():
        losses = [loss for loss in _first_losses(mine) if not below_guess(loss, mine.uniform_loss)]
        if not losses:
            continue
        what = f"{span(losses, 2)} nats/token, where a uniform guess loses {fixed(mine.uniform_loss, 2)}"
        if name == study.manifest.baseline:
            meaning = "they know nothing of this text: is its tokenizer the one that they were trained with?"
            warnings.append(
                f"the weights that the study starts from lose {what}, before the first step: {meaning}"
            )
        else:
            meaning = "the swap leaves nothing of what the weights knew"
            warnings.append(f"{name}: loses {what}, before the first step: {meaning}")
    return warnings


def _first_losses(mine: Outcomes) -> list[float]:
    """The validation loss before training of every confirm run that has begun, nats per token."""
    losses = []
    for run in mine.runs.values():
        try:
            curve = validation_curve(run["path"], "validation/loss")
        except RecordError:  # named among the study's problems already
            continue
        if curve and curve["tokens"][0] == 0:
            losses.append(float(curve["validation/loss"][0]))
    return losses


def recovery_row(
    variant: str, curves: dict[int, pd.Series], baseline: dict[int, pd.Series], margin: float
) -> RecoveryRow:
    """Compare curves by seed; a curve is the metric by training tokens, from 0 to the end."""
    seeds = [seed for seed in curves if seed in baseline]
    damage = [float(curves[seed].iloc[0] - baseline[seed].iloc[0]) for seed in seeds]
    remaining = [float(curves[seed].iloc[-1] - baseline[seed].iloc[-1]) for seed in seeds]
    interval = mean_interval(damage)
    beyond_noise = interval is not None and interval.low > 0
    return RecoveryRow(
        variant=variant,
        pairs=len(seeds),
        damage=mean(damage) if seeds else None,
        damage_interval=interval,
        remaining=mean(remaining) if seeds else None,
        remaining_interval=mean_interval(remaining),
        share=1 - mean(remaining) / mean(damage) if beyond_noise else None,
        share_interval=_share_interval(remaining, damage) if beyond_noise else None,
        tokens=_gone_after([curves[seed] - (baseline[seed].iloc[-1] + margin) for seed in seeds]),
    )


def _share_interval(remaining: list[float], damage: list[float]) -> Interval | None:
    """The 95 % interval of 1 - remaining / damage; both are of the same seeds, two at least."""
    n = len(damage)
    (of_remaining, both), (_, of_damage) = np.cov(remaining, damage) / n
    ratio = fieller(
        mean(remaining),
        mean(damage),
        variances=(of_remaining, of_damage),
        covariance=both,
        quantile=float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)),
        level=CONFIDENCE,
    )
    return None if ratio is None else Interval(1 - ratio.high, 1 - ratio.low, ratio.level)


def _gone_after(excesses: list[pd.Series]) -> float | None:
    """The tokens at which the mean of the curves first comes down to zero, linear between evaluations.

    The mean, because single curves cross early by noise, and those that never do would be left out.
    """
    if not excesses:
        return None
    grid = np.unique(np.concatenate([curve.index.to_numpy(float) for curve in excesses]))
    grid = grid[grid <= min(float(curve.index[-1]) for curve in excesses)]
    curves = [np.interp(grid, curve.index.to_numpy(float), curve.to_numpy(float)) for curve in excesses]
    excess = np.mean(curves, axis=0)
    within = np.flatnonzero(excess <= 0)
    if not len(within):
        return None
    after = int(within[0])
    if after == 0:
        return float(grid[0])
    above, below = excess[after - 1], excess[after]
    return float(grid[after - 1] + (grid[after] - grid[after - 1]) * above / (above - below))


def _curves(outcomes: Outcomes, metric: str) -> dict[int, pd.Series]:
    found = {}
    for seed in outcomes.values:
        try:
            curve = validation_curve(outcomes.runs[seed]["path"], metric)
        except RecordError:  # named among the study's problems already
            continue
        if curve and curve["tokens"][0] == 0:
            found[seed] = pd.Series(curve[metric], index=curve["tokens"])
    return found
