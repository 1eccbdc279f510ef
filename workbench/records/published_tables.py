"""The rows of all runs of a study in one Parquet file, as published studies keep their metrics and probes.

Files of single runs repeat their schema, dictionaries and footer, which made them three times as large.
Here a run is the rows that have its id in the column ``run_id``: they stand together, in their own order, and
what is read of a run is, to the bit, what was written of it. Run directories without a file of their own are
read from here.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import RecordError
from workbench.files import replacing, version

RUN = "run_id"
RUNS = "runs"  # the folder of a study that holds the directories of its runs
_LAYOUTS = b"workbench.layouts"
_KEPT = 8  # files in memory: about 50 bytes a row
_LEVEL = 19  # of zstd: files are written once, read often and kept in git's history for good


def joint_path(run: Path, name: str) -> Path:
    """Where the study of the run's directory keeps the rows of all runs, in a file called ``name``."""
    return run.parent.parent / name


def joint_version(run: Path | str, name: str) -> tuple[int, int]:
    """Modification time (ns) and size of that file; zeros where the run's study has none."""
    runs = os.path.dirname(run)
    if os.path.basename(runs) != RUNS:
        return (0, 0)
    return version(os.path.join(os.path.dirname(runs), name))


def write_joint(path: Path, tables: dict[str, pa.Table]) -> None:
    """Write the tables of runs, by run id, as one file, atomically.

    Columns may differ between runs: the file has all of them. What a run lacks of them, or has as another
    type, is noted in the file and undone by ``read_joint``.
    """
    ordered = sorted(tables.items())
    parts = [
        table.replace_schema_metadata().add_column(0, RUN, pa.array([run_id] * len(table), pa.string()))
        for run_id, table in ordered
    ]
    joint = pa.concat_tables(parts, promote_options="permissive")
    usual = _layout(joint.schema.remove(0))
    unusual = {}
    for run_id, table in ordered:
        layout = _layout(table.schema)
        # The order counts, too. A run without rows is in no column, and has nothing but its layout.
        if list(layout.items()) != list(usual.items()) or not len(table):
            unusual[run_id] = layout
    joint = _with_dictionaries(joint).replace_schema_metadata({_LAYOUTS: json.dumps(unusual)})

    # Measured numbers hardly repeat, and a dictionary of them is larger than they are. Their bytes are
    # written apart instead: those of most are float32 in a float64, and the lower half of it is zeros.
    floats = [field.name for field in joint.schema if pa.types.is_floating(field.type)]
    with replacing(path) as temporary:
        pq.write_table(
            joint,
            temporary,
            compression="zstd",
            compression_level=_LEVEL,
            use_dictionary=[name for name in joint.column_names if name not in floats],
            column_encoding=dict.fromkeys(floats, "BYTE_STREAM_SPLIT"),
        )


def read_joint(run: Path, name: str, columns: list[str] | None = None) -> pa.Table | None:
    """The run's rows in its study's file ``name``, as they were written; None where there are none.

    Of ``columns`` those that the run has. Raises ``RecordError`` for a file that cannot be read.
    """
    current = joint_version(run, name)
    if current == (0, 0):
        return None
    return _read(joint_path(run, name), current).of(run.name, columns)


def distinct_rows(run: Path, name: str, columns: list[str]) -> tuple[tuple[Any, ...], ...]:
    """The run's values of ``columns`` in its study's file ``name``, each once and in their order.

    Few are expected, and nothing else is read of the file. Raises as ``read_joint`` does.
    """
    current = joint_version(run, name)
    if current == (0, 0):
        return ()
    return _distinct(joint_path(run, name), current, tuple(columns)).get(run.name, ())


@lru_cache(maxsize=_KEPT)
def _distinct(
    path: Path, current: tuple[int, int], columns: tuple[str, ...]
) -> dict[str, tuple[tuple[Any, ...], ...]]:
    with _reading(path), pq.ParquetFile(path) as file:
        table = file.read([RUN, *columns], use_threads=False).unify_dictionaries()
    begins = np.zeros(len(table), dtype=bool)  # a row that is not as the one before it
    begins[:1] = True
    for column in table.columns:
        values = column.combine_chunks()
        if pa.types.is_dictionary(values.type):
            values = values.indices
        codes = values.to_numpy(zero_copy_only=False)
        begins[1:] |= codes[1:] != codes[:-1]
    found: dict[str, dict[tuple[Any, ...], None]] = {}
    for row in table.filter(pa.array(begins)).to_pylist():
        found.setdefault(row[RUN], {})[tuple(row[name] for name in columns)] = None
    return {run_id: tuple(rows) for run_id, rows in found.items()}


@dataclass(frozen=True)
class _Joint:
    """A file in memory: its rows, where those of each run are, and the columns of runs that have others."""

    table: pa.Table
    places: dict[str, tuple[int, int]]  # first row and number of rows
    layouts: dict[str, dict[str, str]]

    def of(self, run_id: str, columns: list[str] | None) -> pa.Table | None:
        if run_id not in self.places and run_id not in self.layouts:
            return None
        first, count = self.places.get(run_id, (0, 0))
        layout = self.layouts.get(run_id) or _layout(self.table.schema.remove(0))
        wanted = layout if columns is None else [name for name in columns if name in layout]
        schema = pa.schema([(name, pa.type_for_alias(layout[name])) for name in wanted])
        return self.table.select(schema.names).slice(first, count).cast(schema)


@lru_cache(maxsize=_KEPT)
def _read(path: Path, current: tuple[int, int]) -> _Joint:
    with _reading(path):
        with pq.ParquetFile(path) as file:
            table = file.read(use_threads=False).unify_dictionaries()
        layouts = json.loads((table.schema.metadata or {}).get(_LAYOUTS, b"{}"))
        return _Joint(table, _places(table), layouts)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # pyarrow raises many kinds
        raise RecordError(
            f"{path}: cannot be read ({error}); restore it from a copy, or publish the study again"
        ) from error


def _places(table: pa.Table) -> dict[str, tuple[int, int]]:
    """First row and number of rows of each run."""
    if not len(table):
        return {}
    ids = table[RUN].combine_chunks()
    codes = ids.indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    lengths = np.diff(starts, append=len(codes))
    if len(set(codes[starts])) < len(starts):
        raise ValueError("rows of one run do not stand together")
    names = ids.take(pa.array(starts)).to_pylist()
    return {name: (int(first), int(count)) for name, first, count in zip(names, starts, lengths, strict=True)}


def _layout(schema: pa.Schema) -> dict[str, str]:
    """Names and types of columns, in their order; a dictionary's type is that of its values."""
    types = (kind.value_type if pa.types.is_dictionary(kind) else kind for kind in schema.types)
    return dict(zip(schema.names, map(str, types), strict=True))


def _with_dictionaries(table: pa.Table) -> pa.Table:
    """Texts as dictionaries: few are different, and a reader has them as numbers."""
    columns = [
        column.dictionary_encode() if pa.types.is_string(kind) or pa.types.is_large_string(kind) else column
        for column, kind in zip(table.columns, table.schema.types, strict=True)
    ]
    return pa.table(columns, names=table.column_names)
