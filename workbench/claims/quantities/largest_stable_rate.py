"""How far the learning rate can be raised before the loss is lost, from a study's tuning runs."""

import math
from itertools import pairwise

from workbench.claims.quantities.quantity import NotMeasurableError
from workbench.claims.quantities.rate_sweep import OfRateSweep, Swept

_TOLERATED = 0.1  # nats above the lowest loss


class LargestStableRate(OfRateSweep):
    """The learning rate up to which the loss stays near the lowest."""

    name = "largest_stable_rate"
    title = "ln largest stable learning rate"
    unit = "ln ratio"
    joined = "over"
    part = "Tuning"
    about = (
        f"The learning rate up to which the loss stays within {_TOLERATED:g} nats of the sweep's lowest, as "
        "a natural logarithm: variant over the other side, paired by tuning seed. It is read off a line "
        "through the losses of the last rate that is within and the first that is not; a run that diverged "
        "counts as a uniform guess. A study needs the rates of lr_sensitivity."
    )

    def of_seed(self, swept: Swept) -> float:
        """The logarithm of that rate for one seed."""
        lowest = min(swept.held)
        best = swept.held.index(lowest)
        above = [(math.log(rate), loss - lowest) for rate, loss in zip(swept.rates, swept.held, strict=True)]
        for (lower, within), (upper, beyond) in pairwise(above[best:]):
            if beyond > _TOLERATED:
                return lower + (upper - lower) * (_TOLERATED - within) / (beyond - within)
        raise NotMeasurableError(
            f"no learning rate up to {swept.rates[-1]:g} was too large; higher ones are needed"
        )
