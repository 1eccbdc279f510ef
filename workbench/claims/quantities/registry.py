"""Which quantities there are: a class each, by name."""

from workbench.claims.quantities.additivity import Additivity
from workbench.claims.quantities.compute_gain import BreakEvenAtEqualLoss, LogGain
from workbench.claims.quantities.costs import (
    BreakEvenTokens,
    DecodeFlops,
    FlopsPerToken,
    Parameters,
    SecondsPerToken,
)
from workbench.claims.quantities.extrapolation import LossChangeAtFour, LossChangeAtTwo
from workbench.claims.quantities.gradient_spikes import GradientSpikes
from workbench.claims.quantities.largest_stable_rate import LargestStableRate
from workbench.claims.quantities.losses import BitsPerByte, Loss
from workbench.claims.quantities.quantity import Quantity
from workbench.claims.quantities.rate_sensitivity import LearningRateSensitivity
from workbench.claims.quantities.rungs import SlopeOverRungs
from workbench.claims.quantities.step_times import StepTimeRatio

_CLASSES: tuple[type[Quantity], ...] = (
    Loss,
    BitsPerByte,
    LossChangeAtTwo,
    LossChangeAtFour,
    LearningRateSensitivity,
    LargestStableRate,
    GradientSpikes,
    LogGain,
    SlopeOverRungs,
    Additivity,
    FlopsPerToken,
    Parameters,
    StepTimeRatio,
    SecondsPerToken,
    DecodeFlops,
    BreakEvenTokens,
    BreakEvenAtEqualLoss,
)
QUANTITIES: dict[str, Quantity] = {kind.name: kind() for kind in _CLASSES}
