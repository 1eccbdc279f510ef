"""Charts of a study's texts (Altair): what became of documents, and what each rule took."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from workbench.analysis.colours import BLUE, ORANGE, VERMILLION
from workbench.analysis.contrast import seen_on
from workbench.analysis.ticks import Ticks, linear
from workbench.dashboard.axes import FIT_WIDTH, Layers, between, ticked, words
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.row_words import with_rim
from workbench.data.documents import DECONTAMINATE, NEAR_COPIES
from workbench.data.report import RuleCounts, Stage
from workbench.numbers import byte_size, percent, plural
from workbench.study.kept_reports import StudyText
from workbench.visible import one_line

if TYPE_CHECKING:  # matplotlib: imported when a file is asked for
    from matplotlib.figure import Figure

KEPT, CHANGED, DROPPED, LEFT_OUT = "as it was", "changed", "dropped", "left out before any treatment"
TAKEN, ADDED = "taken", "added"
MOST_RULES = 8  # in a chart; the table has all
_COLOURS = {KEPT: BLUE, CHANGED: ORANGE, DROPPED: VERMILLION, TAKEN: VERMILLION, ADDED: BLUE}
_BEFORE = (NEAR_COPIES, DECONTAMINATE)  # stages that depend on what is judged on alone
_ROW = 48  # pixels of a bar with a line of text above
_BAR = 16
_TEXT = 18  # pixels of a line of text
_LINE = 56  # letters that fit into one on a narrow page
_LONGEST = 62  # letters of a name


def is_before_treatment(stage: Stage) -> bool:
    """Whether a stage leaves out what is judged on, the same for all treatments of a pool."""
    return stage.name in _BEFORE


def fates(text: StudyText) -> dict[str, int] | None:
    """How many documents of the pool had each fate; None where the record says of none."""
    if not text.facts.stages:
        return None
    before = [stage for stage in text.facts.stages if is_before_treatment(stage)]
    treatments = [stage for stage in text.facts.stages if not is_before_treatment(stage)]
    changed = sum(stage.changed for stage in treatments)
    return {
        KEPT: text.facts.stages[-1].documents_left - changed,
        CHANGED: changed,
        DROPPED: sum(stage.dropped for stage in treatments),
        LEFT_OUT: sum(stage.dropped for stage in before),
    }


def fate_frame(texts: Mapping[str, StudyText]) -> pd.DataFrame:
    """One row per text, by its name, and fate that some document had."""
    rows = []
    for name, text in texts.items():
        counts = fates(text)
        if counts is None:
            continue
        whole = text.facts.stages[0].documents or 1
        for kind, documents in counts.items():
            if documents:
                share = documents / whole
                amount = f"{plural(documents, 'document')}, {percent(share, 1)}"
                rows.append({"name": name, "kind": kind, "share": share, "amount": amount, "left": ""})
        rows[-1]["left"] = f"{text.facts.stages[-1].documents_left:,} of {whole:,} left"
    return pd.DataFrame(rows, columns=["name", "kind", "share", "amount", "left"])


def rule_frame(stages: Iterable[tuple[str, Stage]], unit: str) -> pd.DataFrame:
    """One row per rule and what it did, in documents or bytes, of what came into its stage; the most first.

    ``stages`` come with what they are called. Rules of which there is nothing to draw are left out, and the
    least of very many.
    """
    rows = []
    for title, stage in stages:
        for rule, counts in stage.rules.items():
            for kind, number in _amounts(counts, unit):
                whole = stage.documents if unit == "documents" else stage.bytes
                if not number or not whole:
                    continue
                size = plural(number, "document") if unit == "documents" else byte_size(abs(number))
                share = number / whole
                rows.append(
                    {
                        "name": rule if rule.count(": ") else f"{title} · {rule}",  # or its step is named
                        "kind": kind,
                        "share": share,
                        "amount": f"{size} {kind}, {percent(abs(share), 1)}",
                    }
                )
    table = pd.DataFrame(rows, columns=["name", "kind", "share", "amount"])
    if table.empty:
        return table
    said = table.groupby("name", sort=False)["amount"].agg("; ".join)
    last = ~table["name"].duplicated(keep="last")
    table["left"] = table["name"].map(said).where(last, "")
    largest = table["share"].abs().groupby(table["name"]).sum().nlargest(MOST_RULES).index
    shown = table[table["name"].isin(largest)]
    return shown.sort_values("name", key=lambda names: names.map(largest.get_loc), kind="stable")


def _amounts(counts: RuleCounts, unit: str) -> list[tuple[str, int]]:
    if unit == "documents":
        return [(CHANGED, counts.changed), (DROPPED, counts.dropped)]
    return [(TAKEN if counts.bytes > 0 else ADDED, counts.bytes)]


def bars(table: pd.DataFrame, title: str, ink: Ink, *, whole: bool) -> Layers:
    """A bar for each name, in parts by kind; above it its name, and what is left, in one line where both fit.

    With ``whole`` the axis ends at 100 %, else where the longest bar does.
    """
    shown = table.assign(percent=100 * table["share"], name=[_short(name) for name in table["name"]])
    order = list(dict.fromkeys(shown["name"]))
    kinds = [kind for kind in (*_COLOURS, LEFT_OUT) if (shown["kind"] == kind).any()]
    ticks = _ticks(shown, whole)
    x = alt.X(
        "percent:Q",
        scale=between(ticks),
        stack="zero",
        title=title,
        axis=alt.Axis(**ticked(ticks), labelOverlap="parity"),
    )
    y = alt.Y("name:N", scale=alt.Scale(domain=order), title=None, axis=None)
    base = alt.Chart(shown).encode(y=y)
    lines = 1 if (shown["name"].str.len() + shown["left"].str.len()).max() <= _LINE else 2
    row = _ROW + _TEXT * (lines - 1)
    parts = base.mark_bar(height=_BAR, yOffset=row / 2 - _BAR).encode(
        x=x,
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=kinds, range=_shades(kinds, ink)),
            legend=alt.Legend(title=None, orient="top", symbolType="square", columns=2, labelLimit=300),
        ),
        order=alt.Order("place:Q"),
        tooltip=[
            alt.Tooltip("name:N"),
            alt.Tooltip("kind:N", title="what became of it"),
            alt.Tooltip("amount:N", title="of these"),
        ],
    )
    parts = parts.properties(data=shown.assign(place=shown["kind"].map({k: i for i, k in enumerate(kinds)})))
    named = base.transform_filter("datum.left !== ''")
    written = partial(named.mark_text, baseline="middle", color=ink.text, fontSize=13)
    names = written(align="left", dy=12 - row / 2).encode(x=alt.value(0), text="name:N")
    beside = alt.value("width") if lines == 1 else alt.value(0)
    said = written(align="right" if lines == 1 else "left", dy=12 - row / 2 + _TEXT * (lines - 1))
    return Layers(
        layer=[parts, *with_rim(names, ink), *with_rim(said.encode(x=beside, text="left:N"), ink)],
        height=row * len(order),
        autosize=FIT_WIDTH,
        config=words(ink.faint),
    )


def _ticks(table: pd.DataFrame, whole: bool) -> Ticks:
    if whole:
        return Ticks((0.0, 25.0, 50.0, 75.0, 100.0), ("0", "25 %", "50 %", "75 %", "100 %"), 0.0, 100.0)
    ends = table.groupby("name")["percent"].sum()
    found = linear([0.0, *ends], count=6)
    return Ticks(found.values, tuple(f"{label} %" for label in found.labels), found.low, found.high)


def kind_colours() -> dict[str, str]:
    """The colour of each kind on paper, in the order of the parts of a bar."""
    return _COLOURS | {LEFT_OUT: "#5F6C7A"}


def shares_figure(table: pd.DataFrame, title: str) -> "Figure":
    """``table`` of ``fate_frame`` or ``rule_frame`` for a file."""
    from workbench.analysis.page_figures import shares_plot

    return shares_plot(table, kind_colours(), title)


def _shades(kinds: Sequence[str], ink: Ink) -> list[str]:
    return [seen_on(_COLOURS[kind], ink.paper) if kind in _COLOURS else ink.faint for kind in kinds]


def _short(name: str) -> str:
    shown = one_line(name)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
