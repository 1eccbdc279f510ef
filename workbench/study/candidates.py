"""What tuning tries: the study's learning rates, and those that the grids grow by.

Each variant has a grid. They are one and the same, unless the study gives levels of a factor, for example
optimizers, grids of their own; all have as many candidates.
"""

from collections.abc import Container, Mapping, Sequence

from workbench.errors import UserError
from workbench.records.hyperparameters import LEARNING_RATE, Hyperparameters
from workbench.records.space import middle
from workbench.study.design import Variant
from workbench.study.schema import StudyFile
from workbench.study.tuning import RATES

Grids = dict[str, list[Hyperparameters]]  # by variant
Chosen = dict[str, Hyperparameters]

# The range of a hyperparameter that is tuned by its logarithm.
LOG_RANGES = {LEARNING_RATE: RATES}


def candidates(learning_rates: Sequence[float]) -> list[Hyperparameters]:
    """A candidate for each learning rate."""
    return [{LEARNING_RATE: rate} for rate in learning_rates]


def own_grids(study: StudyFile, variants: list[Variant]) -> Grids:
    """Each variant's candidates; raises ``UserError`` where ``learning_rates`` leave one without.

    They are one list for all, or one for each level of a factor, or for each variant by its name. What
    ``tuning`` tries follows from its sampler; the middle of its space stands for it here.
    """
    if study.tuning is not None:
        return {variant.name: [middle(study.tuning.space)] for variant in variants}
    rates = study.learning_rates
    if not isinstance(rates, dict):
        return {variant.name: candidates(rates) for variant in variants}
    keys = {factor: [_bare(one.levels[factor], rates) for one in variants] for factor in variants[0].levels}
    keys["variants"] = [variant.name for variant in variants]
    found = [own for own in keys.values() if set(own) == set(rates)]
    if not found:
        compared = [*dict.fromkeys(factor for one in variants for factor in one.change), "variants"]
        near = max(compared, key=lambda factor: len(set(keys[factor]) & set(rates)))
        raise UserError(
            f"{study.name}: learning_rates: {', '.join(rates)} are not the levels of a factor; give one list "
            f"for all, or one for each of {near}: {', '.join(dict.fromkeys(keys[near]))}"
        )
    if any(own != found[0] for own in found):
        raise UserError(
            f"{study.name}: learning_rates: {', '.join(rates)} are levels of several factors; give a list "
            f"for each of variants: {', '.join(keys['variants'])}"
        )
    own = zip(variants, found[0], strict=True)
    return {variant.name: candidates(rates[key]) for variant, key in own}


def _bare(label: str, known: dict[str, list[float]]) -> str:
    """A level by the name that ``known`` has for it: whole, or without its options."""
    return label if label in known else label.partition("(")[0]


def grown(tried: Grids, chosen: Chosen, flat: Container[str] = ()) -> Grids:
    """Candidates to add, for every variant alike, when a chosen learning rate lies at an edge of its grid.

    Each grid grows by its own ratio on the side that was hit, by any variant, and stays within the bounds of
    a study's rates: on a side where one cannot grow, none does. Empty when every optimum is interior, or no
    grid can grow. Variants in ``flat`` hit no edge: where no rate that was tried is worse beyond noise, it is
    noise that put the best one there, and would put the next one at the edge of a larger grid. An optimum far
    outside would show as a slope along the grid.
    """
    ends = {name: (own[0], own[-1]) for name, own in _by_name(tried).items()}
    best = {name: chosen[name][LEARNING_RATE] for name in tried if name not in flat}
    low = any(rate == ends[name][0] for name, rate in best.items())
    high = any(rate == ends[name][1] for name, rate in best.items())
    return _added(tried, low=low, high=high)


def grown_before(tried: Grids, known: Mapping[str, Sequence[float]]) -> Grids:
    """The candidates by which grids grew in an earlier session: ``known`` rates of a variant lie beyond them.

    A study that was stopped while its grids grew goes on with all of it, whatever the rates so far suggest:
    variants are compared if they were tuned alike.
    """
    ends = {name: (own[0], own[-1]) for name, own in _by_name(tried).items()}
    low = any(min(known[name]) < ends[name][0] for name in tried if known.get(name))
    high = any(max(known[name]) > ends[name][1] for name in tried if known.get(name))
    return _added(tried, low=low, high=high)


def _by_name(grids: Grids) -> dict[str, list[float]]:
    return {name: _rates(grid) for name, grid in grids.items()}


def _added(tried: Grids, *, low: bool, high: bool) -> Grids:
    """One candidate more for each variant, on the sides that are asked for and on which all can grow."""
    rates = _by_name(tried)
    added: dict[str, list[float]] = {name: [] for name in tried}
    for at_low_end, hit in ((True, low), (False, high)):
        if not hit:
            continue
        beyond = {name: _beyond(own, low=at_low_end) for name, own in rates.items()}
        if all(RATES[0] <= rate <= RATES[1] for rate in beyond.values()):
            for name, rate in beyond.items():
                added[name].append(rate)
    return {name: candidates(new) for name, new in added.items() if new}


def _beyond(rates: list[float], *, low: bool) -> float:
    """The rate that follows ascending ``rates`` at one end."""
    rate = rates[0] * rates[0] / rates[1] if low else rates[-1] * rates[-1] / rates[-2]
    # Three digits: the file, the table and the run's identity then show the same number.
    return float(f"{rate:.3g}")


def joined(tried: Grids, added: Grids) -> Grids:
    """Both, each candidate of a variant once, the learning rates ascending."""
    return {name: _joined(grid, added.get(name, [])) for name, grid in tried.items()}


def _joined(tried: list[Hyperparameters], added: list[Hyperparameters]) -> list[Hyperparameters]:
    new = [one for one in added if one not in tried]
    return sorted([*tried, *new], key=lambda one: one[LEARNING_RATE])


def at_edge(tried: Grids, chosen: Chosen) -> bool:
    """Whether a chosen learning rate is the smallest or the largest that its variant tried."""
    return any(
        chosen[name][LEARNING_RATE] in (_rates(grid)[0], _rates(grid)[-1]) for name, grid in tried.items()
    )


def _rates(points: Sequence[Hyperparameters]) -> list[float]:
    """Their learning rates, ascending, each once."""
    return sorted({point[LEARNING_RATE] for point in points})
