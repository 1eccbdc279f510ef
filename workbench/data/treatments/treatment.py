"""What every treatment has in common: options, and what it makes of the documents that are trained on."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Treatment(BaseModel):
    """A frozen config that changes training documents. Validation text is never treated.

    A treatment is a subclass in a file of its own, listed in ``workbench.data.treatments.registry``; its
    fields are its options. Its docstring says what it does, ``formula`` how, ``paper`` where that is from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    name: ClassVar[str]
    formula: ClassVar[str]
    paper: ClassVar[str]

    def apply(self, documents: Sequence[str]) -> Iterator[str]:
        """What is trained on in place of ``documents``, in their order; an empty text is dropped.

        It depends on the documents and the options alone, and what it draws for one on no other document.
        """
        raise NotImplementedError

    def spec(self) -> dict[str, Any]:
        """As a study file would give it, defaults written out."""
        return {"name": self.name, **self.model_dump(mode="json")}

    @property
    def label(self) -> str:
        """``shuffled_words(share=0.3)``: its name, and the options that are not at their defaults."""
        given = self.model_dump(mode="json", exclude_defaults=True)
        options = ",".join(f"{key}={value:g}" for key, value in given.items())
        return f"{self.name}({options})" if options else self.name
