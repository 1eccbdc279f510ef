"""Equal budgets: as many tokens, as much text, as many FLOPs, or as many passes over a text of its own."""

import math
from dataclasses import replace
from typing import Any

from workbench.errors import UserError
from workbench.records.manifest import POOL
from workbench.study.recipe import Recipe
from workbench.study.schema import StudyFile
from workbench.study.texts import Texts

_MOST_ROUNDING = 2  # times the tokens that a variant would have alone
_MOST_MISMATCH = 0.1  # of an equal budget, which whole steps may leave


def equally_trained(study: StudyFile, recipes: dict[str, Recipe], texts: Texts) -> dict[str, Recipe]:
    """``recipes``, by variant, the baseline first, with an equal budget and as many evaluations for all.

    Raises ``UserError`` where there is none. A budget is in whole steps between two evaluations. Equal tokens
    are rounded up to what is whole for batches of all sizes, so that every evaluation falls at the same
    number of tokens; of equal bytes, FLOPs or passes each variant has the nearest number of steps, and its
    evaluations at the same parts of its run. What is equal is the study's ``budget`` or a variant's own.
    """
    for name, recipe in recipes.items():
        problem = recipe.training.budget_problem(recipe.model.context)
        if problem:
            own = "" if recipe is next(iter(recipes.values())) else f"{name}: "
            raise UserError(f"{study.name}: {own}{problem}")
    evaluations = min(recipe.training.fitted(recipe.model.context).evaluations for recipe in recipes.values())
    changed = {name: _changed(recipe, evaluations=evaluations) for name, recipe in recipes.items()}
    first = next(iter(changed))
    units = {name: study.budget_unit(name) for name in changed}
    alike = {name: changed[name] for name, unit in units.items() if name == first or unit == "tokens"}
    solved = changed | _at_equal_tokens(study.name, alike, evaluations)
    baseline = solved[first]
    for name, recipe in changed.items():
        if name in alike:
            continue
        total = trained_tokens(baseline) * cost_per_token(units[name], baseline, texts)
        tokens = total / cost_per_token(units[name], recipe, texts)
        between = evaluations * recipe.training.batch_size * recipe.model.context  # tokens of a step of each
        whole = max(1, round(tokens / between)) * between
        if abs(whole / tokens - 1) > _MOST_MISMATCH:
            raise UserError(
                f"{study.name}: budget: {name}: an equal budget is {tokens:,.0f} tokens, and {evaluations} "
                f"evaluations with whole steps between them need a multiple of {between:,}; raise "
                "training.tokens, or give fewer training.evaluations"
            )
        solved[name] = recipe if trained_tokens(recipe) == whole else _changed(recipe, tokens=whole)
    return solved


def cost_per_token(budget: str, recipe: Recipe, texts: Texts) -> float:
    """What a training token of ``recipe`` takes of a budget.

    That is 1 token, the bytes of its text, its FLOPs, or its part of a pass over the training text.
    """
    if budget == "bytes":
        return bytes_per_token(recipe, texts)
    if budget == POOL:
        return 1 / len(texts.of(recipe.data).train)
    return recipe.model.flops_per_token() if budget == "flops" else 1


def bytes_per_token(recipe: Recipe, texts: Texts) -> float:
    """UTF-8 bytes of text that a training token stands for, on the average of the whole training split."""
    corpus = texts.of(recipe.data)
    return corpus.train_bytes / len(corpus.train)


def trained_tokens(recipe: Recipe) -> int:
    """The tokens that a trial of ``recipe`` trains on."""
    context = recipe.model.context
    return recipe.training.steps(context) * recipe.training.batch_size * context


def _at_equal_tokens(study: str, changed: dict[str, Recipe], evaluations: int) -> dict[str, Recipe]:
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


def _changed(recipe: Recipe, **budget: Any) -> Recipe:
    """``recipe`` with another budget, itself where it has that one: a key that was left out stays so."""
    if all(getattr(recipe.training, key) == value for key, value in budget.items()):
        return recipe
    return replace(recipe, training=recipe.training.model_copy(update=budget))
