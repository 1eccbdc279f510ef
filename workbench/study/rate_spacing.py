"""Whether a study's learning rates are close enough for its margin, by the nearest study that was tuned."""

from collections.abc import Iterator
from pathlib import Path

from workbench.analysis.rate_curve import coarseness
from workbench.analysis.tuning_choice import tuned_variants
from workbench.errors import RecordError
from workbench.numbers import decimals_for, fixed
from workbench.records.index import list_studies, load_study, study_title
from workbench.records.manifest import kept_manifest
from workbench.records.margin import smallest_margin
from workbench.study.known_noise import TrialSize, size_distance, trial_size
from workbench.study.plan import Plan


def spacing_warnings(plan: Plan, results: Path) -> list[str]:
    """A warning where the best of the rates may lose more than the margin against one between two of them.

    How steeply the loss rises with the distance from the optimum is that of the baseline of the study among
    ``results`` that is nearest in parameters and tokens, and has the same metric; none without any.
    """
    if plan.study.tuning is not None or plan.study.rates_tried < 2:
        return []
    nearest = next(_curvatures(plan, results), None)
    if nearest is None:
        return []
    title, curvature = nearest
    rates = plan.study.learning_rates
    lists = list(rates.values()) if isinstance(rates, dict) else [rates]
    cost = max(coarseness(curvature, one) for one in lists)
    margin = smallest_margin(plan.study.margin)
    if cost <= margin:
        return []
    return [
        f"learning_rates: too coarse for the margin of {margin:g}: the best one tried may lose up to "
        f"{fixed(cost, decimals_for(margin))} against an optimum between two, where the loss is as steep as "
        f"in {title} ({curvature:.2g} per octave squared); take closer rates"
    ]


def _curvatures(plan: Plan, results: Path) -> Iterator[tuple[str, float]]:
    """Titles of tuned studies, the nearest in size first, and the curvatures of their baselines' losses."""
    own = plan.baseline.model.num_parameters(), plan.tokens
    for _, title, path in sorted(_usable(plan, own, results)):
        try:
            study = load_study(path)
        except RecordError:  # its manifest was damaged since it was read
            continue
        name = study.manifest.baseline
        tuned = tuned_variants(study, [name])[name]
        if tuned is not None and tuned.curve is not None and tuned.curve.curvature > 0:
            yield title, tuned.curve.curvature


def _usable(plan: Plan, own: TrialSize, results: Path) -> Iterator[tuple[float, str, Path]]:
    """Studies with the same metric: how far they are in size, their titles, and where they lie."""
    for path in list_studies(results):
        try:
            manifest = kept_manifest(path)
        except RecordError:  # whoever asks for its status or report hears of it
            continue
        usable = not manifest.is_import and manifest.incomparable is None
        if usable and manifest.metric == plan.study.metric:
            yield size_distance(own, trial_size(manifest)), study_title(path), path
