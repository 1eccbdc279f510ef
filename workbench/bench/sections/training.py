"""Tokens per second and utilisation of a trial beside a hand-written loop; what Lightning adds to a step."""

from collections.abc import Iterator

from workbench.bench.formats import Form, shown
from workbench.bench.outcome import Column, Finding, Outcome, Table
from workbench.bench.rivals.training_case import (
    LEAST_ROUNDS,
    LEAST_STEPS,
    PLAIN,
    Case,
    Measured,
    measure_case,
)
from workbench.bench.section import Effort, Section, Setting
from workbench.bench.sections.overhead import overhead_findings, overhead_table
from workbench.bench.sizes import TINY, sizes
from workbench.bench.suite import clear
from workbench.bench.timing.goals import Bound, Goal, together
from workbench.bench.timing.modes import MODES, default_mode
from workbench.bench.timing.seconds import Clock, error_line
from workbench.bench.timing.turns import REAL, WARM_TURNS

AS_FAST = Goal("tokens/s at least those of the hand-written loop", Bound.AT_LEAST, 1.0)
HALF_OF_PEAK = Goal("at least 50 % of the GPU's peak at 124M in bf16", Bound.AT_LEAST, 0.5)
_CASE_SECONDS = {Effort.QUICK: 5.0, Effort.FULL: 8.0}
_TURN_SECONDS = {Effort.QUICK: 0.15, Effort.FULL: 0.5}
_COMPILE_SECONDS = 60.0  # what compiling may take, to judge whether a case still fits
_QUICK_SIZES = ("nano", "1M")


def measure(setting: Setting) -> Outcome:
    """The section."""
    clock = Clock(setting.seconds)
    outcome = Outcome()
    measured: list[Measured] = []
    for case in cases(setting):
        reason = _why_not(case, measured, clock)
        if reason is None:
            reason = _try(case, measured, clock, setting)
        if reason is not None:
            outcome.notes.append(f"{case.name}: not measured, {reason}")
    speeds = [one for one in measured if one.case.size.name != TINY.name]
    outcome.tables += [_speed_table(speeds, setting.device), overhead_table(measured)]
    outcome.findings += [*_speed_findings(speeds), *_peak_findings(speeds, setting.device)]
    outcome.findings += overhead_findings(measured)
    return outcome


def cases(setting: Setting) -> Iterator[Case]:
    """The tiny model for the overhead first, then every mode of every size, small sizes first.

    Compiling on a CPU takes longer than --quick has.
    """
    usual = default_mode(setting.device)
    yield Case(TINY, usual, with_bare=True)
    modes = [mode for mode in MODES if not (setting.is_quick and mode.compiled and setting.device == "cpu")]
    for mode in sorted(modes, key=lambda mode: mode != usual):
        for size in sizes(setting.device, *(_QUICK_SIZES if setting.is_quick else ())):
            yield Case(size, mode, with_bare=mode == usual)


def _why_not(case: Case, measured: list[Measured], clock: Clock) -> str | None:
    """Why the case does not fit into the time that is left; None if it does."""
    needed = _COMPILE_SECONDS if case.mode.compiled else 0.0
    # The tiny model's arithmetic takes no time beside launching it: it says nothing about larger ones.
    speeds = [one.flops_per_second for one in measured if one.case.size.name != TINY.name]
    if speeds:
        steps = (LEAST_ROUNDS + WARM_TURNS) * LEAST_STEPS * (3 if case.with_bare else 2)
        needed += steps * case.flops_per_step / max(speeds)
    left = max(0.0, clock.left)
    if needed <= left:
        return None
    return f"it would take about {shown(needed, Form.SECONDS)} of the {shown(left, Form.SECONDS)} left"


def _try(case: Case, measured: list[Measured], clock: Clock, setting: Setting) -> str | None:
    """Measure the case; returns why it could not be."""
    setting.progress(case.name, clock.part)
    try:
        measured.append(
            measure_case(
                case,
                device=setting.device,
                folder=setting.folder / f"case-{len(measured)}-{clock.spent:.0f}",
                turn_seconds=_TURN_SECONDS[setting.effort],
                seconds=min(_CASE_SECONDS[setting.effort], max(0.0, clock.left)),
            )
        )
    except Exception as error:  # want of memory at a large size must not cost the small ones
        return error_line(error)
    finally:
        clear(setting.device)
    return None


def _speed_table(measured: list[Measured], device: str) -> Table:
    columns = (
        Column("size", "size"),
        Column("parameters", "parameters", Form.COUNT),
        Column("mode", "arithmetic"),
        Column("batch", "batch"),
        Column("workbench", "workbench, tokens/s", Form.COUNT),
        Column("hand-written", "hand-written, tokens/s", Form.COUNT),
        Column("ratio", "workbench / hand-written", Form.RATIO),
        Column("utilisation", "of peak (MFU)", Form.SHARE),
    )
    return Table("Training speed", columns, [_speed_row(one, device) for one in measured])


def _speed_row(one: Measured, device: str) -> dict:
    size = one.case.size
    return {
        "size": size.name,
        "parameters": size.model.num_parameters(),
        "mode": one.case.mode.name,
        "batch": f"{size.batch_size} × {size.context}",
        "workbench": one.rate(REAL),
        "hand-written": one.rate(PLAIN),
        "ratio": one.speed,
        "utilisation": one.utilisation(device),
    }


def _speed_findings(measured: list[Measured]) -> Iterator[Finding]:
    speeds = {one.case.name: one.speed for one in measured if one.speed is not None}
    if not speeds:
        return
    slowest = min(speeds, key=lambda name: speeds[name].median)
    verdicts = [AS_FAST.verdict(speed) for speed in speeds.values()]
    counts = ", ".join(f"{verdict} in {verdicts.count(verdict)}" for verdict in dict.fromkeys(verdicts))
    text = (
        f"A trial of the workbench against the same model in a hand-written loop: {counts} of "
        f"{len(speeds)} cases; the least favourable is {slowest} at {shown(speeds[slowest], Form.RATIO)}."
    )
    yield Finding(text, AS_FAST, together(verdicts))


def _peak_findings(measured: list[Measured], device: str) -> Iterator[Finding]:
    shares = {one.case.name: one.utilisation(device) for one in measured if one.case.size.name == "124M"}
    reached = {name: share for name, share in shares.items() if share is not None}
    if not reached:
        return
    best = max(reached, key=lambda name: reached[name].median)
    text = f"{best} reaches {shown(reached[best], Form.SHARE)} of the GPU's peak."
    yield Finding.judged(text, HALF_OF_PEAK, reached[best])


SECTION = Section(
    name="training",
    title="Training one model",
    about=(
        "Tokens per second of a trial as a study runs it (Lightning, callbacks, records and all), beside a "
        "plain PyTorch loop of the same model, batch and optimizer that takes turns with it, on random "
        "tokens. MFU is the share of the GPU's peak rate that the model's own arithmetic uses."
    ),
    seconds={Effort.QUICK: 30.0, Effort.FULL: 480.0},
    measure=measure,
)
