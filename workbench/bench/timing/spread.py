"""Repeated measurements as a median and its quartiles; ratios and differences are taken round by round."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """``median`` with the quartiles ``low`` (25 %) and ``high`` (75 %) of ``count`` measurements."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of at least one value; raises ``ValueError`` for none."""
        if not values:
            raise ValueError("nothing was measured")
        low, median, high = np.percentile(values, [25, 50, 75])
        return cls(float(median), float(low), float(high), len(values))

    def to_dict(self) -> dict[str, float]:
        """Ready for JSON."""
        return asdict(self)


def ratio(above: Sequence[float], below: Sequence[float]) -> Spread:
    """``above / below``, each pair from one round, so that what slows a whole round down cancels."""
    return Spread.of([a / b for a, b in zip(above, below, strict=True)])


def difference(first: Sequence[float], second: Sequence[float]) -> Spread:
    """``first - second``, each pair from one round."""
    return Spread.of([a - b for a, b in zip(first, second, strict=True)])
