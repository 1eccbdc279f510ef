"""The level of each single look at which the error over all looks is what was promised.

``LEVELS`` comes from ``level_simulation`` (20 million paths, both tails of each; seed 0), rounded down. Known
values beside it: looks at 4, 8, 16, 32, 64 with 5 % two-sided: .0121 for one comparison, .0038 for each of
three, .0011 for each of ten.

The table has looks that double from a power of two on. Others, such as 5, 8, 16, 20, take the row of as many
looks whose first is the next tabled one below: looks that lie closer together see more of the same pairs, so
that several wrong ones are less likely, and so do those of larger samples. The true level is then a little
larger than the one used, never smaller (tests/analysis/deciding simulates some).
"""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from workbench.analysis.deciding.level_simulation import ALPHAS

MOST_PAIRS = 1_024


def nominal_level(alpha: float, looks: Sequence[int]) -> float:
    """The one-sided level of each of ``looks`` at which one error over all of them has probability ``alpha``.

    Between tabled alphas the ratio of both is interpolated on logarithms; below them each look gets an
    equal part of alpha, which is enough whatever the looks are (Bonferroni). At most 1,024 pairs; each look
    at most twice the one before. ``alpha`` is at most 5 %.
    """
    if len(looks) == 1:
        return alpha
    if alpha < ALPHAS[-1]:
        return alpha / len(looks)
    firsts = list(LEVELS)
    first = firsts[bisect_right(firsts, looks[0]) - 1]
    ratios = np.log(np.array(LEVELS[first][len(looks) - 2]) / ALPHAS)
    return alpha * float(np.exp(np.interp(np.log(alpha), np.log(ALPHAS[::-1]), ratios[::-1])))


# One-sided nominal levels: [first look][number of looks - 2], for each of ALPHAS.
LEVELS: dict[int, tuple[tuple[float, ...], ...]] = {
    2: (
        (0.0273, 0.0132, 0.00515, 0.00203, 0.000755, 0.000248, 0.0001),
        (0.0191, 0.00914, 0.00351, 0.00137, 0.000507, 0.000168, 6.66e-05),
        (0.0149, 0.00706, 0.00269, 0.00104, 0.000385, 0.000127, 5.04e-05),
        (0.0122, 0.00578, 0.0022, 0.000853, 0.000312, 0.000103, 4.08e-05),
        (0.0104, 0.00491, 0.00186, 0.00072, 0.000263, 8.66e-05, 3.44e-05),
        (0.00908, 0.00426, 0.00161, 0.000624, 0.000227, 7.51e-05, 2.98e-05),
        (0.00803, 0.00376, 0.00142, 0.00055, 0.000201, 6.57e-05, 2.6e-05),
        (0.00719, 0.00337, 0.00127, 0.000492, 0.00018, 5.9e-05, 2.34e-05),
        (0.0065, 0.00305, 0.00115, 0.000445, 0.000163, 5.35e-05, 2.11e-05),
    ),
    4: (
        (0.0287, 0.0137, 0.00531, 0.00208, 0.00077, 0.000252, 0.000101),
        (0.0203, 0.00963, 0.00366, 0.00142, 0.00052, 0.00017, 6.77e-05),
        (0.0158, 0.00744, 0.00281, 0.00108, 0.000397, 0.00013, 5.15e-05),
        (0.0129, 0.00606, 0.00228, 0.000881, 0.00032, 0.000105, 4.2e-05),
        (0.0109, 0.00512, 0.00192, 0.000741, 0.000269, 8.87e-05, 3.52e-05),
        (0.00946, 0.00442, 0.00166, 0.00064, 0.000232, 7.63e-05, 3.02e-05),
        (0.00833, 0.00389, 0.00146, 0.000563, 0.000205, 6.73e-05, 2.68e-05),
        (0.00743, 0.00347, 0.0013, 0.000502, 0.000183, 6.01e-05, 2.38e-05),
    ),
    8: (
        (0.0295, 0.0142, 0.00547, 0.00212, 0.000782, 0.000255, 0.000102),
        (0.021, 0.00999, 0.00379, 0.00146, 0.000535, 0.000175, 6.9e-05),
        (0.0163, 0.00771, 0.0029, 0.00111, 0.000406, 0.000133, 5.25e-05),
        (0.0133, 0.00626, 0.00235, 0.000903, 0.000328, 0.000107, 4.27e-05),
        (0.0112, 0.00526, 0.00197, 0.000757, 0.000275, 8.98e-05, 3.56e-05),
        (0.00971, 0.00453, 0.0017, 0.000653, 0.000237, 7.76e-05, 3.09e-05),
        (0.00853, 0.00398, 0.00149, 0.000573, 0.000209, 6.83e-05, 2.72e-05),
    ),
    16: (
        (0.0299, 0.0144, 0.00558, 0.00216, 0.000798, 0.00026, 0.000104),
        (0.0214, 0.0102, 0.00387, 0.00149, 0.000546, 0.000178, 7.05e-05),
        (0.0166, 0.00786, 0.00296, 0.00113, 0.000414, 0.000136, 5.35e-05),
        (0.0135, 0.00637, 0.00239, 0.000919, 0.000334, 0.000109, 4.28e-05),
        (0.0114, 0.00535, 0.002, 0.000769, 0.00028, 9.16e-05, 3.62e-05),
        (0.00985, 0.0046, 0.00172, 0.000661, 0.00024, 7.88e-05, 3.11e-05),
    ),
    32: (
        (0.0302, 0.0145, 0.00564, 0.00219, 0.000809, 0.000264, 0.000106),
        (0.0216, 0.0103, 0.00392, 0.00151, 0.000553, 0.000181, 7.23e-05),
        (0.0168, 0.00793, 0.00299, 0.00115, 0.00042, 0.000137, 5.39e-05),
        (0.0136, 0.00643, 0.00242, 0.000929, 0.000338, 0.000111, 4.35e-05),
        (0.0115, 0.00539, 0.00202, 0.000777, 0.000283, 9.27e-05, 3.64e-05),
    ),
}
