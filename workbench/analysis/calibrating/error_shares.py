"""The false words of one comparison whose truth lies exactly at the study's margin, as figures draw them."""

from dataclasses import dataclass

from workbench.analysis.calibrating.calibration import Calibration
from workbench.analysis.calibrating.error_rates import ABOVE, BELOW, Share
from workbench.analysis.calibrating.goals import together

DIFFERENT = "better or worse, both borders together"
EQUIVALENT = "equivalent, at the worse border"


@dataclass(frozen=True, kw_only=True)
class ErrorShare:
    """In percent of studies, with one standard error."""

    design: str
    word: str
    percent: float
    error: float


def error_shares(found: Calibration) -> list[ErrorShare]:
    """Two for each design of one comparison, at the study's own margin."""
    shares = []
    for one in found.rates:
        if one.comparisons > 1 or one.margin != found.margin:
            continue
        above, below = one.at(ABOVE), one.at(BELOW)
        equivalent = max(above.false_equivalent, below.false_equivalent, key=lambda share: share.value)
        words: list[tuple[str, Share]] = [
            (DIFFERENT, together(above.false_difference, below.false_difference)),
            (EQUIVALENT, equivalent),
        ]
        shares += [
            ErrorShare(design=one.design, word=word, percent=100 * share.value, error=100 * share.error)
            for word, share in words
        ]
    return shares
