"""Metrics of one run: appended as JSON lines while it trains, compacted to Parquet at its end.

One writer per file, so no locks. A reader cuts at the last newline, so a line that is being
written (or was cut short by ``kill -9``) is never parsed.
"""

import json
import math
import os
import time
from pathlib import Path
from typing import IO, Any

import pandas as pd

from workbench.errors import RecordError

LIVE = "metrics.jsonl"
COMPACT = "metrics.parquet"
AXES = ("step", "tokens", "flops", "seconds")
_FLUSH_SECONDS = 1.0


class MetricsWriter:
    """Appends rows to ``metrics.jsonl``; flushed about once a second and at every validation."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / LIVE
        self._file: IO[str] = open(self._path, "a", encoding="utf-8")  # noqa: SIM115 - open for the whole run
        self._flushed = time.monotonic()

    def append(self, row: dict[str, float | int], *, flush: bool = False) -> None:
        """Append one row; ``row`` holds the axes (step, tokens, flops, seconds) and any metrics."""
        # JSON has no NaN: Python would write the token NaN, which other readers refuse. A gap says the same.
        clean = {key: value if math.isfinite(value) else None for key, value in row.items()}
        self._file.write(json.dumps(clean) + "\n")
        if flush or time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Hand what was appended to the operating system."""
        self._file.flush()
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Flush and close the file."""
        self._file.close()


def truncate_after(directory: Path, step: int) -> None:
    """Drop rows later than ``step``: what a killed attempt logged past its last checkpoint."""
    rows = [row for row in _all_rows(directory) if row["step"] <= step]
    temporary = directory / f".{LIVE}.tmp"
    temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    os.replace(temporary, directory / LIVE)
    (directory / COMPACT).unlink(missing_ok=True)


def compact(directory: Path) -> None:
    """Turn ``metrics.jsonl`` into ``metrics.parquet`` (zstd) by atomic rename; then drop the lines."""
    frame = _frame(_live_rows(directory / LIVE))
    save_frame(directory, frame)
    (directory / LIVE).unlink(missing_ok=True)


def save_frame(directory: Path, frame: pd.DataFrame) -> None:
    """Write ``frame`` as the run's ``metrics.parquet``, atomically."""
    temporary = directory / f".{COMPACT}.tmp"
    frame.to_parquet(temporary, compression="zstd", index=False)
    os.replace(temporary, directory / COMPACT)


def read_metrics(directory: Path) -> pd.DataFrame:
    """All rows of a run, live or finished; an empty frame with the axes when nothing is logged yet."""
    if (directory / COMPACT).exists():
        try:
            return pd.read_parquet(directory / COMPACT)
        except (OSError, ValueError) as error:
            raise RecordError(f"{directory / COMPACT}: cannot be read ({error})") from error
    return _frame(_live_rows(directory / LIVE))


def _all_rows(directory: Path) -> list[dict[str, Any]]:
    # A run killed between compacting and its final record has its rows in the compact file.
    if not (directory / COMPACT).exists():
        return _live_rows(directory / LIVE)
    table = pd.read_parquet(directory / COMPACT)
    return [row.dropna().to_dict() for _, row in table.iterrows()]


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
