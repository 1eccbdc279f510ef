"""Several trials of one variant from their records to their outcomes, trained in one program.

Each replica is a run of its own, with its own directory, rows, outcome and checkpoint: a population that was
killed may go on in another grouping, as long as its runs stand at the same step.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from workbench.data.batches import EvaluationBatch, TokenizedCorpus
from workbench.data.task_batches import AnswerBatch
from workbench.errors import RecordError, UserError
from workbench.records import metrics
from workbench.records.run import RunDirectory, RunRecord, State
from workbench.training.callbacks import Interrupted
from workbench.training.hardware import forget_peak_memory, out_of_memory
from workbench.training.log import Clock, RunLog
from workbench.training.machine_faults import is_machine_fault
from workbench.training.population.halving import Halving
from workbench.training.population.population import Population, Replica
from workbench.training.population.recorder import Member, PopulationRecorder
from workbench.training.population.replica_file import load_replica, replica_step
from workbench.training.population.vmappable import require_vmappable
from workbench.training.run import Run, Watcher, describe, open_run, replicated_batches
from workbench.training.starting_weights import load_starting_weights
from workbench.training.trainer import build_trainer, training_loader

# What the runs of a population have in common; the other numbers of their training may differ.
SHARED = (
    "tokens",
    "batch_size",
    "optimizer",
    "evaluations",
    "evaluation_tokens",
    "probes",
    "precision",
    "compile",
    "threads",
)

Checkpoint = tuple[dict[str, torch.Tensor], dict[str, Any]]  # what load_replica gives


class TooLarge(RuntimeError):
    """Memory ran out. Its runs stay as they are; train them in smaller populations."""


def run_population(
    directories: list[RunDirectory],
    corpus: Callable[[dict[str, Any]], TokenizedCorpus],
    watcher: Watcher,
    halving: Halving | None = None,
) -> list[RunRecord]:
    """Run the trials whose records lie in ``directories``, all of one model, data, start and step.

    What goes wrong with a trial is recorded. Raised is what is no trial's fault: that memory ran out with
    several runs (``TooLarge``); that their model cannot be trained this way (``NotVmappable``, before
    anything begins); and faults of the machine (``training.faults``), which leave each run as it stands at
    its last checkpoint.
    """
    runs = [open_run(directory, corpus) for directory in directories]
    PopulationTrial(runs, watcher, halving).run()
    return [directory.read() for directory in directories]


class PopulationTrial:
    """Runs that train together."""

    def __init__(self, runs: list[Run], watcher: Watcher, halving: Halving | None = None) -> None:
        self._runs = runs
        self._watcher = watcher
        self._halving = halving
        self._first = runs[0]
        self._members: list[Member] = []
        self._clock = Clock(parts=len(runs))

    def run(self) -> None:
        """Train all to their ends, or to the outcome that ends them; their records say which."""
        if not any(run.directory.replica.exists() for run in self._runs):  # else they could be until now
            require_vmappable(self._first.model, self._first.training, self._first.device)
        for run in self._runs:
            run.begin(population=len(self._runs))
        try:
            self._train()
        except Interrupted:
            pass  # the records stay "running", with checkpoints: the next run of the study resumes them
        except Exception as error:
            if is_machine_fault(error):
                raise
            if out_of_memory(error) and len(self._runs) > 1:
                raise TooLarge(str(error)) from error
            if out_of_memory(error) and not self._first.wanted_memory_before():
                raise
            # Any other crash is the trials' own: an outcome.
            self._fail(error)

    def _train(self) -> None:
        torch.set_num_threads(self._first.training.threads)
        forget_peak_memory(self._first.device)
        _require_alike(self._runs)
        checkpoints = self._checkpoints()
        first_step = checkpoints[0][1]["step"] if checkpoints else 0
        try:
            for index, run in enumerate(self._runs):
                rows = run.rows_of(checkpoints[index][1]) if checkpoints else []
                self._members.append(self._member(run, rows))
            self._fit(checkpoints, first_step)
        finally:
            for member in self._members:
                member.log.close()

    def _checkpoints(self) -> list[Checkpoint]:
        """What each run goes on from; empty where they begin.

        Damaged ones are deleted before the ``RecordError`` goes on: those runs begin anew when they are tried
        again.
        """
        if len({replica_step(run.directory.replica) for run in self._runs}) > 1:
            raise UserError("population: its runs stand at different steps; run the study again")
        if not self._first.directory.replica.exists():
            for run in self._runs:
                run.begin_anew()
            return []
        return [_load(run.directory.replica) for run in self._runs]

    def _member(self, run: Run, rows: list[metrics.Row]) -> Member:
        writer = metrics.MetricsWriter(run.directory.path, rows)

        def report(event: dict[str, Any]) -> None:
            self._watcher.report({"run_id": run.record.run_id, **event})

        return Member(run, RunLog(writer, run.accounting, run.steps, report), report)

    def _fit(self, checkpoints: list[Checkpoint], first_step: int) -> None:
        first = self._first
        replicas = [
            Replica(training=run.training, learning_rate=run.learning_rate, seed=run.record.seed)
            for run in self._runs
        ]
        population = Population(first.model, replicas, steps=first.steps, first_step=first_step)
        self._place(population, checkpoints)
        batches = replicated_batches(self._runs, first.device)
        sets = first.evaluation_sets()
        evaluation: dict[str, list[EvaluationBatch | AnswerBatch]] = {
            name: [*judged] for name, judged in sets.items()
        }
        recorder = PopulationRecorder(
            population,
            self._members,
            self._clock,
            evaluation=evaluation,
            parts=next(iter(sets.values())).parts,
            measuring=[self._watcher.measuring(run) for run in self._runs],
            should_stop=self._watcher.should_stop,
            halving=self._halving,
            pulse=self._watcher.pulse,
        )
        trainer = build_trainer(first, first.steps - first_step, [recorder], validates=False)
        trainer.fit(population, training_loader(batches, lambda: first_step, first.steps))
        recorder.complete()

    def _place(self, population: Population, checkpoints: list[Checkpoint]) -> None:
        """Weights to begin or to go on from."""
        if checkpoints:
            population.resume([tensors for tensors, _ in checkpoints])
            for member, (_, state) in zip(self._members, checkpoints, strict=True):
                member.restore(state)
            self._clock = Clock(checkpoints[0][1]["seconds"], len(self._runs))
        elif "start" in self._first.record.config:
            sha256 = self._first.record.config["start"]["sha256"]
            population.begin(lambda decoder: load_starting_weights(decoder, self._first.study, sha256))

    def _fail(self, error: Exception) -> None:
        text = describe(error)
        if len(self._runs) > 1 and not isinstance(error, UserError):
            text += "\n(in a population; if a component cannot be trained in one, use --population 1)"
        for run in self._runs:
            if run.record.state is State.RUNNING:
                run.finish(State.FAILED, text)


def _load(path: Path) -> Checkpoint:
    try:
        return load_replica(path)
    except RecordError:
        path.unlink()
        raise


def _require_alike(runs: list[Run]) -> None:
    first = runs[0]
    for run in runs[1:]:
        alike = (
            run.model == first.model
            and run.device == first.device
            and run.record.config["data"] == first.record.config["data"]
            and all(getattr(run.training, key) == getattr(first.training, key) for key in SHARED)
        )
        if not alike:
            raise UserError(
                f"population: runs {first.record.run_id} and {run.record.run_id} differ in more than the "
                f"numbers of their optimizer and schedule; train them apart"
            )
