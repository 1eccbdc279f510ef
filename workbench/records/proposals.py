"""``proposals.json``: what a sampler proposed, written before its trials run.

A sampler that learns proposes by what is known so far, and a driver that goes on after a kill knows more than
the one before. What was proposed stands: a resumed study goes on with the same points, round by round. The
file says of the results nothing that the run records do not, and a damaged one is made anew from them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from workbench.errors import RecordError
from workbench.files import read_json, write_json
from workbench.records.damaged_files import read_checked, set_aside_for_runs
from workbench.records.space import Point

PROPOSALS = "proposals.json"
REMEDY = "run the study again: it is made anew from the run records"
Rounds = dict[str, list[list[Point]]]  # whose (a variant's name, or "search"), and by round its points


class _File(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    rounds: dict[str, list[list[dict[str, Any]]]]


def read_proposals(study: Path) -> Rounds:
    """What was proposed in a study's directory, empty where nothing was.

    Raises ``RecordError`` with the key and the remedy for a damaged file.
    """
    path = Path(study) / PROPOSALS
    if not path.exists():
        return {}
    return read_checked(path, _File, read_json, REMEDY).rounds


class Proposals:
    """The rounds of a study that a driver is at work on; it is the file's only writer.

    A damaged file is set aside, and ``note`` says so. ``begun`` then gives the rounds as far as the run
    records tell: whatever of a round was begun stays in it.
    """

    def __init__(self, study: Path, begun: Callable[[], Rounds]) -> None:
        self._path = Path(study) / PROPOSALS
        self.note: str | None = None
        try:
            self._rounds = read_proposals(study)
        except RecordError as error:
            self.note = set_aside_for_runs(self._path, error, REMEDY)
            self._rounds = begun()
            self._write()
        else:
            # A study whose file is gone is one whose file is damaged; of a new one nothing was begun.
            if not self._path.exists():
                self._rounds = begun()

    def rounds_of(self, whose: str) -> list[list[Point]]:
        """The rounds that were proposed for a variant, or for "search"; each a list of points."""
        return [[dict(point) for point in points] for points in self._rounds.get(whose, [])]

    def add(self, proposed: dict[str, list[Point]]) -> None:
        """Write a round of one or several into the file; it is on the disk when this returns."""
        for whose, points in proposed.items():
            self._rounds.setdefault(whose, []).append([dict(point) for point in points])
        self._write()

    def _write(self) -> None:
        write_json(self._path, {"rounds": self._rounds})
