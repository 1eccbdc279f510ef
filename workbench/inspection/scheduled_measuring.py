"""Measuring a run while it trains, within a share of its time.

What is measured when depends on sizes alone, never on a clock: all seeds of a variant have the same tables at
the same steps. Final weights come first, then heads at halves of the run, the latest first: they form over
orders of magnitude. What does not fit into the share can be measured afterwards, on final weights.
"""

from workbench.errors import UserError
from workbench.inspection.probe import Probe, make_probe
from workbench.inspection.tables import known_tables
from workbench.model.decoder import Decoder
from workbench.records.probes import append_probes
from workbench.records.run import RunDirectory
from workbench.training.run import Run, ScheduledMeasuring

FOLLOWED = ("heads",)  # at every checkpoint: heads form while a run trains, the rest is about its end
LATER = ("position_loss",)  # takes half a thousand windows: checkpoints of heads are worth more
CHECKPOINTS = 10  # besides the last: 1/2, 1/4, ... of the steps, and before training


def log_spaced(steps: int, count: int = CHECKPOINTS) -> list[int]:
    """Steps before the last at which to look, latest first: halves of ``steps``, and 0."""
    halves = [steps >> power for power in range(1, count)]
    return [*dict.fromkeys(step for step in halves if step > 0), 0]


def plan(steps: int, budget: float, costs: dict[str, float]) -> dict[int, list[str]]:
    """Tables to measure at each step, as long as their ``costs`` stay within ``budget``, both in tokens."""
    wishes = [(steps, name) for name in costs if name not in LATER]
    wishes += [(step, name) for step in log_spaced(steps) for name in FOLLOWED if name in costs]
    wishes += [(steps, name) for name in LATER if name in costs]
    wishes += [(step, name) for step in log_spaced(steps) for name in costs if name not in FOLLOWED]
    chosen: dict[int, list[str]] = {}
    for step, name in wishes:
        if costs[name] <= budget:
            budget -= costs[name]
            chosen.setdefault(step, []).append(name)
    return chosen


def schedule_measuring(run: Run) -> ScheduledMeasuring:
    """At which steps of ``run`` its decoder is measured; the tables are written beside its metrics."""
    share = run.training.probes
    if not share:
        return ScheduledMeasuring()
    probe = make_probe(run.corpus, run.model.context, run.model.vocabulary)
    costs = {name: table.tokens(probe) for name, table in known_tables().items()}
    planned = plan(run.steps, share * run.training.tokens, costs)
    directory = run.directory
    return ScheduledMeasuring(
        steps=frozenset(planned),
        measure=lambda decoder, step: _measure(directory, probe, decoder, step, planned[step]),
    )


def _measure(run: RunDirectory, probe: Probe, decoder: Decoder, step: int, names: list[str]) -> None:
    known = known_tables()
    for name in names:
        try:
            rows = known[name].measure(decoder, probe)
        except UserError as error:  # a part of the user's own need not have what a table looks at
            print(f"step {step}: {name} was not measured: {error}")
            continue
        run.require_claim()
        append_probes(run.path, rows.assign(table=name, step=step, probe_hash=probe.hash))
