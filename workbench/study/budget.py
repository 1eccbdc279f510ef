"""Equal budgets: where variants take batches of different sizes, all train on as many tokens all the same."""

import math
from dataclasses import replace
from typing import Any

from workbench.errors import UserError
from workbench.study.recipe import Recipe

_MOST_ROUNDING = 2  # times the tokens that a variant would have alone


def equally_trained(study: str, recipes: dict[str, Recipe]) -> dict[str, Recipe]:
    """``recipes``, by variant, with as many tokens and evaluations for all; raises ``UserError`` if none fit.

    A budget is rounded up to whole steps between two evaluations. Batches of different sizes are rounded up
    to what is whole for all of them, so that every evaluation falls at the same number of tokens.
    """
    for name, recipe in recipes.items():
        problem = recipe.training.budget_problem(recipe.model.context)
        if problem:
            own = "" if recipe is next(iter(recipes.values())) else f"{name}: "
            raise UserError(f"{study}: {own}{problem}")
    evaluations = min(recipe.training.fitted(recipe.model.context).evaluations for recipe in recipes.values())
    changed = {name: _changed(recipe, evaluations=evaluations) for name, recipe in recipes.items()}
    totals = {trained_tokens(recipe) for recipe in changed.values()}
    if len(totals) == 1:
        return changed
    steps = [recipe.training.batch_size * recipe.model.context for recipe in changed.values()]
    whole = evaluations * math.lcm(*steps)
    total = math.ceil(min(totals) / whole) * whole
    if total > _MOST_ROUNDING * min(totals):
        sizes = sorted({recipe.training.batch_size for recipe in changed.values()})
        raise UserError(
            f"{study}: batch_size: {', '.join(map(str, sizes))} fall on the same tokens at {evaluations} "
            f"evaluations only with {total:,} tokens in place of {min(totals):,}; take sizes of which each "
            "divides the next, fewer training.evaluations, or more training.tokens"
        )
    return {
        name: recipe if trained_tokens(recipe) == total else _changed(recipe, tokens=total)
        for name, recipe in changed.items()
    }


def trained_tokens(recipe: Recipe) -> int:
    """The tokens that a trial of ``recipe`` trains on."""
    context = recipe.model.context
    return recipe.training.steps(context) * recipe.training.batch_size * context


def _changed(recipe: Recipe, **budget: Any) -> Recipe:
    """``recipe`` with another budget, itself where it has that one: a key that was left out stays so."""
    if all(getattr(recipe.training, key) == value for key, value in budget.items()):
        return recipe
    return replace(recipe, training=recipe.training.model_copy(update=budget))
