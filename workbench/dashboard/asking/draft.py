"""The draft of a study: its YAML is what counts, and the form reads and writes single keys of it.

A key that the form does not know stays as it is written, so that nothing is lost between the two.
"""

from collections.abc import Mapping
from typing import Any

from workbench.files import to_yaml, yaml_mapping
from workbench.study.schema import UNTIL_DECIDED, StudyFile
from workbench.study.templates import COMPARE
from workbench.yaml_text import parse_yaml

SOURCE = "the YAML"  # how errors name what has no file yet

FIRST = COMPARE  # what everybody begins with
# What each design needs, and others have no use for.
KEYS_OF_DESIGN = {
    "one_at_a_time": ("factors",),
    "full_factorial": ("factors",),
    "leave_one_out": ("reference",),
    "dismantle": ("from", "to"),
    "explicit": ("variants",),
    "search": ("search",),
}
_OF_LOOKS = ("at_least", "at_most")
_ORDER = [field.alias or name for name, field in StudyFile.model_fields.items()]


def read_draft(text: str) -> dict[str, Any]:
    """The mapping that ``text`` holds; raises ``RecordError`` in one line where it is none."""
    return yaml_mapping(text, SOURCE)


def write_draft(values: Mapping[str, Any]) -> str:
    """``values`` as YAML, the keys in the order of the reference, short lists and mappings in one line."""
    known = {key: values[key] for key in _ORDER if key in values}
    return to_yaml(known | dict(values), short_inline=True)


def value_at(values: Mapping[str, Any], key: str) -> Any:
    """What stands at a dotted ``key``; None where nothing does, or where a part of it is no mapping."""
    found: Any = values
    for part in key.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def with_value(values: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """``values`` with ``value`` at a dotted ``key``; None takes the key out, and what it leaves empty.

    Where a part of the key stands for something that has no keys inside (``data: python-stdlib``), that is
    replaced.
    """
    first, _, rest = key.partition(".")
    changed = dict(values)
    if rest:
        inner = changed.get(first)
        value = with_value(inner if isinstance(inner, Mapping) else {}, rest, value) or None
    if value is None:
        changed.pop(first, None)
    else:
        changed[first] = value
    return changed


def with_design(
    values: Mapping[str, Any], design: str, kept: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """``values`` for another ``design``, and what it has no use for, to be ``kept`` for another."""
    needed = KEYS_OF_DESIGN.get(design, ())
    others = {key for keys in KEYS_OF_DESIGN.values() for key in keys} - set(needed)
    # A recipe that is taken apart is the baseline itself.
    others |= {"baseline"} if design == "dismantle" else set()
    laid_aside = {key: value for key, value in values.items() if key in others}
    changed = {key: value for key, value in values.items() if key not in others}
    back = {key: kept[key] for key in (*needed, "baseline") if key in kept and key not in others}
    return back | changed | {"design": design}, {**kept, **laid_aside}


def with_confirm(values: Mapping[str, Any], confirm: Any) -> dict[str, Any]:
    """``values`` with another number of confirmation seeds; the bounds go with what they are bounds of."""
    changed = with_value(values, "seeds.confirm", confirm)
    if confirm != UNTIL_DECIDED:
        for key in _OF_LOOKS:
            changed = with_value(changed, f"seeds.{key}", None)
    return changed


def in_a_line(value: Any) -> str:
    """A value as one line of YAML, as somebody would type it: ``{name: rope, base: 500000}``, ``0.1``."""
    text = to_yaml({"value": value}, in_a_line=True).strip()
    inside = text.removeprefix("{").removesuffix("}")
    return inside.removeprefix("value:").strip()


def typed(text: str) -> Any:
    """The value that somebody typed into a field: YAML, and what is none is text; None for nothing.

    A list may lack its brackets: ``0.001, 0.002``.
    """
    text = text.strip()
    if not text:
        return None
    listed = f"[{text}]" if "," in text and text[0] not in "[{\"'" else text
    try:
        return parse_yaml(listed)
    except ValueError:
        return text


def untyped(value: Any) -> str:
    """What a field shows of a value: the opposite of ``typed``."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10_000:
        return f"{value:_}"  # as the reference writes large numbers
    if isinstance(value, list) and value and all(isinstance(one, str | int | float) for one in value):
        return ", ".join(in_a_line(one) for one in value) if len(value) > 1 else in_a_line(value)
    return in_a_line(value)
