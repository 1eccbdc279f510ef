"""What the runs of a copy repeat, said once: rows in a file for all, names of Optuna's workers as numbers.

Nothing is thinned: what is read of a run is what was read of it before.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.records.metrics import COMPACT
from workbench.records.probes import PROBES
from workbench.records.published_tables import RUNS, read_joint, write_joint
from workbench.records.run import RECORD


def join_tables(study: Path) -> None:
    """Put the metrics of all runs into one file beside the manifest, and their probes into another.

    Files of single runs are deleted once the joint file is written. A run that has rows in the joint file
    and a file of its own is taken as it is read: by its own.
    """
    runs = [path.parent for path in sorted((study / RUNS).glob(f"*/{RECORD}"))]
    for name in (COMPACT, PROBES):
        own = [run / name for run in runs if (run / name).exists()]
        if not own:
            continue
        tables = {run.name: table for run in runs if (table := _table(run, name)) is not None}
        write_joint(study / name, tables)
        for path in own:
            path.unlink()


def _table(run: Path, name: str) -> pa.Table | None:
    if not (run / name).exists():
        return read_joint(run, name)
    with pq.ParquetFile(run / name) as file:
        return file.read()


def shorten_workers(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries of Optuna's journal with numbers for its workers: a UUID and a thread's id in every line.

    A reader needs to know only which lines are of one worker, and that it is not that worker itself.
    """
    numbers: dict[str, str] = {}
    shortened = []
    for entry in entries:
        worker = entry.get("worker_id")
        if worker is not None:
            entry = entry | {"worker_id": numbers.setdefault(worker, str(len(numbers)))}
        shortened.append(entry)
    return shortened
