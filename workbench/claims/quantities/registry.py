"""Which quantities there are: a class each, by name."""

from workbench.claims.quantities.compute_gain import LogGain
from workbench.claims.quantities.costs import BreakEvenTokens, FlopsPerToken, Parameters, SecondsPerToken
from workbench.claims.quantities.extrapolation import LossChangeAtFour, LossChangeAtTwo
from workbench.claims.quantities.losses import BitsPerByte, Loss
from workbench.claims.quantities.quantity import Quantity
from workbench.claims.quantities.rate_sensitivity import LearningRateSensitivity
from workbench.claims.quantities.step_times import StepTimeRatio

_CLASSES: tuple[type[Quantity], ...] = (
    Loss,
    BitsPerByte,
    LossChangeAtTwo,
    LossChangeAtFour,
    LearningRateSensitivity,
    LogGain,
    FlopsPerToken,
    Parameters,
    StepTimeRatio,
    SecondsPerToken,
    BreakEvenTokens,
)
QUANTITIES: dict[str, Quantity] = {kind.name: kind() for kind in _CLASSES}
