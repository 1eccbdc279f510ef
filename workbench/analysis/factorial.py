"""Main effects and interactions of a full factorial design, from the contrast of each seed.

An effect is a contrast of cells, the combinations of levels. It is computed within each seed, whose runs
share data order and initial values, and its interval is Student's t over these numbers, one for each seed.
That holds whatever the noise of the cells is and however it is shared; one residual for all effects, as a
linear model has it, would give the swap that pairs badly too narrow an interval and the others too wide
ones. A seed of which a cell is lost leaves the contrasts that need the cell.

The words of all effects hold jointly, by the rule of a study's rows (``deciding``), as a family of their own:
any effect falsely better or worse (or changes falsely said to do so together) in at most 5 % of studies, and
any falsely equivalent (or additive) in at most 5 %. It counts every effect of the design, also those that
cannot be estimated. The interval of an effect is the one that its word follows from.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np

from workbench.analysis.confirm_outcomes import Outcomes
from workbench.analysis.deciding.decisions import Decision, decide_study
from workbench.analysis.deciding.looks import Rule
from workbench.analysis.deciding.steps import p_values
from workbench.analysis.notes import Note, reading
from workbench.analysis.statistics import Interval, Verdict, holm
from workbench.numbers import plural
from workbench.records.manifest import Manifest, ManifestVariant
from workbench.records.margin import Margins, margin_for

Levels = dict[str, list[str]]  # per factor, the baseline's level first
Cell = tuple[str, ...]  # a level of each factor
Change = tuple[str, str]  # a factor, and its level in place of the baseline's

MOST_FACTORS = 3  # in one effect; products of more factors are not shown


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A main effect (one factor) or an interaction (two or three), in units of the metric.

    Main effect: ``levels`` against ``baseline``, averaged over the other factors. Interaction of two: by how
    much the effect of the first change grows when the second is made too; of three: by how much the
    interaction of the first two grows when the third is made too. ``by_seed`` has the contrast of each seed
    that has all of its cells, at least two; ``left_out`` are the others. ``verdict`` follows from the two
    intervals, each at its own level, against the margin; ``is_real`` says that zero is excluded, by the same
    rule. ``p`` is of this effect alone, against zero; ``holm_p`` over all effects of the design, None where a
    study looks until all is decided.
    """

    factors: tuple[str, ...]
    levels: tuple[str, ...]
    baseline: tuple[str, ...]
    estimate: float
    interval: Interval
    equivalence_interval: Interval
    p: float
    verdict: Verdict
    is_real: bool
    by_seed: dict[int, float]
    left_out: tuple[int, ...] = ()
    holm_p: float | None = None

    @property
    def label(self) -> str:
        """``norm: rmsnorm → layernorm``, changes joined by ×."""
        changes = zip(self.factors, self.baseline, self.levels, strict=True)
        return " × ".join(f"{factor}: {old} → {new}" for factor, old, new in changes)

    @property
    def word(self) -> str:
        """The verdict in the words of what it is about.

        Of changes that do not interact, each adds what it does alone: they are additive. Those that are
        better or worse together are so than the sum of what they do alone.
        """
        if len(self.factors) > 1 and self.verdict is Verdict.EQUIVALENT:
            return "additive"
        if len(self.factors) > 1 and self.verdict in (Verdict.BETTER, Verdict.WORSE):
            return f"{self.verdict} together"
        return str(self.verdict)


@dataclass(frozen=True, kw_only=True)
class FactorialEffects:
    """All effects of a study; ``runs`` is what they rest on, ``missing`` cells × seeds without a result.

    ``interactions`` has those of two factors, then those of three. ``family`` counts all effects of the
    design, which share the error.
    """

    main: tuple[Effect, ...]
    interactions: tuple[Effect, ...]
    warnings: tuple[Note, ...]
    runs: int
    missing: int
    family: int


def factorial_effects(manifest: Manifest, outcomes: dict[str, Outcomes]) -> FactorialEffects | None:
    """The effects of a ``full_factorial`` study, from its complete confirm runs.

    None for other designs, and while no effect has two seeds with all of its cells.
    """
    if manifest.design != "full_factorial":
        return None
    levels = _levels(manifest)
    cells = _cells(manifest)
    values = {
        tuple(variant.levels[factor] for factor in levels): outcomes[variant.name].values for variant in cells
    }
    planned = outcomes[manifest.baseline].planned
    effects = estimate_effects(levels, values, manifest.margin, looks=manifest.looks, planned=planned)
    if not effects:
        return None
    names = {tuple(variant.levels[factor] for factor in levels): variant.name for variant in cells}
    runs = sum(len(of_cell) for of_cell in values.values())
    missing = sum(len(outcomes[variant.name].planned) for variant in cells) - runs
    interactions = tuple(effect for effect in effects if len(effect.factors) > 1)
    return FactorialEffects(
        main=tuple(effect for effect in effects if len(effect.factors) == 1),
        interactions=interactions,
        warnings=(
            *map(reading, _interacting(interactions)),
            *map(reading, _left_out(effects, missing)),
            *map(reading, _not_estimated(levels, effects, names, outcomes)),
        ),
        runs=runs,
        missing=missing,
        family=len(_changes(levels)),
    )


def estimate_effects(
    levels: Levels,
    values: Mapping[Cell, Mapping[int, float]],
    margins: Margins,
    *,
    looks: Sequence[int] = (),
    planned: Sequence[int] = (),
) -> tuple[Effect, ...]:
    """Every effect of one, two and three factors that two seeds or more have all cells of.

    ``values`` has the metric by cell and seed; ``margins`` are in its units. Main effects come first. With
    ``looks`` (numbers of the ``planned`` seeds) only those up to the last look that is complete count, as in
    rows.
    """
    seeds = sorted({seed for of_cell in values.values() for seed in of_cell})
    if looks:
        seeds = list(planned)
    all_changes = _changes(levels)
    contrasts = {}
    for changes in all_changes:
        weights = contrast(levels, changes)
        of_all = {seed: _weighted(values, weights, seed) for seed in seeds}
        # With looks, a cell that is decided early has no further seeds, and neither has what needs the cell.
        until = len(seeds)
        if looks:
            found = [place for place, value in enumerate(of_all.values(), 1) if value is not None]
            until = max((look for look in looks if look <= max(found, default=0)), default=0)
        counted = dict(list(of_all.items())[:until])
        if sum(value is not None for value in counted.values()) > 1:
            contrasts[changes] = counted

    rule = Rule.fixed(len(seeds), max(1, len(all_changes)))
    if looks:
        rule = Rule(tuple(looks), len(all_changes), until_decided=True)
    by_label = {_label(levels, changes): changes for changes in contrasts}
    decided = decide_study(
        {
            label: [float("nan") if value is None else value for value in contrasts[changes].values()]
            for label, changes in by_label.items()
        },
        {
            label: margin_for(margins, [factor for factor, _ in changes])
            for label, changes in by_label.items()
        },
        rule,
    )
    effects = [
        _effect(levels, changes, contrasts[changes], decided[label]) for label, changes in by_label.items()
    ]
    if looks:
        return tuple(effects)
    missing = [1.0] * (rule.comparisons - len(effects))
    adjusted = holm([*(effect.p for effect in effects), *missing])[: len(effects)]
    return tuple(replace(effect, holm_p=p) for effect, p in zip(effects, adjusted, strict=True))


def _weighted(
    values: Mapping[Cell, Mapping[int, float]], weights: Mapping[Cell, float], seed: int
) -> float | None:
    """The contrast of one seed; None where it lacks a cell."""
    total = 0.0
    for cell, weight in weights.items():
        run = values.get(cell, {}).get(seed)
        if run is None:
            return None
        total += run * weight
    return total


def _label(levels: Levels, changes: tuple[Change, ...]) -> str:
    """``norm: rmsnorm → layernorm``, changes joined by ×."""
    return " × ".join(f"{factor}: {levels[factor][0]} → {level}" for factor, level in changes)


def contrast(levels: Levels, changes: tuple[Change, ...]) -> dict[Cell, float]:
    """The weight of each cell in the effect of ``changes``, averaged over the levels of all other factors.

    A cell counts + where all changes are made, and turns its sign for each that is not.
    """
    changed = dict(changes)
    choices = [
        [changed[factor], found[0]] if factor in changed else found for factor, found in levels.items()
    ]
    averaged = 1
    for factor, found in levels.items():
        if factor not in changed:
            averaged *= len(found)
    weights = {}
    for cell in product(*choices):
        at = dict(zip(levels, cell, strict=True))
        undone = sum(at[factor] != level for factor, level in changes)
        weights[cell] = (-1) ** undone / averaged
    return weights


def missing_effects(manifest: Manifest, outcomes: dict[str, Outcomes]) -> list[str]:
    """Why a full factorial study that has ended has no effects; nothing to say of other studies."""
    ended = all(mine.status == "done" for mine in outcomes.values())
    if manifest.design != "full_factorial" or not ended:
        return []
    empty = ", ".join(name for name, mine in outcomes.items() if not mine.values)
    if empty:
        return [f"no main effects: they need a result of {empty}, and there is none"]
    return ["no main effects: they need two seeds at which every combination has a result"]


def _cells(manifest: Manifest) -> list[ManifestVariant]:
    """The variants that are combinations of levels: a null twin beside them is none."""
    return [variant for variant in manifest.variants if not variant.is_null_twin]


def _levels(manifest: Manifest) -> Levels:
    levels: Levels = {factor: [level] for factor, level in manifest.baseline_variant.levels.items()}
    for variant in _cells(manifest):
        for factor, level in variant.levels.items():
            if level not in levels[factor]:
                levels[factor].append(level)
    return {factor: found for factor, found in levels.items() if len(found) > 1}


def _changes(levels: Levels) -> list[tuple[Change, ...]]:
    """One change, then two and three of different factors."""
    single = [(factor, level) for factor, found in levels.items() for level in found[1:]]
    return [
        changes
        for size in range(1, MOST_FACTORS + 1)
        for changes in combinations(single, size)
        if len({factor for factor, _ in changes}) == size
    ]


def _effect(
    levels: Levels, changes: tuple[Change, ...], of_seeds: Mapping[int, float | None], decision: Decision
) -> Effect:
    by_seed = {seed: value for seed, value in of_seeds.items() if value is not None}
    # Two seeds or more have a mean with its sd, and both intervals.
    assert decision.mean is not None
    assert decision.sd is not None
    assert decision.interval is not None
    assert decision.equivalence_interval is not None
    from_zero, _ = p_values(np.array(decision.n), np.array(decision.mean), np.array(decision.sd), 0.0)
    return Effect(
        factors=tuple(factor for factor, _ in changes),
        levels=tuple(level for _, level in changes),
        baseline=tuple(levels[factor][0] for factor, _ in changes),
        estimate=decision.mean,
        interval=decision.interval,
        equivalence_interval=decision.equivalence_interval,
        p=float(from_zero),
        verdict=decision.verdict,
        is_real=decision.is_real,
        by_seed=by_seed,
        left_out=tuple(seed for seed, value in of_seeds.items() if value is None),
    )


def _interacting(interactions: tuple[Effect, ...]) -> list[str]:
    warnings = []
    for effect in interactions:
        if not effect.is_real:
            continue
        which = "two changes interact; do not read the main effect of either alone"
        if len(effect.factors) > 2:
            which = "three changes interact; do not read what one or two of them do alone"
        warnings.append(f"{effect.label}: the {which}")
    return warnings


def _left_out(effects: tuple[Effect, ...], missing: int) -> list[str]:
    """Which seeds do not count, said once for all effects that leave out the same."""
    warnings = []
    if missing:
        warnings.append(f"factorial effects leave out {plural(missing, 'planned run')} without a result")
    for seeds, count in Counter(effect.left_out for effect in effects if effect.left_out).items():
        named = f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"
        which = "all effects"
        if count < len(effects):
            which = ", ".join(effect.label for effect in effects if effect.left_out == seeds)
        warnings.append(f"{which}: without {named}, where a combination of levels has no result")
    return warnings


def _not_estimated(
    levels: Levels, effects: tuple[Effect, ...], names: dict[Cell, str], outcomes: dict[str, Outcomes]
) -> list[str]:
    """The effects that fewer than two seeds have all cells of, and the cells that they lack altogether."""
    found = {tuple(zip(effect.factors, effect.levels, strict=True)) for effect in effects}
    warnings: list[str] = []
    if any(mine.status != "done" for mine in outcomes.values()):
        return warnings  # they may have them yet
    for changes in _changes(levels):
        if changes in found:
            continue
        label = _label(levels, changes)
        needed = contrast(levels, changes)
        empty = [names.get(cell, "+".join(cell)) for cell in needed]
        empty = [name for name in empty if name not in outcomes or not outcomes[name].values]
        why = f"no run of {', '.join(empty)} has a result" if empty else "no two seeds have a result of all"
        warnings.append(f"{label}: no effect, as {why}")
    return warnings
