"""The pilot: how noisy the baseline is, and what the planned number of seeds can see.

The pilot measures the sd of single baseline runs. The sd of a paired difference is at most the square
root of two times that if the two runs are independent; shared data order and shared initial values can
only lower it. Few runs know their own sd badly, so that it is said with its range, and what follows from it
twice: as is likely, and as is safe.
"""

import math
from dataclasses import dataclass
from statistics import mean, stdev

from workbench.analysis.power import bound_on_paired_sd, detectable_effect, seeds_needed, seeds_text
from workbench.analysis.sd_range import SdRange, safe_sd, sd_range
from workbench.analysis.tuned_points import outcome_value
from workbench.numbers import plural
from workbench.records.index import StudyRecords
from workbench.records.run import FINISHED, Phase


@dataclass(frozen=True, kw_only=True)
class PilotSummary:
    """Noise of the baseline, in units of the metric; None where fewer than two runs are complete.

    ``sd_range`` is the 95 % range of the true sd. ``detectable_effect`` is at the planned number of confirm
    seeds; ``seeds_for_margin`` finds a difference of one margin with 80 % power (1,001: more than 1,000). The
    safe ones are those at the sd's 80 % upper bound.
    """

    seeds_planned: int
    seeds_done: int
    lost: int
    mean: float | None
    sd: float | None
    sd_range: SdRange | None
    paired_sd_bound: float | None
    confirm_seeds: int
    detectable_effect: float | None
    seeds_for_margin: int | None
    safe_detectable_effect: float | None
    safe_seeds_for_margin: int | None

    @property
    def margin_seeds(self) -> str:
        """How many find the margin: ``37 (on the safe side 156)``."""
        likely, safe = seeds_text(self.seeds_for_margin), seeds_text(self.safe_seeds_for_margin)
        return likely if likely == safe else f"{likely} (on the safe side {safe})"


def pilot_summary(study: StudyRecords) -> PilotSummary | None:
    """The pilot's findings; None for a study without a pilot."""
    manifest, runs = study.manifest, study.runs
    planned = manifest.seeds.pilot
    if not planned or (manifest.phases is not None and Phase.PILOT not in manifest.phases):
        return None
    finished = runs[(runs["phase"] == Phase.PILOT) & runs["state"].isin([str(state) for state in FINISHED])]
    outcomes = [outcome_value(run, manifest.metric) for run in finished.to_dict("records")]
    values = [value for value in outcomes if math.isfinite(value)]
    sd = stdev(values) if len(values) > 1 else None
    bound = None if sd is None else bound_on_paired_sd(sd)
    safe = None if sd is None else bound_on_paired_sd(safe_sd(sd, len(values) - 1))
    confirm_seeds = len(manifest.seeds.confirm)
    return PilotSummary(
        seeds_planned=len(planned),
        seeds_done=len(values),
        lost=len(outcomes) - len(values),
        mean=mean(values) if values else None,
        sd=sd,
        sd_range=None if sd is None else sd_range(sd, len(values) - 1),
        paired_sd_bound=bound,
        confirm_seeds=confirm_seeds,
        detectable_effect=None if bound is None else detectable_effect(bound, confirm_seeds),
        seeds_for_margin=None if bound is None else seeds_needed(bound, manifest.smallest_margin),
        safe_detectable_effect=None if safe is None else detectable_effect(safe, confirm_seeds),
        safe_seeds_for_margin=None if safe is None else seeds_needed(safe, manifest.smallest_margin),
    )


def pilot_warnings(pilot: PilotSummary | None, margin: float, unit: str) -> list[str]:
    """What the pilot gives reason to warn of."""
    if pilot is None:
        return []
    warnings = []
    if pilot.lost:
        warnings.append(f"pilot: {plural(pilot.lost, 'baseline run')} diverged, failed or did not train")
    if pilot.seeds_for_margin is not None and pilot.seeds_for_margin > pilot.confirm_seeds:
        warnings.append(
            f"pilot: {pilot.confirm_seeds} confirm seeds may not see a difference of the margin "
            f"({margin:g} {unit}); by the pilot's noise {pilot.margin_seeds} would "
            "(fewer where pairing removes noise)"
        )
    return warnings
