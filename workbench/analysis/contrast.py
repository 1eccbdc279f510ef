"""How far two colours are apart: as text on a ground, and as marks that are to be told from each other.

Contrast is WCAG 2.2's (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio); differences are distances in Oklab
(Ottosson 2020, https://bottosson.github.io/posts/oklab/), where equal steps look about equally large.
"""

import colorsys
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

BLACK, WHITE = "#000000", "#FFFFFF"
TEXT = 4.5  # contrast that small letters need (WCAG, 1.4.3)
MARK = 3.0  # contrast that a line or dot needs with what it is drawn on (WCAG, 1.4.11)
_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)


def luminance(colour: str) -> float:
    """Relative luminance, 0 of black to 1 of white."""
    return float(_linear(colour) @ (0.2126, 0.7152, 0.0722))


def contrast(first: str, second: str) -> float:
    """The contrast ratio, 1 to 21; text is asked for 4.5."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def ink_on(ground: str) -> str:
    """Black or white, whichever can be read better on ``ground``; never below 4.5."""
    return max((BLACK, WHITE), key=lambda ink: contrast(ink, ground))


def differences(colours: Iterable[str], others: Iterable[str]) -> np.ndarray:
    """The distance of each colour from each other one in Oklab, ``(N, M)``, 0 to 1.

    0.02 is about the least that is seen side by side.
    """
    first, second = (np.array([_oklab(one) for one in some]).reshape(-1, 3) for some in (colours, others))
    return np.linalg.norm(first[:, None] - second, axis=-1)


def seen_on(colour: str, paper: str) -> str:
    """``colour``, lighter on a dark ``paper`` as far as a mark must be to be seen there."""
    if luminance(paper) > 0.5:
        return colour  # Okabe and Ito chose theirs for white
    hue, lightness, saturation = colorsys.rgb_to_hls(*_channels(colour))
    while contrast(colour, paper) < MARK:
        lightness += 0.02
        colour = _hex(colorsys.hls_to_rgb(hue, lightness, saturation))
    return colour


def paler(colour: str, part: float) -> str:
    """``colour`` mixed with white, of which it is ``part`` then."""
    return _hex(channel * (1 - part) + part for channel in _channels(colour))


def _hex(channels: Iterable[float]) -> str:
    return "#" + "".join(f"{round(255 * channel):02X}" for channel in channels)


def _channels(colour: str) -> tuple[float, ...]:
    """``#RRGGBB`` as numbers from 0 to 1."""
    return tuple(int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))


def _linear(colour: str) -> np.ndarray:
    channels = np.array(_channels(colour))
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


@lru_cache(maxsize=8192)
def _oklab(colour: str) -> np.ndarray:
    return np.array(_TO_LAB) @ np.cbrt(np.array(_TO_CONES) @ _linear(colour))


def readable_on(colour: str, paper: str) -> str:
    """``colour``, as much darker or lighter as small letters of it must be to be read on ``paper``."""
    step = -0.02 if luminance(paper) > 0.5 else 0.02
    hue, lightness, saturation = colorsys.rgb_to_hls(*_channels(colour))
    while contrast(colour, paper) < TEXT and 0 < lightness < 1:
        lightness = min(1.0, max(0.0, lightness + step))
        colour = _hex(colorsys.hls_to_rgb(hue, lightness, saturation))
    return colour
