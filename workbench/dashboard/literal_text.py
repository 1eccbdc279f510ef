"""A record's text on a page: shown as it was typed, though almost every call of Streamlit reads Markdown.

Names, questions, errors and notes come from whoever wrote the study, and a results folder may be a
stranger's: an image in it would make the reader's browser ask a host of that stranger. So all text that is
not the dashboard's own passes ``literal`` on its way to such a call. Code, data frames, charts and options
to choose from read no Markdown and take the text itself.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from workbench.visible import visible

if TYPE_CHECKING:  # jinja2 comes with it, which few tables need
    from pandas.io.formats.style import Styler

# What begins or ends something wherever it stands. An underscore within a word does not, nor do the brackets
# of an interval: only a definition would make it a link, and none can be written.
_MARK = re.compile(
    r"(\[[-+−., ]*\d[-+−\d., ]*\](?![(\[:]))|[\\`*~$\[\]<|]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)"
)
# What begins something at the beginning of a line only: headings, quotes, rules, lists.
_BEGINNING = re.compile(r"^(\d*)([#>.)]|=+$|[+-](?=[\s-]|$))", re.MULTILINE)
# What Streamlit looks for in the text that Markdown leaves, where no backslash helps: colours, icons, emoji
# (:red[…], :material/home:; a time is none), addresses that become links, operators that become arrows.
_AFTER = re.compile(
    r"(?!(?<=\d):\d+(?![\w+:-])):(?=[\w+-]|//)|(?<=www)\.(?=[\w-])|@(?=[\w-]+\.)"
    r"|(?<=(?<!\S)[-<])-(?=>?(?!\S))|(?<=(?<!\S)-)>(?!\S)|(?<=(?<!\S)[<>~])=(?!\S)",
    re.IGNORECASE,
)


def literal(text: object) -> str:
    """``text`` for a call that reads Markdown; ends of lines stay ends of lines."""
    lines = re.sub(r"\s*\n\s*", "\n", visible(text).strip())
    pieces, end = [], 0
    for found in _AFTER.finditer(lines):
        # A span without a colour: what stands in it is apart from the text around it.
        pieces += [_escaped(lines[end : found.start()]), f":color[{found[0]}]"]
        end = found.end()
    whole = "".join([*pieces, _escaped(lines[end:])])
    return _BEGINNING.sub(r"\1\\\2", whole).replace("\n", "  \n")


def _escaped(text: str) -> str:
    return _MARK.sub(lambda found: found[1] or f"\\{found[0]}", text)


def code_span(text: object) -> str:
    """``text`` as code within a line, or without that dress where code would not show it as it is."""
    shown = visible(text)
    if "`" in shown or ":material/" in shown or "\n" in shown:
        return literal(shown)
    return f"`{shown}`"


def grid(
    table: pd.DataFrame,
    style: "Callable[[pd.DataFrame], pd.DataFrame | Styler] | None" = None,
    **options: Any,
) -> Any:
    """``st.dataframe``: cells and headings are text, but the menu of columns reads headings as Markdown.

    ``style`` says how the cells of the table that is shown are written.
    """
    headings = {name: heading(name) for name in table.columns if isinstance(name, str)}
    shown = table.rename(columns=headings)
    return st.dataframe(style(shown) if style else shown, **options)


def heading(name: str) -> str:
    """A column's heading of which no image can be made: an invisible joiner keeps its two marks apart."""
    return visible(name).replace("![", "!\u2060[")
