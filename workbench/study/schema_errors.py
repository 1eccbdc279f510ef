"""pydantic's errors in the words of a study file: file, key, what is wrong, what to do."""

import re
from reprlib import Repr
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from workbench.errors import suggestion

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


def explain(error: ValidationError, model: type[BaseModel], source: str) -> str:
    """One line per mistake: ``file: key: what is wrong; remedy``."""
    said: dict[str, list[str]] = {}
    for item in error.errors():
        location = item["loc"]
        # An unknown key is the user's, whatever it is called: 'int', or 'list[x]'.
        key = _key(location)
        if item["type"] == "extra_forbidden":
            key = ".".join(filter(None, [_key(location[:-1]), str(location[-1])]))
        said.setdefault(key, []).append(_say(item, model))
    lines = [f"{source}: {key + ': ' if key else ''}{_any_of(messages)}" for key, messages in said.items()]
    more = [f"{source}: and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    return "\n".join([*lines[:_MOST_LINES], *more])


def _any_of(messages: list[str]) -> str:
    """What the branches of a union say of one value, as one sentence."""
    different = list(dict.fromkeys(messages))
    kinds = [message.partition(", got ")[0].removeprefix(_SHOULD_BE) for message in different]
    if len(different) == 1 or not all(message.startswith(_SHOULD_BE) for message in different):
        return different[0]
    shown = different[0].partition(", got ")[2]
    return f"{_SHOULD_BE}{', '.join(kinds[:-1])} or {kinds[-1]}, got {shown}"


def _key(location: tuple[Any, ...]) -> str:
    # pydantic names the branch of a union ("str", "list[int]"); a reader of the file does not know it.
    parts = [str(part) for part in location if not (isinstance(part, str) and _BRANCH.fullmatch(part))]
    return ".".join(parts)


def _say(item: ErrorDetails, model: type[BaseModel]) -> str:
    kind, message = item["type"], item["msg"]
    if kind == "extra_forbidden":
        return f"unknown key; {suggestion(item['loc'][-1], _fields_at(model, item['loc'][:-1]))}"
    if kind == "missing":
        return "this key is needed and missing"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if item["input"] is None:
        return "stands without a value; give it one"
    # Bounded while it is made: an alias may stand for very much.
    shown = f"{message[0].lower()}{message[1:]}, got {_REPR.repr(item['input'])[:_SHOWN]}"
    if kind in ("string_type", "invalid_key") and isinstance(item["input"], bool | int | float):
        return f"{shown}; YAML reads it so: put it in quotes"
    return shown


def _fields_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:
            break
        candidates = [field.annotation, *get_args(field.annotation)]
        inner = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if inner is None:
            break
        model = inner
    return list(model.model_fields)
