"""Charts on pages: an Altair chart becomes what a browser draws once, not at every click.

Building a chart and writing it out takes Altair up to a tenth of a second, and most charts of a page are what
they were before the click. What was made of the same arguments is shown again.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from hashlib import sha256
from threading import RLock
from typing import Any

import altair
import numpy as np
import pandas as pd
import streamlit as st
from streamlit.dataframe_util import convert_anything_to_arrow_bytes

Build = partial[Any]  # of any kind of Altair's charts
_MOST = 8  # of one chart: other studies, baselines, choices; both themes
_MOST_CHARTS = 150  # names of charts; 8 of each are some megabytes
_TRANSFORMER = "workbench"
_BELOW = 2  # pixels below a chart, whose labels are within it: Streamlit would leave 20, before its own gap

_kept: dict[tuple[Any, str], list[tuple[Build, dict[str, Any]]]] = {}
_lock = RLock()  # Altair's themes and transformers are of the whole process


def show_chart(
    build: Build,
    *,
    alt: str,
    key: str,
    width: int | None = None,
    on_select: Callable[[], None] | None = None,
) -> None:
    """Draw what ``build`` makes, with the alternative text ``alt``; ``key`` is its own on the page.

    ``build`` depends on nothing but its arguments, and nobody changes these. ``on_select`` is called when a
    reader selects in the chart; what is selected is in the session's state under ``key``.
    """
    # Streamlit takes the data out of the mapping that it is given.
    spec = dict(spec_of(build, key))
    st.vega_lite_chart(spec=spec, alt=alt, key=key, width=width, on_select=on_select or "ignore")


def spec_of(build: Build, key: str) -> dict[str, Any]:
    """What the browser gets: Vega-Lite's mapping, its data as Arrow's bytes under names made from these.

    Kept, so that callers must not change it.
    """
    name = (build.func, key)
    with _lock:
        known = _kept.pop(name, [])
        _kept[name] = known  # the last one asked for
        for place, (before, spec) in enumerate(known):
            if _same((before.args, before.keywords), (build.args, build.keywords)):
                known.append(known.pop(place))
                return spec
        spec = _spec(build())
        known.append((build, spec))
        del known[:-_MOST]
        while len(_kept) > _MOST_CHARTS:
            _kept.pop(next(iter(_kept)))
        return spec


def _spec(chart: altair.TopLevelMixin) -> dict[str, Any]:
    """The chart as ``st.altair_chart`` writes it out, with less room below; only tests check its schema."""
    datasets: dict[str, bytes] = {}
    altair.data_transformers.register(_TRANSFORMER, _into)
    with altair.theme.enable("none"), altair.data_transformers.enable(_TRANSFORMER, datasets=datasets):
        spec = chart.to_dict(validate=False)
    return spec | {"datasets": datasets, "padding": {"bottom": _BELOW}}


def _into(data: Any, datasets: dict[str, bytes]) -> dict[str, str]:
    """Put ``data`` among ``datasets``, and say by which name it is found there."""
    content = convert_anything_to_arrow_bytes(data)
    name = sha256(content).hexdigest()
    datasets[name] = content
    return {"name": name}


def _same(one: Any, other: Any) -> bool:
    """Whether a chart of ``one`` is that of ``other``; what cannot be compared is not the same."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, pd.DataFrame | pd.Series):
        return one.equals(other)
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Mapping):  # also in the same order: colours and axes follow it
        return list(one) == list(other) and all(map(_same, one.values(), other.values()))
    if is_dataclass(one) and not isinstance(one, type):
        return all(_same(getattr(one, own.name), getattr(other, own.name)) for own in fields(one))
    return (one == other) is True
