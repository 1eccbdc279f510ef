"""The keys of a study file: from its schema, and from the kinds of corpora and tokenizers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from workbench.data.corpora import SOURCES
from workbench.data.sources.source import KEY as CORPUS
from workbench.data.sources.source import CorpusConfig
from workbench.data.tasks.registry import TASKS, task_name
from workbench.data.tasks.task import GeneratedTask
from workbench.data.tokenizers import KEY as TOKENIZER
from workbench.data.treatments.registry import TREATMENTS
from workbench.study.reference.entries import (
    A_LEVEL,
    Entry,
    Kind,
    Section,
    joined,
    prose,
    split_description,
)
from workbench.study.reference.words import as_written, choices, type_in_words, without_null
from workbench.study.schema import StudyFile
from workbench.training.config import TrainingConfig

# A tokenizer's specification has no schema of its own: data.tokenizers reads it.
_TOKENIZERS = (
    Entry(
        key=f"{TOKENIZER}.bpe",
        type="a whole number from 258 to 65_535",
        beside="bpe",
        about="How many tokens the vocabulary of byte pairs has, which is learned from the training text. "
        "Every byte and the end of a document are among them; 4096 suits small models.",
        examples=("4096",),
    ),
    Entry(
        key=f"{TOKENIZER}.file",
        type="text",
        beside="file",
        about="The tokenizer.json of a model, as Hugging Face's libraries write it.",
        examples=("path/tokenizer.json",),
    ),
    Entry(
        key=f"{TOKENIZER}.ids",
        beside="ids",
        type="a whole number from 2 to 65_535",
        about="How many ids there are where a generated task is trained on, whose tokens are the ids "
        "themselves; one more ends a sequence.",
        left_out="as many as the tasks have that are trained on and judged by",
        examples=("64",),
    ),
    Entry(
        key=f"{TOKENIZER}.end_of_document",
        beside="file",
        type="text or a whole number",
        about="The token that ends a document, as it is spelt or by its id.",
        left_out="the vocabulary's token of a well-known name, such as </s>",
        examples=('"</s>"',),
    ),
    Entry(
        key=f"{TOKENIZER}.ends_of_text",
        beside="file",
        type="text, a whole number, or a list of them",
        about="The tokens at which generating a text stops.",
        left_out="end_of_document",
        examples=('["</s>", "<|end|>"]',),
    ),
    Entry(
        key=f"{TOKENIZER}.beginning_of_text",
        beside="file",
        type="text or a whole number",
        about="The token that begins a text.",
        left_out="none",
        examples=("<s>",),
    ),
    Entry(
        key=f"{TOKENIZER}.adds_beginning",
        beside="file",
        type="true or false",
        about="Whether evaluate and generate put beginning_of_text before a text.",
        default="false",
    ),
)


# A field whose values are levels says in its ``json_schema_extra``, under this name, where their registry is:
# ``module:NAME``. A schema that imported it would import torch.
LEVELS = "levels"


_TREATMENT = f"{CORPUS}.treatment"
_MAY_BE_A_FACTOR = (
    *("size", "context", CORPUS, _TREATMENT, TOKENIZER),
    *(f"training.{name}" for name in TrainingConfig.factors()),
)


def key_sections() -> list[Section]:
    """The sections of all keys, in the order of the schema."""
    return sections_of(StudyFile, "A study file is a mapping of these keys.")


def sections_of(model: type[BaseModel], about: str) -> list[Section]:
    """The sections of all keys of a file that ``model`` checks, in the order of the model."""
    return list(_sections_of(model, "", about))


def fields_of(model: type[BaseModel] = StudyFile, path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every field of the schema with its key, in the order of the schema."""
    for name, field in model.model_fields.items():
        key = joined(path, field.alias or name)
        yield key, field
        inner = _model_in(field.annotation)
        if inner is not None:
            yield from fields_of(inner, key)


def registry_path(field: FieldInfo) -> str:
    """``module:NAME`` of the registry whose levels a field holds; empty for any other field."""
    extra = field.json_schema_extra
    return str(extra.get(LEVELS, "")) if isinstance(extra, dict) else ""


def _sections_of(model: type[BaseModel], path: str, about: str) -> Iterator[Section]:
    """The keys of ``model``, which stands at ``path``, and of what its keys hold."""
    yield Section(key=path, about=about, entries=_entries(path, model.model_fields))
    for name, field in model.model_fields.items():
        key = joined(path, name)
        inner = _model_in(field.annotation)
        if inner is not None:
            yield from _sections_of(inner, key, field.description or "")
        if key == CORPUS:
            yield from _corpora()
        if key == TOKENIZER:
            about = "Mappings that may stand here in place of bytes."
            yield Section(key=key, about=about, entries=_TOKENIZERS)


def _corpora() -> Iterator[Section]:
    """What every corpus may say, and each kind beside it."""
    shared = CorpusConfig.model_fields
    about = "Every corpus that is given as a mapping may have these beside the key that says which it is."
    yield Section(key=CORPUS, about=about, entries=_entries(CORPUS, shared))
    for kind in SOURCES:
        own = {name: field for name, field in kind.model_fields.items() if name not in shared}
        yield Section(
            key=CORPUS,
            beside=kind.known_by(),
            about=prose(kind.__doc__),
            entries=_entries(CORPUS, own, beside=kind.known_by()),
            examples=tuple((example.example, example.description) for example in kind.examples),
        )
    yield from _tasks()
    yield from _treatments()


def _tasks() -> Iterator[Section]:
    """The generated tasks, and the options of each."""
    place = joined(CORPUS, GeneratedTask.key)
    levels = tuple(
        Entry(
            key=joined(place, task_name(kind)),
            kind=Kind.LEVEL,
            type=kind.example,
            about=prose(kind.__doc__),
            formula=kind.formula,
            paper=kind.paper,
        )
        for kind in TASKS
    )
    about = "The tasks that sequences can be generated for, as a corpus or under data.evaluation."
    yield Section(key=place, kind=Kind.LEVEL, about=about, entries=levels)
    for kind in TASKS:
        key = joined(place, task_name(kind))
        # The options that every task has, with the same default, stand above.
        shared = GeneratedTask.model_fields
        own = {
            name: field
            for name, field in kind.model_fields.items()
            if name != GeneratedTask.key
            and (name not in shared or (field.default != shared[name].default and not field.exclude))
        }
        options = tuple(
            replace(
                option,
                kind=Kind.OPTION,
                examples=(f"{{{GeneratedTask.key}: {task_name(kind)}, {option.name}: {option.default}}}",),
            )
            for option in _entries(key, own)
        )
        about = f"Options of {task_name(kind)}."
        yield Section(key=key, kind=Kind.OPTION, about=about, entries=options)


def _treatments() -> Iterator[Section]:
    """The levels of a corpus's treatment, and the options of each that has some."""
    levels = tuple(
        Entry(
            key=joined(_TREATMENT, kind.name),
            kind=Kind.LEVEL,
            type=f"{kind.name}, or {{name: {kind.name}, option: value}}" if kind.model_fields else kind.name,
            about=prose(kind.__doc__),
            formula=kind.formula,
            paper=kind.paper,
        )
        for kind in TREATMENTS
    )
    about = "What may be done to the documents that are trained on. The factor treatment has the same levels."
    yield Section(key=_TREATMENT, kind=Kind.LEVEL, about=about, entries=levels)
    for kind in TREATMENTS:
        if kind.model_fields:
            key = joined(_TREATMENT, kind.name)
            entries = _entries(key, kind.model_fields)
            needed = [option for option in entries if not (option.default or option.left_out)]
            options = tuple(
                replace(option, kind=Kind.OPTION, examples=_spelt_out(kind.name, option, needed))
                for option in entries
            )
            about = f"Options of {kind.name}."
            yield Section(key=key, kind=Kind.OPTION, about=about, entries=options)


def _spelt_out(level: str, option: Entry, needed: Sequence[Entry]) -> tuple[str, ...]:
    """How a treatment is written with each of the option's examples, and with what it needs beside it."""
    others = "".join(f"{other.name}: {other.examples[0]}, " for other in needed if other.name != option.name)
    values = option.examples or (option.default,)
    return tuple(f"{{name: {level}, {others}{option.name}: {value}}}" for value in values)


def _entries(path: str, fields: Mapping[str, FieldInfo], beside: str = "") -> tuple[Entry, ...]:
    return tuple(_entry(joined(path, field.alias or name), field, beside) for name, field in fields.items())


def _entry(key: str, field: FieldInfo, beside: str) -> Entry:
    about, left_out = split_description(field.description or "")
    annotation: Any = field.annotation
    default = ""
    if not field.is_required():
        value = field.get_default(call_default_factory=True)
        # What is not validated could not be written: no rates, no margin.
        parts = value if isinstance(value, tuple) else (value,)
        unwritten = any(isinstance(part, BaseModel) for part in parts) or field.validate_default is False
        default = "" if unwritten and value is not None else as_written(value)
        if value is None:  # nobody writes null for what the key means when it is left out
            annotation = without_null(annotation)
    if _model_in(annotation) is not None and not left_out and not field.is_required():
        left_out = "the defaults below"
    written = type_in_words(annotation, field.metadata)
    if registry_path(field) or key == _TREATMENT:
        written = A_LEVEL
    return Entry(
        key=key,
        beside=beside,
        type=written,
        note="may be a factor" if key in _MAY_BE_A_FACTOR else "",
        choices=choices(annotation),
        about=about,
        default=default,
        left_out=left_out,
        examples=tuple(as_written(example) for example in field.examples or ()),
    )


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The mapping with keys of its own that a field holds, if it does."""
    candidates = [annotation, *get_args(annotation)]
    models = (each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel))
    return next(models, None)
