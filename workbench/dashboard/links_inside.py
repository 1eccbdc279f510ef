"""From a row of the results to what happens inside its runs: links, and columns of behaviour."""

import os

import pandas as pd
import streamlit as st

from workbench.analysis.variant_row import VariantRow
from workbench.dashboard import links
from workbench.dashboard.literal_text import code_span, literal
from workbench.dashboard.state import PAGES, View
from workbench.errors import RecordError
from workbench.inspection.behaviour_columns import columns, names
from workbench.records.run import WEIGHTS, Phase
from workbench.visible import visible

EXPLAINED = "Effects"  # the part of the page Effects that has explanations
_Seeds = dict[int, list[tuple[str, str]]]  # id and path of each run, by seed


def inside_link(now: View, variant: str) -> None:
    """A link to the views of a variant's first seed against the baseline's, if both have runs."""
    query = inside_query(now, variant)
    if query is not None:
        st.page_link(
            PAGES / "attention.py",
            label="Look inside",
            icon=":material/visibility:",
            help=f"Attention, position and activations of {literal(variant)} against {literal(now.baseline)}",
            query_params=query,
            width="content",
        )


def explain_link(now: View, row: VariantRow) -> None:
    """A link to what moved inside with the effect of ``row``, if two seeds or more are paired."""
    if row.pairs < 2:
        return
    query = {"study": st.query_params["study"], "baseline": now.baseline}
    query |= {"explain": visible(row.variant), links.PART: EXPLAINED}
    st.page_link(
        PAGES / "effects.py",
        label="Explain",
        icon=":material/manage_search:",
        help=f"Which measured numbers moved with the effect of {literal(row.variant)}",
        query_params=query,
        width="content",
    )


def inside_query(now: View, variant: str) -> dict[str, str] | None:
    """The address of the views inside ``variant`` against the baseline; None if no seed has both."""
    runs = now.records.runs
    columns = (runs[name].tolist() for name in ("state", "phase", "variant", "seed", "run_id", "path"))
    # Runs with their paths, by seed. Rows one by one: at every click, and a frame of few rows takes longer.
    own: dict[str, _Seeds] = {variant: {}, now.baseline: {}}
    for state, phase, name, seed, run, path in zip(*columns, strict=True):
        if name in own and state == "complete" and phase == Phase.CONFIRM:
            own[name].setdefault(seed, []).append((run, path))
    pair = _pair(own[variant], own[now.baseline])
    if pair is None:
        return None
    inspect, against = pair
    query = {"study": st.query_params["study"], "inspect": inspect}
    return query | {"against": against, "baseline": now.baseline}


def _pair(changed: _Seeds, baseline: _Seeds) -> tuple[str, str] | None:
    """Run ids of both at the first seed at which both have weights; else at the first that both have."""
    both = sorted(changed.keys() & baseline.keys())
    for seed in both:  # a published study has the weights of few runs
        if (run := _with_weights(changed[seed])) and (other := _with_weights(baseline[seed])):
            return run, other
    return (changed[both[0]][0][0], baseline[both[0]][0][0]) if both else None


def _with_weights(runs: list[tuple[str, str]]) -> str | None:
    """The first of ``runs`` that has weights."""
    # Hundreds are looked at, at every click: their paths are joined as text.
    return next((run for run, path in runs if os.path.exists(os.path.join(path, WEIGHTS))), None)


def _without_difference(now: View, added: pd.DataFrame) -> list[str]:
    """Variants that were measured, as the baseline was, and have no difference in a column of ``added``."""
    own, differences = added.iloc[:, 0::2].to_numpy(), added.iloc[:, 1::2].to_numpy()
    place = next(index for index, row in enumerate(now.report.rows) if row.is_baseline)
    lacks = (own != "-") & (differences == "-") & (own[place] != "-")  # (variants, names)
    return [row.label for row, lacking in zip(now.report.rows, lacks.any(axis=1), strict=True) if lacking]


def with_behaviours(now: View, table: pd.DataFrame) -> pd.DataFrame:
    """``table``, a row per variant of the report, with the columns that the reader asks for."""
    try:
        values = now.library.behaviours(now.records)
    except RecordError as error:
        st.warning(literal(error), icon=":material/warning:")
        return table
    known = names(values)
    if not known:
        st.caption(
            "Columns of behaviour (heads, extrapolation, activations) need measured runs: "
            f"{code_span(f'workbench probe {now.records.title}')}."
        )
        return table
    links.report_unknown("behaviour", known, "column")
    chosen = st.multiselect(
        "Add behaviour",
        known,
        key="behaviour",
        bind="query-params",
        persist_state="page",  # while another part is open
        placeholder="largest induction, ΔCE at 2×, …",
        help="Measured on every confirm run; compared with the baseline seed by seed, like the loss.",
    )
    added = columns(values, chosen, [row.variant for row in now.report.rows], now.baseline)
    if apart := _without_difference(now, added):
        st.caption(
            f"No difference of behaviour for {literal(', '.join(apart))}: measured on another probe than the "
            "baseline (in other tokens, windows of another length, or another text), or at other seeds."
        )
    place = 3  # beside the difference that decides
    return pd.concat([table.iloc[:, :place], added, table.iloc[:, place:]], axis=1)


def run_link(study: str, run_id: str, label: str) -> None:
    """A link to the page of one run."""
    st.page_link(
        PAGES / "run.py",
        label=label,
        icon=":material/article:",
        query_params={"study": study, "run": run_id},
        width="content",
    )
