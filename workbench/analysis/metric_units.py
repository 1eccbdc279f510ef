"""The metrics that a verdict can rest on, and their units."""

from workbench.errors import UserError
from workbench.records.manifest import EvaluationSet, Manifest

BITS_PER_BYTE = "validation/bits_per_byte"
UNITS = {
    "validation/loss": "nats/token",
    "train/loss": "nats/token",
    BITS_PER_BYTE: "bits/byte",
}
_OF_A_SET = "bits_per_byte"
_OF_A_TASK = "error"
_ERRORS = "errors/answer"


def unit_of(metric: str) -> str:
    """The unit of ``metric``; raises ``UserError`` for one that is not known to be better when lower."""
    if named_set(metric) is not None:
        return _ERRORS if is_error(metric) else "bits/byte"
    if metric not in UNITS:
        raise UserError(
            f"metric: {metric!r} is not supported: a verdict reads lower as better. "
            f"Use one of: {', '.join(UNITS)}, or NAME/{_OF_A_SET} or NAME/{_OF_A_TASK} of an evaluation set"
        )
    return UNITS[metric]


def named_set(metric: str) -> str | None:
    """``prose`` of ``prose/bits_per_byte``, ``recall`` of ``recall/error``; None for every study's."""
    name, _, rest = metric.rpartition("/")
    return name if name and rest in (_OF_A_SET, _OF_A_TASK) and metric not in UNITS else None


def is_error(metric: str) -> bool:
    """Whether it is the share of a generated task's answers that are wrong."""
    return metric.rpartition("/")[2] == _OF_A_TASK


def is_loss(metric: str) -> bool:
    """Whether lower is better, and a verdict could rest on it."""
    return metric in UNITS or named_set(metric) is not None


def is_per_token(metric: str) -> bool:
    """Whether it counts in nats per token, which says nothing across tokenizers."""
    return UNITS.get(metric) == "nats/token"


def set_metrics(manifest: Manifest) -> dict[str, EvaluationSet]:
    """The evaluation sets by the metric that runs record: the error of a task, else bits per byte.

    Of a first set of text that is ``validation``'s.
    """
    return {_metric_of(one, first=not number): one for number, one in enumerate(manifest.evaluation)}


def _metric_of(one: EvaluationSet, *, first: bool) -> str:
    if one.is_task:
        return f"{one.name}/{_OF_A_TASK}"
    return BITS_PER_BYTE if first else f"{one.name}/{_OF_A_SET}"


def study_unit(manifest: Manifest) -> str:
    """The unit of the study's metric; raises ``UserError`` for one of a set that the study does not have."""
    unit = unit_of(manifest.metric)
    if named_set(manifest.metric) is not None and manifest.metric not in set_metrics(manifest):
        known = ", ".join([*UNITS, *(name for name in set_metrics(manifest) if name not in UNITS)])
        raise UserError(
            f"metric: {manifest.metric!r} is of no evaluation set that runs of this study record by that "
            f"name. Use one of: {known}"
        )
    return unit


def why_not_comparable(manifest: Manifest, metric: str) -> str | None:
    """Why values of ``metric`` say nothing across the study's variants, in a sentence; None where they do."""
    if is_per_token(metric) and manifest.tokenizers_differ:
        return (
            f"{metric} is in nats per token, and the variants' tokenizers differ: one token stands for more "
            f"text than another, so that these values do not compare. {BITS_PER_BYTE} does."
        )
    return None
