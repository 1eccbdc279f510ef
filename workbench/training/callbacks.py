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
from workbench.training.ranks import ALONE, Ranks
from workbench.training.run import ScheduledMeasuring


class Interrupted(RuntimeError):
    """The driver asked the trial to stop; its checkpoint is written and a later run resumes it."""


def ends_step(trainer: lightning.Trainer, batch_index: int) -> bool:
    """Whether what Lightning calls a batch was the last piece of a step's."""
    return (batch_index + 1) % trainer.accumulate_grad_batches == 0


class Recorder(lightning.Callback):
    """Logs the rows of the trial that trains ``module`` and stops it when its loss is no longer finite.

    The loss is that of all ``ranks``, each of which has a recorder.
    """

    def __init__(self, module: DecoderModule, run_log: RunLog, steps: int, ranks: Ranks = ALONE) -> None:
        self.module = module
        self.run_log = run_log
        self.clock = Clock()
        self._every = rows_every(steps)
        self._steps = steps
        self._ranks = ranks

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
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_index: int,
    ) -> None:
        """Log a row every few steps (the only place where training waits for the device)."""
        step = trainer.global_step
        if not ends_step(trainer, batch_index) or (step % self._every and step != self._steps):
            return
        is_whole = self._ranks.count == trainer.accumulate_grad_batches == 1
        row = {
            "train/loss": self._ranks.total(outputs["loss"] if is_whole else self.module.pieces_loss),
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

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, batch_index: int
    ) -> None:
        """Measure after a step."""
        if ends_step(trainer, batch_index):
            self._at(trainer.global_step)

    def _at(self, step: int) -> None:
        if step in self._measuring.steps:
            with self._recorder.clock.paused():
                self._measuring.measure(self._recorder.module.decoder, step)


class Checkpointer(lightning.Callback):
    """Saves after every validation, and between two of them when asked to stop.

    Listed after the recorder, so that a checkpoint holds what was recorded. A step that ends in a
    validation is saved after it, never between the two, so that a resumed trial repeats and skips nothing.
    All ``ranks`` save and stop together, when rank 0 is asked to; it alone writes.
    """

    def __init__(
        self,
        run: RunDirectory,
        interval: int,
        should_stop: Callable[[], bool],
        ranks: Ranks = ALONE,
    ) -> None:
        self._run = run
        self._interval = interval
        self._should_stop = should_stop
        self._ranks = ranks

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Any, outputs: Any, batch: Any, batch_index: int
    ) -> None:
        """Stop between two validations if asked to."""
        if not ends_step(trainer, batch_index) or trainer.global_step % self._interval == 0:
            return
        if self._ranks.agreed(self._should_stop()):
            self._save(trainer)
            self._stop(trainer)

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Save; then stop if asked to. Before training there is nothing to save."""
        if trainer.state.fn != "fit":
            return
        self._save(trainer)
        if self._ranks.agreed(self._should_stop()):
            self._stop(trainer)

    def _stop(self, trainer: lightning.Trainer) -> None:
        raise Interrupted(f"stopped on request at step {trainer.global_step}")

    def _save(self, trainer: lightning.Trainer) -> None:
        # Optimizer and loops too. The others wait until rank 0 has written, and may have a part to give.
        if self._ranks.rank:
            trainer.save_checkpoint(self._run.checkpoint, weights_only=False)
            return
        with replacing(self._run.checkpoint, self._run.require_claim) as temporary:
            trainer.save_checkpoint(temporary, weights_only=False)
