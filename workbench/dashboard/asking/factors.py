"""The factors of a draft: which are varied, at which registered levels, and what each level is and costs."""

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from workbench.dashboard.asking import session
from workbench.dashboard.asking.draft import in_a_line, typed, value_at, with_value
from workbench.dashboard.literal_text import code_span, grid, literal
from workbench.errors import UserError
from workbench.model.config import ModelConfig
from workbench.model.parts.component import ComponentConfig
from workbench.numbers import MISSING, percent
from workbench.study.level_choices import Cost, FactorChoice, factor_choices, level_costs, model_at

_BYTES = 257  # the vocabulary of bytes, where the tokenizer is not a number of byte pairs


def factors(values: dict[str, Any]) -> None:
    """Draw the choice of factors, and the levels of each that is chosen."""
    choices = factor_choices()
    given = values.get("factors")
    chosen: dict[str, Any] = given if isinstance(given, dict) else {}
    model = _model(values)
    with st.container(border=True):
        key = session.key_of(session.FORM, "factors")
        session.show(key, list(chosen))
        st.multiselect(
            "Factors",
            [*choices, *(name for name in chosen if name not in choices)],
            key=key,
            placeholder="norm, positions, optimizer, …",
            help="What is varied: parts of the model, how it is trained, its size, its text.",
            on_change=partial(_pick, key, model),
        )
        for name, levels in chosen.items():
            _levels(choices.get(name), str(name), levels, model)


def _levels(choice: FactorChoice | None, name: str, levels: Any, model: ModelConfig | None) -> None:
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
    costs = level_costs(model, choice) if model is not None else {}
    known = {level.name: level for level in choice.levels}
    own = _own_level(choice, model)
    for level in shown:
        plain = typed(level)
        plain = plain.get("name") if isinstance(plain, dict) else plain
        entry = known.get(str(plain))
        if entry is not None:
            facts = [
                entry.formula and code_span(entry.formula),
                literal(entry.paper),
                _cost(costs.get(entry.name), model),
            ]
            st.caption(f"**{literal(level)}** · " + " · ".join(fact for fact in facts if fact))
    if choice.levels:
        with st.expander(f"All levels of {literal(name)}", icon=":material/list:"):
            grid(
                _table(choice, costs, model, own),
                hide_index=True,
                alt=f"Levels of {name}",
                key=f"levels_{name}",
            )


def _table(
    choice: FactorChoice, costs: dict[str, Cost], model: ModelConfig | None, own: str | None
) -> pd.DataFrame:
    """All registered levels, each with what it is, its formula, its paper and its cost."""
    rows = []
    for level in choice.levels:
        row = {"level": f"{level.name} (baseline)" if level.name == own else level.name}
        if costs:
            row |= _columns(costs.get(level.name), model)
        row |= {"formula": level.formula, "paper": level.paper, "about": level.summary, "note": level.note}
        rows.append(row)
    table = pd.DataFrame(rows)
    return table[[name for name in table if table[name].astype(bool).any()]]


def _columns(cost: Cost | None, model: ModelConfig | None) -> dict[str, str]:
    """A level's cost, of parameters and of FLOPs; or why it cannot be in this model."""
    if cost is None or model is None:
        return {}
    if cost.parameters is None or cost.flops is None:
        return {"parameters": MISSING, "FLOPs/token": MISSING, "refused": cost.refused}
    return {
        "parameters": _share(cost.parameters, model.nonembedding_parameters()),
        "FLOPs/token": _share(cost.flops, model.flops_per_token()),
    }


def _cost(cost: Cost | None, model: ModelConfig | None) -> str:
    """``parameters +0.32 %, FLOPs/token ±0``: against the baseline, before widths are matched."""
    columns = _columns(cost, model)
    if "refused" in columns:
        return f"cannot be here: {columns['refused']}"
    return ", ".join(f"{name} {text}" for name, text in columns.items())


def _share(ours: int, theirs: int) -> str:
    return "±0" if ours == theirs else percent(ours / theirs - 1, 2, sign=True)


def _model(values: dict[str, Any]) -> ModelConfig | None:
    """The baseline's model, as far as the draft says one."""
    tokenizer = value_at(values, "data.tokenizer")
    pairs = tokenizer.get("bpe") if isinstance(tokenizer, dict) else None
    given = values.get("size")
    size = given if isinstance(given, dict) else {}
    try:
        return model_at(values.get("baseline"), size, values.get("context"), pairs or _BYTES)
    except (UserError, TypeError, ValueError):  # the check beside the form says what is wrong
        return None


def _own_level(choice: FactorChoice, model: ModelConfig | None) -> str | None:
    """The baseline's level of a factor of the model; of any other the default."""
    if model is None or not hasattr(model, choice.name):
        return choice.entry.default or None
    level = getattr(model, choice.name)
    if isinstance(level, ComponentConfig):
        return level.name if level.label == level.name else in_a_line(level.to_dict())
    return in_a_line(level)


def _example(choice: FactorChoice | None) -> str:
    if choice is None or not choice.entry.examples:
        return "two levels or more"
    return f"for example {choice.entry.examples[0]}"


def _pick(key: str, model: ModelConfig | None) -> None:
    """Other factors are chosen: a new one begins with the baseline's level, and another if there is one."""
    if session.is_past(key):
        return
    now = session.values() or {}
    given = now.get("factors")
    before: dict[str, Any] = given if isinstance(given, dict) else {}
    wanted = {name: before.get(name) or _first_levels(name, model) for name in st.session_state[key]}
    session.change(lambda values: with_value(values, "factors", wanted or None))


def _first_levels(name: str, model: ModelConfig | None) -> list[Any]:
    choice = factor_choices()[name]
    own = _own_level(choice, model)
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
