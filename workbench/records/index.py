"""Reading a whole study: its manifest and one table row per run, whatever state the files are in."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.errors import RecordError, UserError
from workbench.records.calibration_table import TABLE, read_calibration_table, run_id_of
from workbench.records.driver_state import DRIVER, DriverState, read_driver_state
from workbench.records.hyperparameters import LEARNING_RATE
from workbench.records.manifest import MANIFEST, MANIFEST_REMEDY, Manifest, RecordedRung, read_manifest
from workbench.records.proposals import PROPOSALS, read_proposals
from workbench.records.run import FINISHED, RECORD, REMEDY, Phase, RunDirectory, RunRecord, State, config_hash
from workbench.records.search import SEARCH, SearchPoint, point_number, read_points
from workbench.records.training_outcome import UNIFORM, uniform_loss, untrained

PUBLISHED = "published"  # the folder of results that are committed
_COLUMNS = [
    "run_id",
    "variant",
    "phase",
    "seed",
    LEARNING_RATE,
    "hyperparameters",
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
    "point",
    "provenance",
    "text_losses",
    "passages",
    "answers",
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

    ``superseded`` counts runs made under an earlier manifest (another budget, another model, an unfinished
    pilot): they stay on disk and come back when the manifest does, but never mix with the present ones.
    ``points`` are those that a search proposed, in order; no other study has any. ``rung`` says of which rung
    of a ladder these records are; None: of the whole study.
    """

    path: Path
    manifest: Manifest
    runs: pd.DataFrame
    problems: list[Problem]
    driver: DriverState | None
    superseded: int = 0
    points: tuple[SearchPoint, ...] = ()
    rung: RecordedRung | None = None

    @property
    def name(self) -> str:
        """The study's name."""
        return self.manifest.name

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
        return self.driver is not None and self.driver.is_live

    @property
    def seconds_left(self) -> float | None:
        """What the driver expects to need: the only estimate there is. None without one, or too early."""
        return self.driver.seconds_left if self.driver is not None and self.driver.is_live else None

    def at_rung(self, number: int) -> "StudyRecords":
        """The records of one rung of a ladder, the first is 0, as those of a study of its own."""
        manifest = self.manifest.at_rung(number)
        own = self.runs[self.runs["variant"].isin(manifest.names)].reset_index(drop=True)
        return replace(self, manifest=manifest, runs=own, rung=self.manifest.rungs[number])

    @property
    def compared(self) -> list["StudyRecords"]:
        """The records of what is compared with one another: the study itself, or each rung of a ladder.

        Raises ``RecordError`` with the key where the manifest's rungs are damaged.
        """
        if not self.manifest.is_ladder:
            return [self]
        if problem := self.manifest.wrong_in_rungs:
            raise RecordError(f"{self.path / MANIFEST}: {problem}; {MANIFEST_REMEDY}")
        return [self.at_rung(number) for number in range(len(self.manifest.rungs))]

    def require_comparable(self) -> None:
        """Raise ``RecordError`` with the key where the manifest lacks what every comparison needs.

        Of a search it is a ``UserError``: nothing is damaged, and nothing is compared.
        """
        if self.manifest.is_search:
            raise UserError(
                f"{self.title}: is a search, which compares nothing and gives no verdict; promote what "
                f"looked best to a study that does: 'workbench promote {self.title}'"
            )
        if self.manifest.is_ladder and not self.manifest.wrong_in_rungs:
            raise UserError(
                f"{self.title}: is a ladder, of which each rung is compared by itself; 'workbench report "
                f"{self.title}' has all of them"
            )
        if self.manifest.incomparable is not None:
            raise RecordError(f"{self.path / MANIFEST}: {self.manifest.incomparable}; {MANIFEST_REMEDY}")


def load_study(path: Path) -> StudyRecords:
    """Read a study's directory: one row per run, with a column for each hyperparameter, metric and cost.

    A damaged run, or sign of life of the driver, becomes a problem. Raises ``RecordError`` with the key where
    the manifest is missing or damaged.
    """
    path = Path(path)
    manifest = read_manifest(path)
    rows, problems = _read_runs(path / "runs")
    if not rows and (path / TABLE).exists():
        rows = _rows_of_table(path, manifest, problems)
    driver = _driver_state(path, problems)
    try:
        read_proposals(path)
    except RecordError as error:
        problems.append(Problem(path / PROPOSALS, str(error)))
    current, superseded = _current(rows, manifest)
    points = _points(path, current, problems) if manifest.is_search else ()
    return StudyRecords(path, manifest, _frame(current), problems, driver, superseded, points)


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
    for path in _run_directories(directory):
        try:
            rows.append(_row(RunDirectory(path).read(), path))
        except RecordError as error:
            problems.append(Problem(path / RECORD, str(error)))
        except RecursionError:  # read in time, but too deep to be hashed
            text = f"{path / RECORD}: config: is nested hundreds of levels deep; {REMEDY}"
            problems.append(Problem(path / RECORD, text))
    return rows, problems


def _rows_of_table(study: Path, manifest: Manifest, problems: list[Problem]) -> list[dict[str, Any]]:
    """The runs of a calibration of which the table alone was kept."""
    try:
        table = read_calibration_table(study)
    except RecordError as error:
        problems.append(Problem(study / TABLE, str(error)))
        return []
    variants = {variant.name: variant for variant in manifest.variants}
    rates = manifest.learning_rates
    if isinstance(rates, dict):
        rates = next(iter(rates.values()), [])
    rate = rates[0] if rates else 0.0  # a calibration has one
    ended: list[tuple[str, int, State, pd.Series | None]] = [
        (str(curve["variant"].iloc[0]), int(curve["seed"].iloc[0]), State.COMPLETE, curve.iloc[-1])
        for curve in table.curves().values()
    ]
    without = {str(state): state for state in FINISHED if state is not State.COMPLETE}
    ended += [(name, seed, without.get(state, State.FAILED), None) for name, seed, state in table.lost]
    for stranger in dict.fromkeys(name for name, *_ in ended if name not in variants):
        problems.append(Problem(study / TABLE, f"{study / TABLE}: {stranger!r} is no variant of the study"))
    rows = []
    for name, seed, state, last in ended:
        if name not in variants:
            continue
        planned = variants[name]
        record = RunRecord(
            run_id=run_id_of(name, seed),
            study=manifest.name,
            variant=name,
            phase=Phase.CONFIRM,
            seed=seed,
            hyperparameters={LEARNING_RATE: rate},
            config={"model": planned.model},
            state=state,
            cost={"parameters": planned.parameters, "flops_per_token": planned.flops_per_token},
        )
        if last is not None:
            record.summary = {table.metric: float(last["loss"])}
            record.cost |= {"tokens": int(last["tokens"]), "flops": float(last["flops"])}
            record.progress = {"step": int(last["step"]), "steps": int(last["step"])}
        # What it was trained by is the manifest's to say.
        row = _row(record, study / "runs" / record.run_id)
        rows.append(row | {"config_hash": planned.config_hash})
    return rows


def _run_directories(directory: Path) -> list[Path]:
    """The folders in ``directory`` by name, those that links lead to as well; what is hidden is no run."""
    if not directory.is_dir():
        return []
    with os.scandir(directory) as entries:
        shown = [entry for entry in entries if not entry.name.startswith(".")]
    # Of what is no link the listing itself says whether it is a folder.
    names = [one.name for one in shown if one.is_dir(follow_symlinks=False) or os.path.isdir(one.path)]
    return [directory / name for name in sorted(names)]


def completed_pairs(manifest: Manifest, runs: pd.DataFrame) -> int:
    """How many confirm trials are complete and trained, beside one of the baseline's at their seed."""
    done = runs[(runs["phase"] == Phase.CONFIRM) & (runs["state"] == State.COMPLETE) & ~untrained(runs)]
    is_baseline = done["variant"] == manifest.baseline
    seeds = set(done.loc[is_baseline, "seed"])
    return int(done.loc[~is_baseline, "seed"].isin(seeds).sum())


def _current(rows: list[dict[str, Any]], manifest: Manifest) -> tuple[list[dict[str, Any]], int]:
    if manifest.is_search:  # whose points have configurations of their own
        kept = [row for row in rows if row["point"] is not None]
        return kept, len(rows) - len(kept)
    planned = manifest.planned_hashes
    if not planned:
        return rows, 0
    kept = [row for row in rows if row["config_hash"] in planned and not _is_dropped(row, manifest)]
    return kept, len(rows) - len(kept)


def _is_dropped(row: dict[str, Any], manifest: Manifest) -> bool:
    """Whether it is a pilot run that never ended: no study goes on with its pilot any more."""
    return row["phase"] == Phase.PILOT and row["seed"] not in manifest.seeds.pilot


def _points(study: Path, rows: list[dict[str, Any]], problems: list[Problem]) -> tuple[SearchPoint, ...]:
    """The points of a search; where their file is damaged, those that have runs."""
    try:
        return tuple(read_points(study).points)
    except RecordError as error:
        problems.append(Problem(study / SEARCH, str(error)))
    known = {row["variant"]: row["point"] for row in rows if row["phase"] == Phase.SEARCH}
    numbers = {number: point for name, point in known.items() if (number := point_number(name)) is not None}
    return tuple(SearchPoint(number=number, point=numbers[number]) for number in sorted(numbers))


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=_COLUMNS)


def _row(record: RunRecord, path: Path) -> dict[str, Any]:
    own = {
        # A run is its directory's name, whatever the record says: files are named after it.
        "run_id": path.name,
        "variant": record.variant,
        "phase": str(record.phase),
        "seed": record.seed,
        **record.hyperparameters,
        "hyperparameters": record.hyperparameters,
        "state": str(record.state),
        "error": record.error,
        "step": record.progress.get("step"),
        "steps": record.progress.get("steps"),
        "created": record.created,
        "started": record.started,
        "finished": record.finished,
        "attempts": record.attempts,
        "path": str(path),
        "config": record.config,
        "point": record.point,
        "provenance": record.provenance,
        "text_losses": record.text_losses,
        "passages": record.passages,
        "answers": record.answers,
        "config_hash": config_hash(record.config),
        UNIFORM: uniform_loss(record.config),
    }
    # Once more at the end: a metric cannot take the place of what a run is.
    return own | record.cost | record.summary | own


def _driver_state(study: Path, problems: list[Problem]) -> DriverState | None:
    if not (study / DRIVER).exists():
        return None
    try:
        return read_driver_state(study)
    except RecordError as error:
        problems.append(Problem(study / DRIVER, str(error)))
        return None
