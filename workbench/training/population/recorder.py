"""What a population leaves behind while it trains: for each replica what a trial alone leaves."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import lightning
import torch
from torch import Tensor

from workbench.data.batches import EvaluationBatch
from workbench.data.task_batches import AnswerBatch
from workbench.data.text_parts import TextParts
from workbench.files import put_in_place
from workbench.records.run import State
from workbench.records.text_losses import TextLosses
from workbench.training.callbacks import Interrupted
from workbench.training.checkpoint_file import ROWS
from workbench.training.log import Clock, Diverged, RunLog, rows_every
from workbench.training.population.halving import Halving, rungs
from workbench.training.population.population import Population
from workbench.training.population.replica_file import save_replica
from workbench.training.pulse import Pulse
from workbench.training.run import Outcome, Run, ScheduledMeasuring
from workbench.training.validation import AnswerTables


@dataclass
class Member:
    """A run of the population, its log, and its last validation. ``report`` is how the driver hears of it."""

    run: Run
    log: RunLog
    report: Callable[[dict[str, Any]], None]
    validation: dict[str, float] = field(default_factory=dict)
    text_losses: TextLosses | None = None
    answers: dict[str, AnswerTables] = field(default_factory=dict)

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where its checkpoint stands."""
        self.validation = state["validation"]
        self.text_losses = state.get("text_losses")  # early checkpoints have none
        self.answers = state.get("answers", {})
        self.log.last_loss = state["last_loss"]
        self.log.peak_memory = state["peak_memory"]

    def finish(self, state: State, seconds: float, error: str | None = None) -> None:
        """Write its outcome."""
        outcome = Outcome(
            validation=self.validation,
            text_losses=self.text_losses,
            answers=self.answers,
            train_loss=self.log.last_loss,
            seconds=seconds,
            peak_memory=self.log.peak_memory,
            rows=self.log.rows,
        )
        self.log.close()
        self.run.finish(state, error, outcome)
        self.report({"event": "ended", "state": str(state), "record": self.run.record.to_dict()})


class PopulationRecorder(lightning.Callback):
    """Logs, validates, measures, halves, saves and stops a population, in this order, between two steps."""

    def __init__(
        self,
        population: Population,
        members: list[Member],
        clock: Clock,
        *,
        evaluation: Mapping[str, Sequence[EvaluationBatch | AnswerBatch]],
        parts: TextParts,
        measuring: list[ScheduledMeasuring],
        should_stop: Callable[[], bool],
        halving: Halving | None,
        pulse: Pulse,
    ) -> None:
        self._population = population
        self._members = members
        self._clock = clock
        self._evaluation = evaluation
        self._parts = parts
        self._measuring = measuring
        self._should_stop = should_stop
        self._halving = halving
        self._pulse = pulse
        first = members[0].run
        self._steps = first.steps
        self._interval = first.interval
        self._rungs = rungs(first.steps, first.interval, first.training) if halving else ()
        self._every = rows_every(first.steps)

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Before the first step: measures, the validation of starting weights, and the clock."""
        step = self._population.step
        if step == 0:
            self._measure()
            if "start" in self._members[0].run.record.config:
                self._validate(trainer)  # the row of step 0: the damage
        for member in self._members:
            member.log.start(step, self._clock.seconds)
        self._clock.run()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """After a step."""
        self._pulse.step()
        step = self._population.step
        if step % self._every == 0 or step == self._steps:
            self._log(outputs["losses"])
        if step % self._interval == 0 or step in self._measuring[0].steps or self._should_stop():
            with self._clock.paused():
                self._between_steps(trainer)

    def complete(self) -> None:
        """After the last step: weights, and the outcome of those that came so far."""
        self._clock.pause()
        for index, member in self._live():
            member.run.save_weights(self._population.decoder(index))
            member.finish(State.COMPLETE, self._clock.seconds)

    def _between_steps(self, trainer: lightning.Trainer) -> None:
        step = self._population.step
        self._measure()
        if step % self._interval == 0:
            self._validate(trainer)
            self._halve()
        stop = self._should_stop()
        if step % self._interval == 0 or stop:
            self._save()
        if stop:
            raise Interrupted(f"stopped on request at step {step}")

    def _log(self, losses: Tensor) -> None:
        """A row for each; the only place where training waits for the device."""
        optimizer = self._population.optimizer
        values = torch.stack([losses.double(), optimizer.norms.double()]).tolist()  # (2, R)
        live = self._live()
        for index, member in live:
            row = {
                "train/loss": values[0][index],
                "learning_rate": optimizer.rates[index],
                "gradient_norm": values[1][index],
            }
            with self._ending_if_diverged(index):
                member.log.trained(self._population.step, self._clock.seconds, row, parts=len(live))

    def _validate(self, trainer: lightning.Trainer) -> None:
        with trainer.precision_plugin.forward_context():
            found = self._population.validate(self._evaluation, self._parts, self._pulse.beat)
        step = self._population.step
        for index, member in self._live():
            member.validation = found[index]
            member.text_losses = self._population.text_losses[index]
            member.answers = self._population.answers[index]
            with self._ending_if_diverged(index):
                member.log.validated(step, self._clock.seconds, member.validation)
            member.run.reached(step)

    @contextmanager
    def _ending_if_diverged(self, index: int) -> Iterator[None]:
        """While a row is written: a replica whose loss is no number ends there, the others go on."""
        try:
            yield
        except Diverged as error:
            self._population.mask(index)
            self._members[index].finish(State.DIVERGED, self._clock.seconds, str(error))
            self._share()

    def _measure(self) -> None:
        step = self._population.step
        for index, _ in self._live():
            if step in self._measuring[index].steps:
                self._measuring[index].measure(self._population.decoder(index), step)
                self._pulse.beat()

    def _halve(self) -> None:
        """Stop the runs of the learning rates that lose where this step is a rung."""
        if self._halving is None:
            return
        step = self._population.step
        keep = self._halving.survivors(step, self._rungs, self._steps)
        if keep is None:
            return
        metric = self._halving.metric
        live = [index for index, _ in self._live()]
        points = [tuple(self._members[index].run.record.hyperparameters.values()) for index in live]
        losses = [self._members[index].validation[metric] for index in live]
        losers = {live[place] for place in self._halving.losers(points, losses, keep)}
        reason = (
            f"stopped at step {step}: its learning rate is not among the best {keep} of "
            f"{self._halving.candidates} by {metric}"
        )
        for index in losers:
            self._members[index].finish(State.PRUNED, self._clock.seconds, reason)
        self._keep([index for index in live if index not in losers])

    def _keep(self, indices: list[int]) -> None:
        if len(indices) == len(self._members):
            return
        self._population.keep(indices)
        self._members = [self._members[index] for index in indices]
        self._measuring = [self._measuring[index] for index in indices]
        self._share()

    def _share(self) -> None:
        """Charge the time to those that are left; where none is, training is over."""
        live = sum(self._population.alive)
        self._clock.share(live)
        if not live:
            self._population.trainer.should_stop = True

    def _save(self) -> None:
        """Write all checkpoints before any takes the place of the one before it.

        Killed in between, all runs go on from one step: the last for which a checkpoint took its place.
        """
        live = self._live()
        for index, member in live:
            state = {
                "step": self._population.step,
                "seconds": self._clock.seconds,
                "validation": member.validation,
                "text_losses": member.text_losses,
                "answers": member.answers,
                "last_loss": member.log.last_loss,
                "peak_memory": member.log.peak_memory,
                ROWS: member.log.rows,
            }
            directory = member.run.directory
            tensors = self._population.state(index)
            save_replica(directory.next_replica, tensors, state, directory.require_claim)
        for _, member in live:
            member.run.directory.require_claim()
            put_in_place(member.run.directory.next_replica, member.run.directory.replica)

    def _live(self) -> list[tuple[int, Member]]:
        alive = self._population.alive
        return [(index, member) for index, member in enumerate(self._members) if alive[index]]
