"""Words above the interval of a row, so that it keeps its width on a narrow page."""

from functools import partial

import altair as alt

from workbench.dashboard.chart_ink import Ink

TEXT = 17  # pixels of a line of words
_RIM = 4  # pixels, half of them outside of the letters


def words_above(
    rows: alt.Chart, name: str, said: str, *, above: float, lines: int, ink: Ink
) -> list[alt.Chart]:
    """The columns ``name`` and ``said`` of each row: in one line where both fit, else ``said`` below.

    They are centred ``above`` pixels over the row's middle.
    """
    written = partial(rows.mark_text, baseline="middle", color=ink.text, fontSize=13)
    top = -above - TEXT * (lines - 1) / 2
    on_the_right = lines == 1
    called = written(align="left", dy=top)
    told = written(
        align="right" if on_the_right else "left",
        dy=top if on_the_right else top + TEXT,
        fontWeight="bold",
    )
    return [
        *with_rim(called.encode(x=alt.value(0), text=f"{name}:N"), ink),
        *with_rim(told.encode(x=alt.value("width") if on_the_right else alt.value(0), text=f"{said}:N"), ink),
    ]


def with_rim(words: alt.Chart, ink: Ink) -> list[alt.Chart]:
    """``words`` over a rim of the page's colour: no line behind them runs through their letters."""
    given = words.mark.to_dict()
    given.pop("type")
    rim = {"stroke": ink.paper, "strokeWidth": _RIM, "strokeJoin": "round", "aria": False}
    return [words.mark_text(**given | rim), words]
