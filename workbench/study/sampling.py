"""The samplers by name, and which space each can have: what a study file is checked by, without Optuna."""

from collections.abc import Sequence

from workbench.records.space import Range, Space, free

GRID, QMC, RANDOM, TPE, GP, CMAES = "grid", "qmc", "random", "tpe", "gp", "cmaes"
SAMPLERS = (GRID, QMC, TPE, GP, CMAES, RANDOM)
SHARED = (GRID, QMC, RANDOM)  # give all variants the same points
ROUND = 4  # points that a sampler which learns proposes at once, however many workers there are


def unfit(space: Space, sampler: str, directions: Sequence[str] = ("minimize",)) -> str | None:
    """Why ``sampler`` cannot have ``space``, with the dimension first and the remedy last; else None.

    ``directions``: "minimize" or "maximize" for each objective.
    """
    ranges = [name for name, dimension in space.items() if isinstance(dimension, Range)]
    choices = [name for name in free(space) if name not in ranges]
    if sampler == GRID and ranges:
        return (
            f"{ranges[0]}: the sampler grid tries every value, and a range has no list of them; list the "
            "values, or take the sampler qmc"
        )
    if sampler == CMAES and choices:
        return (
            f"{choices[0]}: the sampler cmaes goes by distances, and choices have none; give a range, or "
            "take the sampler tpe"
        )
    if sampler == CMAES and len(ranges) < 2:
        return f"{', '.join(space)}: the sampler cmaes needs two ranges or more; take the sampler tpe"
    if sampler == CMAES and len(directions) > 1:
        return "the sampler cmaes has one objective; give one, or take the sampler tpe"
    return None
