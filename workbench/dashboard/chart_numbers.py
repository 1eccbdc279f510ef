"""The numbers behind a chart as a file: those that it was given to draw."""

from typing import Any

import pandas as pd

from workbench.analysis.text_escapes import to_csv


def chart_csv(chart: Any) -> str:
    """The table of an Altair chart as CSV; of a chart of several tables the largest, which has its marks."""
    tables = _tables(chart)
    return to_csv(max(tables, key=lambda table: table.size), index=False) if tables else ""


def _tables(chart: Any) -> list[pd.DataFrame]:
    found = []
    data = getattr(chart, "data", None)
    if isinstance(data, pd.DataFrame):
        found.append(data)
    for part in ("layer", "hconcat", "vconcat", "concat"):
        inner = getattr(chart, part, None)
        for one in inner if isinstance(inner, list) else []:
            found += _tables(one)
    return found
