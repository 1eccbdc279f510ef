"""Types and values as somebody writes them who has never seen the code: in words, and as YAML in one line."""

import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from workbench.records.space import Dimension
from workbench.study.schema import Level

_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
}
_SEVERAL = {
    int: "whole numbers",
    float: "numbers",
    str: "texts",
    bool: "true or false",
    list: "lists",
    tuple: "lists",
    dict: "mappings",
}
_COUNTS = {2: "two", 3: "three"}
_GROUPED = 10_000  # from here on digits are set apart
_POWER = 2**32  # from here on powers of two are written as such
_ROUND = re.compile(r"10{6,}")
_PLAIN = re.compile(r"[A-Za-z/][\w/.:+-]*( [\w/.:+-]+)*")


def type_in_words(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """``a whole number above 0``, ``a list of numbers``, ``auto, fp32 or bf16`` of a type and its bounds.

    ``metadata`` is what stands beside the type in ``Annotated`` or in a field of pydantic's.
    """
    words = list(dict.fromkeys(_choices(annotation, list(metadata))))
    if len(words) > 2 and _is_choice(annotation):
        return f"one of {', '.join(words)}"
    if words[-1] == "null" and len(words) > 1:
        return f"{_either(words[:-1])}, or null"
    return _either(words)


def choices(annotation: Any) -> tuple[str, ...]:
    """The values that ``type_in_words`` names, as they are written."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(dict.fromkeys(value for member in get_args(annotation) for value in choices(member)))
    if get_origin(annotation) is Literal:
        return tuple(map(str, get_args(annotation)))
    if annotation is type(None):
        return ("null",)
    return ("true", "false") if annotation is bool else ()


def without_null(annotation: Any) -> Any:
    """A type without its null, where that is the same as leaving the key out."""
    members = [member for member in get_args(annotation) if member is not type(None)]
    if get_origin(annotation) in (Union, types.UnionType) and len(members) < len(get_args(annotation)):
        return Union[tuple(members)]  # noqa: UP007 (their number is not known here)
    return annotation


def as_written(value: Any) -> str:
    """``value`` as a study file has it, in one line: ``{bpe: 4096}``, ``[0.9, 0.95]``, ``20_000``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:_}" if abs(value) >= _GROUPED else str(value)
    if isinstance(value, float):
        return re.sub(r"e([-+]?)0*(?=\d)", r"e\1", repr(value)).removesuffix(".0").replace("e+", "e")
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {as_written(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_written, value))}]"
    text = str(value)
    is_plain = _PLAIN.fullmatch(text) and ": " not in text and yaml.safe_load(text) == text
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def _choices(annotation: Any, metadata: list[Any]) -> Iterator[str]:
    """What may be written, one after the other: members of a union, and values that are listed."""
    annotation, metadata = _unwrapped(annotation, metadata)
    if annotation == Level:
        yield "a level"
    elif get_origin(annotation) in (Union, types.UnionType):
        # null comes last, whatever the order in the code.
        for member in sorted(get_args(annotation), key=lambda member: member is type(None)):
            yield from _choices(member, metadata)
    elif get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    elif annotation is bool:
        yield from ("true", "false")
    elif annotation is type(None):
        yield "null"
    elif get_origin(annotation) is tuple:
        members = get_args(annotation)
        kinds = dict.fromkeys(_several(member, []) for member in members if member is not ...)
        count = "" if ... in members else f"{_COUNTS.get(len(members), len(members))} "
        yield f"a list of {count}{_either(list(kinds))}"
    elif get_origin(annotation) is list:
        yield f"a list of {_several(get_args(annotation)[0], [])}"
    elif get_origin(annotation) is dict and get_args(annotation)[1] is not Any:
        yield f"a mapping of names to {_several(get_args(annotation)[1], [])}"
    elif isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        yield "a mapping of the keys below"
    else:
        kind = get_origin(annotation) or annotation
        # A part of somebody else's may have options of any type.
        yield " ".join(filter(None, [_WORDS.get(kind, "a value"), _bounds(metadata, whole=kind is int)]))


def _several(annotation: Any, metadata: list[Any]) -> str:
    """The plural of a type, for lists and mappings of them."""
    if annotation == Dimension:
        return "ranges, or lists of values"
    annotation, metadata = _unwrapped(annotation, metadata)
    if annotation == Level:
        return "levels"
    if get_origin(annotation) is Literal:
        return _either(list(map(str, get_args(annotation))))
    if get_origin(annotation) is list:
        return f"lists of {_several(get_args(annotation)[0], [])}"
    if get_origin(annotation) in (Union, types.UnionType):
        return _either([_several(member, metadata) for member in get_args(annotation)])
    kind = get_origin(annotation) or annotation
    return " ".join(filter(None, [_SEVERAL.get(kind, "values"), _bounds(metadata, whole=kind is int)]))


def _unwrapped(annotation: Any, metadata: list[Any]) -> tuple[Any, list[Any]]:
    """A type without ``Annotated``, and all that stood beside it."""
    if get_origin(annotation) is not Annotated:
        return annotation, metadata
    inner, *beside = get_args(annotation)
    for item in beside:
        metadata = [*metadata, *(item.metadata if isinstance(item, FieldInfo) else [item])]
    return _unwrapped(inner, metadata)


def _bounds(metadata: list[Any], *, whole: bool) -> str:
    """``above 0 and at most 1``, ``from 1 to 512``; nothing where there are none."""
    least: Any = next((item.ge for item in metadata if isinstance(item, Ge)), None)
    above: Any = next((item.gt for item in metadata if isinstance(item, Gt)), None)
    most = next((item.le for item in metadata if isinstance(item, Le)), None)
    below = next((item.lt for item in metadata if isinstance(item, Lt)), None)
    if whole and above is not None and most is not None:
        least = above + 1
    if least is not None and most is not None:
        return f"from {_limit(least)} to {_limit(most)}"
    found = [
        ("above", above),
        ("of at least", least),
        ("below", below),
        ("at most", most),
    ]
    return " and ".join(f"{word} {_limit(limit)}" for word, limit in found if limit is not None)


def _limit(value: Any) -> str:
    if isinstance(value, int) and abs(value) >= _POWER and abs(value).bit_count() == 1:
        return f"{'-' if value < 0 else ''}2^{abs(value).bit_length() - 1}"
    text = str(value)
    return f"1e{len(text) - 1}" if _ROUND.fullmatch(text) else as_written(value)


def _is_choice(annotation: Any) -> bool:
    """Whether all that may be written is listed: no number or text of the writer's own."""
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return all(get_origin(member) is Literal or member in (bool, type(None)) for member in members)


def _either(words: list[str]) -> str:
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} or {words[-1]}"
