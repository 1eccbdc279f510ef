"""Which hyperparameters of a training may be tuned, and where each of them goes.

All trials of a variant differ in nothing else: what counts steps, validations or batches stays the study's.
The optimizer is no hyperparameter here either: learning rates mean something else to each.
"""

from collections.abc import Mapping
from typing import Any

from workbench.errors import suggestion
from workbench.records.hyperparameters import LEARNING_RATE, Hyperparameters
from workbench.training.config import TrainingConfig

SCHEDULE = "schedule"
_NUMBERS = ("weight_decay", "clip", "warmup", "final_rate", "epsilon")
_BETAS = {"beta1": 0, "beta2": 1}
TUNABLE = (LEARNING_RATE, *_NUMBERS, *_BETAS, SCHEDULE)


def refusal(name: str) -> str | None:
    """Why a hyperparameter of this name cannot be tuned, with the remedy; None for one that can."""
    if name in TUNABLE or name.startswith(f"{SCHEDULE}."):
        return None
    if name == "betas":
        return "is two numbers; tune beta1 and beta2"
    if name in TrainingConfig.factors():
        return "is no hyperparameter that tuning can choose; make it a factor, or set it under training"
    if name in TrainingConfig.model_fields:
        return f"is the same for all variants; set training.{name}"
    return f"is no hyperparameter; {suggestion(name, [*TUNABLE, f'{SCHEDULE}.decay'])}"


def field_of(name: str) -> str:
    """The field of ``TrainingConfig`` that a hyperparameter is, or is a part of."""
    return "betas" if name in _BETAS else name.partition(".")[0]


def with_tuned(options: Mapping[str, Any], tuned: Hyperparameters) -> dict[str, Any]:
    """``options`` of a ``TrainingConfig`` as a mapping, with each tuned value in its field's place.

    The learning rate is no field of it, and is left out.
    """
    found = dict(options)
    for name, value in tuned.items():
        field, _, option = name.partition(".")
        if name in _BETAS:
            betas = list(found.get("betas", TrainingConfig.model_fields["betas"].default))
            betas[_BETAS[name]] = value
            found["betas"] = betas
        elif option:
            level = found.get(field, TrainingConfig.model_fields[field].default)
            level = {"name": level} if isinstance(level, str) else level
            found[field] = {**level, option: value}
        elif name != LEARNING_RATE:
            found[name] = value
    return found
