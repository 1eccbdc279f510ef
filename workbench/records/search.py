"""What is recorded of a search over architectures: its space, and every point that was proposed.

``search.json`` holds the points, round by round, and is written before the trials of a round run: a search
that is killed goes on with the same points. A point that cannot be, or that a constraint excludes, is never
trained and stands here alone; what a trained one found is in its runs' records.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from workbench.errors import RecordError
from workbench.files import read_json, write_json
from workbench.records.damaged_files import read_checked
from workbench.records.fields import Count, FiniteNumber
from workbench.records.space import Point, Space

SEARCH = "search.json"
SEARCH_REMEDY = "restore the file, or run the search again, which makes it anew from the run records"
SEARCH_STUDY = "search"  # what its Optuna study is called in the journal


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", strict=True)


class RecordedSearch(_Part):
    """The search as its manifest promises it."""

    space: Space  # a factor's choices by their labels
    levels: dict[str, list[Any]] = {}  # the same choices as the study file writes them, by factor
    sizes: list[str] = []  # the dimensions that are sizes of the model
    hyperparameters: list[str] = []  # those that are no part of a configuration
    objectives: list[str]  # all are minimised
    constraints: list[str] = []  # as the study file writes them
    sampler: str
    pruner: str = "none"
    trials: Count  # points that are trained
    # With the pruner hyperband the tokens of its rungs, fewest first; the last is the whole budget.
    rungs: list[Count] = []
    identity: str | None = None  # hash of all that decides what is proposed, and how it is trained


class SearchPoint(_Part):
    """One point: a trial of the search's Optuna study, whose number it has."""

    number: Count
    point: Point  # by dimension the label of a level, a size, or a hyperparameter's value
    # Numbers that follow from the configuration, by name: parameters, flops_per_token, decode_bytes.
    figures: dict[str, FiniteNumber] = {}
    # By constraint how far it is beyond, as a share of the bound; above 0 it is violated.
    constraints: dict[str, FiniteNumber] = {}
    infeasible: str | None = None  # why it is not trained; None: it is
    bracket: Count | None = None  # of hyperband, numbered from 0 on; None without it

    @property
    def variant(self) -> str:
        """What its runs are called: ``#12``."""
        return variant_name(self.number)


class SearchPoints(_Part):
    """What ``search.json`` holds."""

    rounds: list[list[SearchPoint]] = []

    @property
    def points(self) -> list[SearchPoint]:
        """All points in the order in which they were proposed."""
        return [point for one in self.rounds for point in one]

    def write(self, study: Path) -> None:
        """Replace the file in the study's directory, atomically."""
        write_json(study / SEARCH, self.model_dump())


def variant_name(number: int) -> str:
    """The variant that the runs of a point have."""
    return f"#{number}"


def point_number(variant: str) -> int | None:
    """The number of the point whose runs are called so; None for another name."""
    sign, digits = variant[:1], variant[1:]
    return int(digits) if sign == "#" and digits.isascii() and digits.isdigit() else None


def read_points(study: Path) -> SearchPoints:
    """The points of the search in a study's directory; none where no round was proposed yet.

    Raises ``RecordError`` with the key for a damaged file.
    """
    path = study / SEARCH
    if not path.exists():
        return SearchPoints()
    found = read_checked(path, SearchPoints, read_json, SEARCH_REMEDY)
    numbers = [point.number for point in found.points]
    if numbers != list(range(len(numbers))):
        raise RecordError(f"{path}: rounds: should number their points 0, 1, 2, …; {SEARCH_REMEDY}")
    return found
