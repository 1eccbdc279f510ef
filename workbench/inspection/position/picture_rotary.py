"""Panels for rotary codes: wavelengths against the context, and the contested decay with distance."""

import math

import pandas as pd
from torch import Tensor

from workbench.inspection.panels import Lines, Rule, under
from workbench.inspection.position.picture_code import Code, Picture
from workbench.inspection.position.picture_relative import critical_dimension, decay, distances
from workbench.model.parts import rope_scaling
from workbench.model.parts.rotary_base import base_lower_bound
from workbench.numbers import number

POINTS = 256  # of a line


def rotary(codes: list[Code]) -> Picture:
    """Wavelengths, the decay that they alone would bring, and which bands see a whole turn."""
    return Picture(
        under("Rotation", _wavelengths(codes), _decay(codes)),
        tuple(sentence for code in codes for sentence in (_turns(code), _base(code)) if sentence),
        (
            "The decay is one factor of a bound on scores by distance. Whether it matters is contested: the "
            "bound is loose and not monotone, and trained heads need not follow it.",
        ),
    )


def wavelengths_of(code: Code) -> Tensor:
    """Tokens per turn of each band in a text as long as the context, ``(R/2,)``."""
    width = code.config.positions.rotary_width(code.config)
    return rope_scaling.wavelengths(code.config.positions, width, code.config.context)


def _wavelengths(codes: list[Code]) -> Lines:
    frames = []
    for code in codes:
        found = wavelengths_of(code).tolist()
        frames.append(pd.DataFrame({"x": range(len(found)), "y": found, "series": code.name}))
    return Lines(
        title="Rotary wavelengths",
        data=pd.concat(frames, ignore_index=True),
        x="band",
        y="tokens per turn",
        log_y=True,
        colours={code.name: code.colour for code in codes},
        rules=tuple(
            Rule(at=float(length), label=f"context {length:,}")
            for length in dict.fromkeys(code.config.context for code in codes)
        ),
        note="Bands above the line do not complete a turn within the context.",
    )


def _decay(codes: list[Code]) -> Lines:
    frames = []
    for code in codes:
        distance = distances(code.config.context, POINTS)
        values = decay(2 * math.pi / wavelengths_of(code), distance)
        columns = {"x": distance.tolist(), "y": values.tolist(), "series": code.name}
        frames.append(pd.DataFrame(columns))
    return Lines(
        title="Long-term decay of rotary scores, as a bound (contested)",
        data=pd.concat(frames, ignore_index=True).query("x > 0"),
        x="distance in tokens",
        y="mean of |S_j|",
        log_x=True,
        colours={code.name: code.colour for code in codes},
    )


def _turns(code: Code) -> str:
    found, context = wavelengths_of(code), code.config.context
    slow = int((found > context).sum())
    return (
        f"{code.name}: {slow} of {len(found)} rotary bands never complete a turn within the context of "
        f"{context:,} tokens; {critical_dimension(found, context)} of a head's {2 * len(found)} rotating "
        f"dimensions do (the critical dimension). The others meet new angles in longer texts."
    )


def _base(code: Code) -> str:
    """How the base compares with the least that suits the context; empty for rescaled frequencies."""
    config, positions = code.config, code.config.positions
    if positions.scaling != "none":
        return ""
    width = positions.rotary_width(config)
    least = base_lower_bound(width, config.context, config.head_width - width)
    if not math.isfinite(least):
        return f"{code.name}: no base keeps attention to like tokens positive all over this context."
    where = "above" if positions.base >= least else "below"
    return (
        f"{code.name}: its base of {positions.base:,.0f} is {where} {number(least)}, the least that keeps "
        f"attention to like tokens positive all over the context (arXiv 2405.14591)."
    )
