"""The grid of learning rates that a study tunes on: when it grows, and by what."""

from workbench.study.schema import RATES


def grown(candidates: list[float], chosen: list[float]) -> list[float]:
    """Rates to add, for every variant alike, when a chosen rate lies at an edge of ``candidates``.

    The grid grows by its own ratio on the side that was hit, and stays within the bounds of a study's rates.
    An empty list means that every optimum is interior, or that the grid cannot grow.
    """
    rates = sorted(candidates)
    added = []
    if rates[0] in chosen:
        added.append(rates[0] * rates[0] / rates[1])
    if rates[-1] in chosen:
        added.append(rates[-1] * rates[-1] / rates[-2])
    # Three digits: the file, the table and the run's identity then show the same number.
    rounded = [float(f"{rate:.3g}") for rate in added]
    return [rate for rate in rounded if RATES[0] <= rate <= RATES[1]]


def at_edge(candidates: list[float], chosen: list[float]) -> bool:
    """Whether a chosen rate is the smallest or the largest of ``candidates``."""
    return bool({min(candidates), max(candidates)} & set(chosen))
