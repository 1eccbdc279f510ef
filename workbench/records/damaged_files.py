"""Files of records that are damaged: read with one clear error, and set aside where they can be made anew."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from workbench.errors import RecordError
from workbench.files import set_aside
from workbench.records.fields import damage

Model = TypeVar("Model", bound=BaseModel)


def read_checked(path: Path, model: type[Model], read: Callable[[Path], Any], remedy: str) -> Model:
    """The file at ``path`` as a ``model``; raises ``RecordError`` with the first wrong key and remedy."""
    try:
        return model.model_validate(read(path))
    except RecordError as error:
        raise RecordError(f"{error}; {remedy}") from error
    except ValidationError as error:
        raise RecordError(f"{path}: {damage(error)}; {remedy}") from None


def set_aside_for_runs(path: Path, error: RecordError, remedy: str) -> str:
    """Set a damaged file aside that the run records say as well; returns the note on it.

    ``error`` is what reading it raised, which ends with ``remedy``.
    """
    aside = set_aside(path)
    damaged = str(error).removesuffix(f"; {remedy}")
    return f"{damaged}; it is made anew from the run records, and the damaged file is kept as {aside.name}"
