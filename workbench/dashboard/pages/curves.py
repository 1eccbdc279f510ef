"""Curves: metrics while training, averaged over seeds, or as differences to the baseline."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from workbench.analysis.metric_units import is_loss, why_not_comparable
from workbench.analysis.text_escapes import to_csv
from workbench.analysis.training_axes import OWN_TOKENS, axes_of, bytes_per_token, default_axis
from workbench.dashboard import downloads, empty_pages, links, pins, state
from workbench.dashboard.aggregate import Band
from workbench.dashboard.curve_charts import Axis, curve_chart
from workbench.dashboard.curve_figure import curve_panel
from workbench.dashboard.curve_lines import (
    AXES,
    BANDS,
    Choice,
    Drawing,
    Study,
    available_metrics,
    draw,
    latest_phase,
    metric_words,
    phases_of,
)
from workbench.dashboard.imported_models import is_imported, nothing_compared
from workbench.dashboard.literal_text import literal
from workbench.dashboard.searches import is_search, see_search
from workbench.dashboard.state import View, view
from workbench.inspection.panels import Lines
from workbench.numbers import plural
from workbench.records.manifest import Manifest
from workbench.records.training_outcome import untrained
from workbench.visible import visible

if TYPE_CHECKING:  # matplotlib: imported when a file is asked for
    from matplotlib.figure import Figure

DIFFERENCE, VALUES = "difference", "values"
_NOTES = 6  # lines of a chart whose notes are shown
LATEST = "latest"  # follows a study from phase to phase


def page() -> None:
    """Draw the page."""
    st.header("Curves", anchor=False)
    if is_imported(view()):
        nothing_compared()
        return
    if is_search(view()):
        see_search()
        return
    if view().records.runs.empty:
        empty_pages.no_runs()
        return
    st.fragment(_panel)()


def _panel() -> None:
    now = view()
    unreadable: dict[str, str] = {}
    study = _study(now, unreadable)
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    runs, each_run = _chosen_runs(now, row)
    left_out = runs.iloc[:0] if each_run else _left_out(runs, row)
    runs = runs.drop(left_out.index)
    study = replace(study, runs=study.runs.drop(left_out.index))  # nor are they what others are compared with
    metrics = available_metrics(runs, study.read, now.records.manifest.metric)
    empty_pages.problems(list(unreadable.values()))
    if not metrics:
        empty_pages.no_runs("Nothing is logged yet for these runs")
        return
    links.report_unknown("metric", [_metric_title(metric) for metric in metrics], "metric")
    choice = _controls(metrics, row, now.records.manifest, each_run=each_run)
    drawing = draw(study, runs, choice)
    if choice.difference and not drawing.curves:
        st.caption(
            "No run has a partner of the same seed among the baseline's runs yet: values are shown instead."
        )
        choice = replace(choice, difference=False)
        drawing = draw(study, runs, choice)
    on_paper = replace(study, colours=now.paper_colours)
    found, _ = pins.find(state.results_directory(), now.library)  # the sidebar says which are not here
    found = [one for one in found if one.pin.run not in set(runs["run_id"]) or not each_run]
    beside = pins.pinned_curves(
        found, choice, study.read, now.records, [curve.colour for curve in drawing.curves]
    )

    def with_pins(drawn: Drawing) -> Drawing:
        return replace(drawn, curves=[*drawn.curves, *beside.curves])

    _chart(with_pins(drawing), choice, now, phases_of(runs), lambda: with_pins(draw(on_paper, runs, choice)))
    if beside.curves:
        st.caption(
            "Dashed, with their study's name: pinned runs, each against its own study's baseline where "
            "differences are drawn."
        )
    for note in beside.notes:
        st.caption(f":material/keep: {literal(note)}")
    if len(left_out):
        names = ", ".join(dict.fromkeys(now.labels[name] for name in left_out["variant"]))
        count = plural(len(left_out), "run")
        st.caption(f"Not drawn, as they did not train: {count} of {literal(names)}.")


def _left_out(runs: pd.DataFrame, row: DeltaGenerator) -> pd.DataFrame:
    """Runs that did not train, unless they are asked for: their losses would set the scale of all others."""
    lost = runs[untrained(runs)]
    if not 0 < len(lost) < len(runs):
        return lost.iloc[:0]
    shown = row.toggle(
        f"Also {plural(len(lost), 'run')} that did not train", key="untrained", bind="query-params"
    )
    return lost.iloc[:0] if shown else lost


def _study(now: View, unreadable: dict[str, str]) -> Study:
    return Study(
        baseline=now.baseline,
        labels=now.labels,
        colours=now.colours,
        read=state.reader(now.library, unreadable),
        runs=now.records.runs,
        bytes_per_token=bytes_per_token(now.records.manifest),
    )


def _chosen_runs(now: View, row: DeltaGenerator) -> tuple[pd.DataFrame, bool]:
    """The runs to draw, and whether each gets a line of its own."""
    runs, chosen = now.records.runs, state.selection()
    if chosen:
        label = f"Only the {plural(len(chosen), 'selected run')}"
        if row.toggle(label, key="only_selected", bind="query-params"):
            return runs[runs["run_id"].isin(chosen)], True
    options = [LATEST, *phases_of(runs)]
    links.report_unknown("curve_phase", options, "phase")
    chosen_phase = row.segmented_control(
        "Phase", options, default=LATEST, required=True, key="curve_phase", bind="query-params"
    )
    phase = latest_phase(runs) if chosen_phase in (None, LATEST) else chosen_phase
    return runs[runs["phase"] == phase], False


def _controls(metrics: list[str], row: DeltaGenerator, manifest: Manifest, *, each_run: bool) -> Choice:
    metric = row.selectbox(
        "Metric", metrics, format_func=_metric_title, key="metric", bind="query-params", width=210
    )
    show = row.segmented_control(
        "Show", [DIFFERENCE, VALUES], default=DIFFERENCE, required=True, key="show", bind="query-params"
    )
    seeds = row.toggle("Single seeds", key="seeds", bind="query-params", disabled=each_run)
    row.toggle("Log x", key="log_x", bind="query-params")
    row.toggle("Log y", key="log_y", bind="query-params", disabled=show == DIFFERENCE)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        axis = _axis(manifest)
        band = st.segmented_control(
            "Band",
            list(Band),
            default=Band.INTERVAL,
            required=True,
            key="band",
            bind="query-params",
            disabled=each_run,
        )
        smoothing = st.slider("Smoothing", 0.0, 0.98, 0.0, 0.02, key="smooth", bind="query-params", width=160)
        first, last = st.slider(
            "Part of training, %", 0, 100, (10, 100), 5, key="part", bind="query-params", width=200
        )
    return Choice(
        metric=metric,
        axis=axis,
        difference=show == DIFFERENCE,
        band=Band(band),
        smoothing=smoothing,
        first=first / 100,
        last=last / 100,
        seeds=seeds,
        each_run=each_run,
    )


def _axis(manifest: Manifest) -> str:
    options = axes_of(manifest)
    links.report_unknown("x", options, "axis")
    if st.session_state.get("x") not in options:
        st.session_state.pop("x", None)  # that of another study, which has this one too
    return st.segmented_control(
        "Along", options, default=default_axis(manifest), required=True, key="x", bind="query-params"
    )


def _metric_title(metric: str) -> str:
    return visible(metric_words(metric)[0])


def _chart(
    drawing: Drawing, choice: Choice, now: View, phases: list[str], on_paper: Callable[[], Drawing]
) -> None:
    if not drawing.curves:
        empty_pages.no_runs("Nothing is logged in this part of training")
        return
    title, (_, unit, decimals) = _metric_title(choice.metric), metric_words(choice.metric)
    name = f"{title} minus {now.baseline}" if choice.difference else title
    manifest = now.records.manifest
    along, measure = AXES[choice.axis]
    if choice.axis == "tokens" and manifest.tokenizers_differ:
        along = f"{along} {OWN_TOKENS}"
    x = Axis(along, measure, log=st.session_state.get("log_x", False))
    y = Axis(name, unit, log=st.session_state.get("log_y", False) and not choice.difference)
    margin = _margin(choice, manifest)
    option = curve_chart(drawing.curves, x, y, decimals=decimals, zero=choice.difference, margin=margin)
    with st.container(border=True):
        st.echarts_chart(option, height=520, key="curves", alt=f"{name} along {choice.axis}")
        if reason := why_not_comparable(manifest, choice.metric):
            st.caption(f":material/warning: {literal(reason)}")
        if drawing.notes:
            st.caption(_notes(drawing.notes))
        st.caption(f"{literal(_caption(drawing, choice, now, margin))} · phase: {literal(', '.join(phases))}")
        with st.container(horizontal=True):

            def panel() -> Lines:
                return curve_panel(on_paper().curves, x, y, zero=choice.difference, margin=margin)

            downloads.figure_buttons(
                lambda: _figure(panel()),
                f"{now.file_name}-curves",
                write=lambda: to_csv(panel().data, index=False),
            )


def _figure(panel: Lines) -> "Figure":
    from workbench.inspection.panel_figures import panel_figure

    return panel_figure(panel)


def _margin(choice: Choice, manifest: Manifest) -> float | None:
    """What is too small to matter at the end of differences of the study's metric; by factor there is no one.

    It is of the runs' ends: a difference earlier in them is judged by nothing.
    """
    margin = manifest.margin
    if not choice.difference or choice.metric != manifest.metric or not isinstance(margin, int | float):
        return None
    return float(margin) if math.isfinite(margin) else None


def _notes(notes: tuple[str, ...]) -> str:
    """What the means do not show, a line for each of the first few."""
    lines = [*notes[:_NOTES]]
    if len(notes) > _NOTES:
        lines.append(f"and so for {plural(len(notes) - _NOTES, 'more line')}")
    return literal("\n".join(lines))


def _caption(drawing: Drawing, choice: Choice, now: View, margin: float | None) -> str:
    parts = [f"{plural(drawing.runs, 'run')}, {plural(drawing.points, 'point')}"]
    if choice.difference:
        sign = "; below 0 is better" if is_loss(choice.metric) else ""
        equal = f"equal {choice.axis}"
        if choice.axis == "tokens" and now.records.manifest.tokenizers_differ:
            equal = f"{equal}, which are not equal text"
        parts.append(f"each run minus the run of {now.baseline} with the same seed, at {equal}{sign}")
    if any(curve.line.low is not None for curve in drawing.curves):
        parts.append(f"line: mean over seeds, band: {choice.band}")
    elif sum(not curve.faint for curve in drawing.curves) > BANDS:
        parts.append(f"line: mean over seeds; no bands with more than {BANDS} lines")
    if margin is not None:
        parts.append(f"grey: ±{margin:g}, too small to matter at the end")
    if choice.smoothing:
        parts.append("each run smoothed on its own (bias-corrected exponential average), then averaged")
    if drawing.unpaired:
        parts.append(f"{plural(drawing.unpaired, 'run')} without a partner left out")
    return " · ".join(parts)


if __name__ == "__main__":
    page()
