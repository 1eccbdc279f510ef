"""Checks of what a user wrote: each mistake becomes one line with the key, what is wrong, and what to do.

Whole files are pydantic models (``read_as``); options that are given by hand to parts, which are dataclasses,
pass one by one (``coerce``). Either way a value is of the type that is asked for, and nothing else is turned
into it but what ``quantities`` reads as a number.
"""

import re
import types
from collections.abc import Callable, Iterable
from functools import cache
from numbers import Integral
from reprlib import Repr
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, InstanceOf, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from workbench.errors import UserError, suggestion
from workbench.user_numbers import read_number, read_whole

_Model = TypeVar("_Model", bound=BaseModel)

_MOST_LINES = 12
_SHOWN = 80  # characters of a value
_SHOULD_BE = "input should be a "
# How pydantic calls the branches of a union, and a key that is wrong itself.
_BRANCH = re.compile(
    r"str|int|bool|float|\[key\]|(list|dict|tuple|set|nullable|function-\w+|lax-or-strict|is-instance)\[.*\]",
    re.DOTALL,
)
_REPR = Repr()
_REPR.maxlevel = 2
_REPR.maxstring = _SHOWN
_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
    tuple: "a list",
}


def read_as(model: type[_Model], values: Any, *, file: str = "", under: str = "") -> _Model:
    """``values`` as a ``model``; raises ``UserError`` with one line per mistake.

    A line begins with the ``file``, where one is given, and the key; ``under`` is the key that ``values``
    stand under.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError(_explain(error, model, file, under)) from None


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
    # Text stays text where text is asked for, whatever number it may look like.
    for kind in sorted(kinds, key=lambda kind: kind is not str):
        try:
            return _adapter(kind).validate_python(value)
        except ValidationError as error:
            (mistake,) = error.errors()
            if mistake["type"] == "value_error":  # a number that could mean two things, with what to write
                raise UserError(f"{key}: {_message(mistake)}") from None
    wanted = " or ".join(_describe(kind) for kind in kinds)
    raise UserError(f"{key}: expected {wanted}, got {value!r} ({type(value).__name__}); change its value")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(_readable(kind), config=ConfigDict(strict=True, allow_inf_nan=False))


def _readable(kind: Any) -> Any:
    """``kind``, with numbers as a user writes them."""
    if get_origin(kind) is Literal:
        return kind
    kind = get_origin(kind) or kind
    if kind is int:
        return Annotated[int, BeforeValidator(_unless_boolean(_whole))]
    if kind is float:
        return Annotated[float, BeforeValidator(_unless_boolean(read_number))]
    if kind is tuple:
        return InstanceOf[tuple]  # what is in it stays as it was written: configurations are hashed
    return kind if kind in _WORDS else Any  # a type of the user's own: its class knows better


def _unless_boolean(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """As ``read``, which refuses true and false: where numbers and they are asked for they are none."""
    return lambda value: value if isinstance(value, bool) else read(value)


def _whole(value: Any) -> Any:
    value = read_whole(value)  # 1e2 as well, which YAML 1.1 reads as text
    return int(value) if isinstance(value, Integral) else value  # NumPy's too, which JSON refuses


def _describe(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(repr, get_args(kind)))
    kind = get_origin(kind) or kind
    return _WORDS.get(kind, getattr(kind, "__name__", str(kind)))


def _explain(error: ValidationError, model: type[BaseModel], file: str, under: str) -> str:
    """One line per key: ``file: key: what is wrong; remedy``."""
    found: dict[str, list[str]] = {}
    for item in error.errors():
        found.setdefault(_key(item, under), []).append(_mistake(item, model))
    lines = []
    for key, messages in found.items():
        lines.append(": ".join(filter(None, [file, key, _any_of(messages)])))
    if len(lines) > _MOST_LINES:
        more = f"and {len(lines) - _MOST_LINES} more"
        lines[_MOST_LINES:] = [f"{file}: {more}" if file else more]
    return "\n".join(lines)


def _key(item: ErrorDetails, under: str) -> str:
    # pydantic names the branch of a union ("str", "list[int]"); a reader of the file does not know it.
    location = item["loc"]
    parts = [str(part) for part in location if not (isinstance(part, str) and _BRANCH.fullmatch(part))]
    if item["type"] == "extra_forbidden" and parts[-1:] != [str(location[-1])]:
        parts.append(str(location[-1]))  # an unknown key is the user's, whatever it is called: 'list[x]'
    return ".".join(filter(None, [under, *parts]))


def _any_of(messages: list[str]) -> str:
    """What the branches of a union say of one value, as one sentence."""
    different = list(dict.fromkeys(messages))
    kinds = [message.partition(", got ")[0].removeprefix(_SHOULD_BE) for message in different]
    if len(different) == 1 or not all(message.startswith(_SHOULD_BE) for message in different):
        return different[0]
    shown = different[0].partition(", got ")[2]
    return f"{_SHOULD_BE}{', '.join(kinds[:-1])} or {kinds[-1]}, got {shown}"


def _mistake(item: ErrorDetails, model: type[BaseModel]) -> str:
    kind = item["type"]
    if kind == "extra_forbidden":
        return f"unknown key; {suggestion(item['loc'][-1], _fields_at(model, item['loc'][:-1]))}"
    if kind == "missing" and isinstance(item["loc"][-1], int):
        return "is missing: the list is too short; add it"
    if kind == "missing":
        return "this key is needed and missing"
    if kind == "value_error":
        return _message(item)
    if item["input"] is None:
        return "stands without a value; give it one"
    # Bounded while it is made: an alias may stand for very much.
    value = _REPR.repr(item["input"])[:_SHOWN]
    if kind == "string_unicode":  # a file's name, or an argument, in another encoding
        return f"{value} is not UTF-8 text; rename it, or give the folder that it is in"
    message = item["msg"].replace("a valid tuple", "a list").replace("Tuple", "list")
    shown = f"{message[0].lower()}{message[1:]}, got {value}"
    if kind in ("string_type", "invalid_key") and isinstance(item["input"], bool | int | float):
        return f"{shown}; YAML reads it so: put it in quotes"
    return f"{shown}; change its value"


def _message(item: ErrorDetails) -> str:
    """What a check of our own says."""
    return item["msg"].removeprefix("Value error, ")


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that there are at ``location`` of a ``model``, its own before those that it shares."""
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:
            break
        candidates = [field.annotation, *get_args(field.annotation)]
        inner = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if inner is None:
            break
        model = inner
    shared = {name for base in model.__bases__ for name in getattr(base, "model_fields", {})}
    own_first = sorted(model.model_fields.items(), key=lambda item: item[0] in shared)
    return [field.alias or name for name, field in own_first]
