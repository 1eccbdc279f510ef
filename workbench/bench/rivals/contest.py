"""The same small sweep in three ways: one by one by hand, in processes, as populations; and their losses."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import count, cycle, islice
from pathlib import Path

from workbench.bench.rivals.counterpart import plain_config_of, plain_weights_of
from workbench.bench.rivals.user_sweep import Material, UserSweep
from workbench.bench.sizes import Size
from workbench.bench.studies import tiny_plan
from workbench.bench.timing.seconds import Measurement
from workbench.bench.worker_pools import Timeline, train_all
from workbench.data.batches import EvaluationBatches, TrainingBatches
from workbench.model.decoder import Decoder
from workbench.records.hyperparameters import LEARNING_RATE
from workbench.records.run import Phase, RunDirectory
from workbench.study.plan import Plan
from workbench.training.schedules import rate_factor
from workbench.training.seconds import seconds_of

Point = tuple[float, int]  # a learning rate and a seed
_HOUR = 3600.0


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Learning rates by seeds at one size, ``steps`` steps each."""

    size: Size
    steps: int
    rates: tuple[float, ...]
    seeds: int

    @property
    def grid(self) -> list[Point]:
        """All trials, by seed."""
        return [(rate, seed) for seed in range(1, self.seeds + 1) for rate in self.rates]

    def plan(self, folder: Path, device: str) -> Plan:
        """The workbench's plan of it."""
        size = self.size
        training = {
            "tokens": self.steps * size.tokens_per_step,
            "batch_size": size.batch_size,
            "evaluations": 1,
            "evaluation_tokens": 8 * size.context,
            "probes": 0,
        }
        shape = {"layers": size.layers, "width": size.width, "heads": size.heads}
        return tiny_plan(folder, device, size=shape, context=size.context, training=training)


class Contest:
    """Measurements of trials per hour. ``losses`` maps a way and a trial to its final validation loss."""

    def __init__(self, sweep: Sweep, folder: Path, device: str) -> None:
        self.sweep = sweep
        self.folder = folder
        self.device = device
        self.plan = sweep.plan(folder, device)
        self.losses: dict[str, dict[Point, float]] = {}
        self._turns = count()

    def one_by_one(self, way: str, trials: int) -> Measurement:
        """``trials`` of the grid at each turn, by hand."""
        chunk, sweep = self._chunks(trials), self._user_sweep()

        def turn() -> None:
            self.losses.setdefault(way, {}).update(sweep.run(chunk()))

        return lambda: trials * _HOUR / seconds_of(turn, self.device)

    def together(self, way: str, workers: Timeline, *, slots: int, trials: int, group: int) -> Measurement:
        """``trials`` of the grid at each turn, ``group`` in a program, on ``slots`` workers."""
        chunk = self._chunks(trials)

        def turn() -> float:
            runs = self._write(chunk())
            paths = [run.path for run in runs]
            groups = [paths[first : first + group] for first in range(0, trials, group)]
            seconds = train_all(workers, groups, slots)
            self._note(way, runs)
            return trials * _HOUR / seconds

        return turn

    def largest_difference(self) -> float | None:
        """Of final losses of the same trial in two ways, relative; None where no two ways have one."""
        points = {point for losses in self.losses.values() for point in losses}
        found = [[losses[point] for losses in self.losses.values() if point in losses] for point in points]
        several = [losses for losses in found if len(losses) > 1]
        return max(((max(losses) - min(losses)) / min(losses) for losses in several), default=None)

    def _chunks(self, trials: int) -> Callable[[], list[Point]]:
        """The grid in pieces, from its beginning again after its end."""
        points = cycle(self.sweep.grid)
        return lambda: list(islice(points, trials))

    def _write(self, points: list[Point]) -> list[RunDirectory]:
        folder = self.folder / f"turn-{next(self._turns)}" / "runs"
        directories = []
        for rate, seed in points:
            record = self.plan.record(self.plan.baseline, Phase.CONFIRM, {LEARNING_RATE: rate}, seed)
            directories.append(RunDirectory(folder / record.run_id))
            directories[-1].write(record)
        return directories

    def _note(self, way: str, runs: list[RunDirectory]) -> None:
        for run in runs:
            record = run.read()
            point = (float(record.hyperparameters[LEARNING_RATE]), record.seed)
            self.losses.setdefault(way, {})[point] = record.measured("validation/loss")

    def _user_sweep(self) -> UserSweep:
        training = self.plan.training
        return UserSweep(
            config=plain_config_of(self.sweep.size.model),
            steps=self.plan.steps,
            device=self.device,
            bf16=training.precision == "bf16",
            schedule=lambda step: rate_factor(step, self.plan.steps, training),
            material=cache(self._material),
        )

    def _material(self, seed: int) -> Material:
        """The workbench's own initial weights and batches, so that the losses ought to be the same."""
        decoder = Decoder(self.plan.baseline.model)
        decoder.initialize(seed)
        corpus = self.plan.corpus
        size = self.sweep.size
        batches = TrainingBatches(corpus.train, size.context, size.batch_size, seed=seed)
        tokens = self.plan.study.training.evaluation_tokens
        evaluation = EvaluationBatches(corpus, size.context, size.batch_size, tokens)
        return Material(
            weights=plain_weights_of(decoder),
            training=[batches.batch(step) for step in range(self.plan.steps)],
            validation=[batch[:2] for batch in evaluation],
        )
