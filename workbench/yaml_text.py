"""YAML as its writer meant it: each key once, no number read in base 60 or 8, and nothing without end.

PyYAML reads YAML 1.1. What is read as a number here is less than what PyYAML puts in quotes when it writes
text, so that every file that ``write_yaml`` wrote comes back as it was.
"""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from yaml import events

from workbench.user_numbers import THOUSANDS

if TYPE_CHECKING:
    from yaml import SafeLoader as _QuickLoader
else:  # seven times as fast where PyYAML was built with libyaml; a manifest of 24 variants has 25 kB
    _QuickLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MOST_BYTES = 8_000_000  # of a file; the manifest of a thousand variants has one million
_DEEPEST = 64  # levels; a manifest has eight. libyaml's composer recurses in C, where depth ends the process
_MOST_VALUES = 200_000  # an alias counts as what it stands for: a file of 1 kB can hold 10^9
_SHOWN = 60

_TAG = "tag:yaml.org,2002:"


class _Loader(_QuickLoader):
    """The safe loader without YAML 1.1's surprises: dates, ``1:30`` (90 there) and ``010`` (8) are text."""


_NUMBERS = {
    # Python says no number of more than 4,300 digits, and makes longer ones of these.
    "int": r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]{1,99}|0b[01_]{1,99})",
    # 20.000 stays text: the key that it stands for knows whether it may be a thousand times as much.
    "float": rf"(?!{THOUSANDS.pattern}$)"
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
    r"|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)",
}
_REPLACED = ("int", "float", "timestamp", "value")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag.removeprefix(_TAG) not in _REPLACED]
    for first, found in _QuickLoader.yaml_implicit_resolvers.items()
}
for _name, _pattern in _NUMBERS.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), list("-+0123456789."))
# What JSON has no type for is no part of a study: ``!!set`` is an unknown tag.
_Loader.yaml_constructors = {
    tag: constructor
    for tag, constructor in _QuickLoader.yaml_constructors.items()
    if (tag or "").removeprefix(_TAG) not in ("timestamp", "binary", "omap", "pairs", "set")
}


def parse_yaml(text: str) -> Any:
    """The value of the one document in ``text``.

    Raises ``ValueError`` with one line that says where: for what is no YAML, a key that stands twice in its
    mapping, several documents, and nesting or aliases beyond any use.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"it has {len(text):,} characters, and {MOST_BYTES:,} are the most; make it smaller")
    try:
        _survey(text)
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ValueError(_described(error, text)) from None
    except UnicodeEncodeError:
        raise ValueError("it is not UTF-8 text; write it as UTF-8") from None
    except ValueError:  # Python turns no text of more than 4,300 digits into a number
        raise ValueError("a number in it has thousands of digits; write a smaller one") from None


@dataclass
class _Collection:
    """A mapping or list that the survey is inside of; a document is the outermost."""

    is_mapping: bool = False
    is_flow: bool = False  # in braces or brackets, where a comma separates
    before: str = ""  # the plain text before: it may be the beginning of a number
    key: str = ""
    anchor: str | None = None
    values: int = 0
    children: int = 0
    keys: dict[str, int] = field(default_factory=dict)

    @property
    def expects_key(self) -> bool:
        return self.is_mapping and self.children % 2 == 0


def _survey(text: str) -> None:
    """Look at all of ``text`` before anything is made of it."""
    inside = [_Collection()]
    sizes: dict[str, int] = {}
    for event in yaml.parse(text, Loader=_QuickLoader):
        parent = inside[-1]
        if isinstance(event, events.DocumentStartEvent) and parent.children:
            raise _fault("a second document begins with '---'; give each study a file of its own", event)
        if isinstance(event, events.CollectionStartEvent):
            if len(inside) > _DEEPEST:
                raise _fault(f"this is nested deeper than {_DEEPEST} levels; write it flat", event)
            is_mapping = isinstance(event, events.MappingStartEvent)
            parent.before = ""
            inside.append(
                _Collection(is_mapping=is_mapping, is_flow=bool(event.flow_style), anchor=event.anchor)
            )
        elif isinstance(event, events.CollectionEndEvent):
            _add(inside.pop(), inside[-1], sizes, event)
        elif isinstance(event, events.AliasEvent):
            if event.anchor in (one.anchor for one in inside):
                raise _fault(f"*{event.anchor} stands for what it is a part of; write it out", event)
            _add(_Collection(values=sizes.get(event.anchor, 0)), parent, sizes, event)
        elif isinstance(event, events.ScalarEvent):
            if parent.is_flow:
                _refuse_split_number(parent, event)
            if parent.expects_key:
                _note_key(parent, event)
            _add(_Collection(anchor=event.anchor), parent, sizes, event)


def _note_key(mapping: _Collection, event: events.ScalarEvent) -> None:
    line = event.start_mark.line + 1
    if event.value in mapping.keys:
        first = mapping.keys[event.value]
        places = f"in line {line}" if first == line else f"in lines {first} and {line}"
        raise _fault(f"the key {event.value!r} stands twice, {places}; keep one of them", event)
    mapping.keys[event.value] = line


def _refuse_split_number(parent: _Collection, event: events.ScalarEvent) -> None:
    """In braces and brackets a comma separates: ``{tokens: 20,000}`` has a key ``000`` without a value."""
    plain = event.value if event.style in (None, "") else "-"
    if parent.expects_key:
        parent.key = plain
        return
    if not parent.is_mapping:
        rest = plain if plain.startswith("0") else ""
    else:
        rest = parent.key if plain == "" else ""
    before = parent.before
    parent.before = plain
    if re.fullmatch(r"[0-9]+", rest) and re.fullmatch(r"[-+]?[0-9]{1,3}", before) and rest != "0":
        thousands = len(rest) == 3 and before.strip("+-") != "0"
        meant = f"{before}{'_' if thousands else '.'}{rest}"
        raise _fault(f"{before},{rest} is two values, for its comma; write {meant}", event)


def _add(child: _Collection, parent: _Collection, sizes: dict[str, int], event: yaml.Event) -> None:
    child.values += 1
    if child.anchor is not None:
        sizes[child.anchor] = child.values
    parent.children += 1
    parent.values += child.values
    if parent.values > _MOST_VALUES:
        raise _fault(
            f"this has more than {_MOST_VALUES:,} values, aliases written out; make it smaller", event
        )


class _Fault(yaml.MarkedYAMLError):
    """What PyYAML would have taken; its problem says what to do."""


def _fault(problem: str, event: yaml.Event) -> _Fault:
    return _Fault(problem=problem, problem_mark=event.start_mark)


def _described(error: yaml.YAMLError, text: str) -> str:
    """An error in one line, with the line of the text that it stopped at."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return f"{' '.join(str(error).split())}; remove it"
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    place = f"line {mark.line + 1} ({line.strip()[:_SHOWN] or 'the end'})"
    if isinstance(error, _Fault):
        return f"{place}: {error.problem}"
    problem = " ".join(part for part in (error.context, error.problem) if part)
    remedy = "indent with spaces, not tabs" if line.lstrip(" ").startswith("\t") else "mend that line"
    return f"{place}: {problem}; {remedy}"
