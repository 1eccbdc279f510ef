"""What a study must say where its variants differ in their data: what is not comparable is refused."""

from typing import Any

from workbench.data.corpora import corpus_config, untreated
from workbench.data.sources.mixture import Mixture
from workbench.data.sources.source import CorpusConfig
from workbench.data.tasks.registry import called
from workbench.data.tasks.task import GeneratedTask
from workbench.errors import UserError
from workbench.model.parts.component import plain
from workbench.records.manifest import POOL
from workbench.study.recipe import CONTEXT, CORPUS, TOKENIZER, TREATMENT, Recipe
from workbench.study.schema import METRICS, StudyFile

_OF_THE_SPLIT = (
    *("max_bytes", "validation_fraction", "treatment"),
    *("copies", "near_copies", "decontaminate"),
)
Spec = str | dict[str, Any]
IN_DOMAIN = "in_domain"  # what the text is called that all are judged on where the study names none


def require_comparable(study: StudyFile, recipes: dict[str, Recipe]) -> None:
    """Raise ``UserError``, with the remedy, where a budget or a metric would not mean the same for all."""
    at_equal_tokens = _differing(_trained_at(study, recipes, "tokens"), TOKENIZER)
    if at_equal_tokens:
        raise UserError(
            f"{study.name}: budget: at equal tokens, tokenizers ({at_equal_tokens}) train on more and less "
            "text; write 'budget: flops' or 'budget: bytes'"
        )
    tokenizers = _differing(recipes, TOKENIZER)
    if tokenizers and study.metric == METRICS[0]:
        raise UserError(
            f"{study.name}: metric: nats per token of several tokenizers ({tokenizers}) do not compare; "
            f"write 'metric: {METRICS[1]}'"
        )
    corpora = _differing(recipes, CORPUS)
    of_a_pool = _trained_at(study, recipes, POOL)
    if len(of_a_pool) > 1 and not _differing(of_a_pool, CORPUS) and not _differing(of_a_pool, TREATMENT):
        remedy = "bytes" if tokenizers else "tokens"
        raise UserError(
            f"{study.name}: budget: pool gives variants as many passes over what each leaves of a pool, and "
            f"here all leave the same, as none changes treatment or corpus; write 'budget: {remedy}'"
        )
    if corpora and not study.data.evaluation:
        raise UserError(
            f"{study.name}: data.evaluation: corpora are compared ({corpora}), and nothing says on which "
            f"text; name it, for example 'evaluation: {{{IN_DOMAIN}: python-stdlib}}'"
        )
    for name, source in study.data.evaluation.items():
        for variant, recipe in recipes.items():
            _require_held_out(f"{study.name}: data.evaluation.{name}", source, variant, recipe.data.corpus)


def _trained_at(study: StudyFile, recipes: dict[str, Recipe], unit: str) -> dict[str, Recipe]:
    """The baseline, which comes first, and the variants that train on as much of ``unit`` as it does."""
    first = next(iter(recipes))
    return {name: one for name, one in recipes.items() if name == first or study.budget_unit(name) == unit}


def evaluation_sources(study: StudyFile, recipes: dict[str, Recipe]) -> dict[str, Spec]:
    """The sources of the texts that all variants are judged on, by name.

    None where the windows of the validation split serve: they are the same targets for all variants as long
    as these have one tokenizer and one context.
    """
    if study.data.evaluation:
        return study.data.evaluation
    if name := called(study.data.corpus):
        return {name: study.data.corpus}
    if _differing(recipes, TOKENIZER) or _differing(recipes, CONTEXT):
        return {IN_DOMAIN: untreated(study.data.corpus)}
    return {}


def _require_held_out(key: str, judged: Spec, variant: str, trained: Spec) -> None:
    """Refuse to judge on what ``variant`` trains on: the same source, cut or held out otherwise.

    Where sources differ, equal fractions keep exact copies apart: a document's side follows from its content.
    """
    held_out = corpus_config(judged, key, trained_on=False)
    corpus = corpus_config(trained)
    if isinstance(corpus, Mixture):
        for option, part in corpus.parts().items():
            if option.startswith("mixture"):
                _require_held_out(key, judged, f"{variant} ({option})", part)
    if _source(held_out) != _source(corpus):
        return
    if isinstance(held_out, GeneratedTask) and held_out.streams_apart:
        return
    for option, sound in (
        ("max_bytes", held_out.max_bytes == corpus.max_bytes),
        ("validation_fraction", held_out.validation_fraction <= corpus.validation_fraction),
    ):
        if not sound:
            ours, theirs = (plain(getattr(config, option)) for config in (held_out, corpus))
            raise UserError(
                f"{key}.{option}: {ours} would judge on text that {variant} trains on, whose corpus has "
                f"{theirs}; give both the same {option}"
            )


def _source(config: CorpusConfig) -> tuple[type[CorpusConfig], dict[str, Any]]:
    """What a corpus is read from, whatever is held out of it."""
    options = {key: value for key, value in config.spec().items() if key not in _OF_THE_SPLIT}
    return type(config), options


def _differing(recipes: dict[str, Recipe], factor: str) -> str:
    """The levels of a factor in which recipes differ, as text; empty where all have one."""
    levels = dict.fromkeys(recipe.labels()[factor] for recipe in recipes.values())
    return ", ".join(levels) if len(levels) > 1 else ""
