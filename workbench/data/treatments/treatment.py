"""What every treatment has in common: options, and what it makes of the documents that are trained on."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict

from workbench.errors import UserError, suggestion
from workbench.user_input import read_as


class Outcome(NamedTuple):
    """What a treatment makes of one document: the text in its place, and the rule that changed or dropped it.

    A text without anything but white space is dropped. Where no ``rule`` is named the text is as it was.
    """

    text: str
    rule: str = ""


@dataclass(frozen=True)
class Resources:
    """What a treatment may use beside the documents.

    ``references`` are the training documents of the sources that its ``references()`` ask for, by option;
    ``report`` hears which part of the work is done, 0 to 1, from a treatment that has to look at all
    documents before its first outcome.
    """

    references: Mapping[str, Sequence[str]] = field(default_factory=dict)
    report: Callable[[float], None] = lambda part: None


NOTHING_ELSE = Resources()


class Treatment(BaseModel):
    """A frozen config that changes training documents. Validation text is never treated.

    A treatment is a subclass in a file of its own, listed in ``workbench.data.treatments.steps``; its
    fields are its options. Its docstring says what it does, ``formula`` how, ``paper`` where that is from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    name: ClassVar[str]
    formula: ClassVar[str]
    paper: ClassVar[str]

    def apply(self, documents: Sequence[str], resources: Resources = NOTHING_ELSE) -> Iterator[Outcome]:
        """What is trained on in place of each of ``documents``, one outcome for each and in their order.

        So a document keeps its place, whatever is dropped. It depends on the documents and the options
        alone; only signatures and counts of them are kept, never a second copy of the texts.
        """
        raise NotImplementedError

    def references(self) -> dict[str, Any]:
        """The sources whose training documents it reads, by the option that names each."""
        return {}

    def spec(self) -> dict[str, Any]:
        """As a study file would give it, defaults written out."""
        return {"name": self.name, **self.model_dump(mode="json")}

    @property
    def label(self) -> str:
        """``shuffled_words(share=0.3)``: its name, and the options that are not at their defaults."""
        fields = type(self).model_fields
        given = {key: getattr(self, key) for key in fields if getattr(self, key) != fields[key].default}
        options = ",".join(f"{key}={_label(value)}" for key, value in given.items())
        return f"{self.name}({options})" if options else self.name


class Filter(Treatment):
    """A treatment that keeps a document as it is or drops it, by rules that look at that document alone."""

    def apply(self, documents: Sequence[str], resources: Resources = NOTHING_ELSE) -> Iterator[Outcome]:
        """Each document, or nothing and the first rule that speaks against it."""
        for text in documents:
            rule = self.rule_against(text)
            yield Outcome("" if rule else text, rule)

    def rule_against(self, text: str) -> str:
        """The name of the first rule that drops ``text``; empty where all keep it."""
        raise NotImplementedError


def read_treatment(spec: Any, kinds: Iterable[type[Treatment]]) -> Treatment:
    """The treatment of ``kinds`` that ``spec`` means: a name, or a mapping with name and options.

    Raises ``UserError`` for one that is not known, or has options that cannot be.
    """
    if isinstance(spec, Treatment):
        return spec
    by_name = {kind.name: kind for kind in kinds}
    options = dict(spec) if isinstance(spec, dict) else {"name": spec}
    name = options.pop("name", None)
    if not isinstance(name, str) or name not in by_name:
        raise UserError(f"unknown treatment {name!r}; {suggestion(name, by_name)}")
    return read_as(by_name[name], options)


def _label(value: Any) -> str:
    """An option in a name: ``0.3``, ``true``, ``exact_dedup+gopher``; of a path its last part."""
    if isinstance(value, Treatment):
        return value.label
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return "+".join(map(_label, value))
    if isinstance(value, dict):
        first, *others = value.items()
        options = ",".join(f"{key}={_label(option)}" for key, option in others)
        return f"{_label(first[1])}({options})" if options else _label(first[1])
    return str(value).rstrip("/").rpartition("/")[2]
