"""Learning rates over a trial: a linear warm-up, then what the schedule says, as fractions of the peak."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal, Protocol, cast

from workbench.errors import UserError
from workbench.model.parts.component import Component, ComponentConfig, Registry, described
from workbench.user_input import require

SCHEDULES = Registry("schedule", "workbench.training.schedules.Schedule")


class Course(Protocol):
    """What schedules read of a ``TrainingConfig``."""

    @property
    def schedule(self) -> Any:
        """Which one, as ``SCHEDULES.config`` reads it."""

    @property
    def warmup(self) -> float:
        """The fraction of the steps in which the rate rises."""

    @property
    def final_rate(self) -> float:
        """What the rate ends at, where the schedule falls to an end, as a fraction of the peak."""

    @property
    def rate_multiplier(self) -> float:
        """What every rate is multiplied with."""


class Schedule(Component):
    """Says the rate after the warm-up (``after_warmup``); ``reads`` are the keys of ``training`` it heeds."""

    factor = "schedule"
    required = "after_warmup"
    reads: ClassVar[tuple[str, ...]] = ("warmup", "final_rate")

    @dataclass(frozen=True, kw_only=True)
    class Config(ComponentConfig):
        """No options."""

        component: ClassVar[type["Schedule"]]

        def check(self, training: Course) -> None:
            """Raise ``UserError``, with what to change, where this cannot be had with ``training``."""

    def __init__(self, config: ComponentConfig) -> None:
        self.config = config

    def after_warmup(self, step: int, *, steps: int, warmup: int, final_rate: float) -> float:
        """The rate at ``step`` (0-based) of ``steps``, of which ``warmup`` have passed, over the peak."""
        raise NotImplementedError(f"{self.name} must define after_warmup(step, ...)")


def rate_factor(step: int, steps: int, training: Course) -> float:
    """Learning rate at ``step`` (0-based) of ``steps``, over the peak that tuning chose."""
    warmup = round(training.warmup * steps)
    if step < warmup:
        return training.rate_multiplier * (step + 1) / warmup
    schedule = _built(training.schedule)
    factor = schedule.after_warmup(step, steps=steps, warmup=warmup, final_rate=training.final_rate)
    if not 0 <= factor < math.inf:
        raise UserError(f"schedule: {schedule.name} is {factor} at step {step}; return a number of 0 or more")
    return training.rate_multiplier * factor


def schedule_config(training: Course) -> Schedule.Config:
    """The config of the schedule that ``training`` names."""
    return cast(Schedule.Config, SCHEDULES.config(training.schedule))


@cache
def _built(level: str | ComponentConfig) -> Schedule:
    return SCHEDULES.config(level).build()


def _fallen(share: float, final_rate: float) -> float:
    """From 1 down to ``final_rate`` as ``share`` falls from 1 to 0."""
    return final_rate + (1 - final_rate) * share


def _progress(step: int, steps: int, first: int) -> float:
    """How far ``step`` is from ``first`` to the end, from 0 to 1."""
    return min(1.0, (step - first) / max(1, steps - first))


@SCHEDULES.register("cosine")
class Cosine(Schedule):
    """Half a period of a cosine, down to ``final_rate``."""

    title = "cosine"
    paper = "Loshchilov and Hutter 2016, arXiv 1608.03983"
    formula = "r + (1 - r) (1 + cos(π p)) / 2, p from 0 to 1 after the warm-up, r = final_rate"
    colour = "blue"

    def after_warmup(self, step: int, *, steps: int, warmup: int, final_rate: float) -> float:
        """Flat at both ends."""
        return _fallen(0.5 * (1 + math.cos(math.pi * _progress(step, steps, warmup))), final_rate)


@SCHEDULES.register("linear")
class Linear(Schedule):
    """A straight line down to ``final_rate``."""

    title = "linear"
    paper = "Devlin et al. 2018, arXiv 1810.04805"
    formula = "r + (1 - r) (1 - p), p from 0 to 1 after the warm-up, r = final_rate"
    colour = "orange"

    def after_warmup(self, step: int, *, steps: int, warmup: int, final_rate: float) -> float:
        """In proportion to the steps that are left."""
        return _fallen(1 - _progress(step, steps, warmup), final_rate)


@SCHEDULES.register("wsd")
class WarmupStableDecay(Schedule):
    """The peak until the last part of the steps, in which the rate falls to ``final_rate``."""

    title = "WSD"
    paper = "Hu et al. 2024, arXiv 2404.06395; Hägele et al. 2024, arXiv 2405.18392"
    formula = "1, then over the last steps r + (1 - r) (1 - √q), q from 0 to 1, r = final_rate"
    colour = "green"

    @dataclass(frozen=True, kw_only=True)
    class Config(Schedule.Config):
        """The decay at the end."""

        decay: float = described(0.2, "Fraction of all steps over which the learning rate falls at the end.")
        shape: Literal["sqrt", "linear"] = described(
            "sqrt", "How it falls, q from 0 to 1. sqrt: by 1 - √q, fast at first; linear: by 1 - q."
        )

        def __post_init__(self) -> None:
            """Check the options."""
            super().__post_init__()
            key = f"{self.name}.decay"
            require(0 < self.decay <= 1, f"{key}: {self.decay} is not above 0 and at most 1; use 0.2")

        def check(self, training: Course) -> None:
            """Warm-up and decay are different steps."""
            together = training.warmup + self.decay
            require(
                together <= 1,
                f"{self.name}.decay: {self.decay} of the steps and training.warmup ({training.warmup}) are "
                "more steps than there are; lower one of them",
            )

    config: Config

    def after_warmup(self, step: int, *, steps: int, warmup: int, final_rate: float) -> float:
        """1, then down."""
        first = max(warmup, steps - round(self.config.decay * steps))
        if step < first:
            return 1.0
        passed = _progress(step, steps, first)
        if self.config.shape == "sqrt":
            passed = math.sqrt(passed)
        return _fallen(1 - passed, final_rate)


@SCHEDULES.register("constant")
class Constant(Schedule):
    """The peak until the end; ``final_rate`` says nothing to it."""

    title = "constant"
    paper = "Goyal et al. 2017, arXiv 1706.02677"
    formula = "1 after the warm-up"
    reads = ("warmup",)
    colour = "purple"

    def after_warmup(self, step: int, *, steps: int, warmup: int, final_rate: float) -> float:
        """1."""
        return 1.0


@SCHEDULES.register("inverse_sqrt")
class InverseSquareRoot(Schedule):
    """Falls with the root of the steps taken, whatever their number; ``final_rate`` says nothing to it."""

    title = "inverse square root"
    paper = "Vaswani et al. 2017, arXiv 1706.03762"
    formula = "√(w / t) at step t, after a warm-up of w steps (at least 1)"
    reads = ("warmup",)
    colour = "vermillion"

    def after_warmup(self, step: int, *, steps: int, warmup: int, final_rate: float) -> float:
        """The peak is the warm-up's last step."""
        return math.sqrt(max(1, warmup) / (step + 1))
