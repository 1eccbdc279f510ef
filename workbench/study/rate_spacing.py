"""Whether a study's learning rates are close enough for its margin, by the nearest study that was tuned."""

import math
from pathlib import Path

from workbench.analysis.rate_curve import coarseness
from workbench.analysis.tuned_rates import choose_learning_rates
from workbench.errors import RecordError
from workbench.numbers import decimals_for, fixed
from workbench.records.index import StudyRecords, list_studies, load_study
from workbench.records.margin import smallest_margin
from workbench.study.plan import Plan


def spacing_warnings(plan: Plan, results: Path) -> list[str]:
    """A warning where the best of the rates may lose more than the margin against one between two of them.

    How steeply the loss rises with the distance from the optimum is that of the baseline of the study among
    ``results`` that is nearest in parameters and tokens, and has the same metric; none without any.
    """
    if plan.study.rates_tried < 2:
        return []
    known = [found for study in list_studies(results) if (found := _curvature(study, plan))]
    if not known:
        return []
    _, title, curvature = min(known)
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


def _curvature(path: Path, plan: Plan) -> tuple[float, str, float] | None:
    """How far the study in ``path`` is from ``plan``, its title, and the curvature of its baseline's loss."""
    try:
        study = load_study(path)
    except RecordError:  # whoever asks for its status or report hears of it
        return None
    manifest = study.manifest
    if manifest.is_import or manifest.incomparable is not None or manifest.metric != plan.study.metric:
        return None
    tuned = choose_learning_rates(study.runs, [manifest.baseline], manifest.metric)[manifest.baseline]
    if tuned is None or tuned.curve is None or tuned.curve.curvature <= 0:
        return None
    return _distance(study, plan), study.title, tuned.curve.curvature


def _distance(study: StudyRecords, plan: Plan) -> float:
    """How many e-folds of parameters and tokens lie between the baselines; one not recorded is far away."""
    sizes = (
        (study.manifest.baseline_variant.parameters, plan.baseline.model.num_parameters()),
        (study.manifest.training.get("tokens"), plan.tokens),
    )
    return sum(abs(math.log(theirs / ours)) if theirs else 100.0 for theirs, ours in sizes)
