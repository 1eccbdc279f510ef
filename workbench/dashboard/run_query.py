"""A filter of runs as a reader types it: ``learning_rate > 0.002 and seed == 3``.

Nothing of it is run as code. A condition is a key, a comparison and a value; conditions are joined by ``and``
and ``or`` (``and`` binds first), without brackets. A key is a column of the table, a hyperparameter, or a key
of the configuration, by its dotted name or its end where only one key ends so.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.dashboard.config_differences import configuration
from workbench.errors import UserError, suggestion

_EXAMPLE = "write for example learning_rate > 0.002 and seed == 3"
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_TOKEN = re.compile(
    r"""\s*(?:(?P<sign>==|!=|<=|>=|<|>|=)|(?P<quoted>"[^"]*"|'[^']*')|(?P<word>[^\s<>=!"']+))"""
)
_COLUMNS = ("state", "phase", "step", "run_id", "tokens", "seconds", "parameters")
_LONGEST = 1_000


@dataclass(frozen=True)
class _Condition:
    key: str
    sign: str
    value: float | str


def query_runs(runs: pd.DataFrame, text: str) -> pd.DataFrame:
    """The rows of ``runs`` for which ``text`` holds; all where it is empty.

    A run that lacks the key, or has no number there where the query has one, is none of them (with ``!=`` it
    is). Raises ``UserError`` with the remedy for what cannot be read and for keys that no run has.
    """
    if not text.strip() or runs.empty:
        return runs
    ways = _parsed(text)
    values = [_values(run) for run in runs.to_dict("records")]
    known = list(dict.fromkeys(key for run in values for key in run))
    names = {one.key: _full(one.key, known) for way in ways for one in way}
    kept = [any(all(_holds(one, run.get(names[one.key])) for one in way) for way in ways) for run in values]
    return runs[kept]


def _values(run: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that can be asked of a run, by key."""
    found = {name: run[name] for name in _COLUMNS if name in run}
    found |= {name: value for name, value in run.items() if "/" in str(name)}  # metrics
    return found | configuration(run)


def _full(key: str, known: list[str]) -> str:
    if key in known:
        return key
    ending = [name for name in known if name.endswith(f".{key}")]
    if len(ending) == 1:
        return ending[0]
    if ending:
        raise UserError(f"query: {key!r} is several keys; write one of {', '.join(ending[:4])}")
    raise UserError(f"query: no run has a key {key!r}; {suggestion(key, known)}")


def _parsed(text: str) -> list[list[_Condition]]:
    """The conditions, of which all of one list must hold, for any of the lists."""
    tokens = _tokens(text)
    ways: list[list[_Condition]] = [[]]
    for start in range(0, len(tokens), 4):
        part = tokens[start : start + 4]
        if len(part) < 3 or part[0][0] == "sign" or part[1][0] != "sign" or part[2][0] == "sign":
            shown = " ".join(token for _, token in part[:3])
            raise UserError(f"query: {shown!r} is no comparison; {_EXAMPLE}")
        ways[-1].append(_Condition(part[0][1], "==" if part[1][1] == "=" else part[1][1], _value(*part[2])))
        if len(part) == 4:
            _join(part[3], ways, last=start + 4 >= len(tokens))
    return ways


def _join(token: tuple[str, str], ways: list[list[_Condition]], *, last: bool) -> None:
    kind, word = token
    if kind != "word" or word.lower() not in ("and", "or"):
        raise UserError(f"query: expected 'and' or 'or' before {word!r}; {_EXAMPLE}")
    if last:
        raise UserError(f"query: nothing follows {word!r}; {_EXAMPLE}")
    if word.lower() == "or":
        ways.append([])


def _tokens(text: str) -> list[tuple[str, str]]:
    if len(text) > _LONGEST:
        raise UserError(f"query: {len(text):,} characters are too many; {_LONGEST:,} are allowed")
    found, place = [], 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise UserError(f"query: {text[place:].strip()[:20]!r} cannot be read; {_EXAMPLE}")
        kind = str(match.lastgroup)
        word = match[kind]
        found.append((kind, word[1:-1] if kind == "quoted" else word))
        place = match.end()
    return found


def _value(kind: str, word: str) -> float | str:
    if kind == "quoted":
        return word
    try:
        return float(word)
    except ValueError:
        return word


def _holds(one: _Condition, value: Any) -> bool:
    if value is None:
        return one.sign == "!="
    if isinstance(one.value, float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return one.sign == "!=" and str(value) != str(one.value)
        return bool(_COMPARISONS[one.sign](float(value), one.value))
    if one.sign not in ("==", "!="):
        raise UserError(f"query: {one.sign} needs a number, and {one.value!r} is none; {_EXAMPLE}")
    return bool(_COMPARISONS[one.sign](str(value).lower(), one.value.lower()))
