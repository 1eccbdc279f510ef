"""Learning rate: linear warm-up, then a cosine to a fraction of the peak (SGDR, arXiv 1608.03983)."""

import math

from workbench.training.config import TrainingConfig


def rate_factor(step: int, steps: int, training: TrainingConfig) -> float:
    """Learning rate at ``step`` (0-based) of ``steps``, as a fraction of the peak."""
    warmup = round(training.warmup * steps)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return training.final_rate + (1 - training.final_rate) * cosine
