"""The baseline at other budgets, for compute-equivalent gains: which trials that takes."""

from dataclasses import replace

from workbench.errors import UserError
from workbench.study.budget import trained_tokens
from workbench.study.design import Variant
from workbench.study.recipe import CORPUS, TOKENIZER, TREATMENT
from workbench.study.schema import StudyFile

# With one of these a token, or what it is read from, is another one than the baseline's.
_OTHER_TEXT = (TOKENIZER, CORPUS, TREATMENT)


def gain_rungs(study: StudyFile, variants: list[Variant]) -> list[Variant]:
    """The baseline at each of the budgets under ``gain``, by rising tokens; none where that key is left out.

    Each has a schedule of its own length. Raises ``UserError`` where budgets fall on the same tokens, and
    where no variant could have a gain.
    """
    if study.gain is None:
        return []
    baseline, others = variants[0], variants[1:]
    key = f"{study.name}: gain"
    if all(_has_no_gain(variant, baseline) for variant in others):
        raise UserError(
            f"{key}: no variant trains on the baseline's text and tokens, at which a gain is read; remove "
            "the key, or add a variant that does"
        )
    rungs = [_at(baseline, tokens) for tokens in study.gain.tokens]
    seen: dict[int, str] = {trained_tokens(baseline.recipe): "the study's own budget"}
    for rung, asked in zip(rungs, study.gain.tokens, strict=True):
        tokens = trained_tokens(rung.recipe)
        if tokens in seen:
            raise UserError(
                f"{key}.tokens: {asked:,} come to {tokens:,} in whole steps between evaluations, as "
                f"{seen[tokens]} does; give budgets farther apart, or fewer training.evaluations"
            )
        seen[tokens] = f"{asked:,}"
        if rung.name in {variant.name for variant in variants}:
            raise UserError(f"{key}: a variant is called {rung.name!r}; give it another name")
    return rungs


def _has_no_gain(variant: Variant, baseline: Variant) -> bool:
    if any(factor in variant.change for factor in _OTHER_TEXT):
        return True
    return trained_tokens(variant.recipe) != trained_tokens(baseline.recipe)


def _at(baseline: Variant, tokens: int) -> Variant:
    """The baseline with that budget, under a name that says so."""
    recipe = baseline.recipe
    training = recipe.training.model_copy(update={"tokens": tokens}).fitted(recipe.model.context)
    recipe = replace(recipe, training=training)
    return replace(baseline, name=f"baseline at {trained_tokens(recipe):,} tokens", recipe=recipe)
