"""Equal budgets: as many tokens, bytes of text, FLOPs, passes over a text of its own, seconds, or bytes held.

Of all but the last a variant's tokens follow from what a token costs it. As many bytes held by a training
step (``training_bytes``) are a matter of its batch size, and its tokens are then the baseline's.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from workbench.errors import UserError
from workbench.numbers import byte_size
from workbench.records.manifest import MEMORY, POOL, SECONDS
from workbench.records.step_times import StepTimes
from workbench.study.recipe import Recipe
from workbench.study.schema import StudyFile
from workbench.study.texts import Texts
from workbench.study.training_bytes import training_bytes

_MOST_ROUNDING = 2  # times the tokens that a variant would have alone
_MOST_MISMATCH = 0.1  # of an equal budget, which whole steps may leave


@dataclass(frozen=True)
class Costs:
    """What training takes of a budget. ``step_times`` are there where a budget is seconds."""

    texts: Texts
    step_times: StepTimes | None = None

    def per_token(self, unit: str, name: str, recipe: Recipe) -> float:
        """What a training token of the variant ``name`` takes: 1 token, the bytes of its text, its FLOPs, its
        part of a pass over the training text, or its seconds. Of equal bytes held tokens are equal.
        """
        if unit == "bytes":
            return bytes_per_token(recipe, self.texts)
        if unit == POOL:
            return 1 / len(self.texts.of(recipe.data).train)
        if unit == SECONDS:
            assert self.step_times is not None, "a plan with this budget has measured them"
            return self.step_times.seconds_per_token(name)
        return recipe.model.flops_per_token() if unit == "flops" else 1

    def spent(self, unit: str, name: str, recipe: Recipe) -> float:
        """What a whole trial takes of a budget in ``unit``."""
        if unit == MEMORY:
            return training_bytes(recipe).at(recipe.training.batch_size)
        return trained_tokens(recipe) * self.per_token(unit, name, recipe)


def equally_trained(study: StudyFile, recipes: dict[str, Recipe], costs: Costs) -> dict[str, Recipe]:
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
    units = {name: study.budget_unit(name) for name in recipes}
    recipes = recipes | _of_equal_memory(study.name, recipes, units)
    evaluations = min(recipe.training.fitted(recipe.model.context).evaluations for recipe in recipes.values())
    changed = {name: _changed(recipe, evaluations=evaluations) for name, recipe in recipes.items()}
    first = next(iter(changed))
    alike = {name: changed[name] for name, unit in units.items() if name == first or unit == "tokens"}
    solved = changed | _at_equal_tokens(study.name, alike, evaluations)
    baseline = solved[first]
    for name, recipe in changed.items():
        if name in alike:
            continue
        total = trained_tokens(baseline) * costs.per_token(units[name], first, baseline)
        tokens = total / costs.per_token(units[name], name, recipe)
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


def _of_equal_memory(study: str, recipes: dict[str, Recipe], units: dict[str, str]) -> dict[str, Recipe]:
    """The variants whose training step is to hold as many bytes as the baseline's, with the batch for it."""
    baseline = next(iter(recipes.values()))
    judged = {name: recipe for name, recipe in list(recipes.items())[1:] if units[name] == MEMORY}
    if not judged:
        return {}
    total = training_bytes(baseline).at(baseline.training.batch_size)
    solved = {}
    for name, recipe in judged.items():
        execution = recipe.training.execution
        if not execution.is_usual:
            raise UserError(
                f"{study}: budget: equal memory is of a trial on one device that keeps all of a batch, and "
                f"here one is computed on {execution.words()}; leave that out of training"
            )
        if recipe.training.batch_size != baseline.training.batch_size:
            raise UserError(
                f"{study}: budget: {name}: equal memory is a matter of the batch size, and the variant has "
                "one of its own; leave batch_size out of its levels, or take another budget"
            )
        own = training_bytes(recipe)
        batch_size = own.batch_size(total)
        if abs(own.at(batch_size) / total - 1) > _MOST_MISMATCH:
            raise UserError(
                f"{study}: budget: {name}: a training step of the baseline holds {byte_size(total)}, and "
                f"with {batch_size} windows one of this variant {byte_size(own.at(batch_size))}; raise "
                "training.batch_size, so that whole windows come nearer"
            )
        solved[name] = _changed(recipe, batch_size=batch_size)
    return solved


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
