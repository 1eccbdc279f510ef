"""How speed grows with the size of a population, with the context, and with the width."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from workbench.bench.formats import Form, shown
from workbench.bench.outcome import Column, Finding, Outcome, Table
from workbench.bench.rivals.bare_population import BarePopulation
from workbench.bench.rivals.contenders import BareLoop, make_run, training_of
from workbench.bench.section import Effort, Section, Setting
from workbench.bench.sizes import Size, random_tokens, sizes
from workbench.bench.suite import clear
from workbench.bench.timing.modes import default_mode
from workbench.bench.timing.seconds import Clock, PerCall, Rounds, interleave
from workbench.bench.timing.spread import Spread

_STEPS = 100_000  # of the schedule: no training here comes to its end
_SLICE_SECONDS = {Effort.QUICK: 0.05, Effort.FULL: 0.5}
_HEAD_WIDTH = 32
_SHAPES = 64  # more than any axis has
_SIZE = {"cpu": "nano", "cuda": "1M"}
_REPLICAS = {
    "cpu": {Effort.QUICK: (1, 2, 4), Effort.FULL: (1, 2, 4, 8)},
    "cuda": {Effort.QUICK: (1, 8, 64), Effort.FULL: (1, 2, 4, 8, 16, 32, 64, 128)},
}
_CONTEXTS = {
    "cpu": {Effort.QUICK: (64, 256), Effort.FULL: (64, 128, 256, 512)},
    "cuda": {Effort.QUICK: (256, 1024), Effort.FULL: (128, 256, 512, 1024, 2048, 4096)},
}
_WIDTHS = {
    "cpu": {Effort.QUICK: (64, 128), Effort.FULL: (64, 128, 256, 512)},
    "cuda": {Effort.QUICK: (128, 512), Effort.FULL: (128, 256, 512, 1024, 2048)},
}
_REPLICA_BATCH = {"cpu": 4, "cuda": 16}


@dataclass(frozen=True)
class Point:
    """A value on an axis, the size that has it, and how many replicas train at once."""

    value: int
    size: Size
    replicas: int = 1


@dataclass(frozen=True)
class Line:
    """An axis and seconds per step at each of its points."""

    axis: str
    points: list[Point]
    rounds: Rounds

    def rate(self, point: Point) -> Spread | None:
        """Tokens per second, of all replicas together."""
        values = self.rounds.values.get(str(point.value))
        tokens = point.replicas * point.size.tokens_per_step
        return Spread.of([tokens / seconds for seconds in values]) if values else None

    def gain(self, point: Point) -> Spread | None:
        """Tokens per second over those at the first point, round by round."""
        first = self.points[0]
        slower = self.rounds.ratio(str(first.value), str(point.value))
        if slower is None or point is first:
            return None
        more = point.replicas * point.size.tokens_per_step / first.size.tokens_per_step
        return Spread(slower.median * more, slower.low * more, slower.high * more, slower.count)


def measure(setting: Setting) -> Outcome:
    """The section."""
    clock = Clock(setting.seconds)
    outcome = Outcome()
    lines: list[Line] = []
    wanted = axes(setting)
    for number, (axis, points) in enumerate(wanted.items()):
        setting.progress(axis, clock.part)
        rounds = _rounds(points, setting, clock.left / (len(wanted) - number))
        lines.append(Line(axis, points, rounds))
        outcome.notes += [f"{axis} {value}: {error}" for value, error in rounds.errors.items()]
    outcome.tables += [_table(line, setting) for line in lines]
    outcome.findings += [finding for line in lines for finding in _finding(line)]
    return outcome


def axes(setting: Setting) -> dict[str, list[Point]]:
    """Replicas at a small batch each; contexts at equal tokens per step; widths at equal batches."""
    [size] = sizes(setting.device, _SIZE[setting.device])
    small = replace(size, batch_size=_REPLICA_BATCH[setting.device])
    replicas, contexts, widths = (
        choice[setting.device][setting.effort] for choice in (_REPLICAS, _CONTEXTS, _WIDTHS)
    )
    tokens = max(size.tokens_per_step, max(contexts))
    return {
        "replicas": [Point(value, small, replicas=value) for value in replicas],
        "context": [
            Point(value, replace(size, context=value, batch_size=tokens // value)) for value in contexts
        ],
        "width": [Point(value, replace(size, width=value, heads=value // _HEAD_WIDTH)) for value in widths],
    }


def _rounds(points: list[Point], setting: Setting, seconds: float) -> Rounds:
    torch.set_num_threads(1)  # a trial's default
    cases = {
        str(point.value): PerCall(_Lazily(point, setting), setting.device, _SLICE_SECONDS[setting.effort])
        for point in points
    }
    # Every point is a shape of its own: compiled for shapes that vary, all of them would be slower.
    with torch._dynamo.config.patch(automatic_dynamic_shapes=False, recompile_limit=_SHAPES):
        rounds = interleave(cases, seconds=seconds)
    clear(setting.device)
    return rounds


class _Lazily:
    """A step at a point; the model is made at the first, so that one that does not fit fails its case."""

    def __init__(self, point: Point, setting: Setting) -> None:
        self._point, self._setting = point, setting
        self._loop: BareLoop | BarePopulation | None = None

    def __call__(self) -> torch.Tensor:
        """Take it."""
        self._loop = self._loop or self._made()
        return self._loop.step()

    def _made(self) -> BareLoop | BarePopulation:
        size, setting, mode = self._point.size, self._setting, default_mode(self._setting.device)
        training = training_of(size, steps=_STEPS, precision=mode.precision, compiled=mode.compiled)
        tokens = random_tokens(size.vocabulary)
        runs = [
            make_run(size.model, training, tokens, device=setting.device, folder=setting.folder, seed=seed)
            for seed in range(self._point.replicas)
        ]
        return BareLoop(runs[0]) if len(runs) == 1 else BarePopulation(runs)


def _table(line: Line, setting: Setting) -> Table:
    columns = (
        Column("value", line.axis, Form.COUNT),
        Column("parameters", "parameters of a model", Form.COUNT),
        Column("batch", "batch of a model"),
        Column("rate", "tokens/s, together", Form.COUNT),
        Column("gain", "over the first", Form.RATIO),
    )
    rows = [_row(line, point) for point in line.points]
    return Table(f"Over {line.axis}, in {default_mode(setting.device).name}", columns, rows)


def _row(line: Line, point: Point) -> dict:
    return {
        "value": point.value,
        "parameters": point.size.model.num_parameters(),
        "batch": f"{point.size.batch_size} × {point.size.context}",
        "rate": line.rate(point),
        "gain": line.gain(point),
    }


def _finding(line: Line) -> Iterator[Finding]:
    gains = {point.value: line.gain(point) for point in line.points}
    gains = {value: gain for value, gain in gains.items() if gain is not None}
    if not gains:
        return
    first, last = line.points[0].value, max(gains)
    text = (
        f"From {line.axis} {first:,} to {last:,} the tokens per second become "
        f"{shown(gains[last], Form.RATIO)} what they were."
    )
    yield Finding(text)


SECTION = Section(
    name="scaling",
    title="How speed grows",
    about=(
        "Training tokens per second, all models together, of bare steps: over the number of replicas in one "
        "program, each with a batch of its own; over the context, at equal tokens per step; and over the "
        "width, at equal batches. The points of a line take turns."
    ),
    seconds={Effort.QUICK: 10.0, Effort.FULL: 300.0},
    measure=measure,
)
