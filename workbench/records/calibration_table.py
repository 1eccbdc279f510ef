"""The small table of a calibration: final losses and curves of many runs of few variants, and no more.

One row for each evaluation of each run. It is all that is published of such a study, and from it a study is
read that has no run directories: a run is then its curve, and has neither weights nor a log.
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import RecordError
from workbench.files import replacing, version
from workbench.records.published_tables import RUNS

TABLE = "calibration.parquet"
RESULT = "calibration.json"  # what was made of the table
COLUMNS = ("variant", "seed", "step", "tokens", "loss")
REMEDY = "restore it from a copy, or publish the study again"
_TYPES = pa.schema(
    [
        ("variant", pa.string()),
        ("seed", pa.int64()),
        ("step", pa.int64()),
        ("tokens", pa.int64()),
        ("loss", pa.float64()),
    ]
)
_METRIC = b"workbench.metric"  # what the column loss is


@dataclass(frozen=True)
class CalibrationTable:
    """``rows`` has ``COLUMNS``, a line for each evaluation of each run; ``loss`` is the ``metric``."""

    metric: str
    rows: pd.DataFrame

    def write(self, study: Path) -> None:
        """Write it beside the study's manifest, atomically."""
        schema = _TYPES.with_metadata({_METRIC: self.metric.encode()})
        table = pa.Table.from_pandas(self.rows[list(COLUMNS)], schema=schema, preserve_index=False)
        with replacing(study / TABLE) as temporary:
            pq.write_table(table, temporary, compression="zstd", compression_level=19)

    def curves(self) -> dict[str, pd.DataFrame]:
        """The rows of each run by its id, in order of steps."""
        runs = self.rows.sort_values("step", kind="stable").groupby(["variant", "seed"], sort=False)
        return {run_id_of(str(variant), int(seed)): curve for (variant, seed), curve in runs}


def run_id_of(variant: str, seed: int) -> str:
    """What a run of the table is called, which no longer has the configuration that an id is made from."""
    return sha256(f"{variant}\n{seed}".encode()).hexdigest()[:12]


def read_calibration_table(study: Path) -> CalibrationTable:
    """The table beside a study's manifest; raises ``RecordError`` where it is missing or damaged."""
    path = study / TABLE
    try:
        with pq.ParquetFile(path) as file:
            metric = (file.schema_arrow.metadata or {})[_METRIC].decode()
            table = file.read(list(COLUMNS), use_threads=False).cast(_TYPES)
        if any(column.null_count for column in table.columns):
            raise ValueError("a value is missing")
    except Exception as error:  # pyarrow raises many kinds
        raise RecordError(f"{path}: cannot be read ({error}); {REMEDY}") from error
    return CalibrationTable(metric, table.to_pandas(use_threads=False))


def curve_of_run(run: Path) -> pd.DataFrame | None:
    """The evaluations of a run that is known from its study's table alone; None where it is not."""
    study = run.parent.parent
    if run.parent.name != RUNS or not (study / TABLE).exists():
        return None
    metric, curves = _curves(study, version(study / TABLE))
    curve = curves.get(run.name)
    return None if curve is None else curve[["step", "tokens", "loss"]].rename(columns={"loss": metric})


@lru_cache(maxsize=4)
def _curves(study: Path, current: tuple[int, int]) -> tuple[str, dict[str, pd.DataFrame]]:
    table = read_calibration_table(study)
    return table.metric, table.curves()
