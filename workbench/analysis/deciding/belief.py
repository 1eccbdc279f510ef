"""How likely a variant is better, worse, or within the margin: the pairs' answer in plain numbers.

With a flat prior on mean and log sd the posterior of the mean is ``dbar + s / sqrt n`` times Student's t
with n - 1 degrees of freedom (Kruschke's region of practical equivalence; Benavoli et al. 2017, JMLR 18:77,
decide at .95). It stands beside the word and decides nothing: it knows neither of looks nor of other
comparisons.
"""

from dataclasses import dataclass
from math import sqrt

from scipy.special import stdtr

from workbench.errors import UserError


@dataclass(frozen=True)
class Belief:
    """Three probabilities that add up to 1."""

    better: float
    equal: float
    worse: float


def belief(n: int, mean: float, sd: float, margin: float) -> Belief | None:
    """P(better), P(equal) and P(worse) of ``n`` paired differences; None below two pairs.

    ``mean``, ``sd`` and ``margin`` are in units of the metric, and lower is better. Without any noise one
    of the three is 1; a mean on the border itself then counts as equal.
    """
    if not margin >= 0:
        raise UserError(f"margin: {margin} is no half-width; give a number of the metric's units above 0")
    if n < 2:
        return None
    if sd == 0:
        return Belief(float(mean < -margin), float(abs(mean) <= margin), float(mean > margin))
    error = sd / sqrt(n)
    better = float(stdtr(n - 1, (-margin - mean) / error))
    worse = float(stdtr(n - 1, (mean - margin) / error))
    return Belief(better, max(1 - better - worse, 0.0), worse)
