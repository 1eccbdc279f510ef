"""The small table of a calibration: final losses and curves of many runs of few variants, and no more.

One row for each evaluation of each run. It is all that is published of such a study, and from it a study is
read that has no run directories: a run is then its curve, and has neither weights nor a log.
"""

import json
from dataclasses import dataclass, field
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
_FLOPS = b"workbench.flops_per_token"  # of training, by variant
_LOST = b"workbench.lost"  # runs without a result: variant, seed and state of each


@dataclass(frozen=True)
class CalibrationTable:
    """``rows`` has ``COLUMNS``, a line for each evaluation of each run; ``loss`` is the ``metric``.

    ``flops_per_token`` is of training, by variant, for those of which it is known. ``lost`` are the runs that
    ended without a result, which have no rows: variant, seed and what became of them.
    """

    metric: str
    rows: pd.DataFrame
    flops_per_token: dict[str, float] = field(default_factory=dict)
    lost: tuple[tuple[str, int, str], ...] = ()

    def write(self, study: Path) -> None:
        """Write it beside the study's manifest, atomically."""
        known = {
            _METRIC: self.metric,
            _FLOPS: json.dumps(self.flops_per_token),
            _LOST: json.dumps(self.lost),
        }
        schema = _TYPES.with_metadata(known)
        table = pa.Table.from_pandas(self.rows[list(COLUMNS)], schema=schema, preserve_index=False)
        with replacing(study / TABLE) as temporary:
            pq.write_table(table, temporary, compression="zstd", compression_level=19)

    def curves(self) -> dict[str, pd.DataFrame]:
        """The rows of each run by its id, in order of steps, with the FLOPs spent where they are known."""
        rows = self.rows.assign(flops=self.rows["tokens"] * self.rows["variant"].map(self.flops_per_token))
        runs = rows.sort_values("step", kind="stable").groupby(["variant", "seed"], sort=False)
        return {run_id_of(str(variant), int(seed)): curve for (variant, seed), curve in runs}


def run_id_of(variant: str, seed: int) -> str:
    """What a run of the table is called, which no longer has the configuration that an id is made from."""
    return sha256(f"{variant}\n{seed}".encode()).hexdigest()[:12]


def read_calibration_table(study: Path) -> CalibrationTable:
    """The table beside a study's manifest; raises ``RecordError`` where it is missing or damaged."""
    path = study / TABLE
    try:
        with pq.ParquetFile(path) as file:
            known = file.schema_arrow.metadata or {}
            metric = known[_METRIC].decode()
            flops = json.loads(known.get(_FLOPS, b"{}"))
            lost = tuple(
                (name, int(seed), state) for name, seed, state in json.loads(known.get(_LOST, b"[]"))
            )
            table = file.read(list(COLUMNS), use_threads=False).cast(_TYPES)
        if any(column.null_count for column in table.columns):
            raise ValueError("a value is missing")
    except Exception as error:  # pyarrow raises many kinds
        raise RecordError(f"{path}: cannot be read ({error}); {REMEDY}") from error
    return CalibrationTable(metric, table.to_pandas(use_threads=False), flops, lost)


def curve_of_run(run: Path) -> pd.DataFrame | None:
    """The evaluations of a run that is known from its study's table alone; None where it is not."""
    study = run.parent.parent
    if run.parent.name != RUNS or not (study / TABLE).exists():
        return None
    metric, curves = _curves(study, version(study / TABLE))
    curve = curves.get(run.name)
    if curve is None:
        return None
    return curve[["step", "tokens", "flops", "loss"]].rename(columns={"loss": metric})


@lru_cache(maxsize=4)
def _curves(study: Path, current: tuple[int, int]) -> tuple[str, dict[str, pd.DataFrame]]:
    table = read_calibration_table(study)
    return table.metric, table.curves()
