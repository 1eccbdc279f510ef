"""The final loss, and bits per byte, of any evaluation text: paired by seed as in the report's rows."""

from typing import ClassVar

from workbench.analysis.confirm_outcomes import Outcomes, confirm_outcomes
from workbench.analysis.decisions import differences_in_order
from workbench.analysis.metric_units import BITS_PER_BYTE
from workbench.claims.quantities.quantity import ConfirmedStudy, Measured, NotMeasurableError, Quantity, Sides
from workbench.records.manifest import Manifest


class FinalMetric(Quantity):
    """A metric of the last validation, variant minus the other side, at the seeds that both have."""

    of_a_text = True
    metric: ClassVar[str]

    def measure(self, study: ConfirmedStudy, sides: Sides) -> Measured:
        """The paired differences of the confirm runs, by the same rule as the report's."""
        variant, against = study.pair(sides)
        metric = self._column(study.records.manifest, sides.evaluation)
        if metric not in study.records.runs:
            raise NotMeasurableError(f"the runs of {study.records.title} have no {metric}")
        if metric == "validation/loss":
            self._require_one_tokenizer(study.records.manifest, variant.name, against.name)
        ours, theirs = (self._of(study, one.name, metric) for one in (variant, against))
        values, lost, due = differences_in_order(ours, theirs)
        return Measured(values=values, rule=study.rule, lost=tuple(lost), due=due)

    def _column(self, manifest: Manifest, evaluation: str | None) -> str:
        names = [one.name for one in manifest.evaluation]
        if evaluation is None or (names and evaluation == names[0]):
            return f"validation/{self.metric}"
        if evaluation not in names:
            known = ", ".join(names) or "the validation split alone"
            raise NotMeasurableError(f"{manifest.name} is not judged on {evaluation!r}; it has {known}")
        return f"{evaluation}/{self.metric}"

    def _of(self, study: ConfirmedStudy, name: str, metric: str) -> Outcomes:
        outcomes = study.outcomes[name]
        if metric == study.records.manifest.metric:
            return outcomes
        return confirm_outcomes(
            study.records.runs,
            name,
            metric=metric,
            seeds=list(outcomes.planned),
            tuned=study.tuned[name],
            budget=outcomes.budget,
        )

    def _require_one_tokenizer(self, manifest: Manifest, *names: str) -> None:
        if len({str(manifest.tokenizer_of(name)) for name in names}) > 1:
            raise NotMeasurableError(
                f"nats per token of two tokenizers do not compare; state the prediction in {BITS_PER_BYTE}"
            )


class Loss(FinalMetric):
    """Nats per token."""

    name = metric = "loss"
    title = "loss"
    unit = "nats"
    about = (
        "The loss of the last validation in nats per token, variant minus the other side, at equal budgets."
    )


class BitsPerByte(FinalMetric):
    """Bits per byte of text, which compare across tokenizers."""

    name = metric = "bits_per_byte"
    title = "bits per byte"
    unit = "bits/byte"
    about = (
        "Bits per byte of the last validation, variant minus the other side, at equal budgets; of the text "
        "that evaluation names, or the first."
    )
