"""What can be varied in a study: each factor with its registered levels, and what a level costs.

Read from the reference (``workbench explain``), whose entries are read from the classes of the levels.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from workbench.errors import UserError
from workbench.model.config import ModelConfig
from workbench.model.presets import preset
from workbench.study.reference.entries import FACTORS, Entry, Kind
from workbench.study.reference.lookup import reference

_MAY_BE = "may be a factor"


@dataclass(frozen=True, kw_only=True)
class FactorChoice:
    """A factor, and its levels where they have names; of any other ``example`` is a list of levels as YAML.

    ``about`` is what the reference says of the factor, and ``entry`` is that of the key or of the factor.
    """

    entry: Entry
    levels: tuple[Entry, ...] = ()

    @property
    def name(self) -> str:
        """As a study file names it."""
        return self.entry.name

    @property
    def about(self) -> str:
        """What it is, in a sentence or two."""
        return self.entry.meaning

    @property
    def names(self) -> list[str]:
        """The levels that can be chosen by name."""
        return [level.name for level in self.levels] or list(self.entry.choices)


@cache
def factor_choices() -> dict[str, FactorChoice]:
    """Every factor of the reference by its name: those of the model, then training, size and text."""
    sections = reference()
    levels = {
        section.key: section.entries
        for section in sections
        if section.kind is Kind.LEVEL and not section.beside
    }
    entries = [entry for section in sections for entry in section.entries]
    parts = [entry for entry in entries if entry.kind is Kind.FACTOR]
    keys = {entry.name: entry for entry in entries if entry.kind is Kind.KEY and entry.note == _MAY_BE}
    found = {}
    for entry in (*parts, *keys.values()):
        place = entry.key if entry.key in levels else f"{FACTORS}.{entry.name}"
        found[entry.name] = FactorChoice(entry=entry, levels=levels.get(place, ()))
    return found


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a level costs in a model of the study's size, before widths are matched.

    ``parameters`` are those outside embedding tables and head, of the whole model; ``flops`` are training
    FLOPs per token. ``refused`` says why the level cannot be in this model; numbers are None then.
    """

    parameters: int | None = None
    flops: int | None = None
    refused: str = ""


def model_at(baseline: Any, size: dict[str, Any], context: Any, vocabulary: int) -> ModelConfig:
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
