"""The losses of a run's last validation by the documents of its text, as the run's record keeps them."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from workbench.records.fields import AsItIs, Count, FiniteNumber


@with_config(ConfigDict(extra="allow", strict=True))
class TextLosses(TypedDict):
    """Nats, targets and UTF-8 bytes of each part of the text, in its order: columns of equal length.

    A part is a document, or several whole ones where the text has more than are kept; of a text that is one
    document, a piece of it. Runs whose ``cut`` is equal were judged on the same text in the same parts.
    """

    nats: list[FiniteNumber]
    targets: list[Count]
    bytes: list[Count]
    documents: Annotated[int, Field(ge=1)]
    cut: str


def _aligned(losses: TextLosses) -> TextLosses:
    if not len(losses["nats"]) == len(losses["targets"]) == len(losses["bytes"]) > 0:
        raise ValueError("nats, targets and bytes should have one number for each part of the text")
    return losses


KeptTextLosses = Annotated[TextLosses, AfterValidator(_aligned), AsItIs]  # as a field of a record
