"""Which trials train in one program, and how many."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workbench.driver.executors.machines import Measure
from workbench.errors import UserError
from workbench.files import put_in_place
from workbench.records.run import RunDirectory, RunRecord
from workbench.study.plan import Plan
from workbench.training.population.replica_file import replica_step

PopulationSize = Callable[[RunRecord], int]
Halves = Callable[[RunRecord], bool]


def one_by_one(record: RunRecord) -> int:
    """Every trial in a program of its own."""
    return 1


def never(record: RunRecord) -> bool:
    """No trial is halved."""
    return False


@dataclass(frozen=True, kw_only=True)
class Group:
    """Trials of one variant that train together. ``halving`` stops the worse learning rates early."""

    records: list[RunRecord]
    halving: bool = False


def settle(records: list[RunRecord], runs: Path, halves: Halves = never) -> None:
    """Bring every trial to the last complete save of the population that it trained in.

    A save is complete once a checkpoint of it took the place of the one before: all of its files were on the
    disk by then. Those that are halved compete at one step, so that where one of them lost its checkpoint all
    begin anew: another number of competitors would halve otherwise.
    """
    together: dict[tuple[str, bool], list[RunDirectory]] = {}
    for record in records:
        members = together.setdefault((record.variant, halves(record)), [])
        members.append(RunDirectory(runs / record.run_id))
    for (_, halving), members in together.items():
        complete = {replica_step(run.replica) for run in members}
        for run in members:
            step = replica_step(run.next_replica)
            if step is not None and step in complete:
                put_in_place(run.next_replica, run.replica)
            run.next_replica.unlink(missing_ok=True)
        if halving and len({replica_step(run.replica) for run in members}) > 1:
            for run in members:
                run.replica.unlink(missing_ok=True)


def grouped(
    records: list[RunRecord],
    runs: Path,
    size: PopulationSize,
    halves: Halves = never,
) -> list[Group]:
    """``records`` in groups of at most ``size``, in the order of their first; those of ``halves`` unsplit.

    A trial that was stopped while it trained alone goes on alone; others go on with those at its step.
    """
    settle(records, runs, halves)
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
    return record.variant, replica_step(run.replica) or 0, halving


def shared_out(size: int, trials: int, slots: int) -> int:
    """A size that leaves no slot without work while another has a population: at least 1."""
    return max(1, min(size, math.ceil(trials / slots)))


def chosen_size(
    asked: str,
    plan: Plan,
    note: Callable[[str], None] = lambda text: None,
    measure: Measure | None = None,
) -> PopulationSize:
    """What ``--population`` means: a number, or ``auto``: measured for each variant on a GPU, 1 on a CPU.

    ``note`` hears why a variant is trained one by one. ``measure`` measures where the GPUs are, if that is
    not in this process. Raises ``UserError`` for anything else.
    """
    if asked != "auto" and (not re.fullmatch(r"[0-9]{1,6}", asked) or int(asked) < 1):
        raise UserError(f"--population: {asked!r} is neither auto nor a number above 0; give for example 16")
    execution = plan.study.training.execution
    if not execution.is_usual:
        if asked not in ("auto", "1"):
            note(f"--population: trials on {execution.words()} are trained one by one")
        return one_by_one
    if asked == "auto":
        # The runs of a search's point are too few to be worth a measurement.
        alone = plan.device == "cpu" or plan.search is not None
        return one_by_one if alone else measured_size(plan, note, measure)
    return lambda record: int(asked)


def measured_size(plan: Plan, note: Callable[[str], None], measure: Measure | None = None) -> PopulationSize:
    """A variant's size is measured when its first trial is due; where that fails it is 1, and noted."""
    most = max(plan.trial_counts().values())
    measure = measure or _measured_here(plan)
    sizes: dict[str, int] = {}

    def size(record: RunRecord) -> int:
        variant = record.variant
        if variant not in sizes:
            try:
                sizes[variant] = measure(record, most)
            except Exception as error:  # a variant that cannot be trained has its outcome in its trials
                note(f"{_why_alone(variant, error)}: the trials of {variant} are trained one by one")
                sizes[variant] = 1
        return sizes[variant]

    return size


def _measured_here(plan: Plan) -> Measure:
    """Measures in this process."""
    from workbench.training.population.sizing import population_size

    recipes = {variant.name: variant.recipe for variant in plan.variants}

    def measure(record: RunRecord, most: int) -> int:
        recipe = recipes[record.variant]
        return population_size(recipe.model, recipe.training, plan.device, most)

    return measure


def _why_alone(variant: str, error: Exception) -> str:
    from workbench.training.population.vmappable import NotVmappable

    if isinstance(error, NotVmappable):
        return str(error)
    return f"sizing {variant} failed ({error!r:.200})"
