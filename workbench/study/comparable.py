"""What a study must say where its variants differ in their data: what is not comparable is refused."""

from typing import Any

from workbench.data.corpora import untreated
from workbench.errors import UserError
from workbench.study.recipe import CONTEXT, CORPUS, TOKENIZER, Recipe
from workbench.study.schema import METRICS, StudyFile

IN_DOMAIN = "in_domain"  # what the text is called that all are judged on where the study names none


def require_comparable(study: StudyFile, recipes: dict[str, Recipe]) -> None:
    """Raise ``UserError``, with the remedy, where a budget or a metric would not mean the same for all."""
    tokenizers = _differing(recipes, TOKENIZER)
    if tokenizers and study.budget == "tokens":
        raise UserError(
            f"{study.name}: budget: at equal tokens, tokenizers ({tokenizers}) train on more and less text; "
            "write 'budget: flops' or 'budget: bytes'"
        )
    if tokenizers and study.metric == METRICS[0]:
        raise UserError(
            f"{study.name}: metric: nats per token of several tokenizers ({tokenizers}) do not compare; "
            f"write 'metric: {METRICS[1]}'"
        )
    corpora = _differing(recipes, CORPUS)
    if corpora and not study.data.evaluation:
        raise UserError(
            f"{study.name}: data.evaluation: corpora are compared ({corpora}), and nothing says on which "
            f"text; name it, for example 'evaluation: {{{IN_DOMAIN}: python-stdlib}}'"
        )


def evaluation_sources(study: StudyFile, recipes: dict[str, Recipe]) -> dict[str, str | dict[str, Any]]:
    """The sources of the texts that all variants are judged on, by name.

    None where the windows of the validation split serve: they are the same targets for all variants as long
    as these have one tokenizer and one context.
    """
    if study.data.evaluation:
        return study.data.evaluation
    if _differing(recipes, TOKENIZER) or _differing(recipes, CONTEXT):
        return {IN_DOMAIN: untreated(study.data.corpus)}
    return {}


def _differing(recipes: dict[str, Recipe], factor: str) -> str:
    """The levels of a factor in which recipes differ, as text; empty where all have one."""
    levels = dict.fromkeys(recipe.labels()[factor] for recipe in recipes.values())
    return ", ".join(levels) if len(levels) > 1 else ""
