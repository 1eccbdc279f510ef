"""What every kind of corpus has in common: a frozen config that opens a source of documents."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator

from workbench.data.treatments.as_is import AsIs
from workbench.data.treatments.registry import treatment_config
from workbench.data.treatments.treatment import Treatment
from workbench.errors import UserError
from workbench.number_types import Number, Whole

LISTED = 12  # how many known names an error lists: a corpus can have very many
LARGEST_BYTES = 10**15
KEY = "data.corpus"  # where the specification stands in a study file: errors begin with it


@dataclass(frozen=True)
class Source:
    """An opened corpus: a title for reports, and its documents, which can be read once."""

    title: str
    documents: Iterator[str]


class Example(NamedTuple):
    """What ``workbench list corpora`` shows of a corpus; ``example`` is what a study file would give."""

    name: str
    description: str
    example: str


class CorpusConfig(BaseModel):
    """The options of one corpus. Documents come in an order that depends on the options alone.

    A kind of corpus is a subclass in a file of its own, listed in ``workbench.data.corpora``. ``key`` is the
    one of its options that no other kind has: a specification with it is one of these. Where it is ``name``,
    several kinds have it, and what it says tells them apart. ``unit`` is what a
    report calls its documents. ``later`` are options that came when there were records without them: at their
    defaults they are in no record.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    key: ClassVar[str]
    examples: ClassVar[tuple[Example, ...]] = ()
    unit: ClassVar[str] = "documents"
    later: ClassVar[frozenset[str]] = frozenset({"copies", "near_copies", "decontaminate"})

    max_bytes: Whole | None = Field(
        None,
        gt=0,
        le=LARGEST_BYTES,
        description="Documents are taken until they have this many bytes of UTF-8 text. The last one is cut "
        "at a line's end. Left out: all of them.",
    )
    validation_fraction: Number = Field(
        0.1,
        gt=0,
        le=1,
        description="Share of the documents that is kept for validation. They are chosen by their content; "
        "of a single document it is the last part. A source of data.evaluation may have 1: all of it is "
        "scored.",
    )

    copies: Literal["drop", "keep"] = Field(
        "drop",
        description="What becomes of documents that are equal but for outer white space. keep: they stay in "
        "training, for a treatment such as exact_dedup to find; all of them are on one side of the split.",
    )
    near_copies: Literal["keep", "drop"] = Field(
        "keep",
        description="What becomes of training documents that share most of their runs of five words with a "
        "validation document, as near_dedup finds them. drop: they are left out, before any treatment. "
        "Left out: keep; of python-docstrings and python-packages drop.",
    )
    decontaminate: list[str | dict[str, Any]] = Field(
        [],
        description="Corpora that variants are judged on, each given as in data.evaluation: a training "
        "document that has 50 bytes in a row of what one of them holds out is left out, before any "
        "treatment.",
        examples=[["python-stdlib"]],
    )
    treatment: Any = Field(
        None,
        description="What is done to the documents that are trained on; validation text is never treated. As "
        "a factor it is called treatment. Left out: nothing, as_is.",
        examples=["line_dedup", {"name": "shuffled_words", "share": 0.3}],
    )

    @field_validator("treatment", mode="before")
    @classmethod
    def _known_treatment(cls, value: Any) -> Treatment | None:
        if value is None:
            return None
        try:
            treatment = treatment_config(value)
        except UserError as error:
            raise ValueError(str(error)) from error
        # Spelt out or left out, no treatment is one and the same.
        return None if isinstance(treatment, AsIs) else treatment

    @field_serializer("treatment")
    def _written_treatment(self, treatment: Treatment | None) -> dict[str, Any] | None:
        return None if treatment is None else treatment.spec()

    @classmethod
    def known_by(cls) -> str:
        """What tells it from other kinds: ``path``, or ``name: python-stdlib``."""
        return f"name: {cls.model_fields['name'].default}" if cls.key == "name" else cls.key

    def open(self) -> Source:
        """Start reading; raises ``UserError`` naming the key when there is nothing to read."""
        raise NotImplementedError

    def identity(self) -> Any:
        """What, beside the options, tells cheaply whether the content is still the same (JSON-able)."""
        return None

    def spec(self) -> dict[str, Any]:
        """The options as a study file would give them, defaults written out."""
        written = self.model_dump(mode="json", exclude_none=True)
        fields = type(self).model_fields
        for name in self.later:
            if name in written and getattr(self, name) == fields[name].default:
                del written[name]
        return written

    def parts(self) -> dict[str, Any]:
        """The other corpora that it is made with, by the option that names each."""
        found = {f"decontaminate.{number}": spec for number, spec in enumerate(self.decontaminate)}
        if self.treatment:
            for option, spec in self.treatment.references().items():
                found[f"treatment.{option}"] = spec
        return found
