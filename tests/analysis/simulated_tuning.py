"""Simulated studies that include the tuning stage: two variants that are one and the same."""

import numpy as np
from scipy import stats

from workbench.analysis.rate_curve import fit_curve, pooled_noise


def argmin(tables, octaves):
    """The rule of before: for each variant the rate of the lowest mean."""
    return [octaves[table.mean(1).argmin()] for table in tables]


def quadratic(tables, octaves):
    """The product's rule: the optimum of the curve, where there is none the lowest mean."""
    noise = pooled_noise(tables)
    chosen = []
    for table, lowest in zip(tables, argmin(tables, octaves), strict=True):
        curve = fit_curve(dict(zip(2.0**octaves, table, strict=True)), noise)
        optimum = curve and curve.optimum
        chosen.append(lowest if optimum is None else np.log2(optimum))
    return chosen


def simulate(rule, *, curvature, sd, tune_seeds, confirm_seeds, margins, studies, shared=0.0, seed=0):
    """Mean regret (nats), and for each margin the share of false words, of ``studies`` studies.

    The optimum lies anywhere within the octave in the middle of four rates an octave apart; ``sd`` is of a
    run, ``shared`` the part of its variance that runs of one seed have in common. The words are those of the
    95 % t interval of the paired difference, as the product's ``judge`` has them.
    """
    generator = np.random.default_rng(seed)
    octaves = np.arange(4) - 1.5
    regrets, differences = [], []
    own = sd * np.sqrt(1 - shared)
    for _ in range(studies):
        optimum = generator.uniform(-0.5, 0.5)
        mean = curvature * (octaves - optimum) ** 2
        common = generator.normal(0, sd * np.sqrt(shared), tune_seeds)
        tables = [
            mean[:, None] + common + generator.normal(0, own, (len(octaves), tune_seeds)) for _ in range(2)
        ]
        regret = [curvature * (chosen - optimum) ** 2 for chosen in rule(tables, octaves)]
        regrets += regret
        differences.append(regret[1] - regret[0])
    noise = generator.normal(0, own * np.sqrt(2), (studies, confirm_seeds))
    sample = np.array(differences)[:, None] + noise
    half = stats.t.ppf(0.975, confirm_seeds - 1) * sample.std(1, ddof=1) / np.sqrt(confirm_seeds)
    away = np.abs(sample.mean(1)) - half
    return float(np.mean(regrets)), [float(np.mean(away > margin)) for margin in margins]
