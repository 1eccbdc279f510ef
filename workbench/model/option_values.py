"""Checks that options given by hand have known names and sound values, with errors that say what to do."""

import math
import types
from collections.abc import Iterable
from numbers import Integral
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from workbench.errors import UserError, suggestion
from workbench.quantities import read_number, read_whole

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
    tuple: "a list",
}


def require_known(given: Iterable[str], known: Iterable[str], owner: str) -> None:
    """Raise ``UserError`` for the first name in ``given`` that ``owner`` does not have."""
    known = list(known)
    for name in given:
        if name not in known:
            raise UserError(f"{owner}: unknown option {name!r}; {suggestion(name, known)}")


def require(condition: bool, message: str) -> None:
    """Raise ``UserError(message)`` unless ``condition`` holds."""
    if not condition:
        raise UserError(message)


def type_hints(cls: type) -> dict[str, Any]:
    """The annotations of ``cls``, resolved; empty where a name in them exists only inside a function."""
    try:
        return get_type_hints(cls)
    except NameError:
        return {}


def coerce(value: Any, hint: Any, key: str) -> Any:
    """``value`` as the type ``hint``; ``key`` (``rmsnorm.eps``) is the name that a ``UserError`` gives it.

    Whole numbers become floats where a float is asked, as does text such as ``1e-6`` (YAML 1.1 reads it
    as text), and lists become tuples, so that equal options compare equal.
    """
    value = tuple(value) if isinstance(value, list) else value
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if isinstance(value, str) and str in kinds:
        return value  # text stays text where text is asked for, whatever number it may look like
    for kind in kinds:
        try:
            fits, converted = _fit(value, kind)
        except ValueError as error:  # a number that could mean two things, with what to write
            raise UserError(f"{key}: {error}") from None
        if fits:
            return converted
    wanted = " or ".join(_describe(kind) for kind in kinds)
    raise UserError(f"{key}: expected {wanted}, got {value!r} ({type(value).__name__}); change its value")


def _fit(value: Any, kind: Any) -> tuple[bool, Any]:
    if get_origin(kind) is Literal:
        return value in get_args(kind), value
    kind = get_origin(kind) or kind
    if kind is float:
        return _fit_float(value)
    if kind is int:
        return _fit_int(value)
    if kind in _WORDS:
        return isinstance(value, kind), value
    return True, value  # a type of the user's own: its class knows better


def _fit_int(value: Any) -> tuple[bool, Any]:
    if isinstance(value, bool):
        return False, value
    value = read_whole(value)  # 1e2 as well, which YAML 1.1 reads as text
    whole = isinstance(value, Integral)
    return whole, int(value) if whole else value  # NumPy's whole numbers too, which JSON refuses


def _fit_float(value: Any) -> tuple[bool, Any]:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False, value
    value = read_number(value)
    if isinstance(value, str):
        return False, value
    try:
        number = float(value)
    except OverflowError:  # a whole number may be too large for a float
        return False, value
    return math.isfinite(number), number


def _describe(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(repr, get_args(kind)))
    kind = get_origin(kind) or kind
    return _WORDS.get(kind, getattr(kind, "__name__", str(kind)))
