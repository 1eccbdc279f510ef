"""Panels whose values are hard to draw: one value, none, tiny, huge, many, near, long; and what must be read.

``PANELS`` by title. Tests of figures and of the dashboard's charts draw all of them and read them back.
"""

import math

import numpy as np
import pandas as pd

from workbench.inspection.panels import Bars, Dots, Heatmap, Lines, Panel, Result, Rule

LONG = "threshold (% of the layer's largest hidden value, over all of the windows of validation text)"


def _line(x, y, series="a", **more):
    return pd.DataFrame({"x": list(x), "y": list(y), "series": series, **more})


def _grid(rows, columns, value, **more):
    cells = [(i, j) for i in range(rows) for j in range(columns)]
    values = [value(i, j) for i, j in cells]
    return pd.DataFrame({"y": [i for i, _ in cells], "x": [j for _, j in cells], "value": values, **more})


def _texted(data):
    return data.assign(text=[f"{value:+.2f}" for value in data["value"]])


def _dots(values, category="row", series="a"):
    return pd.DataFrame({"category": category, "value": list(values), "series": series})


def _curves(layers):
    frames = [
        _line([1, 2, 4, 8, 64, 256], np.linspace(0.1 * layer, 1, 6), name, layer=f"layer {layer}")
        for layer in range(layers)
        for name in ("positions=alibi", "baseline", "alibi by itself", "uniform attention")
    ]
    return pd.concat(frames, ignore_index=True)


_MANY = [
    Lines(
        title="half-lives",
        data=_line([0, 1, 2, 3], [2.8, 11.1, 44.4, 177.4]),
        x="head",
        y="half-life in tokens",
        log_y=True,
        joined=False,
        rules=(Rule(at=256.0, label="context 256"),),
    ),
    Lines(
        title="tokens", data=_line([8, 32, 128, 512, 2048], [1, 2, 3, 4, 5]), x="shift", y="nats", log_x=True
    ),
    Lines(title="every token", data=_line(range(1, 2048), range(1, 2048)), x="distance", y="y", log_x=True),
    Lines(title="one point", data=_line([5], [0.25]), x="layer", y="share"),
    Lines(title="all equal", data=_line([0, 1, 2], [0.5, 0.5, 0.5 + 1e-15]), x="layer", y="share"),
    Lines(
        title="divergence",
        data=_line([8, 64, 512], [1e-10, 1e-10, 3e-7]),
        x="shift",
        y="KL",
        log_x=True,
        log_y=True,
        rules=(Rule(at=1e-6, label="below: rounding"),),
    ),
    Lines(title="tiny", data=_line([0, 1, 2], [-1e-7, 3e-7, 5e-7]), x="layer", y="nats"),
    Lines(title="huge", data=_line([0, 1, 2], [2.0, 28.98, 253_094_644.0]), x="layer", y="nats"),
    Lines(title="lost", data=_line([0, 1, 2], [math.nan] * 3), x="layer", y="nats"),
    Lines(title="infinite", data=_line([0, 1, 2], [1.0, math.inf, 2.0]), x="layer", y="nats"),
    Lines(
        title="layers",
        data=_curves(12),
        x=LONG,
        y="mean attention of the heads, of every layer",
        log_x=True,
        colours={"positions=alibi": "#D55E00", "baseline": "#222222"},
        ghosts=frozenset({"alibi by itself", "uniform attention"}),
        facet="layer",
    ),
    Lines(
        title="near lines",
        data=_line([0, 50, 100], [0, 0.5, 1.0]),
        x="step",
        y="share",
        rules=(
            Rule(at=0.30, label="threshold 0.3"),
            Rule(at=0.31, label="chance 0.31"),
            Rule(at=1.0, label="most"),
            Rule(at=40.0, label="one bucket from here on", axis="x"),
            Rule(at=42.0, label="two buckets from here on", axis="x"),
            Rule(at=99.0, label="end", axis="x"),
        ),
    ),
    Lines(
        title="sixteen heads",
        data=pd.concat([_line([1, 2], [head, 2 * head], f"head {head}") for head in range(16)]),
        x="position",
        y="score",
        ordinal=True,
    ),
    Heatmap(
        title="signs",
        data=_texted(_grid(2, 4, lambda i, j: [-0.19, -0.05, 0.17, 0.19][j] * (1 if i else 0.5))),
        x="head",
        y="layer",
        value="change of the loss (nats)",
        diverging=True,
    ),
    Heatmap(
        title="scores",
        data=pd.concat(
            [
                _texted(_grid(8, 16, lambda i, j: (i + j) / 22, series=name))
                for name in ("positions=alibi", "b")
            ]
        ),
        x="head",
        y="layer",
        value="induction score (random periods), the largest of every window of validation text",
        facet="series",
    ),
    Heatmap(
        title="positions",
        data=_grid(64, 64, lambda i, j: math.cos(i - j)),
        x="position",
        y="position",
        value="cosine",
    ),
    Heatmap(
        title="flat", data=_grid(1, 1, lambda i, j: 0.0), x="head", y="layer", value="share", diverging=True
    ),
    Heatmap(
        title="tokens in order",
        data=_grid(3, 24, lambda i, j: j / 24).assign(x=lambda rows: [f"{j} return" for j in rows["x"]]),
        x="token",
        y="after layer",
        value="probability",
    ),
    Dots(title="counts", data=_dots([0.0], "heads from 0.3 on"), x="number of heads"),
    Dots(title="one number", data=_dots([409.6]), x="tokens (thousands)"),
    Dots(
        title="long names",
        data=pd.concat(
            [
                _dots([0.1], "feedforward_width: 256 → 1024, norm: rmsnorm → dynamic_tanh", name)
                for name in ("positions=alibi, feedforward=relu", "baseline")
            ]
            + [_dots([math.nan], "none of 8 seeds", "baseline")]
        ),
        x=LONG,
        rules=(Rule(at=0.0, label="no difference", axis="x"), Rule(at=0.001, label="chance 0.001", axis="x")),
    ),
    Bars(title="all zero", data=_line(range(4), [0.0] * 4), x="head", y="share of the variance"),
    Bars(
        title="contributions",
        data=pd.concat(
            [
                _line(["token", "0", "1"], [0.2, -0.8, 0.05], part, run=run)
                for part in ("attention", "feed-forward")
                for run in ("positions=alibi", "baseline")
            ]
        ),
        x="part",
        y="contribution",
        facet="run",
    ),
]
PANELS: dict[str, Panel] = {panel.title: panel for panel in _MANY}

# The labels of ticks that must be seen, and those of one axis of numbers in full where it is short.
LABELS = {
    "half-lives": ["0", "1", "2", "3", "10", "100", "context 256"],
    "tokens": ["8", "32", "128", "512", "2,048"],
    "one point": ["5", "0.25"],
    "all equal": ["0.5"],
    "divergence": ["1e-10", "1e-9", "1e-8", "1e-7", "1e-6", "below: rounding"],
    "tiny": ["−2e-7", "0", "2e-7", "4e-7", "6e-7"],
    "huge": ["0", "1e8", "2e8", "3e8"],
    "layers": [*(f"layer {layer}" for layer in range(12)), "positions=alibi", "uniform attention"],
    "near lines": ["threshold 0.3", "chance 0.31", "two buckets from here on"],
    "signs": ["0", "1", "2", "3", "−0.1", "+0.19", "-0.19"],
    "scores": [*map(str, range(8)), "positions=alibi", "b"],
    "tokens in order": ["0", "1", "2", *(f"{number} return" for number in range(24))],
    "counts": ["0", "heads from 0.3 on"],
    "one number": ["409.6"],
    "all zero": ["0", "1", "2", "3"],
    "contributions": ["token", "0", "−0.8", "positions=alibi", "baseline"],
}
WORDS = {"lost": PANELS["lost"].nothing}
NOTES = {"infinite": "1 of 3 values are not drawn: they are no finite numbers."}


def result() -> Result:
    """All panels as one view."""
    return Result(view="odd", title="Odd panels", question="?", panels=tuple(_MANY), source="made up")
