"""Sobol's evenly spread points (1967), scrambled: those of ``scipy.stats.qmc.Sobol(dimensions, seed=0)``.

Written out because ``scipy.stats`` takes half a second to import, which whoever opens a study would wait for.
The direction numbers are Joe and Kuo's (2008, https://web.maths.unsw.edu.au/~fkuo/sobol/); a linear matrix
scramble and a shift (Matousek 1998) keep the points even.
"""

import numpy as np

_BITS = 30
# For each dimension a primitive polynomial over the integers modulo 2, and the first direction numbers.
_DIRECTIONS = (
    (1, (1,)),
    (3, (1,)),
    (7, (1, 3)),
    (11, (1, 3, 1)),
    (13, (1, 1, 1)),
    (19, (1, 1, 3, 3)),
    (25, (1, 3, 5, 13)),
    (37, (1, 1, 5, 5, 17)),
    (41, (1, 1, 5, 5, 5)),
    (47, (1, 1, 7, 11, 19)),
    (55, (1, 1, 5, 1, 1)),
    (59, (1, 1, 1, 3, 11)),
    (61, (1, 3, 5, 5, 31)),
    (67, (1, 3, 3, 9, 7, 49)),
    (91, (1, 1, 1, 15, 21, 21)),
    (97, (1, 3, 1, 13, 27, 49)),
    (103, (1, 1, 1, 15, 7, 5)),
    (109, (1, 3, 1, 15, 13, 25)),
    (115, (1, 1, 5, 5, 19, 61)),
    (131, (1, 3, 7, 11, 23, 15, 103)),
)


def sobol_points(dimensions: int, count: int) -> np.ndarray:
    """The first points of the unit cube, (count, dimensions): even where ``count`` is a power of 2."""
    if dimensions > len(_DIRECTIONS):  # a study of more looks than any that was planned so far
        from scipy.stats import qmc

        return np.asarray(qmc.Sobol(dimensions, seed=0).random(count))
    places = np.arange(_BITS)
    powers = 2 ** places[::-1]  # of the bits from the highest on
    generator = np.random.default_rng(0)
    # In scipy's order of draws.
    shift = generator.integers(2, size=(dimensions, _BITS), dtype=np.uint32) @ (2**places)
    scramble = np.tril(generator.integers(2, size=(dimensions, _BITS, _BITS), dtype=np.uint32)).astype(int)
    scramble[:, places, places] = 1
    numbers = np.array([_direction_numbers(*one) for one in _DIRECTIONS[:dimensions]]) * powers
    bits = numbers[:, :, None] // powers & 1  # (dimensions, numbers, bits)
    scrambled = np.einsum("dpb,dnb->dnp", scramble, bits) % 2 @ powers  # (dimensions, numbers)
    points = np.empty((count, dimensions))
    point = shift
    for number in range(count):
        if number:
            lowest = (number & -number).bit_length() - 1  # Gray code: one bit changes from point to point
            point = point ^ scrambled[:, lowest]
        points[number] = point
    return points / 2**_BITS


def _direction_numbers(polynomial: int, first: tuple[int, ...]) -> list[int]:
    """All direction numbers of a dimension, from the first of them."""
    if polynomial == 1:
        return [1] * _BITS
    numbers = list(first)
    degree = len(first)
    for place in range(degree, _BITS):
        number = numbers[place - degree]
        for back in range(1, degree + 1):
            if polynomial >> (degree - back) & 1:
                number ^= numbers[place - back] << back
        numbers.append(number)
    return numbers
