"""What the same runs score on the evaluation sets that the study's metric is not of.

Described and not judged: a study declares one metric and one margin, and its verdicts rest on those. Values
are in bits per byte, or of a generated task the share of wrong answers, of the confirm runs whose result the
verdicts read, paired by seed.
"""

import math
from dataclasses import dataclass, replace
from statistics import mean, stdev

from workbench.analysis.confirm_outcomes import NOT_READ, Outcomes, paired_differences
from workbench.analysis.metric_units import set_metrics, unit_of
from workbench.analysis.statistics import Interval, mean_interval
from workbench.analysis.verdicts import fate
from workbench.records.manifest import Manifest


@dataclass(frozen=True, kw_only=True)
class SetRow:
    """One variant on one evaluation set, in ``unit``: values by seed, and the mean paired difference.

    ``difference`` is None for the baseline, and where there is no pair; its 95 % ``interval`` needs two.
    """

    variant: str
    set: str
    metric: str
    unit: str
    values: dict[int, float]
    mean: float | None
    sd: float | None
    pairs: int
    difference: float | None
    interval: Interval | None


def other_sets(manifest: Manifest, outcomes: dict[str, Outcomes]) -> tuple[SetRow, ...]:
    """A row for each set but the metric's own and each variant; none for a study without other sets."""
    rows = []
    for metric, evaluated in set_metrics(manifest).items():
        # nats per token and bits per byte of the first set are one measurement; a task's errors are another
        is_first = evaluated is manifest.evaluation[0] and not evaluated.is_task
        if metric == manifest.metric or (is_first and _is_first(manifest.metric)):
            continue
        read = {name: _read(mine, metric) for name, mine in outcomes.items()}
        baseline = read[manifest.baseline]
        rows += [_row(mine, baseline, evaluated.name, metric) for mine in read.values()]
    return tuple(rows)


def _is_first(metric: str) -> bool:
    return metric.startswith("validation/")


def _read(outcomes: Outcomes, metric: str) -> Outcomes:
    """The same outcomes with ``metric`` in place of the study's; a result that lacks it is not read."""
    found = {seed: outcomes.runs[seed].get(metric) for seed in outcomes.values}
    values = {
        seed: float(value) for seed, value in found.items() if value is not None and math.isfinite(value)
    }
    states = {
        seed: NOT_READ if state == "complete" and seed not in values else state
        for seed, state in outcomes.states.items()
    }
    return replace(outcomes, values=values, states=states)


def _row(mine: Outcomes, baseline: Outcomes, name: str, metric: str) -> SetRow:
    values = list(mine.values.values())
    differences: list[float] = []
    if mine.variant != baseline.variant and fate(mine) is None and fate(baseline) is None:
        differences = list(paired_differences(mine, baseline)[0].values())
    return SetRow(
        variant=mine.variant,
        set=name,
        metric=metric,
        unit=unit_of(metric),
        values=mine.values,
        mean=mean(values) if values else None,
        sd=stdev(values) if len(values) > 1 else None,
        pairs=len(differences),
        difference=mean(differences) if differences else None,
        interval=mean_interval(differences),
    )
