"""Beneath an effect: which measured numbers moved with it, and the views that show them."""

from functools import partial

import streamlit as st

from workbench.analysis.text_escapes import to_csv
from workbench.dashboard import downloads
from workbench.dashboard.folded import folded
from workbench.dashboard.linked_choice import linked_choice
from workbench.dashboard.links_inside import inside_query
from workbench.dashboard.literal_text import code_span, grid, literal
from workbench.dashboard.state import PAGES, View, view
from workbench.errors import RecordError
from workbench.inspection.explanation import NO_CAUSE, Explanation, views_of
from workbench.numbers import plural

_SENTENCES = 8  # the others are in the table
_LINKS = 4


def explanation_panel(now: View) -> None:
    """Ask which effect, and say what moved inside with it; nothing where no variant has two pairs."""
    variants = [row.variant for row in now.report.paired]
    if not variants:
        return
    st.subheader("What moved inside", anchor=False)
    st.fragment(partial(_panel, variants))()


def _panel(variants: list[str]) -> None:
    now = view()
    sizes = {row.variant: abs(row.difference or 0.0) for row in now.report.comparisons if not row.fate}
    largest = max(variants, key=lambda name: sizes.get(name, -1.0))
    variant = linked_choice("Effect of", variants, "explain", "variant", first=largest)
    try:
        found = now.library.explanation(now.records, variant, now.baseline)
    except RecordError as error:
        st.warning(literal(error), icon=":material/warning:")
        return
    _show(now, found)


def _show(now: View, found: Explanation) -> None:
    st.markdown(f"**{literal(now.labels[found.variant])}**: {literal(found.headline())}")
    if not found.shifts:
        measure = code_span(f"workbench probe {now.records.title}")
        st.caption(f"{measure} measures what is lacking in runs that have weights.")
        return
    sentences = found.sentences(_SENTENCES)
    if sentences:
        st.markdown("\n".join(f"- {literal(one)}" for one in sentences))
    if len(found.moved) > len(sentences):
        st.caption(f"And {plural(len(found.moved) - len(sentences), 'more number')}, in the table below.")
    _views(now, found)
    st.caption(
        "Mean difference to the baseline with its 95 % interval, paired by seed over the confirmation runs. "
        f"{literal(NO_CAUSE)}"
    )
    label = f"All {plural(len(found.shifts), 'number')} that were tested"
    folded(label, partial(_table, now, found), key="explanation")


def _views(now: View, found: Explanation) -> None:
    """Links to the views that show what moved, or the nearest to it."""
    query = inside_query(now, found.variant)
    if query is None:
        return
    with st.container(horizontal=True, gap="small"):
        for shown, options in views_of(found.moved or found.shifts[:1])[:_LINKS]:
            chosen = {f"{shown.name}.{option}": value for option, value in options.items()}
            st.page_link(
                PAGES / f"{shown.page}.py",
                label=shown.title,
                icon=":material/visibility:",
                query_params=query | {f"{shown.page}_view": shown.title} | chosen,
                width="content",
            )


def _table(now: View, found: Explanation) -> None:
    table = found.table()
    heads = {
        name: st.column_config.NumberColumn(name, format="%.4g") for name in ("difference", "low", "high")
    }
    heads |= {"t": st.column_config.NumberColumn("t", format="%.1f")}
    heads |= {"Holm p": st.column_config.NumberColumn("Holm p", format="%.3g")}
    grid(
        table.drop(columns="name"),
        hide_index=True,
        column_config={"number": st.column_config.TextColumn("number", width="large"), **heads},
        alt="Every number that was tested, the largest t first",
        key="explanation",
    )
    if found.alone:
        lacking = f"{plural(len(found.alone), 'number')}: only one of the two has "
        st.caption(lacking + f"{'it' if len(found.alone) == 1 else 'them'}, so that there is no difference.")
    downloads.csv_button(
        lambda: to_csv(table, index=False), f"{now.file_name}-moved", key="download_explanation"
    )
