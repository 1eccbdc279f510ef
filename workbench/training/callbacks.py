"""What a trial leaves behind while it trains: metrics, progress, and a checkpoint to resume from."""

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch

from workbench.model.decoder import Decoder
from workbench.records.metrics import MetricsWriter
from workbench.training.hardware import memory_bytes
from workbench.training.module import DecoderModule, Diverged

_ROWS = 200  # metric rows per trial: enough for a curve, few enough to stay off the hot path


class Interrupted(RuntimeError):
    """The driver asked the trial to stop; its checkpoint is written and a later run resumes it."""


@dataclass(frozen=True, kw_only=True)
class Accounting:
    """Constants that turn steps into tokens, FLOPs and utilisation."""

    tokens_per_step: int
    flops_per_token: int
    peak_flops: float | None
    device: str


class Recorder(lightning.Callback):
    """Writes metric rows, reports progress, and stops a trial whose loss is no longer finite.

    The clock runs while training and stands still during validation and checkpointing.
    """

    def __init__(
        self, writer: MetricsWriter, accounting: Accounting, steps: int, report: Callable[[dict], None]
    ) -> None:
        self._writer, self._accounting, self._report = writer, accounting, report
        self._interval, self._steps = max(1, steps // _ROWS), steps
        self.seconds, self.peak_memory, self.last_loss = 0.0, 0, math.nan
        self._started: float | None = None
        self._logged = (0, 0.0)

    def state_dict(self) -> dict[str, Any]:
        """The clock's reading, kept in checkpoints."""
        return {"seconds": self._now(), "peak_memory": self.peak_memory, "last_loss": self.last_loss}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the clock."""
        self.seconds, self.peak_memory = state["seconds"], state["peak_memory"]
        self.last_loss = state["last_loss"]

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Start the clock."""
        self._logged = (trainer.global_step, self.seconds)
        self._resume()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: DecoderModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log a row every few steps (the only place where training waits for the device)."""
        step = trainer.global_step
        if step % self._interval and step != self._steps:
            return
        self.last_loss = outputs["loss"].item()
        self._append(step, self._training_row(trainer, module, step))
        self._report({"event": "progress", "step": step, "steps": self._steps, "loss": self.last_loss})
        self._require_finite(self.last_loss, "training loss", step)

    def on_validation_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Stop the clock."""
        self._pause()

    def on_validation_end(self, trainer: lightning.Trainer, module: DecoderModule) -> None:
        """Log the validation and start the clock again."""
        step = trainer.global_step
        self._append(step, module.validation, flush=True)
        self._report({"event": "evaluation", "step": step, **module.validation})
        self._require_finite(module.validation["validation/loss"], "validation loss", step)
        self._resume()

    def _training_row(self, trainer: lightning.Trainer, module: DecoderModule, step: int) -> dict[str, float]:
        now, (last_step, last_seconds) = self._now(), self._logged
        self._logged = (step, now)
        rate = (step - last_step) * self._accounting.tokens_per_step / max(1e-9, now - last_seconds)
        memory = memory_bytes(self._accounting.device)
        self.peak_memory = max(self.peak_memory, memory)
        row = {
            "train/loss": self.last_loss,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "gradient_norm": float(module.gradient_norm),
            "tokens_per_second": rate,
            "memory_bytes": memory,
        }
        if self._accounting.peak_flops:
            row["mfu"] = rate * self._accounting.flops_per_token / self._accounting.peak_flops
        return row

    def _append(self, step: int, row: dict[str, float], *, flush: bool = False) -> None:
        tokens = step * self._accounting.tokens_per_step
        flops = float(tokens * self._accounting.flops_per_token)
        axes = {"step": step, "tokens": tokens, "flops": flops, "seconds": round(self._now(), 4)}
        self._writer.append(axes | row, flush=flush)

    def _require_finite(self, loss: float, what: str, step: int) -> None:
        if not math.isfinite(loss):
            self._writer.flush()
            raise Diverged(f"the {what} became {loss} at step {step}; try a smaller learning rate")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock inside the block."""
        self._pause()
        yield
        self._resume()

    def _now(self) -> float:
        return self.seconds + (time.monotonic() - self._started if self._started is not None else 0.0)

    def _pause(self) -> None:
        self.seconds, self._started = self._now(), None

    def _resume(self) -> None:
        self._started = time.monotonic()


class Probing(lightning.Callback):
    """Shows the decoder to a probe before training and after each step, the clock standing still.

    Listed after the recorder, which ends a trial whose loss is no longer finite.
    """

    def __init__(self, probe: Callable[[Decoder, int], None], recorder: Recorder) -> None:
        self._probe, self._recorder = probe, recorder

    def on_train_start(self, trainer: lightning.Trainer, module: DecoderModule) -> None:
        """Probe a decoder that starts; one that is resumed was probed at this step."""
        if trainer.global_step == 0:
            self._at(module, 0)

    def on_train_batch_end(self, trainer: lightning.Trainer, module: DecoderModule, *_: Any) -> None:
        """Probe after a step."""
        self._at(module, trainer.global_step)

    def _at(self, module: DecoderModule, step: int) -> None:
        with self._recorder.paused():
            self._probe(module.decoder, step)


class Checkpointer(lightning.Callback):
    """Saves after every validation, and between two of them when asked to stop.

    Listed after the recorder, so that a checkpoint holds what was recorded. A step that ends in a
    validation is saved after it, never between the two, so that a resumed trial repeats and skips nothing.
    """

    def __init__(self, path: Path, interval: int, should_stop: Callable[[], bool]) -> None:
        self._path, self._interval, self._should_stop = path, interval, should_stop

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Stop between two validations if asked to."""
        if trainer.global_step % self._interval and self._should_stop():
            self._save(trainer)
            self._stop(trainer)

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Save; then stop if asked to. Before training there is nothing to save."""
        if trainer.state.fn != "fit":
            return
        self._save(trainer)
        if self._should_stop():
            self._stop(trainer)

    def _stop(self, trainer: lightning.Trainer) -> None:
        raise Interrupted(f"stopped on request at step {trainer.global_step}")

    def _save(self, trainer: lightning.Trainer) -> None:
        temporary = self._path.with_suffix(".tmp")
        trainer.save_checkpoint(temporary, weights_only=False)  # optimizer and loops too
        os.replace(temporary, self._path)


def out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory ran out, on the GPU or in the process."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError)
