"""What a training step costs with each level of a factor, all else equal: parameters, batch, schedule."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from workbench.bench.formats import Form, shown
from workbench.bench.outcome import Column, Finding, Outcome, Table
from workbench.bench.rivals.contenders import BareLoop, make_run, training_of
from workbench.bench.section import Effort, Section, Setting
from workbench.bench.sections.norms_alone import LAYER, RMS, alone_table, norms_alone
from workbench.bench.sizes import Size, random_tokens, sizes
from workbench.bench.suite import clear
from workbench.bench.timing.goals import Bound, Goal, together
from workbench.bench.timing.modes import Mode, default_mode
from workbench.bench.timing.seconds import Clock, PerCall, Rounds, interleave
from workbench.bench.timing.spread import Spread
from workbench.errors import UserError
from workbench.model.config import ModelConfig
from workbench.model.matching import match_size
from workbench.model.parts.component import FACTORS

SWAPPED = ("norm", "feedforward", "positions")  # the norms first: a claim rests on them
CHEAPER = Goal("RMSNorm costs less than LayerNorm", Bound.AT_MOST, 1.0)
BASELINE, LEVEL = "baseline", "level"
_SIZE = {"cpu": {Effort.QUICK: "nano", Effort.FULL: "1M"}, "cuda": {Effort.QUICK: "1M", Effort.FULL: "10M"}}
_SLICE_SECONDS = {Effort.QUICK: 0.05, Effort.FULL: 0.3}  # of one measurement
_ALONE_SHARE = 0.3  # of the section's time, for the norms by themselves
_STEPS = 100_000  # of the schedule: no training here comes to its end


@dataclass(frozen=True)
class Level:
    """A level that is not the baseline's, and the model that has it."""

    factor: str
    name: str
    model: ModelConfig


@dataclass(frozen=True)
class Cost:
    """Seconds per step of the baseline and of a level, in turn."""

    level: Level
    mode: Mode
    rounds: Rounds

    @property
    def ratio(self) -> Spread | None:
        """The level's step over the baseline's."""
        return self.rounds.ratio(LEVEL, BASELINE)


def measure(setting: Setting) -> Outcome:
    """The section."""
    clock = Clock(setting.seconds)
    outcome = Outcome()
    [size] = sizes(setting.device, _SIZE[setting.device][setting.effort])
    levels, outcome.notes = levels_of(size.model)
    for_steps = Clock((1 - _ALONE_SHARE) * setting.seconds)
    costs = _costs(levels, size, setting, for_steps, outcome.notes)
    setting.progress("norms alone", clock.part)
    alone = norms_alone(setting, clock)
    outcome.tables += [_table(costs, size), alone_table(alone, setting.device)]
    outcome.findings += [*_extremes(costs), _claim(costs, alone)]
    return outcome


def levels_of(baseline: ModelConfig) -> tuple[list[Level], list[str]]:
    """Every level of the swapped factors but the baseline's, at its parameters; and why others cannot be."""
    levels, refused = [], []
    for factor in SWAPPED:
        for name in FACTORS[factor].names():
            if name == getattr(baseline, factor).name:
                continue
            try:
                changed = baseline.with_levels(**{factor: name})
                levels.append(Level(factor, name, match_size(changed, baseline, "parameters")[0]))
            except UserError as error:
                refused.append(f"{factor}={name}: {error}")
    return levels, refused


def _costs(levels: list[Level], size: Size, setting: Setting, clock: Clock, notes: list[str]) -> list[Cost]:
    wanted = [(level, mode) for mode in _modes(setting) for level in levels]
    costs, left_out = [], []
    for number, (level, mode) in enumerate(wanted):
        name = f"{level.factor} {level.name}, {mode.name}"
        if clock.left <= 0:
            left_out.append(name)
            continue
        setting.progress(name, (1 - _ALONE_SHARE) * clock.part)
        cost = Cost(level, mode, _pair(level, size, mode, setting, clock.left / (len(wanted) - number)))
        costs.append(cost)
        notes += [f"{name}: {case}: {error}" for case, error in cost.rounds.errors.items()]
    if left_out:
        notes.append(f"not measured, the time was up: {'; '.join(left_out)}")
    return costs


def _modes(setting: Setting) -> list[Mode]:
    """Eager and compiled; --quick has no time to compile every level on a CPU."""
    precision = default_mode(setting.device).precision
    compiled = [] if setting.is_quick and setting.device == "cpu" else [Mode(precision, True)]
    return [Mode(precision, False), *compiled]


def _pair(level: Level, size: Size, mode: Mode, setting: Setting, seconds: float) -> Rounds:
    """The baseline and a level in turn. Only two at once: compiled code is found by trying what is there."""
    torch.set_num_threads(1)  # a trial's default
    tokens = random_tokens(size.vocabulary)
    training = training_of(size, steps=_STEPS, precision=mode.precision, compiled=mode.compiled)
    try:
        loops = {
            case: BareLoop(make_run(model, training, tokens, device=setting.device, folder=setting.folder))
            for case, model in ((BASELINE, size.model), (LEVEL, level.model))
        }
        slice_seconds = _SLICE_SECONDS[setting.effort]
        return interleave(
            {case: PerCall(loop.step, setting.device, slice_seconds) for case, loop in loops.items()},
            seconds=seconds,
        )
    finally:
        clear(setting.device)


def _table(costs: list[Cost], size: Size) -> Table:
    columns = (
        Column("factor", "factor"),
        Column("level", "level"),
        Column("mode", "mode"),
        Column("seconds", "a step", Form.SECONDS),
        Column("baseline", "the baseline's", Form.SECONDS),
        Column("ratio", "ratio", Form.RATIO),
    )
    title = f"A training step at {size.name}, against rope, rmsnorm, swiglu at equal parameters"
    return Table(title, columns, [_row(cost) for cost in costs])


def _row(cost: Cost) -> dict:
    return {
        "factor": cost.level.factor,
        "level": cost.level.name,
        "mode": cost.mode.name,
        "seconds": cost.rounds.spread(LEVEL),
        "baseline": cost.rounds.spread(BASELINE),
        "ratio": cost.ratio,
    }


def _extremes(costs: list[Cost]) -> Iterator[Finding]:
    for mode in dict.fromkeys(cost.mode for cost in costs):
        ratios = {
            f"{cost.level.factor} {cost.level.name}": cost.ratio
            for cost in costs
            if cost.mode == mode and cost.ratio is not None
        }
        if not ratios:
            continue
        order = sorted(ratios, key=lambda name: ratios[name].median)
        least, most = (f"{name} at {shown(ratios[name], Form.RATIO)}" for name in (order[0], order[-1]))
        yield Finding(
            f"In {mode.name}, of {len(order)} levels, the cheapest step is with {least} of the baseline's, "
            f"the dearest with {most}."
        )


def _claim(costs: list[Cost], alone: dict[str, Rounds]) -> Finding:
    """RMSNorm over LayerNorm: alone and in a whole step, eager and compiled."""
    found = {f"alone, {mode}": rounds.ratio(RMS, LAYER) for mode, rounds in alone.items()}
    for cost in costs:
        if cost.level.name == LAYER:
            found[f"a whole step, {cost.mode.name}"] = cost.rounds.ratio(BASELINE, LEVEL)
    ratios = {name: ratio for name, ratio in found.items() if ratio is not None}
    parts = ", ".join(
        f"{shown(ratio, Form.RATIO)} {name} ({CHEAPER.verdict(ratio)})" for name, ratio in ratios.items()
    )
    verdict = together([CHEAPER.verdict(ratio) for ratio in ratios.values()])
    return Finding(f"RMSNorm takes, of LayerNorm's time: {parts}.", CHEAPER, verdict)


SECTION = Section(
    name="levels",
    title="What each level costs",
    about=(
        "Seconds of a training step with one level swapped, beside the baseline, which takes turns with it. "
        "The feed-forward width is matched as in a study, so that parameters are equal. A ratio above 1 is a "
        "slower step. The norms are measured alone as well, because a step hides them."
    ),
    seconds={Effort.QUICK: 26.0, Effort.FULL: 480.0},
    measure=measure,
)
