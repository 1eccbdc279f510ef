"""Panels for codes that are added to the embeddings: a trained table, or sines."""

import math

import pandas as pd
import torch
from torch import Tensor

from workbench.inspection.panels import Bars, Heatmap, Lines, under
from workbench.inspection.position.picture import (
    COMPONENTS,
    LONGEST,
    cosine_matrix,
    position_scores,
    power_spectrum,
    principal_components,
    spaced,
    toeplitz_residual,
)
from workbench.inspection.position.picture_code import Code, Picture
from workbench.numbers import number, percent

SHOWN = 64  # positions along each side of a map: charts take 5,000 marks
POINTS = 256  # of a line
FIRST = 3  # components drawn as lines
_LIKENESS, _VARIANCE = "Likeness", "Variance"  # what a page shows together


def learned(codes: list[Code]) -> Picture:
    """Likeness of positions, components of the table, their spectrum, norms, and the scores they make."""
    components = {code.name: principal_components(code.table) for code in codes}
    residuals = {code.name: _residuals(code) for code in codes}
    colours = {code.name: code.colour for code in codes}
    panels = (
        *under(_LIKENESS, *(_likeness(code.name, code.table) for code in codes)),
        *under(
            "Components",
            _components({name: scores for name, (scores, _) in components.items()}),
            _spectra({name: scores for name, (scores, _) in components.items()}),
        ),
        *under(_VARIANCE, _variance({name: shares for name, (_, shares) in components.items()}, colours)),
        *under(_LIKENESS, _norms(codes, colours)),
        *under(_VARIANCE, _residual_bars(residuals, colours)),
    )
    answers = [_describe(code, *components[code.name], residuals[code.name]) for code in codes]
    return Picture(panels, tuple(answers), _NOTES)


_NOTES = (
    "Components are the table's principal ones; their sign is arbitrary. The scores that positions make by "
    "themselves are (P W_Q)(P W_K)^T in layer 0: content and position meet in other terms too, and the norm "
    "before the attention counts with its weight only.",
)


def sinusoidal(codes: list[Code]) -> Picture:
    """Likeness of positions: fixed, and a function of distance alone."""
    tables = {}
    for code in codes:
        table = code.positions.embed(torch.arange(code.config.context))  # (T, D)
        assert table is not None  # sines are added to the embeddings
        tables[code.name] = table
    return Picture(
        under(_LIKENESS, *(_likeness(name, table) for name, table in tables.items())),
        tuple(_fixed(name, table) for name, table in tables.items()),
    )


def _fixed(name: str, table: Tensor) -> str:
    likeness = cosine_matrix(table[: min(len(table), LONGEST)])[0]  # (T,)
    middle = len(likeness) // 2
    return (
        f"{name}: sines are fixed; the likeness of two positions depends on their distance alone: cosine "
        f"{number(float(likeness[min(1, middle)]))} of neighbours, {number(float(likeness[middle]))} at "
        f"distance {middle}."
    )


def _likeness(name: str, table: Tensor) -> Heatmap:
    places = spaced(len(table), SHOWN)
    cosines = cosine_matrix(table[places])  # (N, N)
    count = len(places)
    data = {
        "y": places.repeat_interleave(count).tolist(),
        "x": places.repeat(count).tolist(),
        "value": cosines.flatten().tolist(),
    }
    every = "" if count == len(table) else f" {count} of {len(table):,} positions, evenly spaced."
    return Heatmap(
        title=f"{name}: likeness of positions",
        data=pd.DataFrame(data),
        x="position",
        y="position",
        value="cosine",
        diverging=True,
        domain=(-1.0, 1.0),
        note=f"Cosine of the vectors of two positions.{every}",
    )


def _long(values: Tensor, x: Tensor) -> pd.DataFrame:
    """``(N, K), (N,)`` as columns ``x, y, series``: one series per component."""
    frames = [
        pd.DataFrame({"x": x.tolist(), "y": values[:, k].tolist(), "series": f"component {k + 1}"})
        for k in range(min(FIRST, values.shape[1]))
    ]
    return pd.concat(frames, ignore_index=True)


def _per_run(frames: dict[str, pd.DataFrame], column: str) -> pd.DataFrame:
    return pd.concat([frame.assign(**{column: name}) for name, frame in frames.items()], ignore_index=True)


def _components(scores: dict[str, Tensor]) -> Lines:
    places = {name: spaced(len(values), POINTS) for name, values in scores.items()}
    frames = {name: _long(values[places[name]], places[name]) for name, values in scores.items()}
    return Lines(
        title="First components of the table by position",
        data=_per_run(frames, "run"),
        x="position",
        y="component",
        facet="run" if len(frames) > 1 else None,
    )


def _spectra(scores: dict[str, Tensor]) -> Lines:
    frames = {}
    for name, values in scores.items():
        power = power_spectrum(values[:, :FIRST])[1 : POINTS // 2 + 1]  # (C, K)
        frames[name] = _long(power, torch.arange(1, len(power) + 1))
    return Lines(
        title="Spectrum of the first components",
        data=_per_run(frames, "run"),
        x="cycles over the table",
        y="share of the power",
        log_x=True,
        facet="run" if len(frames) > 1 else None,
    )


def _variance(shares: dict[str, Tensor], colours: dict[str, str]) -> Bars:
    frames = {
        name: pd.DataFrame({"x": range(1, len(found) + 1), "y": found.tolist()})
        for name, found in ((name, found[:COMPONENTS]) for name, found in shares.items())
    }
    return Bars(
        title="Variance of the table by component",
        data=_per_run(frames, "series"),
        x="component",
        y="share of the variance",
        colours=colours,
    )


def _norms(codes: list[Code], colours: dict[str, str]) -> Lines:
    frames = {}
    for code in codes:
        places = spaced(len(code.table), POINTS)
        norms = code.table[places].norm(dim=-1)
        frames[code.name] = pd.DataFrame({"x": places.tolist(), "y": norms.tolist()})
    return Lines(
        title="Norm of each position's vector",
        data=_per_run(frames, "series"),
        x="position",
        y="norm",
        colours=colours,
        note="Positions that training rarely reached keep the norm that they were initialised with.",
    )


def _residuals(code: Code) -> list[float]:
    """For each head of layer 0, over the first positions; NaN for constant scores."""
    table, window = code.table[:LONGEST], code.config.layer_windows[0]
    heads = range(code.config.heads)
    return [toeplitz_residual(position_scores(code.trained, table, head), window) for head in heads]


def _residual_bars(residuals: dict[str, list[float]], colours: dict[str, str]) -> Bars:
    frames = {name: pd.DataFrame({"x": range(len(found)), "y": found}) for name, found in residuals.items()}
    return Bars(
        title="Layer 0: what distance does not explain of the scores of positions alone",
        data=_per_run(frames, "series").dropna(subset="y"),
        x="head",
        y="share of the variance",
        colours=colours,
        note="0: these scores depend on distance alone. Scores that rise steadily with the key's position, "
        "whatever the query's, would have 0.75: far keys are early ones.",
    )


def _describe(code: Code, scores: Tensor, shares: Tensor, residuals: list[float]) -> str:
    strongest = int(power_spectrum(scores[:, :1]).argmax())
    cycles = "1 cycle" if strongest == 1 else f"{strongest} cycles"
    known = [value for value in residuals if math.isfinite(value)]
    relative = ""
    if known:
        relative = (
            f" Of the scores that positions alone make in layer 0, distance leaves "
            f"{percent(sum(known) / len(known))} of the variance unexplained (mean over heads): 0 % would be "
            f"purely relative, 75 % is what a steady liking for late keys leaves."
        )
    return (
        f"{code.name}: the first {FIRST} components hold {percent(float(shares[:FIRST].sum()))} of the "
        f"table's variance; the strongest rhythm of the first is {cycles} over {len(code.table):,} positions."
        f"{relative}"
    )
