"""What tuning tries: the study's learning rates, and those that the grid grows by."""

from collections.abc import Sequence

from workbench.records.hyperparameters import LEARNING_RATE, Hyperparameters
from workbench.study.schema import RATES

# The range of a hyperparameter that is tuned by its logarithm.
LOG_RANGES = {LEARNING_RATE: RATES}


def candidates(learning_rates: Sequence[float]) -> list[Hyperparameters]:
    """A candidate for each learning rate."""
    return [{LEARNING_RATE: rate} for rate in learning_rates]


def grown(tried: list[Hyperparameters], chosen: list[Hyperparameters]) -> list[Hyperparameters]:
    """Candidates to add, for every variant alike, when a chosen learning rate lies at an edge of ``tried``.

    The grid grows by its own ratio on the side that was hit, and stays within the bounds of a study's rates.
    An empty list means that every optimum is interior, or that the grid cannot grow.
    """
    rates, best = _rates(tried), _rates(chosen)
    added = []
    if rates[0] in best:
        added.append(rates[0] * rates[0] / rates[1])
    if rates[-1] in best:
        added.append(rates[-1] * rates[-1] / rates[-2])
    # Three digits: the file, the table and the run's identity then show the same number.
    rounded = [float(f"{rate:.3g}") for rate in added]
    return candidates([rate for rate in rounded if RATES[0] <= rate <= RATES[1]])


def joined(tried: list[Hyperparameters], added: list[Hyperparameters]) -> list[Hyperparameters]:
    """Both, each once, the learning rates ascending."""
    new = [one for one in added if one not in tried]
    return sorted([*tried, *new], key=lambda one: one[LEARNING_RATE])


def at_edge(tried: list[Hyperparameters], chosen: list[Hyperparameters]) -> bool:
    """Whether a chosen learning rate is the smallest or the largest that was tried."""
    rates = _rates(tried)
    return bool({rates[0], rates[-1]} & set(_rates(chosen)))


def _rates(points: list[Hyperparameters]) -> list[float]:
    """Their learning rates, ascending, each once."""
    return sorted({point[LEARNING_RATE] for point in points})
