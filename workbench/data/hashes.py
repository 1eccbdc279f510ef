"""Hashes of many numbers at once: the same on every machine and in every process."""

import numpy as np


def mixed(values: np.ndarray) -> np.ndarray:
    """Each 64-bit number as another, one to one, in which every bit depends on all (splitmix64's last step).

    Steele et al. 2014, "Fast splittable pseudorandom number generators".
    """
    with np.errstate(over="ignore"):
        values = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))
