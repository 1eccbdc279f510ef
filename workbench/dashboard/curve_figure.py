"""The chart of curves as a panel, so that its file has the lines, colours and dashes of the page."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.dashboard.curve_charts import Axis, Curve, scale_of
from workbench.inspection.panels import Lines, Rule

_DASHES = {"solid": (), "dashed": (7, 3), "dotted": (2, 2)}


def curve_panel(
    curves: Sequence[Curve], x: Axis, y: Axis, *, zero: bool = False, margin: float | None = None
) -> Lines:
    """``curves`` as they are drawn on the page: means with their bands, single runs thin behind them.

    ``zero`` draws a line at y = 0 (for differences), and ``margin`` a band of as much around it.
    """
    largest = max((float(curve.line.x[-1]) for curve in curves if len(curve.line.x)), default=1.0)
    factor, unit = scale_of(x, largest)
    means = [_rows(curve, factor) for curve in curves if not curve.faint]
    faint = [_rows(curve, factor).assign(seed=place) for place, curve in enumerate(curves) if curve.faint]
    ordered = sorted(curves, key=lambda curve: not curve.faint)  # means say how their name is drawn
    return Lines(
        title=y.title,
        data=pd.concat(means or faint, ignore_index=True),
        x=_titled(x.title, unit),
        y=_titled(y.title, y.unit),
        log_x=x.log,
        log_y=y.log,
        colours={curve.line.name: curve.colour for curve in ordered},
        dashes={curve.line.name: _DASHES[curve.dash] for curve in ordered},
        rules=(Rule(at=0.0, label=""),) if zero else (),
        band=None if margin is None else (-margin, margin),
        tight=True,
        every_seed=True,
        seeds=pd.concat(faint, ignore_index=True) if means and faint else None,
    )


def _rows(curve: Curve, factor: float) -> pd.DataFrame:
    line = curve.line
    found = pd.DataFrame({"series": line.name, "x": line.x / factor, "y": line.mean, "runs": line.runs})
    nothing = np.full(len(line.x), np.nan)
    low = nothing if line.low is None else line.low
    return found.assign(low=low, high=nothing if line.high is None else line.high)


def _titled(title: str, unit: str) -> str:
    return f"{title} ({unit})" if unit else title
