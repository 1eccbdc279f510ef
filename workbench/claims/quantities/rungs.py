"""What becomes of an effect as models and budgets grow, over the rungs of a ladder."""

import math

from workbench.analysis.deciding.decisions import decide_study
from workbench.analysis.decisions import differences_in_order
from workbench.analysis.ladder import RungEffect, trend
from workbench.claims.quantities.quantity import (
    ConfirmedStudy,
    Estimate,
    Measured,
    NotMeasurableError,
    Quantity,
    Sides,
)


class SlopeOverRungs(Quantity):
    """The trend of a paired difference on the logarithm of compute."""

    name = "slope_over_rungs"
    title = "change of the loss difference"
    unit = "nats per tenfold compute"
    part = "Ladder"
    about = (
        "What the loss difference of the variant and the other side changes by for ten times the training "
        "FLOPs, by the weighted line through the rungs of a ladder; 0 is an effect that stays as it is. A "
        "study needs the key rungs for it, and the variant is called as the rungs call it. Its pairs are "
        "those of the rung that has the fewest."
    )
    over_rungs = True

    def measure(self, study: ConfirmedStudy, sides: Sides) -> Measured:
        """The slope at any level of confidence, from the pairs of each rung's last complete look."""
        effects, fewest, lost, due = [], None, [], 0
        for name, rung, own in study.at_rungs(sides):
            variant, against = rung.pair(own)
            values, gone, to_come = differences_in_order(
                rung.outcomes[variant.name], rung.outcomes[against.name]
            )
            manifest = rung.records.manifest
            decision = decide_study({"": values}, manifest.smallest_margin, rung.rule)[""]
            tokens = manifest.tokens_of(against)
            if decision.mean is None or decision.sd is None or not tokens or not against.flops_per_token:
                raise NotMeasurableError(f"{study.records.title}: {name} has no two complete pairs")
            effects.append(
                RungEffect(
                    compute=float(tokens * against.flops_per_token),
                    mean=decision.mean,
                    error=decision.sd / math.sqrt(decision.n),
                    n=decision.n,
                )
            )
            kept = [value for value in values if not math.isnan(value)][: decision.n]
            if fewest is None or len(kept) < len(fewest):
                fewest = kept
            lost += [f"{name}: {one}" for one in gone]
            due += to_come
        line = trend(effects)
        if line is None:
            raise NotMeasurableError(f"{study.records.title}: its rungs are no two of different compute")

        def at_level(level: float) -> Estimate:
            return Estimate(line.per_decade, line.per_decade_at(level))

        return Measured(
            values=fewest or (),
            rule=rung.rule,
            lost=tuple(lost),
            due=due,
            at_level=at_level,
        )
