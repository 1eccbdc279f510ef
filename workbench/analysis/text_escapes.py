"""A user's text within a format that has signs of its own: it reads there as it was typed."""

import re
from typing import Any

import pandas as pd

from workbench.visible import visible

# An interval or the name of one. In Markdown only a definition would make it a link, and those are escaped.
_INTERVAL = r"\[[-+−., ]*\d[-+−\d.,%CI ]*\](?![(\[:])"
_MARKDOWN = re.compile(rf"({_INTERVAL})|([\\`*_|~$\[\]])")
_HEADING_OR_ITEM = re.compile(r"^(#{1,6}(?=\s|$)|>|[-+](?=[\s-]|$)|=+$)")
_NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
# What a spreadsheet would take for a formula; operators alone, as tokens of code are, are none.
_FORMULA = re.compile(r"[=+\-@\t\r](?=.*\w)", re.DOTALL)
_NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?%?", re.IGNORECASE)
_LATEX = {
    "\\": r"\textbackslash{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": "$<$",
    ">": "$>$",
    "±": r"$\pm$",
    "→": r"$\to$",
    "×": r"$\times$",
    "—": "---",
    "–": "--",
}


def escape_markdown(text: str) -> str:
    """``text`` as GitHub's Markdown shows it: no link, image, formula, heading, list, table cell or HTML."""
    text = " ".join(visible(text).split("\n")).strip()
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;")
    text = _MARKDOWN.sub(lambda found: found[1] or f"\\{found[2]}", text)
    return _NUMBERED.sub(r"\1\\\2", _HEADING_OR_ITEM.sub(r"\\\1", text))


def escape_latex(text: str) -> str:
    """``text`` as LaTeX prints it: special characters escaped, a number's minus sign in math mode."""
    escaped = "".join(_LATEX.get(character, character) for character in visible(text))
    escaped = re.sub(r"^([\[*])", r"{\1}", escaped)  # after a row's end it would be an argument of that
    return re.sub(r"(?<![\w.$-])-(?=\d)", "$-$", escaped)


def escape_formula(value: Any) -> Any:
    """``value`` for a CSV file: text that a spreadsheet would compute, or fetch, has ``'`` before it.

    Everything else, numbers and text that is a number included, stays as it is.
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def to_csv(table: pd.DataFrame, **options: Any) -> str:
    """``table`` as CSV, without formulas; ``options`` are those of pandas."""
    safe = table.map(escape_formula).rename(columns=escape_formula, index=escape_formula)
    return safe.to_csv(lineterminator="\n", **options)
