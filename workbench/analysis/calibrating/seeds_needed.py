"""Seeds needed, predicted against observed: what ``workbench plan`` says, and what the pool makes of it."""

from dataclasses import dataclass
from math import ceil

import numpy as np

from workbench.analysis.calibrating.error_rates import (
    STUDIES_EACH,
    PairNoise,
    Share,
    averaged,
    power_beyond_prediction,
    right_word,
)
from workbench.analysis.deciding.looks import Rule
from workbench.analysis.power import POWER, seeds_for_equivalence, seeds_needed

_SIDES = (-1, 1)
_AROUND = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5)  # of the predicted number


@dataclass(frozen=True, kw_only=True)
class SeedsNeeded:
    """How many seeds say ``word`` with a power of 80 % where the true difference is ``difference``.

    ``predicted`` is ``workbench plan``'s, from the sd of the pool. ``power`` is what the pool gives with that
    many, and ``beyond_prediction`` what that is above normal theory. ``observed`` is the number at which the
    pool reaches 80 %; None where it lies further off than half of the predicted one.
    """

    word: str
    margin: float
    difference: float
    predicted: int
    power: Share
    beyond_prediction: Share
    observed: int | None


def needed_seeds(
    noise: PairNoise,
    margin: float,
    most: int,
    *,
    studies: int,
    studies_each: int = STUDIES_EACH,
    seed: int = 0,
) -> list[SeedsNeeded]:
    """For a difference of two margins, and for none; without those that take more than ``most`` seeds."""
    questions = [
        ("better or worse", 2 * margin, seeds_needed(noise.sd, margin)),
        ("equivalent", 0.0, seeds_for_equivalence(margin, noise.sd)),
    ]
    found = []
    for word, difference, predicted in questions:
        if predicted > most:
            continue
        sides = [
            power_beyond_prediction(
                noise,
                Rule.fixed(predicted, 1),
                sign * difference,
                margin,
                studies=studies // 2,
                studies_each=studies_each // 2,
                seed=(seed, predicted, 1 + sign),
            )
            for sign in _SIDES
        ]
        numbers = sorted({max(2, round(part * predicted)) for part in _AROUND})
        powers = {n: _power(noise, n, difference, margin, studies, seed) for n in numbers}
        found.append(
            SeedsNeeded(
                word=word,
                margin=margin,
                difference=difference,
                predicted=predicted,
                power=averaged([power for power, _ in sides]),
                beyond_prediction=averaged([beyond for _, beyond in sides]),
                observed=_reaching(powers),
            )
        )
    return found


def _power(noise: PairNoise, n: int, difference: float, margin: float, studies: int, seed: int) -> float:
    """Averaged over both directions, of which nobody knows the one that is true."""
    rule = Rule.fixed(n, 1)
    sides = [
        right_word(noise.noise, rule, sign * difference, margin, studies // 2, (seed, n, 1 + sign))
        for sign in _SIDES
    ]
    return averaged(sides).value


def _reaching(powers: dict[int, float]) -> int | None:
    """The number at which the power reaches 80 %, on straight lines between those that were tried."""
    numbers = list(powers)
    # Power rises with seeds; what falls is Monte Carlo's noise.
    rising = np.maximum.accumulate(list(powers.values()))
    if rising[-1] < POWER or (rising[0] >= POWER and numbers[0] > 2):
        return None
    return ceil(float(np.interp(POWER, rising, numbers)) - 1e-9)
