"""From a name that somebody types to what the reference says of it."""

from workbench.errors import UserError, suggestion
from workbench.study.reference.entries import A_LEVEL, FACTORS, Entry, Kind, Section
from workbench.study.reference.keys import key_sections

_LISTED = 16  # how many names an error lists


def reference() -> list[Section]:
    """All sections, in the order of a study file, and then the factors."""
    from workbench.study.reference.levels import level_sections  # imports torch, which takes seconds

    return [*key_sections(), *level_sections()]


def find_entries(name: str) -> list[Entry]:
    """What ``name`` means: a key in full (``training.warmup``), or the end of a single one (``warmup``).

    Several entries are one key that several corpora have. Raises ``UserError`` with the candidates where the
    name is the end of several keys, and with the nearest name where it is that of none.
    """
    wanted = name.strip().casefold()
    entries = _entries(key_sections())
    if any(entry.key == wanted for entry in entries):
        return [entry for entry in entries if entry.key == wanted]
    entries = _entries(reference())
    found = [entry for entry in entries if wanted and f".{entry.key}".casefold().endswith(f".{wanted}")]
    keys = list(dict.fromkeys(entry.key for entry in found))
    if len(keys) > 1:
        raise UserError(f"{name}: several keys and levels end so; name one of {', '.join(keys)}")
    if not found:
        known = dict.fromkeys(key for entry in entries for key in (entry.key, entry.name))
        raise UserError(
            f"{name!r}: no key or level of a study has this name; {suggestion(wanted, known, _LISTED)} "
            "('workbench explain' lists all)"
        )
    return found


def entries_inside(entry: Entry) -> list[Entry]:
    """The entries one step below ``entry``: a mapping's keys, a factor's levels, a level's options."""
    is_key = entry.kind is Kind.KEY and entry.key != FACTORS and entry.type != A_LEVEL
    sections = key_sections() if is_key else reference()  # which imports torch
    return _entries([section for section in sections if section.key == entry.key])


def _entries(sections: list[Section]) -> list[Entry]:
    return [entry for section in sections for entry in section.entries]
