"""What a study that runs until all is decided will say, before it has run: from simulated studies.

One comparison is simulated at a time. The others that were declared hold their share of the error all the
while, as if none of them were ever decided, which is the hardest case: what they pass on can only help.

Only the margin and the true difference in units of the noise matter (the sd of a paired difference), so that
all arguments here are in these units. Every simulation has the same seed: the same design has the same
chances everywhere, and a larger difference is compared on the same noise.
"""

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

from workbench.analysis.deciding.looks import Rule
from workbench.analysis.deciding.simulated_studies import simulate_studies
from workbench.analysis.power import POWER

STUDIES = 400  # a chance is right within 2.5 percentage points (one standard error, at 50 %)
_USUAL, _MOST = 0.5, 0.9


@dataclass(frozen=True, kw_only=True)
class WordChances:
    """The chance of each word at one true difference; together they are 1.

    ``different`` is better or worse. ``inconclusive`` is left where ``at_most`` is too small for anything to
    be called at the margin. ``pairs`` is how many are taken in half of the studies at most, ``most_pairs`` in
    nine of ten.
    """

    different: float
    equivalent: float
    at_the_margin: float
    inconclusive: float
    pairs: int
    most_pairs: int


@lru_cache(maxsize=1024)
def word_chances(rule: Rule, margin: float, difference: float) -> WordChances:
    """What one comparison of a study by ``rule`` is called where its true difference is ``difference``."""
    found = simulate_studies(rule, [difference], margin=margin, studies=STUDIES)
    different = found.better | found.worse
    unsaid = ~(different | found.equivalent | found.at_the_margin)
    pairs, most = np.quantile(found.pairs, [_USUAL, _MOST], method="inverted_cdf")
    return WordChances(
        different=float(different.mean()),
        equivalent=float(found.equivalent.mean()),
        at_the_margin=float(found.at_the_margin.mean()),
        inconclusive=float(unsaid.mean()),
        pairs=int(pairs),
        most_pairs=int(most),
    )


@lru_cache(maxsize=1024)
def smallest_different(rule: Rule, margin: float, power: float = POWER) -> float:
    """The smallest true difference that is called better or worse with a chance of ``power``."""
    n = rule.looks[-1]
    # What the last look alone would find: an end of the search that is nearly always far enough.
    reach = (stdtrit(n - 1, 1 - rule.difference_level(rule.comparisons) / 2) + ndtri(power)) / np.sqrt(n)
    missing = partial(_missing_different, rule, margin, power)
    if missing(margin) >= 0:  # a power that even the errors on the border have
        return margin
    far = 2 * max(reach, 1 / np.sqrt(n))
    while missing(margin + far) < 0:
        far *= 2
    return float(brentq(missing, margin, margin + far, xtol=0.01 * far))


@lru_cache(maxsize=64)
def margin_for_equivalent(rule: Rule, power: float = POWER) -> float:
    """The smallest margin within which equals are called equivalent with a chance of ``power``."""
    missing = partial(_missing_equivalent, rule, power)
    wide = 1.0
    while missing(wide) < 0:
        wide *= 2
    return float(brentq(missing, 0.0, wide, xtol=0.01 * wide))


def _missing_different(rule: Rule, margin: float, power: float, difference: float) -> float:
    return _above(word_chances(rule, margin, difference).different, power)


def _missing_equivalent(rule: Rule, power: float, margin: float) -> float:
    return _above(word_chances(rule, margin, 0.0).equivalent, power)


def _above(share: float, power: float) -> float:
    """By how much a simulated share is above ``power``, on the scale on which shares are nearly straight."""
    smallest = 0.5 / STUDIES
    # A power beyond what so few studies can tell from certainty is reached where all of them are.
    wanted = min(power, 1 - 2 * smallest)
    return float(ndtri(np.clip(share, smallest, 1 - smallest)) - ndtri(wanted))
