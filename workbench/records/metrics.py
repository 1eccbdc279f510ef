"""Metrics of one run: appended as JSON lines while it trains, compacted to Parquet at its end.

A published study has the rows of all its runs in one file (``joint_file``): a run that has neither lines nor
a Parquet file of its own is read from there.

One writer per file, so no locks. A reader cuts at the last newline, so a line that is being
written (or was cut short by ``kill -9``) is never parsed. A checkpoint holds the rows up to its step: a run
that is resumed begins its file with those, whatever became of the old one.

What a row says of training is what its step did: the loss of its batch, the gradient's norm before clipping,
the learning rate that it used. In rows of the first version, whose records name none, the learning rate is
that of the step after.
"""

import json
import math
import os
import time
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import RecordError
from workbench.files import Check, replacing, write_atomically
from workbench.records.calibration_table import curve_of_run
from workbench.records.published_tables import RUNS, joint_version, read_joint

Row = dict[str, float | int | None]  # the axes (step, tokens, flops, seconds) and any metrics
Evaluations = dict[str, np.ndarray]  # the axes and a metric, (evaluations,) each

LIVE = "metrics.jsonl"
COMPACT = "metrics.parquet"
AXES = ("step", "tokens", "flops", "seconds")
RATE = "learning_rate"
ROWS_VERSION = "rows_version"  # in a record's provenance
_VERSION = 2
_FLUSH_SECONDS = 1.0


class MetricsWriter:
    """Appends rows to ``metrics.jsonl``; flushed about once a second and at every validation.

    ``rows`` are all of the run's: those that it is given to begin with, and what was appended since. Without
    a ``directory`` they are written nowhere.
    """

    def __init__(self, directory: Path | None, rows: list[Row] | None = None) -> None:
        path = Path(os.devnull) if directory is None else directory / LIVE
        self.rows = list(rows or [])
        if directory is not None:
            write_atomically(path, "".join(_line(row) for row in self.rows))
            # An attempt that was killed between compacting its rows and its last record leaves them compact.
            (directory / COMPACT).unlink(missing_ok=True)
        self._file: IO[str] = open(path, "a", encoding="utf-8")  # noqa: SIM115 - open for the whole run
        self._flushed = time.monotonic()

    def append(self, row: Row, *, flush: bool = False) -> None:
        """Append one row."""
        # JSON has no NaN: Python would write the token NaN, which other readers refuse. A gap says the same.
        clean = {
            key: value if value is not None and math.isfinite(value) else None for key, value in row.items()
        }
        self.rows.append(clean)
        self._file.write(_line(clean))
        if flush or time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Hand what was appended to the operating system."""
        self._file.flush()
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Flush and close the file."""
        self._file.close()


def compact(directory: Path, rows: list[Row] | None = None, check: Check | None = None) -> None:
    """Turn ``metrics.jsonl`` into ``metrics.parquet`` (zstd) by atomic rename; then drop the lines.

    ``rows`` are taken instead of the file's where they are at hand: then nothing depends on the file. What
    ``check`` raises leaves all as it was.
    """
    frame = _frame(_live_rows(directory / LIVE) if rows is None else rows)
    save_frame(directory, frame, check)
    (directory / LIVE).unlink(missing_ok=True)


def save_frame(directory: Path, frame: pd.DataFrame, check: Check | None = None) -> None:
    """Write ``frame`` as the run's ``metrics.parquet``, atomically."""
    with replacing(directory / COMPACT, check) as temporary:
        frame.to_parquet(temporary, compression="zstd", index=False)


def read_metrics(directory: Path) -> pd.DataFrame:
    """All rows of a run, live or finished; an empty frame with the axes when nothing is logged yet."""
    stored = _stored(directory, None)
    return _unstored(directory) if stored is None else stored.to_pandas(use_threads=False)


def read_evaluations(directory: Path, metric: str) -> pd.DataFrame:
    """The axes and ``metric`` where it was evaluated, in order of steps; no row where it never was."""
    found = evaluations(directory, metric)
    return pd.DataFrame(found) if found else pd.DataFrame(columns=list(AXES))


def evaluations(directory: Path, metric: str) -> Evaluations:
    """The same without a data frame, which takes longer to make than the rows to read; empty without any."""
    columns = [*AXES, metric]
    stored = _stored(directory, columns)
    if stored is None:
        frame = _unstored(directory)
        found = {name: frame[name].to_numpy() for name in columns if name in frame}
    else:
        # Of 2,000 rows as few as 20 may be evaluations: Arrow leaves the others out in no time.
        rows = stored.filter(stored[metric].is_valid()) if metric in stored.column_names else stored
        found = {name: rows[name].to_numpy() for name in columns if name in rows.column_names}
    if metric not in found:
        return {}
    evaluated = np.flatnonzero(pd.notna(found[metric]))
    order = evaluated[np.argsort(found["step"][evaluated], kind="stable")]
    return {name: values[order] for name, values in found.items()} if len(order) else {}


def _stored(directory: Path, columns: list[str] | None) -> pa.Table | None:
    """The rows of a run that is over, from its own file or its study's; None where neither has it."""
    if (directory / COMPACT).exists():
        try:
            return _read_compact(directory / COMPACT, columns)
        except (OSError, ValueError) as error:
            raise RecordError(
                f"{directory / COMPACT}: cannot be read ({error}); delete the run's directory and run the "
                f"study again to have it trained anew"
            ) from error
    return None if (directory / LIVE).exists() else read_joint(directory, COMPACT, columns)


def _unstored(directory: Path) -> pd.DataFrame:
    """The rows of a run that trains, or that a calibration has a curve of."""
    curve = None if (directory / LIVE).exists() else curve_of_run(directory)
    return _frame(_live_rows(directory / LIVE)) if curve is None else curve


def rows_version() -> dict[str, int]:
    """What the provenance of a record says of rows as they are written now."""
    return {ROWS_VERSION: _VERSION}


def rates_of_steps(table: pd.DataFrame, provenance: dict[str, Any]) -> pd.DataFrame:
    """The axes and the learning rate that was used there, for the rows of a record with this ``provenance``.

    Rows of the first version come at the step after theirs, which used what they hold; the last of them,
    which no step used, is left out.
    """
    if ROWS_VERSION in provenance:
        return table
    logged = table.loc[table[RATE].notna(), ["step", RATE]]
    logged = logged[logged["step"] < table["step"].max()]
    steps = logged["step"] + 1
    axes = {name: np.interp(steps, table["step"], table[name]) for name in AXES if name in table}
    return pd.DataFrame({**axes, RATE: logged[RATE].to_numpy()})


def metrics_version(directory: Path) -> tuple[str, int, int]:
    """Which file holds a run's rows, its modification time (ns) and size: equal as long as they are.

    Zeros where there is none yet.
    """
    for name in (COMPACT, LIVE):
        try:
            status = os.stat(directory / name)
        except OSError:  # not there, or gone between two looks: the next look sees what replaced it
            continue
        return (name, status.st_mtime_ns, status.st_size)
    return (RUNS, *joint_version(directory, COMPACT))


def _read_compact(path: Path, columns: list[str] | None) -> pa.Table:
    """The columns, or those of ``columns`` that there are."""
    # Two thirds of the time of pandas' own reader, which looks for many files and starts threads.
    with pq.ParquetFile(path, memory_map=True) as file:
        known = file.schema_arrow.names
        wanted = known if columns is None else [name for name in columns if name in known]
        return file.read(wanted, use_threads=False)


def _line(row: Row) -> str:
    return json.dumps(row) + "\n"


def _live_rows(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    complete = text[: text.rfind("\n") + 1]
    try:
        return [json.loads(line) for line in complete.splitlines()]
    except ValueError as error:
        raise RecordError(f"{path}: a line is not JSON ({error})") from error


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=None if rows else list(AXES))
    return frame.apply(pd.to_numeric) if rows else frame
