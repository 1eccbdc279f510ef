"""Panels for codes that add to the scores: ALiBi's slopes and T5's learned curve."""

import pandas as pd
import torch

from workbench.inspection.panels import Lines, Rule, under
from workbench.inspection.position.picture_code import Code, Picture
from workbench.inspection.position.picture_relative import bias_by_distance, distances, half_lives
from workbench.model.parts.relative_bias import alibi_slopes
from workbench.numbers import number

_BIAS = "Bias"  # what a page shows together
MARKS = 4000  # of a chart, at most: the dashboard's take 5,000


def alibi(codes: list[Code]) -> Picture:
    """Half-lives of the slopes, and the bias by distance."""
    panels = under(_BIAS, _half_lives(codes), _curves(codes, "Bias of ALiBi by distance"))
    return Picture(panels, tuple(_describe_slopes(code) for code in codes))


def t5(codes: list[Code]) -> Picture:
    """The learned bias by distance."""
    rules = tuple(
        Rule(at=float(most), label="one bucket from here on", axis="x")
        for most in dict.fromkeys(code.config.positions.max_distance for code in codes)
    )
    panel = _curves(codes, "Learned bias of T5 by distance", rules)
    note = (
        "T5: the softmax sees differences of biases only, so the height of a curve means nothing. One table "
        "serves all layers.",
    )
    return Picture(under(_BIAS, panel), tuple(_describe_curve(code) for code in codes), note)


def _half_lives(codes: list[Code]) -> Lines:
    frames = []
    for code in codes:
        slopes = alibi_slopes(code.config.heads)  # (H,)
        columns = {"x": range(len(slopes)), "y": half_lives(slopes).tolist(), "slope": slopes.tolist()}
        frames.append(pd.DataFrame(columns).assign(series=code.name))
    return Lines(
        title="ALiBi: tokens over which a head's slope halves the weight of a key",
        data=pd.concat(frames, ignore_index=True),
        x="head",
        y="half-life in tokens",
        colours={code.name: code.colour for code in codes},
        log_y=True,
        joined=False,
        rules=_contexts(codes),
    )


def _contexts(codes: list[Code]) -> tuple[Rule, ...]:
    lengths = dict.fromkeys(code.config.context for code in codes)
    return tuple(Rule(at=float(length), label=f"context {length:,}") for length in lengths)


def _curves(codes: list[Code], title: str, rules: tuple[Rule, ...] = ()) -> Lines:
    """Distance 0, which has no place on a logarithmic axis, is left out."""
    heads = sum(code.config.heads for code in codes)
    frames = []
    for code in codes:
        distance = distances(code.config.context, max(16, MARKS // heads if heads > 20 else 200))
        distance = distance[distance > 0]
        for head, values in enumerate(bias_by_distance(code.positions, distance).tolist()):
            columns = {"x": distance.tolist(), "y": values, "series": f"head {head}", "run": code.name}
            frames.append(pd.DataFrame(columns))
    return Lines(
        title=title,
        data=pd.concat(frames, ignore_index=True),
        x="distance in tokens",
        y="added to the score",
        log_x=True,
        ordinal=True,
        rules=rules,
        facet="run" if len(codes) > 1 else None,
    )


def _describe_slopes(code: Code) -> str:
    lives = half_lives(alibi_slopes(code.config.heads))
    return (
        f"{code.name}: ALiBi's slopes halve the weight of a key every {number(float(lives.min()))} to "
        f"{number(float(lives.max()))} tokens, at a context of {code.config.context:,}. They are fixed; "
        f"content can outweigh them."
    )


def _describe_curve(code: Code) -> str:
    far = min(code.config.context - 1, code.config.positions.max_distance)
    values = bias_by_distance(code.positions, torch.tensor([0, far]))  # (H, 2)
    change = float((values[:, 1] - values[:, 0]).mean())
    lower = int((values[:, 1] < values[:, 0]).sum())
    return (
        f"{code.name}: the learned bias is lower at distance {far} than at 0 in {lower} of {len(values)} "
        f"heads; from 0 to {far} it changes by {number(change, sign=True)} on average over heads."
    )
