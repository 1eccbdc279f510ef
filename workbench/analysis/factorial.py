"""Main effects and two-way interactions of a full factorial design.

A linear model of the metric: a constant per seed (the block: seeds share data order and initial
values), the factors, and every product of two factors; higher products are left to the residual. An
effect is a contrast of the model's predictions averaged over the levels of all other factors, so it
does not depend on how levels are coded.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

from workbench.analysis.confirm_outcomes import Outcomes
from workbench.analysis.statistics import CONFIDENCE, Interval, holm
from workbench.numbers import plural
from workbench.records.manifest import Manifest

Levels = dict[str, list[str]]  # per factor, the baseline's level first
Cell = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A main effect (one factor) or an interaction (two), in units of the metric.

    Main effect: ``levels`` against ``baseline``, averaged over the other factors. Interaction: by how
    much the effect of the first change grows when the second is made too.
    """

    factors: tuple[str, ...]
    levels: tuple[str, ...]
    baseline: tuple[str, ...]
    estimate: float
    interval: Interval
    p: float
    holm_p: float | None = None

    @property
    def label(self) -> str:
        """``norm: rmsnorm → layernorm``, changes joined by ×."""
        changes = zip(self.factors, self.baseline, self.levels, strict=True)
        return " × ".join(f"{factor}: {old} → {new}" for factor, old, new in changes)


@dataclass(frozen=True, kw_only=True)
class FactorialEffects:
    """All effects of a study; ``runs`` is what they rest on, ``missing`` cells × seeds without a result."""

    main: tuple[Effect, ...]
    interactions: tuple[Effect, ...]
    warnings: tuple[str, ...]
    runs: int
    missing: int


def factorial_effects(manifest: Manifest, outcomes: dict[str, Outcomes]) -> FactorialEffects | None:
    """Fit the model to the complete confirm runs of a ``full_factorial`` study.

    None for other designs, and while there are too few runs to estimate every effect and the noise.
    """
    if manifest.design != "full_factorial":
        return None
    levels = _levels(manifest)
    table = _table(manifest, outcomes)
    terms = _terms(levels)
    seeds = sorted(table["seed"].unique()) if len(table) else []
    design = _design(table.to_dict("records"), terms, seeds)
    if len(table) <= design.shape[1] or np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    fit = sm.OLS(table["value"].to_numpy(float), design).fit()
    effects = _effects(fit, levels, terms, len(seeds), sum(len(mine.planned) for mine in outcomes.values()))
    if empty := _empty(outcomes):
        assumed = f"factorial effects know {empty} from the others alone: no run of it has a result"
        return replace(effects, warnings=(*effects.warnings, assumed))
    return effects


def missing_effects(manifest: Manifest, outcomes: dict[str, Outcomes]) -> list[str]:
    """Why a full factorial study that has ended has no main effects; nothing to say of other studies."""
    ended = all(mine.status == "done" for mine in outcomes.values())
    empty = _empty(outcomes)
    if manifest.design != "full_factorial" or not ended or not empty:
        return []
    return [f"no main effects: they need a result of {empty}, and there is none"]


def _empty(outcomes: dict[str, Outcomes]) -> str:
    """The variants without a single result, as text."""
    return ", ".join(name for name, mine in outcomes.items() if not mine.values)


def _effects(fit: Any, levels: Levels, terms: list[Cell], seeds: int, planned: int) -> FactorialEffects:
    main = [_main(fit, levels, terms, seeds, factor, level) for factor, level in _changes(levels)]
    pairs = [(one, two) for one, two in combinations(_changes(levels), 2) if one[0] != two[0]]
    both = [_interaction(fit, levels, terms, seeds, one, two) for one, two in pairs]
    adjusted = holm([effect.p for effect in main + both])
    main, both = _with_holm(main, adjusted), _with_holm(both, adjusted[len(main) :])
    runs = int(fit.nobs)
    return FactorialEffects(
        main=tuple(main),
        interactions=tuple(both),
        warnings=tuple(_warnings(both, planned - runs)),
        runs=runs,
        missing=planned - runs,
    )


def _with_holm(effects: list[Effect], adjusted: list[float]) -> list[Effect]:
    return [replace(effect, holm_p=p) for effect, p in zip(effects, adjusted, strict=False)]


def _warnings(interactions: list[Effect], missing: int) -> list[str]:
    warnings = [
        f"{effect.label}: the two changes interact; do not read the main effect of either alone"
        for effect in interactions
        if effect.interval.excludes(0)
    ]
    if missing:
        warnings.append(f"factorial effects leave out {plural(missing, 'planned run')} without a result")
    return warnings


def _levels(manifest: Manifest) -> Levels:
    levels: Levels = {factor: [level] for factor, level in manifest.baseline_variant.levels.items()}
    for variant in manifest.variants:
        for factor, level in variant.levels.items():
            if level not in levels[factor]:
                levels[factor].append(level)
    return {factor: found for factor, found in levels.items() if len(found) > 1}


def _table(manifest: Manifest, outcomes: dict[str, Outcomes]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {**variant.levels, "seed": seed, "value": value}
            for variant in manifest.variants
            for seed, value in outcomes[variant.name].values.items()
        ]
    )


def _changes(levels: Levels) -> list[tuple[str, str]]:
    return [(factor, level) for factor, found in levels.items() for level in found[1:]]


def _terms(levels: Levels) -> list[Cell]:
    """Each term is the set of levels that switches it on: one level, or one of each of two factors."""
    single = [{factor: level} for factor, level in _changes(levels)]
    return single + [one | two for one, two in combinations(single, 2) if one.keys() != two.keys()]


def _term_columns(cell: Cell, terms: list[Cell]) -> list[float]:
    return [float(all(cell[factor] == level for factor, level in term.items())) for term in terms]


def _design(runs: list[Cell], terms: list[Cell], seeds: list[int]) -> np.ndarray:
    """(N, seeds + terms): one column per block, then the treatment-coded terms."""
    rows = [[float(run["seed"] == seed) for seed in seeds] + _term_columns(run, terms) for run in runs]
    return np.array(rows).reshape(len(runs), len(seeds) + len(terms))


def _cells(levels: Levels, fixed: Cell) -> list[Cell]:
    """All combinations of levels that agree with ``fixed``."""
    choices = [[fixed[factor]] if factor in fixed else found for factor, found in levels.items()]
    return [dict(zip(levels, combination, strict=True)) for combination in product(*choices)]


def _average(levels: Levels, terms: list[Cell], seeds: int) -> Callable[[Cell], np.ndarray]:
    def average(fixed: Cell) -> np.ndarray:
        rows = [[1 / seeds] * seeds + _term_columns(cell, terms) for cell in _cells(levels, fixed)]
        return np.mean(rows, axis=0)

    return average


def _main(fit: Any, levels: Levels, terms: list[Cell], seeds: int, factor: str, level: str) -> Effect:
    average, base = _average(levels, terms, seeds), levels[factor][0]
    contrast = average({factor: level}) - average({factor: base})
    return _effect(fit, contrast, (factor,), (level,), (base,))


def _interaction(
    fit: Any, levels: Levels, terms: list[Cell], seeds: int, one: tuple[str, str], two: tuple[str, str]
) -> Effect:
    average = _average(levels, terms, seeds)
    (first, new), (second, other) = one, two
    old, base = levels[first][0], levels[second][0]
    changed = average({first: new, second: other}) - average({first: old, second: other})
    unchanged = average({first: new, second: base}) - average({first: old, second: base})
    return _effect(fit, changed - unchanged, (first, second), (new, other), (old, base))


def _effect(
    fit: Any, contrast: np.ndarray, factors: tuple[str, ...], levels: tuple[str, ...], base: tuple[str, ...]
) -> Effect:
    test = fit.t_test(contrast)
    low, high = np.ravel(test.conf_int(alpha=1 - CONFIDENCE))
    return Effect(
        factors=factors,
        levels=levels,
        baseline=base,
        estimate=float(np.ravel(test.effect)[0]),
        interval=Interval(float(low), float(high), CONFIDENCE),
        p=float(test.pvalue),
    )
