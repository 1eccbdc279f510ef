"""What probes measured of a run: the rows beside its record, and those in the cache.

Looking changes no record. What is measured on a published run, or on one whose directory cannot be written,
is kept in the cache: a file for each table and probe, in a folder for each run and its weights.
"""

import errno
import os
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pandas as pd
from filelock import FileLock

from workbench.data.cache import cache_directory
from workbench.errors import RecordError, UserError
from workbench.files import file_sha256, version
from workbench.records.index import is_published
from workbench.records.probes import (
    KEY,
    append_probes,
    empty_probes,
    measurements_in,
    probed,
    probes_version,
    probes_versions,
    read_probe_file,
    read_probes,
    write_probe_file,
    write_probes,
)
from workbench.records.run import RECORD, RunDirectory
from workbench.records.weights_at_hand import recorded_digest

_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def read_measured(directory: RunDirectory) -> pd.DataFrame:
    """All that is known of the run, with the columns of ``records.probes``; callers must not change it.

    A step and table may have rows of several probes, those of the cache last (see ``common_probe``). Raises
    ``RecordError`` for a damaged file of the record; one of the cache counts as not measured.
    """
    recorded = read_probes(directory.path)
    cached = _read_cached(directory)
    if cached.empty:
        return recorded
    again = pd.MultiIndex.from_frame(cached[KEY])  # what was measured anew takes the place of what was there
    old = pd.MultiIndex.from_frame(recorded[KEY]).isin(again)
    return pd.concat([recorded[~old], cached], ignore_index=True)


def read_table(directory: RunDirectory, table: str, probe_hash: str) -> pd.DataFrame:
    """The rows of one table and probe, of every checkpoint; kept until there is other to be read of the run.

    Callers must not change it. Raises as ``read_measured``.
    """
    return _read_table(directory.path, measured_version(directory.path), table, probe_hash)


@lru_cache(maxsize=4096)
def _read_table(path: Path, version: Hashable, table: str, probe_hash: str) -> pd.DataFrame:
    rows = read_measured(RunDirectory(path))
    return rows[(rows["table"] == table) & (rows["probe_hash"] == probe_hash)]


def is_damaged(directory: RunDirectory) -> bool:
    """Whether the run's own table cannot be read."""
    try:
        measurements(directory)
    except RecordError:
        return True
    return False


def keep_measured(directory: RunDirectory, rows: pd.DataFrame) -> None:
    """Keep ``rows`` of one step, table and probe: with the run if it may be written, else in the cache.

    Rows of the same step and table that the run has already are replaced.
    """
    if not is_published(directory.path.parent.parent):
        try:
            with _one_writer(directory):
                append_probes(directory.path, rows)
            return
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
    path = _folder(directory) / f"{rows['table'].iloc[0]}-{rows['probe_hash'].iloc[0]}.parquet"
    try:
        write_probe_file(path, rows)
    except OSError as error:
        raise UserError(
            f"{path.parent}: what was measured cannot be kept there ({error.strerror}); point "
            f"WORKBENCH_CACHE at a folder with room"
        ) from error


def drop_other_probes(directory: RunDirectory, probe_hash: str) -> None:
    """Leave what other probes measured out of the run's own table; a run that must not change keeps it."""
    rows = read_probes(directory.path)
    other = rows["probe_hash"] != probe_hash
    if not other.any() or is_published(directory.path.parent.parent):
        return
    try:
        with _one_writer(directory):
            write_probes(directory.path, rows[~other])
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise


def measured_version(run: Path | str) -> Hashable:
    """What changes whenever there is more, or other, to be read of the run."""
    folder = _cache() / os.path.basename(run)
    return _version(os.fspath(run), probes_version(run), folder if folder.is_dir() else None)


def measured_versions(runs: Iterable[Path | str]) -> Hashable:
    """The same of many runs: of all of a study's, or of every study's, at every click."""
    paths = [os.fspath(run) for run in runs]
    cache = _cache()
    cached = {folder.name: folder for folder in cache.iterdir()} if cache.is_dir() else {}  # of few runs
    return tuple(
        _version(path, probes, cached.get(os.path.basename(path)))
        for path, probes in zip(paths, probes_versions(paths), strict=True)
    )


def _version(run: str, probes: Hashable, cached: Path | None) -> Hashable:
    """``probes`` is the version of its record's table; ``cached`` the run's folder in the cache, if any."""
    tables = sorted(map(str, cached.glob("*/*.parquet"))) if cached else []
    # Joined as text, which is many times as fast.
    return (probes, *((path, version(path)) for path in (os.path.join(run, RECORD), *tables)))


def measurements(directory: RunDirectory) -> tuple[tuple[int, str, str], ...]:
    """Step, table and probe of each measurement of the run, the latest last; raises as ``read_measured``."""
    return _measurements(directory.path, measured_version(directory.path))


@lru_cache(maxsize=2048)
def _measurements(path: Path, version: Hashable) -> tuple[tuple[int, str, str], ...]:
    again = measurements_in(_read_cached(RunDirectory(path)))
    # As read_measured puts them together, whose rows are not needed.
    return (*(one for one in probed(path) if one not in again), *again)


def not_measured(directory: RunDirectory, tables: Iterable[str]) -> list[str]:
    """Those of ``tables`` that the run's final weights were not measured for."""
    last = last_step(directory)
    measured = {table for step, table, _ in measurements(directory) if step == last}
    return [name for name in tables if name not in measured]


def last_step(directory: RunDirectory) -> int:
    """The step of the run's final weights; 0 for one that was not trained here."""
    return directory.read().progress.get("step", 0)


def common_probe(rows: pd.DataFrame) -> str:
    """The hash of the probe that ``rows``, with columns ``role`` and ``run_id``, can be compared by.

    Values of different probes share no axis: it is a probe that the role ``run`` has, of those the one that
    most roles and most of their runs have, and of equals the one that was measured last.
    """
    runs_of: dict[str, set[tuple[str, str]]] = {}
    for probe, role, run in zip(rows["probe_hash"], rows["role"], rows["run_id"], strict=True):
        runs_of.setdefault(probe, set()).add((role, run))

    def rank(probe: str) -> tuple[bool, int, int]:
        roles = {role for role, _ in runs_of[probe]}
        return "run" in roles, len(roles), len(runs_of[probe])

    return max(reversed(runs_of), key=rank)  # of equals the last one


def _read_cached(directory: RunDirectory) -> pd.DataFrame:
    if not (_cache() / directory.run_id).is_dir():  # most runs: spares the digest of their weights
        return empty_probes()
    parts = []
    for path in sorted(_folder(directory).glob("*.parquet"), key=version):
        try:
            parts.append(read_probe_file(path))
        except RecordError:  # damaged: it is measured anew
            continue
    return pd.concat(parts, ignore_index=True) if parts else empty_probes()


def _folder(directory: RunDirectory) -> Path:
    """Where the cache has the run's tables: other weights under the same id are another folder."""
    return _cache() / directory.run_id / (_weights_digest(directory) or "no-weights")


def _cache() -> Path:
    return cache_directory() / "probes"


def _weights_digest(directory: RunDirectory) -> str | None:
    digest = recorded_digest(directory.read())
    if digest is not None or not directory.weights.exists():
        return digest
    return _file_digest(directory.weights, version(directory.weights))


@lru_cache(maxsize=256)
def _file_digest(path: Path, version: Hashable) -> str:
    return file_sha256(path)


@contextmanager
def _one_writer(directory: RunDirectory) -> Iterator[None]:
    """Two processes that measure one run must not lose each other's rows: rows are added to those there."""
    lock = FileLock(_cache() / f"{directory.run_id}.lock")
    try:
        _cache().mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError:  # no cache to lock in: at worst a table is measured twice
        yield
        return
    try:
        yield
    finally:
        lock.release()
