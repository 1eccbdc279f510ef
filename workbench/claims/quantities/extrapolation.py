"""What the loss of the same targets changes by when they are read with a longer context than was trained."""

import math
from typing import ClassVar

from workbench.claims.quantities.quantity import ConfirmedStudy, Measured, NotMeasurableError, Quantity, Sides
from workbench.errors import RecordError
from workbench.inspection.measured import read_measured
from workbench.inspection.seed_spread import at_the_end
from workbench.records.run import RunDirectory

_TABLE, _METRIC = "extrapolation", "tail"
_Tails = dict[tuple[str, int], dict[float, float]]  # by probe and seed: the loss at each multiple of L


class LossChange(Quantity):
    """The measure is that of the view *Length extrapolation*: the same last targets at every length."""

    page = "position"
    alone = True
    unit = "nats"
    times: ClassVar[float]

    def measure(self, study: ConfirmedStudy, sides: Sides) -> Measured:
        """Of a variant alone its own change; else that of the variant minus that of the other side."""
        study.variant(sides.variant)
        tails = {name: _tails(study, name) for name in (sides.variant, sides.against) if name is not None}
        if not any(tails.values()):
            raise NotMeasurableError(
                f"no run of {study.records.title} has the table of extrapolation; 'workbench probe "
                f"{study.records.title}' measures it"
            )
        if impossible := self._cannot_run(study, sides.variant, tails):
            return Measured(impossible=impossible)
        probe = _common_probe(tails)
        values, lost = [], []
        for seed in self._seeds(study, sides):
            changes = [self._change(tails[name].get((probe, seed))) for name in tails]
            if None in changes:
                values.append(math.nan)
                lost.append(f"seed {seed}: not measured")
                continue
            known = [change for change in changes if change is not None]
            values.append(known[0] - known[1] if len(known) > 1 else known[0])
        due = max(len(study.outcomes[name].planned) - study.outcomes[name].finished for name in tails)
        return Measured(values=values, rule=study.rule, lost=tuple(lost), due=due)

    def _seeds(self, study: ConfirmedStudy, sides: Sides) -> list[int]:
        """Finished seeds that all sides are to have, in order."""
        names = [name for name in (sides.variant, sides.against) if name is not None]
        for name in names:
            study.variant(name)
        shared = [
            seed for seed in study.outcomes[names[0]].planned if seed in study.outcomes[names[-1]].states
        ]
        return [
            seed
            for seed in shared
            if all(study.outcomes[name].states[seed] not in ("running", "not started") for name in names)
        ]

    def _change(self, tail: dict[float, float] | None) -> float | None:
        if tail is None or 1.0 not in tail or self.times not in tail:
            return None
        return tail[self.times] - tail[1.0]

    def _cannot_run(self, study: ConfirmedStudy, name: str, tails: dict[str, _Tails]) -> str | None:
        """Why the variant reads no longer context, where that is so of every seed.

        Its runs were measured up to their training length and no further, while another variant's go on, on
        the same text: it is its table of positions that ends.
        """
        own = tails[name]
        if not own or any(max(tail) != 1.0 for tail in own.values()):
            return None
        probes = {probe for probe, _ in own}
        for other in study.records.manifest.names:
            known = tails[other] if other in tails else _tails(study, other)
            if any(self.times in tail for (probe, _), tail in known.items() if probe in probes):
                return f"{name} cannot read {self.times:g} times its training length"
        return None


def _tails(study: ConfirmedStudy, name: str) -> _Tails:
    """The losses of the same targets by probe and seed, from the last checkpoint of each confirm run."""
    found: _Tails = {}
    outcomes = study.outcomes[name]
    for seed in outcomes.values:
        run = outcomes.runs[seed]
        try:
            rows = read_measured(RunDirectory(run["path"]))
        except RecordError:
            continue  # 'workbench status' names what is damaged
        own = rows[(rows["table"] == _TABLE) & (rows["metric"] == _METRIC)]
        if own.empty:
            continue
        own = at_the_end(own.assign(run_id=run["run_id"]))
        context = float(run["config"]["model"]["context"])
        for row in own.itertuples():
            found.setdefault((str(row.probe_hash), seed), {})[float(row.x) / context] = float(row.value)
    return found


def _common_probe(tails: dict[str, _Tails]) -> str:
    """The probe that most runs of all sides have: values of different probes do not compare."""
    counts: dict[str, int] = {}
    for side in tails.values():
        for probe, _ in side:
            counts[probe] = counts.get(probe, 0) + 1
    everywhere = [
        probe for probe in counts if all(any(one == probe for one, _ in side) for side in tails.values())
    ]
    if not everywhere:
        raise NotMeasurableError("both sides were measured on different texts, so that they do not compare")
    return max(everywhere, key=lambda probe: counts[probe])


class LossChangeAtTwo(LossChange):
    """At twice the training length."""

    name = "delta_ce_2x"
    title = "loss change at 2×"
    about = (
        "How much the loss of the same targets changes when they are read with twice the training length. "
        "Without against it is the variant's own change; with it, the variant's minus the other side's."
    )
    times = 2.0


class LossChangeAtFour(LossChange):
    """At four times the training length."""

    name = "delta_ce_4x"
    title = "loss change at 4×"
    about = "As delta_ce_2x, at four times the training length."
    times = 4.0
