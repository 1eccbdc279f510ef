"""What the levels of a factor cost in the model of a study's baseline."""

from collections.abc import Iterable, Mapping
from typing import Any

from workbench.errors import UserError
from workbench.model.config import ModelConfig
from workbench.model.parts.component import ComponentConfig
from workbench.model.presets import preset
from workbench.study.level_choices import BaselineLevels, Cost, FactorChoice, factor_choices


def baseline_levels(model: ModelConfig, varied: Iterable[str]) -> BaselineLevels:
    """The levels of ``model``, and what it costs with each level of the factors that are ``varied``."""
    factors = factor_choices()
    return BaselineLevels(
        parameters=model.nonembedding_parameters(),
        flops=model.flops_per_token(),
        own={name: _as_written(getattr(model, name)) for name in factors if hasattr(model, name)},
        costs={name: level_costs(model, factors[name]) for name in varied if name in factors},
    )


def model_at(baseline: Any, size: Mapping[str, Any], context: Any, vocabulary: int) -> ModelConfig:
    """The model of a study's ``baseline``: a preset's name, or a mapping of levels with one.

    ``size`` has the study's own layers, width, heads and feedforward_width. Raises ``UserError`` for what is
    no model.
    """
    levels = dict(baseline) if isinstance(baseline, dict) else {"preset": baseline or "llama"}
    name = str(levels.pop("preset", "llama"))
    model = preset(name, **{"vocabulary": vocabulary, "context": context, **size})
    own = {key: value for key, value in levels.items() if key in factor_choices() and hasattr(model, key)}
    return model.with_levels(**own) if own else model


def level_costs(model: ModelConfig, factor: FactorChoice) -> dict[str, Cost]:
    """What each named level of ``factor`` costs in ``model``; nothing where the model has no such part."""
    if not hasattr(model, factor.name):
        return {}
    return {name: _cost(model, factor.name, name) for name in factor.names}


def _cost(model: ModelConfig, factor: str, level: str) -> Cost:
    try:
        changed = model.with_levels(**{factor: level})
        if factor == "feedforward" and level != model.feedforward.name:
            changed = changed.with_levels(feedforward_width=None)  # the kind's own rule, as in a study
    except UserError as error:
        return Cost(refused=str(error))
    return Cost(parameters=changed.nonembedding_parameters(), flops=changed.flops_per_token())


def _as_written(level: Any) -> Any:
    if isinstance(level, ComponentConfig):
        return level.name if level.label == level.name else level.to_dict()
    return level
