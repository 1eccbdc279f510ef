"""The interval of a ratio of two means, by Fieller (1954)."""

import math

from workbench.analysis.statistics import Interval


def fieller(
    numerator: float,
    denominator: float,
    *,
    variances: tuple[float, float],
    covariance: float = 0.0,
    quantile: float,
    level: float,
) -> Interval | None:
    """The ratios that the data do not contradict; None where the denominator may be zero.

    ``variances`` are the squared standard errors of numerator and denominator, ``covariance`` is that of the
    two means, ``quantile`` Student's t at ``level``. A ratio r is not contradicted where the mean of
    numerator - r denominator lies within its noise, which is a quadratic inequality in r; only where the
    denominator is beyond its own noise are the solutions an interval.
    """
    square = quantile**2
    leading = denominator**2 - square * variances[1]
    if leading <= 0:
        return None
    middle = numerator * denominator - square * covariance
    constant = numerator**2 - square * variances[0]
    reach = math.sqrt(max(0.0, middle**2 - leading * constant))
    return Interval((middle - reach) / leading, (middle + reach) / leading, level)
