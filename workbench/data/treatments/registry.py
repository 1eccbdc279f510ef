"""The treatments that a study may name."""

from typing import Any

from workbench.data.treatments.curated import Curated
from workbench.data.treatments.steps import STEPS
from workbench.data.treatments.treatment import Treatment, read_treatment

TREATMENTS: tuple[type[Treatment], ...] = (*STEPS, Curated)


def treatment_config(spec: Any) -> Treatment:
    """The treatment that ``spec`` means: a name, or a mapping with name and options.

    Raises ``UserError`` for one that is not known, or has options that cannot be.
    """
    return read_treatment(spec, TREATMENTS)
