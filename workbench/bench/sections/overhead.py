"""What Lightning, callbacks and data loader add to a step: a trial minus the same steps taken bare."""

from collections.abc import Iterator
from typing import Any

from workbench.bench.formats import Form, shown
from workbench.bench.outcome import Column, Finding, Table
from workbench.bench.rivals.training_case import BARE, Measured
from workbench.bench.sizes import TINY
from workbench.bench.timing.goals import Bound, Goal, Verdict
from workbench.bench.timing.spread import Spread
from workbench.bench.timing.turns import REAL

LITTLE = Goal("Lightning and callbacks below 3 % of a step at 10M parameters", Bound.AT_MOST, 0.03)
_AT_OR_BELOW = ("10M", "3M", "1M", "nano")  # the goal's size first


def overhead_table(measured: list[Measured]) -> Table:
    """A row per case that had a bare loop beside it."""
    columns = (
        Column("case", "size, arithmetic"),
        Column("step", "a step of the trial", Form.SECONDS),
        Column("bare", "the same step, bare", Form.SECONDS),
        Column("overhead", "difference", Form.SECONDS),
        Column("share", "share of a step", Form.SHARE),
        Column("expected", "tiny's difference as a share", Form.SHARE),
    )
    tiny = _of(measured, TINY.name)
    rows = [_row(one, tiny) for one in measured if BARE in one.rounds.values]
    return Table("What Lightning and callbacks add to a step", columns, rows)


def overhead_findings(measured: list[Measured]) -> Iterator[Finding]:
    """The absolute cost, from the model where it is best resolved, and its share where the goal is set."""
    tiny = _of(measured, TINY.name)
    if tiny is None:
        return
    cost = shown(tiny.rounds.difference(REAL, BARE), Form.SECONDS)
    yield Finding(f"Lightning, callbacks and data loading cost {cost} per step of a tiny model.")
    for size in _AT_OR_BELOW:
        if (largest := _of(measured, size)) is not None:
            yield _share_finding(largest, tiny)
            return


def _share_finding(one: Measured, tiny: Measured) -> Finding:
    """At the goal's size, or at a smaller one, where the share is larger: that can only show the goal met."""
    share = expected_share(one, tiny)
    text = f"That is {shown(share, Form.SHARE)} of a step at {one.case.name}"
    if one.case.size.name == _AT_OR_BELOW[0]:
        return Finding.judged(f"{text}.", LITTLE, share)
    text += f"; at {_AT_OR_BELOW[0]} it is less."
    return Finding.judged(text, LITTLE, share) if LITTLE.verdict(share) is Verdict.MET else Finding(text)


def expected_share(one: Measured, tiny: Measured) -> Spread:
    """The tiny model's overhead as a share of this case's step: it does not grow with the model."""
    step = one.rounds.median(REAL)
    overhead = tiny.rounds.difference(REAL, BARE)
    assert overhead is not None  # only of cases that had a bare loop beside the trial
    return Spread(overhead.median / step, overhead.low / step, overhead.high / step, overhead.count)


def _of(measured: list[Measured], size: str) -> Measured | None:
    return next((one for one in measured if one.case.size.name == size and BARE in one.rounds.values), None)


def _row(one: Measured, tiny: Measured | None) -> dict[str, Any]:
    differences = one.rounds.difference(REAL, BARE)
    shares = [
        1 - bare / real for bare, real in zip(one.rounds.values[BARE], one.rounds.values[REAL], strict=True)
    ]
    return {
        "case": one.case.name,
        "step": one.rounds.spread(REAL),
        "bare": one.rounds.spread(BARE),
        "overhead": differences,
        "share": Spread.of(shares),
        "expected": expected_share(one, tiny) if tiny is not None else None,
    }
