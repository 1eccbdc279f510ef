"""What a population leaves behind while it trains: for each replica what a trial alone leaves."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import lightning
import torch
from torch import Tensor

from workbench.files import put_in_place
from workbench.records.run import State
from workbench.training.callbacks import Interrupted
from workbench.training.checkpoint_file import ROWS
from workbench.training.log import Clock, Diverged, RunLog, rows_every
from workbench.training.population.halving import Halving
from workbench.training.population.population import Population
from workbench.training.population.replica_file import save_replica
from workbench.training.run import Outcome, Probe, Run


@dataclass
class Member:
    """A run of the population, its rows, and its last validation. ``report`` tells the driver of it."""

    run: Run
    log: RunLog
    report: Callable[[dict[str, Any]], None]
    validation: dict[str, float] = field(default_factory=dict)

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where its checkpoint stands."""
        self.validation = state["validation"]
        self.log.last_loss, self.log.peak_memory = state["last_loss"], state["peak_memory"]

    def finish(self, state: State, seconds: float, error: str | None = None) -> None:
        """Write its outcome."""
        outcome = Outcome(
            validation=self.validation,
            train_loss=self.log.last_loss,
            seconds=seconds,
            peak_memory=self.log.peak_memory,
            rows=self.log.rows,
        )
        self.log.close()
        self.run.finish(state, error, outcome)
        self.report({"event": "ended", "state": str(state)})


class PopulationRecorder(lightning.Callback):
    """Logs, validates, probes, halves, saves and stops, in this order, between two steps."""

    def __init__(
        self,
        members: list[Member],
        clock: Clock,
        *,
        evaluation: list[tuple[Tensor, Tensor, int]],
        probes: list[Probe],
        should_stop: Callable[[], bool],
        halving: Halving | None,
    ) -> None:
        self._members, self._clock, self._evaluation = members, clock, evaluation
        self._probes, self._should_stop, self._halving = probes, should_stop, halving
        first = members[0].run
        self._steps, self._interval, self._every = first.steps, first.interval, rows_every(first.steps)

    def on_train_start(self, trainer: lightning.Trainer, module: Population) -> None:
        """Before the first step: probes, the validation of starting weights, and the clock."""
        if module.step == 0:
            self._probe(module)
            if "start" in self._members[0].run.record.config:
                self._validate(trainer, module)  # the row of step 0: the damage
        for member in self._members:
            member.log.start(module.step, self._clock.seconds)
        self._clock.run()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Population, outputs: Any, *_: Any
    ) -> None:
        """After a step."""
        step = module.step
        if step % self._every == 0 or step == self._steps:
            self._log(module, outputs["losses"])
        if step % self._interval == 0 or step in self._probes[0].steps or self._should_stop():
            with self._clock.paused():
                self._pause(trainer, module)

    def complete(self, module: Population) -> None:
        """After the last step: weights, and the outcome of those that came so far."""
        self._clock.pause()
        for index, member in self._live(module):
            member.run.save_weights(module.decoder(index))
            member.finish(State.COMPLETE, self._clock.seconds)

    def _pause(self, trainer: lightning.Trainer, module: Population) -> None:
        step = module.step
        self._probe(module)
        if step % self._interval == 0:
            self._validate(trainer, module)
            self._halve(module)
        stop = self._should_stop()
        if step % self._interval == 0 or stop:
            self._save(module)
        if stop:
            raise Interrupted(f"stopped on request at step {step}")

    def _log(self, module: Population, losses: Tensor) -> None:
        """A row for each; the only place where training waits for the device."""
        values = torch.stack([losses.double(), module.optimizer.norms.double()]).tolist()  # (2, R)
        rates = module.optimizer.rates
        live = list(self._live(module))
        for index, member in live:
            row = {
                "train/loss": values[0][index],
                "learning_rate": rates[index],
                "gradient_norm": values[1][index],
            }
            self._record(
                module,
                index,
                lambda member=member, row=row: member.log.trained(
                    module.step, self._clock.seconds, row, parts=len(live)
                ),
            )

    def _validate(self, trainer: lightning.Trainer, module: Population) -> None:
        with trainer.precision_plugin.forward_context():
            found = module.validate(self._evaluation)
        for index, member in self._live(module):
            member.validation = found[index]
            self._record(
                module,
                index,
                lambda member=member: member.log.validated(
                    module.step, self._clock.seconds, member.validation
                ),
            )
            member.run.reached(module.step)

    def _record(self, module: Population, index: int, write: Callable[[], None]) -> None:
        """Write a row; a replica whose loss is no number ends here, the others go on."""
        try:
            write()
        except Diverged as error:
            module.mask(index)
            self._members[index].finish(State.DIVERGED, self._clock.seconds, str(error))
            self._share(module)

    def _probe(self, module: Population) -> None:
        for index, _ in self._live(module):
            if module.step in self._probes[index].steps:
                self._probes[index].look(module.decoder(index), module.step)

    def _halve(self, module: Population) -> None:
        if self._halving is None:
            return
        keep = self._halving.survivors(module.step, self._steps, self._interval)
        if keep is None:
            return
        live = [index for index, _ in self._live(module)]
        points = [tuple(self._members[index].run.record.hyperparameters.values()) for index in live]
        losses = [self._members[index].validation[self._halving.metric] for index in live]
        losers = {live[place] for place in self._halving.losers(points, losses, keep)}
        for index in losers:
            self._members[index].finish(State.PRUNED, self._clock.seconds, self._why(module, keep))
        self._keep(module, [index for index in live if index not in losers])

    def _why(self, module: Population, keep: int) -> str:
        return (
            f"stopped at step {module.step}: its learning rate is not among the best {keep} of "
            f"{self._halving.candidates} by {self._halving.metric}"
        )

    def _keep(self, module: Population, indices: list[int]) -> None:
        if len(indices) == len(self._members):
            return
        module.keep(indices)
        self._members = [self._members[index] for index in indices]
        self._probes = [self._probes[index] for index in indices]
        self._share(module)

    def _share(self, module: Population) -> None:
        live = sum(module.alive)
        self._clock.share(live)
        if not live:
            module.trainer.should_stop = True

    def _save(self, module: Population) -> None:
        """Write all checkpoints before any takes the place of the one before it.

        Killed in between, all runs go on from one step: the last for which a checkpoint took its place.
        """
        live = list(self._live(module))
        for index, member in live:
            state = {
                "step": module.step,
                "seconds": self._clock.seconds,
                "validation": member.validation,
                "last_loss": member.log.last_loss,
                "peak_memory": member.log.peak_memory,
                ROWS: member.log.rows,
            }
            save_replica(member.run.directory.next_replica, module.state(index), state)
        for _, member in live:
            put_in_place(member.run.directory.next_replica, member.run.directory.replica)

    def _live(self, module: Population) -> list[tuple[int, Member]]:
        return [(index, member) for index, member in enumerate(self._members) if module.alive[index]]
