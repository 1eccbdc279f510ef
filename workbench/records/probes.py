"""What probes measured in a run, one tall table: ``probes.parquet`` beside the run's metrics.

Values from different probes must not be drawn on one axis: each row carries the hash of what it was measured
on. A published study has the rows of all its runs in one such file (``joint_file``): a run without a file of
its own is read from there.
"""

import os
from collections.abc import Hashable, Sequence
from functools import cache, lru_cache
from pathlib import Path

import pandas as pd

from workbench.errors import RecordError
from workbench.files import replacing, set_aside, version
from workbench.records.published_tables import distinct_rows, joint_version, read_joint

PROBES = "probes.parquet"
# step: 0 is before training; table: which group of measures; x: distance, position, period or context in
# tokens (NaN where there is none); value: over n observations.
COLUMNS = {
    "step": "int64",
    "table": "string",
    "layer": "Int16",
    "head": "Int16",
    "x": "float64",
    "metric": "string",
    "value": "float64",
    "n": "int64",
    "probe_hash": "string",
}
KEY = ["step", "table", "probe_hash"]  # of a measurement, which has many rows


@cache
def empty_probes() -> pd.DataFrame:
    """A table without rows, columns typed. Callers must not change it: pandas takes milliseconds for one."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})


def read_probes(run: Path) -> pd.DataFrame:
    """The run's table, empty where nothing was probed; raises ``RecordError`` for a damaged file.

    Kept until the file changes, so that callers must not change it.
    """
    own = Path(run) / PROBES
    if own.exists():
        return read_probe_file(own)
    return _read_of_study(Path(run), joint_version(Path(run), PROBES))


@lru_cache(maxsize=256)
def _read_of_study(run: Path, current: tuple[int, int]) -> pd.DataFrame:
    rows = read_joint(run, PROBES)
    return empty_probes() if rows is None else rows.to_pandas(use_threads=False).astype(COLUMNS)


def probed(run: Path) -> tuple[tuple[int, str, str], ...]:
    """The measurements in the run's table, in its order; raises as ``read_probes`` does."""
    if (run / PROBES).exists():
        return measurements_in(read_probe_file(run / PROBES))
    return distinct_rows(run, PROBES, KEY)


def measurements_in(rows: pd.DataFrame) -> tuple[tuple[int, str, str], ...]:
    """Step, table and probe of each measurement that ``rows`` are of, in their order."""
    if rows.empty:  # as most are, for which pandas takes a millisecond
        return ()
    return tuple(rows[KEY].drop_duplicates().itertuples(index=False, name=None))


def probes_version(run: Path | str) -> Hashable:
    """What changes whenever the run's table does."""
    return probes_versions([run])[0]


def probes_versions(runs: Sequence[Path | str]) -> list[Hashable]:
    """The same of many runs: the file that a study's runs share is looked at once."""
    one_of = {os.path.dirname(run): run for run in runs}
    shared = {folder: joint_version(run, PROBES) for folder, run in one_of.items()}
    return [(version(os.path.join(run, PROBES)), shared[os.path.dirname(run)]) for run in runs]


def read_probe_file(path: Path) -> pd.DataFrame:
    """The same of any file with such a table."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return empty_probes()
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=256)
def _read(path: Path, modified: int, size: int) -> pd.DataFrame:
    try:
        return pd.read_parquet(path).astype(COLUMNS)
    except Exception as error:  # pyarrow raises many kinds
        raise RecordError(f"{path}: cannot be read ({error}); delete it to have it measured again") from error


def write_probes(run: Path, table: pd.DataFrame) -> None:
    """Replace the run's table atomically."""
    write_probe_file(Path(run) / PROBES, table)


def write_probe_file(path: Path, table: pd.DataFrame) -> None:
    """The same of any file."""
    with replacing(path) as temporary:
        table[list(COLUMNS)].astype(COLUMNS).to_parquet(temporary, index=False)


def append_probes(run: Path, rows: pd.DataFrame) -> None:
    """Add rows, replacing those of the same step and table; a damaged table is set aside and begun anew."""
    try:
        known = read_probes(run)
    except RecordError:
        if (Path(run) / PROBES).exists():
            set_aside(Path(run) / PROBES)
        known = empty_probes()
    fresh = set(zip(rows["step"], rows["table"], strict=True))
    old = [key not in fresh for key in zip(known["step"], known["table"], strict=True)]
    write_probes(run, pd.concat([known[old], rows[list(COLUMNS)].astype(COLUMNS)], ignore_index=True))
