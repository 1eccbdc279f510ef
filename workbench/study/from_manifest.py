"""From a manifest back to a study file, for a study of which only the results are here.

A manifest is the study, resolved: it has values where the file may have had defaults, and for the baseline a
model where the file named a preset. What is written here gives that model again, which is looked at; a study
that it cannot say (a search, a ladder, one with a space, gains or a start) is refused.
"""

from typing import Any

from workbench.errors import UserError
from workbench.model.config import OPTIONS, PARTS, ModelConfig
from workbench.model.parts.component import ComponentConfig
from workbench.model.presets import preset, preset_names
from workbench.records.manifest import Manifest, ManifestVariant
from workbench.records.run import Phase
from workbench.study.recipe import CONTEXT, CORPUS, SIZE, TOKENIZER, TREATMENT
from workbench.study.schema import FIRST_SEED, UNTIL_DECIDED
from workbench.training.config import TrainingConfig

_SIZES = ("layers", "width", "heads")
_OF_MACHINE = ("device", "steps", "precision", "compile", "threads")  # and what follows from the rest
_SMALL = "-nano"
_WIDTH = "feedforward_width"


def study_values(manifest: Manifest) -> dict[str, Any]:
    """The values of a study file that asks what ``manifest`` promised; ``UserError`` where none can."""
    said = {
        "is a search": manifest.is_search,
        "is a ladder": manifest.is_ladder,
        "holds models from elsewhere": manifest.is_import,
        "tunes over a space": manifest.tuning is not None,
        "has gains": manifest.gain is not None,
        "starts from a run": manifest.start is not None,
        "lacks what a study needs": not manifest.variants[0].model or not manifest.learning_rates,
    }
    if reason := next((text for text, holds in said.items() if holds), ""):
        raise UserError(f"{manifest.name}: {reason}, and is only asked again by its study file")
    baseline = manifest.baseline_variant
    model = ModelConfig.from_dict(baseline.model)
    named, size = _baseline(model)
    values: dict[str, Any] = {
        "question": manifest.question,
        "baseline": named,
        "size": size,
        "context": model.context,
        **_design(manifest),
        "match": manifest.match or "none",
        "data": _data(manifest),
        "training": _training(manifest),
        "learning_rates": manifest.learning_rates,
        "grid_growth": manifest.grid_growth,
        "halving": manifest.halving or None,
        "seeds": _seeds(manifest),
        "budget": manifest.budget if manifest.budget != "tokens" else None,
        "metric": manifest.metric,
        "margin": manifest.margin,
    }
    return {key: value for key, value in values.items() if value is not None}


def _baseline(model: ModelConfig) -> tuple[str | dict[str, Any], dict[str, int]]:
    """The preset that is nearest to ``model``, with the levels in which it differs; and the size."""
    size = {key: getattr(model, key) for key in _SIZES}
    found: list[tuple[str, dict[str, Any]]] = []
    for name in [one for one in preset_names() if one.endswith(_SMALL)]:
        shown = preset(name, vocabulary=model.vocabulary, context=model.context, **size)
        ours, theirs = model.labels(), shown.labels()
        differing = [factor for factor in (*PARTS, *OPTIONS) if ours.get(factor) != theirs.get(factor)]
        levels = {factor: _plain(getattr(model, factor)) for factor in differing}
        found.append((name.removesuffix(_SMALL), levels))
    name, levels = min(found, key=lambda one: len(one[1]))
    # A bare gpt2 is the published model of that name, which has a size of its own; here all is said.
    again = preset(name, **{"vocabulary": model.vocabulary, "context": model.context, **size})
    again = again.with_levels(**levels) if levels else again
    if again.feedforward_width != model.feedforward_width:
        size[_WIDTH] = model.feedforward_width
        again = again.with_levels(feedforward_width=model.feedforward_width)
    if again != model:
        raise UserError(
            "its baseline is no preset with other levels; it is only asked again by its study file"
        )
    return (name if not levels else {"preset": name, **levels}), size


def _design(manifest: Manifest) -> dict[str, Any]:
    """Factors where the design is made of them, else the variants one by one."""
    others = [variant for variant in manifest.variants if variant.name != manifest.baseline]
    controls = {"controls": True} if any(one.is_null_twin for one in others) else {}
    others = [one for one in others if not one.is_null_twin]
    if manifest.design not in ("one_at_a_time", "full_factorial"):
        return {"design": "explicit", "variants": [_variant(one) for one in others], **controls}
    factors: dict[str, list[Any]] = {}
    for variant in others:
        for factor in variant.change:
            levels = factors.setdefault(factor, [_level(manifest.baseline_variant, factor, manifest)])
            level = _level(variant, factor)
            if level not in levels:
                levels.append(level)
    return {"design": manifest.design, "factors": factors, **controls}


def _variant(variant: ManifestVariant) -> dict[str, Any]:
    """A variant as the design explicit lists it; a width of its own is a size there."""
    levels = {factor: _level(variant, factor) for factor in variant.change if factor != _WIDTH}
    if _WIDTH in variant.change:
        levels[SIZE] = {**levels.get(SIZE, {}), _WIDTH: variant.model[_WIDTH]}
    if variant.budget is not None and variant.budget.unit is not None:
        levels["budget"] = variant.budget.unit
    return {"name": variant.name, **levels}


def _level(variant: ManifestVariant, factor: str, manifest: Manifest | None = None) -> Any:
    """The value of a variant's level, as a study file writes it; of the baseline ``manifest`` says more."""
    data: Any = variant.data or (manifest.data if manifest is not None else {})
    training: Any = (manifest.training if manifest is not None else {}) | variant.training
    if factor == SIZE:
        return {key: variant.model[key] for key in _SIZES}
    if factor == TOKENIZER:
        return _tokenizer(data.get("tokenizer"))
    if factor == CORPUS:
        return data.get("corpus")
    if factor == TREATMENT:
        corpus = data.get("corpus")
        return (corpus.get(TREATMENT) if isinstance(corpus, dict) else None) or "as_is"
    if factor == CONTEXT:
        return variant.model[CONTEXT]
    if factor in TrainingConfig.model_fields:
        return training.get(factor, TrainingConfig.model_fields[factor].default)
    return _plain(getattr(ModelConfig.from_dict(variant.model), factor))


def _plain(level: Any) -> Any:
    """A level of the model: its name where its options are the usual ones, else a mapping; or a value."""
    if not isinstance(level, ComponentConfig):
        return level
    return level.name if level.label == level.name else level.to_dict()


def _data(manifest: Manifest) -> dict[str, Any]:
    data: dict[str, Any] = {
        "corpus": manifest.data.get("corpus"),
        "tokenizer": _tokenizer(manifest.data.get("tokenizer")),
    }
    if manifest.evaluation:
        data["evaluation"] = {one.name: one.corpus for one in manifest.evaluation}
    return data


def _tokenizer(spec: Any) -> Any:
    """A learned tokenizer is asked for by its size."""
    return {"bpe": spec["bpe"]} if isinstance(spec, dict) and "bpe" in spec else spec


def _training(manifest: Manifest) -> dict[str, Any]:
    """How the baseline is trained, without what the machine decides."""
    known = TrainingConfig.model_fields
    return {key: value for key, value in manifest.training.items() if key in known and key not in _OF_MACHINE}


def _seeds(manifest: Manifest) -> dict[str, Any]:
    """Counts where the seeds are those that a count gives, else the seeds themselves."""
    lists = {Phase.TUNE: manifest.seeds.tune, Phase.CONFIRM: manifest.seeds.confirm}
    offsets = {seeds[0] - FIRST_SEED[phase] for phase, seeds in lists.items() if seeds}
    offset = max(offsets, default=0)
    counted = len(offsets) <= 1 and all(
        seeds == list(range(FIRST_SEED[phase] + offset, FIRST_SEED[phase] + offset + len(seeds)))
        for phase, seeds in lists.items()
    )
    found: dict[str, Any] = {str(phase): len(seeds) if counted else seeds for phase, seeds in lists.items()}
    if counted and offset:
        found["offset"] = offset
    if manifest.looks:
        found |= {"confirm": UNTIL_DECIDED, "at_least": manifest.looks[0], "at_most": manifest.looks[-1]}
    return found
