"""Reading a whole study: its manifest and one table row per run, whatever state the files are in."""

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.errors import RecordError, UserError
from workbench.files import read_json, read_yaml
from workbench.records.run import RECORD, RunDirectory, RunRecord, config_hash
from workbench.records.training_outcome import UNIFORM, uniform_loss, untrained

MANIFEST = "study.yaml"
DRIVER = "driver.json"
PUBLISHED = "published"  # the folder of results that are committed
_LIVE_SECONDS = 30.0
_COLUMNS = [
    "run_id",
    "variant",
    "phase",
    "seed",
    "learning_rate",
    "state",
    "error",
    "step",
    "steps",
    "created",
    "started",
    "finished",
    "attempts",
    "path",
    "config",
    "provenance",
    "config_hash",
    UNIFORM,
]


@dataclass(frozen=True)
class Problem:
    """A record that could not be read, and why. The rest of the study is still shown."""

    path: Path
    message: str


@dataclass(frozen=True)
class StudyRecords:
    """A study as it is on disk: manifest, one row per run, and what could not be read.

    ``superseded`` counts runs made under an earlier manifest (another budget, another model): they stay
    on disk and come back when the manifest does, but never mix with the present ones.
    """

    path: Path
    manifest: dict[str, Any]
    runs: pd.DataFrame
    problems: list[Problem]
    driver: dict[str, Any] | None
    superseded: int = 0

    @property
    def name(self) -> str:
        """The study's name."""
        return self.manifest["name"]

    @property
    def title(self) -> str:
        """What tells the study from others of its name: ``quickstart``, or ``published/quickstart``."""
        return study_title(self.path)

    @property
    def is_published(self) -> bool:
        """Whether it is a copy that was made to be committed: complete, with the weights of few runs."""
        return is_published(self.path)

    @property
    def is_live(self) -> bool:
        """Whether a driver is at work: it says so, and said so within the last half minute."""
        if not self.driver or self.driver.get("state") != "running":
            return False
        try:
            updated = datetime.fromisoformat(self.driver["updated"]).timestamp()
        except (KeyError, TypeError, ValueError):  # a damaged heartbeat is no sign of life
            return False
        return time.time() - updated < _LIVE_SECONDS


def load_study(path: Path) -> StudyRecords:
    """Read a study's directory. A damaged run becomes a problem; a missing manifest raises RecordError."""
    path = Path(path)
    manifest = read_yaml(path / MANIFEST)
    for key in ("name", "variants", "baseline", "metric"):
        if key not in manifest:
            raise RecordError(f"{path / MANIFEST}: has no key {key!r}; run the study again to rebuild it")
    rows, problems = _read_runs(path / "runs")
    driver = _optional(path / DRIVER, problems)
    current, superseded = _current(rows, manifest)
    return StudyRecords(path, manifest, _frame(current), problems, driver, superseded)


def list_studies(results: Path) -> list[Path]:
    """Directories that hold a manifest, newest first: those in ``results``, then those that are published.

    A checkout gives all published studies the same age, and a pull a new one: one's own stay before them.
    Raises ``UserError`` where ``results`` is a file; a folder that is not there yet has no studies.
    """
    if Path(results).exists() and not Path(results).is_dir():
        raise UserError(f"{results}: is a file, and results are kept in a folder; give another --out")
    return [study for folder in (Path(results), Path(results) / PUBLISHED) for study in _newest_first(folder)]


def _newest_first(folder: Path) -> list[Path]:
    manifests = sorted(folder.glob(f"*/{MANIFEST}"))
    return [item.parent for item in sorted(manifests, key=_last_change, reverse=True)]


def is_published(study: Path) -> bool:
    """Whether a study's directory lies among the published ones: as it is written, or where a link leads."""
    return PUBLISHED in (study.absolute().parent.name, study.resolve().parent.name)


def study_title(study: Path) -> str:
    """The name of a study's directory, with ``published/`` before it where it lies there."""
    return f"{PUBLISHED}/{study.name}" if is_published(study) else study.name


def _last_change(manifest: Path) -> float:
    driver = manifest.parent / DRIVER
    return max(item.stat().st_mtime for item in (manifest, driver) if item.exists())


def _read_runs(directory: Path) -> tuple[list[dict[str, Any]], list[Problem]]:
    rows: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for path in sorted(directory.glob("*/")):
        if path.name.startswith("."):
            continue
        try:
            rows.append(_row(RunDirectory(path).read(), path))
        except RecordError as error:
            problems.append(Problem(path / RECORD, str(error)))
    return rows, problems


def planned_hashes(manifest: dict[str, Any]) -> set[str]:
    """The configurations that a manifest plans, by their hashes; empty in early manifests."""
    return {variant["config_hash"] for variant in manifest.get("variants", []) if "config_hash" in variant}


def completed_pairs(manifest: dict[str, Any], runs: pd.DataFrame) -> int:
    """How many confirm trials are complete and trained, beside one of the baseline's at their seed."""
    done = runs[(runs["phase"] == "confirm") & (runs["state"] == "complete") & ~untrained(runs)]
    is_baseline = done["variant"] == manifest["baseline"]
    seeds = set(done.loc[is_baseline, "seed"])
    return int(done.loc[~is_baseline, "seed"].isin(seeds).sum())


def _current(rows: list[dict[str, Any]], manifest: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    planned = planned_hashes(manifest)
    if not planned:
        return rows, 0
    kept = [row for row in rows if row["config_hash"] in planned]
    return kept, len(rows) - len(kept)


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=_COLUMNS)


def _row(record: RunRecord, path: Path) -> dict[str, Any]:
    row = {key: getattr(record, key, None) for key in _COLUMNS}
    # A run is its directory's name, whatever the record says: files are named after it.
    row |= {"run_id": path.name, "path": str(path)}
    row |= {"state": str(record.state), "config_hash": config_hash(record.config)}
    row |= {key: record.progress.get(key) for key in ("step", "steps")}
    row[UNIFORM] = uniform_loss(record.config)
    return row | record.cost | record.summary


def _optional(path: Path, problems: list[Problem]) -> dict[str, Any] | None:
    if not path.exists():
        return None
    try:
        return read_json(path)
    except RecordError as error:
        problems.append(Problem(path, str(error)))
        return None
