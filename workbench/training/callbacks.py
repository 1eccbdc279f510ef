"""What a trial leaves behind while it trains: metrics, progress, and a checkpoint to resume from."""

from collections.abc import Callable
from typing import Any

import lightning

from workbench.files import replacing
from workbench.records.run import RunDirectory
from workbench.training.checkpoint_file import ROWS
from workbench.training.log import Clock, RunLog, rows_every
from workbench.training.module import DecoderModule
from workbench.training.pulse import Pulse
from workbench.training.run import ScheduledMeasuring


class Interrupted(RuntimeError):
    """The driver asked the trial to stop; its checkpoint is written and a later run resumes it."""


class Recorder(lightning.Callback):
    """Logs the rows of the trial that trains ``module`` and stops it when its loss is no longer finite."""

    def __init__(self, module: DecoderModule, run_log: RunLog, steps: int) -> None:
        self.module = module
        self.run_log = run_log
        self.clock = Clock()
        self._every = rows_every(steps)
        self._steps = steps

    def state_dict(self) -> dict[str, Any]:
        """The clock's reading, kept in checkpoints."""
        return {
            "seconds": self.clock.seconds,
            "peak_memory": self.run_log.peak_memory,
            "last_loss": self.run_log.last_loss,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the clock."""
        self.clock = Clock(state["seconds"])
        self.run_log.peak_memory = state["peak_memory"]
        self.run_log.last_loss = state["last_loss"]

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the rows so far: a resumed run needs no other file to go on."""
        checkpoint[ROWS] = self.run_log.rows

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Start the clock."""
        self.run_log.start(trainer.global_step, self.clock.seconds)
        self.clock.run()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Log a row every few steps (the only place where training waits for the device)."""
        step = trainer.global_step
        if step % self._every and step != self._steps:
            return
        row = {
            "train/loss": outputs["loss"].item(),
            "learning_rate": self.module.rate,
            "gradient_norm": float(self.module.gradient_norm),
        }
        self.run_log.trained(step, self.clock.seconds, row)

    def on_validation_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Stop the clock."""
        self.clock.pause()

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Log the validation and start the clock again."""
        self.run_log.validated(trainer.global_step, self.clock.seconds, self.module.validation)
        self.clock.run()


class Beating(lightning.Callback):
    """Notes that training comes on, for whoever watches it from outside."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse

    def on_train_batch_end(self, *_: Any) -> None:
        """A step has ended."""
        self._pulse.step()

    def on_validation_batch_end(self, *_: Any) -> None:
        """A batch was validated on."""
        self._pulse.beat()


class Measuring(lightning.Callback):
    """Has the decoder measured before training and after some steps, the clock standing still.

    Listed after the recorder, which ends a trial whose loss is no longer finite.
    """

    def __init__(self, measuring: ScheduledMeasuring, recorder: Recorder) -> None:
        self._measuring = measuring
        self._recorder = recorder

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Measure a decoder that starts; one that is resumed was measured at this step."""
        if trainer.global_step == 0:
            self._at(0)

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """ScheduledMeasuring after a step."""
        self._at(trainer.global_step)

    def _at(self, step: int) -> None:
        if step in self._measuring.steps:
            with self._recorder.clock.paused():
                self._measuring.measure(self._recorder.module.decoder, step)


class Checkpointer(lightning.Callback):
    """Saves after every validation, and between two of them when asked to stop.

    Listed after the recorder, so that a checkpoint holds what was recorded. A step that ends in a
    validation is saved after it, never between the two, so that a resumed trial repeats and skips nothing.
    """

    def __init__(self, run: RunDirectory, interval: int, should_stop: Callable[[], bool]) -> None:
        self._run = run
        self._interval = interval
        self._should_stop = should_stop

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
        with replacing(self._run.checkpoint, self._run.require_claim) as temporary:
            trainer.save_checkpoint(temporary, weights_only=False)  # optimizer and loops too
