"""The treatments that a study may name."""

from typing import Any

from workbench.data.treatments.as_is import AsIs
from workbench.data.treatments.line_dedup import LineDedup
from workbench.data.treatments.shuffled_words import ShuffledWords
from workbench.data.treatments.treatment import Treatment
from workbench.errors import UserError, suggestion
from workbench.user_input import read_as

# A new treatment is a file beside this one, imported above, and its class in this list.
TREATMENTS: tuple[type[Treatment], ...] = (AsIs, LineDedup, ShuffledWords)
_BY_NAME = {kind.name: kind for kind in TREATMENTS}


def treatment_config(spec: Any) -> Treatment:
    """The treatment that ``spec`` means: a name, or a mapping with name and options.

    Raises ``UserError`` for one that is not known, or has options that cannot be.
    """
    if isinstance(spec, Treatment):
        return spec
    options = dict(spec) if isinstance(spec, dict) else {"name": spec}
    name = options.pop("name", None)
    if not isinstance(name, str) or name not in _BY_NAME:
        raise UserError(f"unknown treatment {name!r}; {suggestion(name, _BY_NAME)}")
    return read_as(_BY_NAME[name], options)
