"""The form over a draft: every field shows what the YAML says, and writes its own key of it."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import streamlit as st

from workbench.dashboard.asking import session
from workbench.dashboard.asking.draft import typed, untyped, value_at, with_confirm, with_design, with_value
from workbench.dashboard.asking.factors import factors
from workbench.dashboard.asking.fields import (
    BUDGET,
    CONFIRM,
    DATA,
    DECIDING,
    DESIGN,
    FIELDS,
    QUESTION,
    SIZE,
    WHAT,
    Field,
    Kind,
    described,
    placeholder,
)
from workbench.dashboard.literal_text import literal
from workbench.study.schema import UNTIL_DECIDED

_WIDTH, _GAP = 109, 16  # pixels of a field of width 1, and between two
_BOUNDS = ("seeds.at_least", "seeds.at_most")  # of looks, which a number of seeds has none of


def form() -> None:
    """Draw all fields; where the YAML cannot be read none can be changed, and all are as they were."""
    values = session.values()
    if values is None:
        st.info(
            "The YAML cannot be read as it stands; the form is back when it can.", icon=":material/edit_note:"
        )
        return
    for field in FIELDS:
        if not _is_asked(field, values):
            session.forget(session.key_of(session.FORM, field.key))
    _field(QUESTION, values)
    design = _design(values)
    _rows([DESIGN, *WHAT], values)
    if design in ("one_at_a_time", "full_factorial"):
        factors(values)
    elif design in ("explicit", "search"):
        key = {"explicit": "variants", "search": "search"}[design]
        st.caption(f"What this design compares is written into the YAML, as the key `{key}`.")
    with st.container(border=True):
        st.markdown("**Size and text**")
        _rows([*SIZE, *DATA], values)
    with st.container(border=True):
        st.markdown("**Budget**")
        _rows(BUDGET, values)
    with st.container(border=True):
        st.markdown("**Deciding**")
        _rows(DECIDING, values)


def _is_asked(field: Field, values: dict[str, Any]) -> bool:
    """Whether the draft's design, and how it is confirmed, have a use for the field."""
    if field in WHAT:
        return _design(values) in field.design
    return field.key not in _BOUNDS or value_at(values, CONFIRM.key) == UNTIL_DECIDED


def _design(values: dict[str, Any]) -> str:
    return str(values.get("design", DESIGN.options()[0]))


def _rows(fields: Iterable[Field], values: dict[str, Any]) -> None:
    """Those that are asked, beside each other, as many as there is room for."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        for field in fields:
            if _is_asked(field, values):
                _field(field, values)


def _field(field: Field, values: dict[str, Any]) -> None:
    """One widget, which shows the key's value and writes what is typed."""
    entry = described(field.key)
    value = value_at(values, field.key)
    key = session.key_of(session.FORM, field.key)
    shared: dict[str, Any] = {
        "key": key,
        "help": literal(entry.about),
        "on_change": partial(_changed, field, key),
    }
    if field.kind is Kind.PROSE:
        st.text_area(field.label, value="" if value is None else str(value), height=68, **shared)
        return
    shown = untyped(value)
    width = field.width * (_WIDTH + _GAP) - _GAP
    if field.kind is Kind.VALUE:
        st.text_input(field.label, value=shown, placeholder=placeholder(entry), width=width, **shared)
        return
    options = field.options()
    shown = next((one for one in options if value is not None and typed(one) == value), shown)
    session.show(key, shown or None)
    st.selectbox(
        field.label,
        options if shown in ("", *options) else [shown, *options],
        index=None,
        placeholder=placeholder(entry),
        accept_new_options=field.kind is Kind.CHOICE,
        width=width,
        **shared,
    )


def _changed(field: Field, key: str) -> None:
    """Write what was just typed or chosen."""
    if session.is_past(key):
        return
    given = st.session_state[key]
    if field.kind is Kind.PROSE:
        value: Any = given.strip() or None
    else:
        value = typed(given or "")
    if field is DESIGN:
        now = session.values()
        if now is not None and value is not None:
            changed, kept = with_design(now, str(value), session.laid_aside())
            session.lay_aside(kept)
            session.change(lambda _: changed)
    elif field is CONFIRM:
        session.change(lambda now: with_confirm(now, value))
    elif field.key == "learning_rates" and isinstance(value, int | float):
        session.change(lambda now: with_value(now, field.key, [value]))  # a single one is a list too
    else:
        session.change(lambda now: with_value(now, field.key, value))
