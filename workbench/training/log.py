"""The rows that a run leaves behind while it trains, and the clock that they are timed by."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from workbench.records.metrics import MetricsWriter, Row
from workbench.records.training_outcome import BEFORE_LEARNING
from workbench.training.hardware import memory_bytes

_ROWS = 200  # metric rows per trial: enough for a curve, few enough to stay off the hot path


class Diverged(RuntimeError):
    """The loss is no longer a finite number. An outcome of the trial, not a fault of the program."""


@dataclass(frozen=True, kw_only=True)
class Accounting:
    """Constants that turn steps into tokens, FLOPs and utilisation."""

    tokens_per_step: int
    flops_per_token: int
    peak_flops: float | None
    device: str


class Clock:
    """Seconds of training. It stands still during validation, probing and checkpointing.

    ``parts`` runs that train in one program share its time: each is charged its part of every second.
    """

    def __init__(self, seconds: float = 0.0, parts: int = 1) -> None:
        self._seconds = seconds
        self._parts = parts
        self._started: float | None = None

    @property
    def seconds(self) -> float:
        """What one of the parts was charged so far."""
        return self._seconds + self._since()

    def run(self) -> None:
        """Start, or go on."""
        self._started = time.monotonic()

    def pause(self) -> None:
        """Stand still."""
        self._seconds = self.seconds
        self._started = None

    def share(self, parts: int) -> None:
        """From now on ``parts`` runs share the time."""
        running = self._started is not None
        self.pause()
        self._parts = max(1, parts)
        if running:
            self.run()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stand still inside the block."""
        self.pause()
        yield
        self.run()

    def _since(self) -> float:
        return 0.0 if self._started is None else (time.monotonic() - self._started) / self._parts


class RunLog:
    """Writes one run's metric rows and reports its progress. ``seconds`` are those of a clock."""

    def __init__(
        self,
        writer: MetricsWriter,
        accounting: Accounting,
        steps: int,
        report: Callable[[dict[str, Any]], None],
    ) -> None:
        self._writer = writer
        self._accounting = accounting
        self._steps = steps
        self._report = report
        self.last_loss = math.nan
        self.peak_memory = 0
        self._logged = (0, 0.0)

    @property
    def rows(self) -> list[Row]:
        """All rows so far, those before a resume included."""
        return self._writer.rows

    def start(self, step: int, seconds: float) -> None:
        """Where speed is measured from."""
        self._logged = (step, seconds)

    def trained(self, step: int, seconds: float, row: dict[str, float], *, parts: int = 1) -> None:
        """Log a step; raises ``Diverged`` if the loss in ``row`` is no finite number."""
        self.last_loss = row["train/loss"]
        memory = memory_bytes(self._accounting.device) // parts
        self.peak_memory = max(self.peak_memory, memory)
        self._append(step, seconds, row | self._speed(step, seconds) | {"memory_bytes": memory})
        self._report({"event": "progress", "step": step, "steps": self._steps, "loss": self.last_loss})
        self._require_finite(self.last_loss, "training loss", step)

    def validated(self, step: int, seconds: float, validation: dict[str, float]) -> None:
        """Log a validation; raises ``Diverged`` if a loss of it is no finite number."""
        self._append(step, seconds, validation, flush=True)
        self._report({"event": "evaluation", "step": step, "validation": validation})
        self._require_finite(validation["validation/loss"], "validation loss", step)
        for name, value in validation.items():
            self._require_finite(value, name, step)

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def _speed(self, step: int, seconds: float) -> dict[str, float]:
        last_step, last_seconds = self._logged
        self._logged = (step, seconds)
        rate = (step - last_step) * self._accounting.tokens_per_step / max(1e-9, seconds - last_seconds)
        if not self._accounting.peak_flops:
            return {"tokens_per_second": rate}
        mfu = rate * self._accounting.flops_per_token / self._accounting.peak_flops
        return {"tokens_per_second": rate, "mfu": mfu}

    def _append(self, step: int, seconds: float, row: dict[str, float], *, flush: bool = False) -> None:
        tokens = step * self._accounting.tokens_per_step
        flops = float(tokens * self._accounting.flops_per_token)
        axes: Row = {"step": step, "tokens": tokens, "flops": flops, "seconds": round(seconds, 4)}
        self._writer.append({**axes, **row}, flush=flush)

    def _require_finite(self, loss: float, what: str, step: int) -> None:
        if not math.isfinite(loss):
            self._writer.flush()
            message = f"the {what} became {loss} at step {step}"
            # The loss of the first batch is that of the model before its first update.
            if step == 0 or (step == 1 and what == "training loss"):
                raise Diverged(f"{message}, {BEFORE_LEARNING}; look for the cause in the model's parts")
            raise Diverged(f"{message}; try a smaller learning rate")


def rows_every(steps: int) -> int:
    """How many steps lie between two rows of a trial of ``steps``."""
    return max(1, steps // _ROWS)
