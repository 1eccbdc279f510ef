"""What reading a text again is worth: Muennighoff et al. 2023, arXiv 2305.16264."""

import math

MANY_EPOCHS = 4  # beyond, repeated text is worth visibly less than fresh text
ONCE = 1.05  # epochs: what goes beyond is read again, and is no rounding to whole steps
DECAY = 15.39  # R* of repeated data in their appendix A, fitted on models of 7M to 9B parameters


def worth(unique: float, epochs: float) -> float:
    """The fresh tokens that ``epochs`` over ``unique`` tokens are worth: D' = U + U R* (1 - exp(-R / R*)).

    ``R`` is how often each token is read again: ``epochs - 1``.
    """
    repeats = max(0.0, epochs - 1)
    return unique * (min(epochs, 1) + DECAY * (1 - math.exp(-repeats / DECAY)))
