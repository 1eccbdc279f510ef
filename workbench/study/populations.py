"""Which trials train in one program, and how many."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from workbench.errors import UserError
from workbench.records.run import RunDirectory, RunRecord
from workbench.study.plan import Plan
from workbench.training.replica_file import replica_state

PopulationSize = Callable[[RunRecord], int]


def one_by_one(record: RunRecord) -> int:
    """Every trial in a program of its own."""
    return 1


@dataclass(frozen=True, kw_only=True)
class Group:
    """Trials of one variant that train together. ``halving`` stops the worse learning rates early."""

    records: list[RunRecord]
    halving: bool = False


def grouped(
    records: list[RunRecord],
    runs: Path,
    size: PopulationSize,
    halves: Callable[[RunRecord], bool] = lambda record: False,
) -> list[Group]:
    """``records`` in groups of at most ``size``, in the order of their first; those of ``halves`` unsplit.

    A trial that was stopped while it trained alone goes on alone; others go on with those at its step.
    """
    place = {record.run_id: number for number, record in enumerate(records)}
    together: dict[tuple, list[RunRecord]] = {}
    for record in records:
        key = _key(record, RunDirectory(runs / record.run_id), halves(record))
        together.setdefault(key, []).append(record)
    groups = []
    for (*_, halving), members in together.items():
        width = len(members) if halving else size(members[0])
        groups += [
            Group(records=members[first : first + width], halving=halving)
            for first in range(0, len(members), width)
        ]
    return sorted(groups, key=lambda group: place[group.records[0].run_id])


def _key(record: RunRecord, run: RunDirectory, halving: bool) -> tuple:
    if run.checkpoint.exists():
        return record.variant, record.run_id, False
    step = replica_state(run.replica)["step"] if run.replica.exists() else 0
    return record.variant, step, halving


def shared_out(size: int, trials: int, slots: int) -> int:
    """A size that leaves no slot without work while another has a population: at least 1."""
    return max(1, min(size, math.ceil(trials / slots)))


def chosen_size(asked: str, plan: Plan, note: Callable[[str], None] = lambda text: None) -> PopulationSize:
    """What ``--population`` means: a number, or ``auto``: measured for each variant on a GPU, 1 on a CPU.

    ``note`` hears why a variant is trained one by one. Raises ``UserError`` for anything else.
    """
    if asked == "auto":
        return one_by_one if plan.device == "cpu" else measured_size(plan, note)
    if not asked.isdecimal() or int(asked) < 1:
        raise UserError(f"--population: {asked!r} is neither auto nor a number above 0; give for example 16")
    return lambda record: int(asked)


def measured_size(plan: Plan, note: Callable[[str], None]) -> PopulationSize:
    """A variant's size is measured when its first trial is due; where that fails it is 1, and noted."""
    from workbench.training.sizing import population_size
    from workbench.training.vmappable import NotVmappable

    most = max(plan.trial_counts().values())
    training = plan.study.training.resolve(plan.device)
    models = {variant.name: variant.model for variant in plan.variants}

    @cache
    def size(variant: str) -> int:
        try:
            return population_size(models[variant], training, plan.device, most)
        except Exception as error:  # a variant that cannot be trained has its outcome in its trials
            why = (
                str(error) if isinstance(error, NotVmappable) else f"sizing {variant} failed ({error!r:.200})"
            )
            note(f"{why}: the trials of {variant} are trained one by one")
            return 1

    return lambda record: size(record.variant)
