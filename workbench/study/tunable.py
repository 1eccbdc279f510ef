"""Whether a study's variants can be tuned over its space: what no trial could have, or a variant varies."""

from collections.abc import Iterable
from itertools import islice, product

from workbench.errors import UserError
from workbench.records.hyperparameters import LEARNING_RATE
from workbench.records.space import Range, Space, free
from workbench.study.design import Variant
from workbench.study.tuning import Tuning
from workbench.training.config import TrainingConfig
from workbench.training.tuned_values import field_of, with_tuned
from workbench.user_input import read_as

_MOST_CORNERS = 2_048


def check_tuning(tuning: Tuning, variants: Iterable[Variant]) -> None:
    """Raise ``UserError``, with the key and the remedy, for what no trial could have, or a variant varies."""
    variants = list(variants)
    varied = {factor for variant in variants for factor in variant.change}
    for name in free(tuning.space):
        if field_of(name) in varied:
            raise UserError(
                f"tuning.space.{name}: the variants differ in {field_of(name)}, and tuned for each it would "
                "be tuned away; remove it from the space, or from the factors"
            )
    for training in {variant.recipe.training: None for variant in variants}:
        _check_values(tuning.space, training)


def _check_values(space: Space, training: TrainingConfig) -> None:
    """Raise ``UserError`` for values that no trial can have, at the ends of all dimensions together."""
    options = training.model_dump(mode="json")
    ends = {
        name: [one.low, one.high] if isinstance(one, Range) else list(one)
        for name, one in space.items()
        if name != LEARNING_RATE
    }
    for corner in islice(product(*ends.values()), _MOST_CORNERS):
        tuned = dict(zip(ends, corner, strict=True))
        try:
            read_as(TrainingConfig, with_tuned(options, tuned))
        except UserError as error:
            shown = ", ".join(f"{name} {value}" for name, value in tuned.items())
            raise UserError(f"tuning.space: a trial cannot have {shown}: {error}") from None
