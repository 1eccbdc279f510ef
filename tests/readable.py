"""What must hold of the texts of any drawing, whoever drew it."""

import re
from collections.abc import Iterable

_NOISE = re.compile(r"\d\.\d{5,}")  # of floats: 409.600000, 0.30000000000000004
_NUMBER = re.compile(r"[−+]?[\d,.]+(e-?\d+)?")


def overlaps(texts: Iterable[tuple[str, tuple[float, float, float, float]]]) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes (left, top, right, bottom, in pixels) share more than a pixel each way."""
    known, found = list(texts), []
    for place, (one, a) in enumerate(known):
        for other, b in known[:place]:
            if min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 1:
                found.append((one, other))
    return found


def faults_of_axis(labels: list[str]) -> list[str]:
    """What is wrong with the labels of one axis: two alike, noise of floats, or two notations."""
    found = []
    if len(set(labels)) < len(labels):
        found.append(f"two alike: {labels}")
    found += [f"noise: {label}" for label in labels if _NOISE.search(label)]
    numbers = [label for label in labels if _NUMBER.fullmatch(label) and label != "0"]
    if len(numbers) == len(labels) - labels.count("0") and 0 < sum("e" in one for one in numbers) < len(
        numbers
    ):
        found.append(f"two notations: {labels}")
    return found
