"""The factors of a study, the levels of each, and the options of a level: from their registries."""

import dataclasses
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from workbench.model.config import OPTIONS, PARTS, ModelConfig
from workbench.model.parts.attention_gate import ATTENTION_GATES
from workbench.model.parts.component import FACTORS as PART_REGISTRIES
from workbench.model.parts.component import ComponentConfig, Registry
from workbench.model.parts.norm_placement import NORM_PLACEMENTS
from workbench.model.parts.option import OptionRegistry
from workbench.study.model_options import FACTORS_ABOUT, OPTION_LEVELS
from workbench.study.reference.entries import FACTORS, Entry, Kind, Section, joined, prose, split_description
from workbench.study.reference.keys import fields_of, registry_path
from workbench.study.reference.words import as_written, choices, type_in_words, without_null
from workbench.user_input import type_hints

_NAMED: dict[str, OptionRegistry[Any]] = {
    registry.option: registry for registry in (NORM_PLACEMENTS, ATTENTION_GATES)
}
_ABOUT = (
    "What a study may vary, under factors, and what baseline and variants may name. A level that has options "
    "is written as its name, or as a mapping of the name and of the options that are to differ from their "
    "defaults: {name: rope, base: 500_000}. A class of your own is a level by its import path: "
    "my_parts:MyNorm. A factor that is not named stays at the level of the baseline's preset. "
    "Beside these parts of the model, every key of which it is said may be a factor, under its last name: "
    "size, context, corpus, treatment, tokenizer, and most of training."
)
_PRESET = "the baseline preset's level"


def level_sections() -> list[Section]:
    """The factors, the levels of those whose levels have names, and each level's options.

    At the end the levels of keys that are no factors of the model, such as an optimizer.
    """
    factors = tuple(_factor(name) for name in (*PARTS, *OPTIONS))
    sections = [Section(key=FACTORS, kind=Kind.FACTOR, about=_ABOUT, entries=factors)]
    for factor, registry in PART_REGISTRIES.items():
        sections += levels_at(joined(FACTORS, factor), registry, FACTORS_ABOUT[factor])
    for factor, levels in _NAMED.items():
        key = joined(FACTORS, factor)
        entries = tuple(_level(key, level.name, level, _sentence(level.about)) for level in levels)
        sections.append(Section(key=key, kind=Kind.LEVEL, about=FACTORS_ABOUT[factor], entries=entries))
    for key, field in fields_of():
        path = registry_path(field)
        if path:
            module, _, name = path.partition(":")
            about, _ = split_description(field.description or "")
            sections += levels_at(key, getattr(import_module(module), name), about)
    return sections


def levels_at(key: str, registry: Registry, about: str) -> list[Section]:
    """The levels of ``registry``, which are values of ``key``, and the options of each that has some."""
    levels = []
    options = []
    for name in registry.names():
        component = registry.get(name)
        own = tuple(_options(joined(key, name), name, component.Config))
        levels.append(_level(key, name, component, prose(component.__doc__), has_options=bool(own)))
        if own:
            inside = f"Options of {name}."
            options.append(Section(key=joined(key, name), kind=Kind.OPTION, about=inside, entries=own))
    return [Section(key=key, kind=Kind.LEVEL, about=about, entries=tuple(levels)), *options]


def _factor(name: str) -> Entry:
    """A factor of the model: its levels have names, or are values of a type."""
    if name in PART_REGISTRIES:
        levels = PART_REGISTRIES[name].names()
        written = f"one of {', '.join(levels)}, or your own"
    elif name in _NAMED:
        levels = [level.name for level in _NAMED[name]]
        written = f"one of {', '.join(levels)}"
    else:
        return _valued_factor(name)
    return Entry(
        key=joined(FACTORS, name),
        kind=Kind.FACTOR,
        type=written,
        choices=tuple(levels),
        about=FACTORS_ABOUT[name],
        left_out=_PRESET,
        examples=(as_written(levels[:2]),),
    )


def _valued_factor(name: str) -> Entry:
    """A factor whose levels are numbers, true and false, or levels of another factor."""
    [described] = [level for level in OPTION_LEVELS if level.option == name]
    hint = type_hints(ModelConfig)[name]
    written = type_in_words(hint)
    examples: tuple[str, ...] = ()
    if name in PARTS:
        written = f"a level of {PARTS[name].factor}"
    elif hint is Any:  # words, which are listed as one would write them
        written = "text, or null"
        examples = (as_written([None, described.name]),)
    return Entry(
        key=joined(FACTORS, name),
        kind=Kind.FACTOR,
        type=written,
        choices=choices(hint),
        about=_sentence(described.about),
        left_out=_PRESET,
        examples=examples,
        formula=described.formula,
        paper=described.paper,
        note=described.constraints,
    )


def _level(key: str, name: str, level: Any, about: str, *, has_options: bool = False) -> Entry:
    return Entry(
        key=joined(key, name),
        kind=Kind.LEVEL,
        type=f"{name}, or {{name: {name}, option: value}}" if has_options else name,
        about=about,
        formula=level.formula,
        paper=level.paper,
        note=level.constraints,
    )


def _options(key: str, level: str, config: type[ComponentConfig]) -> Iterator[Entry]:
    """The options of a level, as its config says them."""
    hints = type_hints(config)
    for option in dataclasses.fields(config):
        about, left_out = split_description(option.metadata.get("about", ""))
        hint = hints.get(option.name, Any)
        value = option.default
        if option.default_factory is not dataclasses.MISSING:
            value = option.default_factory()
        default = "" if value is dataclasses.MISSING else as_written(value)
        if value is None:
            hint = without_null(hint)
        example = f"{{name: {level}, {option.name}: {default}}}"
        yield Entry(
            key=joined(key, option.name),
            kind=Kind.OPTION,
            type=type_in_words(hint),
            choices=choices(hint),
            about=about,
            default=default,
            left_out=left_out,
            examples=(example,) if default not in ("", "null") else (),
        )


def _sentence(telegram: str) -> str:
    return f"{telegram[0].upper()}{telegram[1:]}."
