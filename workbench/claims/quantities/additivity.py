"""Whether the parts between two recipes add up: the gap minus the sum of what each part does alone."""

import math
from collections.abc import Iterator

from workbench.analysis.dismantling import Dismantled, dismantled
from workbench.analysis.tuned_rates import ALL_LOST, AT_EDGE, ONE_SIDE_LOST, unequal_tuning
from workbench.claims.quantities.quantity import ConfirmedStudy, Measured, NotMeasurableError, Quantity, Sides

_EDGES = (AT_EDGE, ONE_SIDE_LOST, ALL_LOST)


class Additivity(Quantity):
    """What is left of the gap between two recipes when each part's own step is taken away."""

    name = "additivity"
    title = "left over of the sum of the parts"
    unit = "nats"
    part = "Parts"
    about = (
        "The loss of the variant minus that of the study's baseline, minus the sum of what the baseline's "
        "loss rises by when each part alone is exchanged for the variant's; by seed. 0 is parts that add up. "
        "A study needs the design dismantle for it."
    )

    def measure(self, study: ConfirmedStudy, sides: Sides) -> Measured:
        """The remainder of every seed that has all of its runs, as the study's own report has it."""
        variant, against = study.pair(sides)
        manifest = study.records.manifest
        stack = manifest.stack
        if stack is None:
            raise NotMeasurableError(
                f"{study.records.title} takes no recipe apart; write a study of the design dismantle"
            )
        if (variant.name, against.name) != (stack.whole, manifest.baseline):
            raise NotMeasurableError(
                f"the parts of {study.records.title} lie between {stack.whole} and {manifest.baseline}"
            )
        found = dismantled(manifest, study.outcomes, {})
        if found is None:
            raise NotMeasurableError(f"no pair of {study.records.title} is complete")
        if found.out.left_over is None:
            raise NotMeasurableError(f"{study.records.title} has a single part, which is the whole gap")
        measured = found.out.left_over.measured
        planned = study.outcomes[manifest.baseline].planned
        known = [seed for seed in planned if seed in measured.by_seed or seed in measured.left_out]
        return Measured(
            values=[measured.by_seed.get(seed, math.nan) for seed in known],
            rule=study.rule,
            lost=tuple(f"seed {seed}: a run of a part is lost" for seed in measured.left_out),
            due=len(planned) - len(known),
            reservations=tuple(_reservations(study, found)),
        )


def _reservations(study: ConfirmedStudy, found: Dismantled) -> Iterator[str]:
    """What speaks against a part: the two recipes themselves are looked at as in every prediction."""
    baseline = study.tuned[study.records.manifest.baseline]
    for part in found.parts:
        tuned = study.tuned[part.out_variant]
        if tuned is None:
            yield f"{part.out_variant}: no learning rate was tuned"
            continue
        if unequal := unequal_tuning(tuned, baseline):
            yield f"{part.out_variant}: {unequal}"
        if tuned.place in _EDGES:
            yield f"{part.out_variant}: learning rate {tuned.place}"
