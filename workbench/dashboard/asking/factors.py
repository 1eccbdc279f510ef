"""The factors of a draft: which are varied, at which registered levels, and what each level is and costs."""

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from workbench.dashboard.asking import session
from workbench.dashboard.asking.draft import in_a_line, typed, with_value
from workbench.dashboard.asking.offered import levels_of, offered_factors
from workbench.dashboard.folded import folded
from workbench.dashboard.literal_text import code_span, grid, literal
from workbench.numbers import MISSING, percent
from workbench.study.level_choices import BaselineLevels, Cost, FactorChoice


def factors(values: dict[str, Any]) -> None:
    """Draw the choice of factors, and the levels of each that is chosen."""
    with st.spinner("Loading what can be compared …"):  # where no server before this one has kept it
        choices = offered_factors()
        baseline = levels_of(values)
    given = values.get("factors")
    chosen: dict[str, Any] = given if isinstance(given, dict) else {}
    with st.container(border=True):
        key = session.key_of(session.FORM, "factors")
        session.show(key, list(chosen))
        st.multiselect(
            "Factors",
            [*choices, *(name for name in chosen if name not in choices)],
            key=key,
            placeholder="norm, positions, optimizer, …",
            help="What is varied: parts of the model, how it is trained, its size, its text.",
            on_change=partial(_pick, key, baseline),
        )
        for name, levels in chosen.items():
            _levels(choices.get(name), str(name), levels, baseline)


def _levels(choice: FactorChoice | None, name: str, levels: Any, baseline: BaselineLevels | None) -> None:
    """The levels of one factor: those that are chosen, and all that are registered."""
    widget = session.key_of(session.FORM, f"levels_{name}")
    shown = [in_a_line(level) for level in levels] if isinstance(levels, list) else []
    names = choice.names if choice else []
    session.show(widget, shown)
    st.multiselect(
        f"Levels of {literal(name)}",
        [*names, *(level for level in shown if level not in names)],
        key=widget,
        accept_new_options=True,
        placeholder=_example(choice),
        help="The baseline's own level is among them. A level with options is typed: "
        "`{name: rope, base: 500_000}`; your own class by its import path.",
        on_change=partial(_set, name, widget),
    )
    if choice is None:
        return
    st.caption(literal(choice.about))
    costs = baseline.costs.get(name, {}) if baseline is not None else {}
    known = {level.name: level for level in choice.levels}
    own = _own_level(choice, baseline)
    for level in shown:
        plain = typed(level)
        plain = plain.get("name") if isinstance(plain, dict) else plain
        entry = known.get(str(plain))
        if entry is not None:
            facts = [
                entry.formula and code_span(entry.formula),
                literal(entry.paper),
                _cost(costs.get(entry.name), baseline),
            ]
            st.caption(f"**{literal(level)}** · " + " · ".join(fact for fact in facts if fact))
    if choice.levels:
        folded(
            f"All levels of {literal(name)}",
            lambda: grid(
                _table(choice, costs, baseline, own),
                hide_index=True,
                alt=f"Levels of {name}",
                key=f"levels_{name}",
            ),
            key=f"levels_{name}",
            icon=":material/list:",
        )


def _table(
    choice: FactorChoice, costs: dict[str, Cost], baseline: BaselineLevels | None, own: str | None
) -> pd.DataFrame:
    """All registered levels, each with what it is, its formula, its paper and its cost."""
    rows = []
    for level in choice.levels:
        row = {"level": f"{level.name} (baseline)" if level.name == own else level.name}
        if costs:
            row |= _columns(costs.get(level.name), baseline)
        row |= {"formula": level.formula, "paper": level.paper, "about": level.summary, "note": level.note}
        rows.append(row)
    table = pd.DataFrame(rows)
    return table[[name for name in table if table[name].astype(bool).any()]]


def _columns(cost: Cost | None, baseline: BaselineLevels | None) -> dict[str, str]:
    """A level's cost, of parameters and of FLOPs; or why it cannot be in this model."""
    if cost is None or baseline is None:
        return {}
    if cost.parameters is None or cost.flops is None:
        return {"parameters": MISSING, "FLOPs/token": MISSING, "refused": cost.refused}
    return {
        "parameters": _share(cost.parameters, baseline.parameters),
        "FLOPs/token": _share(cost.flops, baseline.flops),
    }


def _cost(cost: Cost | None, baseline: BaselineLevels | None) -> str:
    """``parameters +0.32 %, FLOPs/token ±0``: against the baseline, before widths are matched."""
    columns = _columns(cost, baseline)
    if "refused" in columns:
        return f"cannot be here: {columns['refused']}"
    return ", ".join(f"{name} {text}" for name, text in columns.items())


def _share(ours: int, theirs: int) -> str:
    return "±0" if ours == theirs else percent(ours / theirs - 1, 2, sign=True)


def _own_level(choice: FactorChoice, baseline: BaselineLevels | None) -> str | None:
    """The baseline's level of a factor of the model; of any other the default."""
    if baseline is None or choice.name not in baseline.own:
        return choice.entry.default or None
    return in_a_line(baseline.own[choice.name])


def _example(choice: FactorChoice | None) -> str:
    if choice is None or not choice.entry.examples:
        return "two levels or more"
    return f"for example {choice.entry.examples[0]}"


def _pick(key: str, baseline: BaselineLevels | None) -> None:
    """Other factors are chosen: a new one begins with the baseline's level, and another if there is one."""
    if session.is_past(key):
        return
    now = session.values() or {}
    given = now.get("factors")
    before: dict[str, Any] = given if isinstance(given, dict) else {}
    wanted = {name: before.get(name) or _first_levels(name, baseline) for name in st.session_state[key]}
    session.change(lambda values: with_value(values, "factors", wanted or None))


def _first_levels(name: str, baseline: BaselineLevels | None) -> list[Any]:
    choice = offered_factors()[name]
    own = _own_level(choice, baseline)
    others = [level for level in choice.names if level != own]
    return [typed(level) for level in [*([own] if own else []), *others[:1]]]


def _set(name: str, widget: str) -> None:
    """Other levels of a factor are chosen."""
    if session.is_past(widget):
        return
    levels = [typed(level) for level in st.session_state[widget]]

    def change(values: dict[str, Any]) -> dict[str, Any]:
        given = values.get("factors")
        return {**values, "factors": {**(given if isinstance(given, dict) else {}), name: levels}}

    session.change(change)
