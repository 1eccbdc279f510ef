"""What the form offers: models, and factors with their levels and what each costs at the baseline.

To work it out takes the classes of all levels, and torch with them, which takes seconds. It is text and
numbers: what a page opens with is kept for the next server too.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from workbench.dashboard.asking.draft import FIRST, read_draft, value_at
from workbench.dashboard.state import library
from workbench.errors import UserError
from workbench.study.level_choices import BaselineLevels, FactorChoice, factor_choices

_BYTES = 257  # the vocabulary of bytes, where the tokenizer is not a number of byte pairs


@cache
def offered_factors() -> dict[str, FactorChoice]:
    """Every factor by its name."""
    return library().lasting("factors", None, factor_choices, of=())


@cache
def offered_presets() -> list[str]:
    """Every model that has a name."""

    def names() -> list[str]:
        from workbench.model.presets import preset_names  # with torch

        return preset_names()

    return library().lasting("presets", None, names, of=())


def levels_of(values: Mapping[str, Any]) -> BaselineLevels | None:
    """The levels of a draft's baseline, with the costs of others of the factors that it varies.

    None where the draft has no model: the check beside the form says what is wrong.
    """
    if values == first_draft():
        return library().lasting("levels of the first draft", FIRST, lambda: _worked_out(values), of=())
    return _worked_out(values)


@cache
def first_draft() -> dict[str, Any]:
    """What everybody begins with."""
    return read_draft(FIRST)


def _worked_out(values: Mapping[str, Any]) -> BaselineLevels | None:
    from workbench.study.level_costs import baseline_levels, model_at  # with torch

    tokenizer = value_at(values, "data.tokenizer")
    pairs = tokenizer.get("bpe") if isinstance(tokenizer, dict) else None
    size, varied = values.get("size"), values.get("factors")
    try:
        model = model_at(
            values.get("baseline"),
            size if isinstance(size, dict) else {},
            values.get("context"),
            pairs or _BYTES,
        )
    except (UserError, TypeError, ValueError):
        return None
    return baseline_levels(model, varied if isinstance(varied, dict) else ())
