"""From a study file to its variants: each one the baseline with a named change, at matched size."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

from workbench.errors import UserError, suggestion
from workbench.model.config import ModelConfig
from workbench.model.matching import match_size
from workbench.model.parts.component import ComponentConfig
from workbench.model.presets import preset, preset_names
from workbench.records.manifest import SECONDS
from workbench.records.step_times import StepTimes
from workbench.study.budget import Costs, equally_trained
from workbench.study.comparable import require_comparable
from workbench.study.dismantling import FEEDFORWARD, Ends, Stack, take_apart
from workbench.study.recipe import CONTEXT, CORPUS, SIZE, TOKENIZER, TREATMENT, Recipe
from workbench.study.schema import DISMANTLE, Level, Size, StudyFile
from workbench.study.texts import Texts
from workbench.user_input import read_as

# The step times of recipes by variant, the baseline first, on a device.
Measure = Callable[[Mapping[str, Recipe], Texts, str], StepTimes]
BASELINE = "baseline"
NULL_TWIN = "null-twin"
FEEDFORWARD_WIDTH = "feedforward_width"
# Factors whose level in the baseline a study has a key of its own for.
_OWN_KEYS = {
    SIZE: "size",
    CONTEXT: "context",
    CORPUS: "data.corpus",
    TREATMENT: "data.corpus.treatment",
    TOKENIZER: "data.tokenizer",
}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One combination of levels.

    ``change`` maps each factor that differs from the baseline to (baseline's level, own level);
    ``mismatch`` is the relative size difference that matching left, None where nothing was matched.
    """

    name: str
    levels: dict[str, str]
    change: dict[str, tuple[str, str]]
    recipe: Recipe
    mismatch: float | None

    @property
    def model(self) -> ModelConfig:
        """The recipe's model."""
        return self.recipe.model

    @property
    def summary(self) -> str:
        """The change in one line: ``norm: rmsnorm -> layernorm``."""
        return ", ".join(f"{factor}: {old} → {new}" for factor, (old, new) in self.change.items()) or "—"


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A study, and what its recipes are resolved with: its texts, and the device, by which ``auto`` goes."""

    study: StudyFile
    texts: Texts
    device: str


class Design(NamedTuple):
    """The variants, the baseline first; the stack whose parts they are, where a study takes one apart; and
    what their training costs.
    """

    variants: list[Variant]
    stack: Stack | None
    costs: Costs


def build_variants(
    study: StudyFile, texts: Texts, start: ModelConfig | None = None, device: str = "cpu"
) -> list[Variant]:
    """The study's variants, the baseline first; raises ``UserError`` for a design that cannot be.

    ``start`` is the model of the run that the study starts from. ``device`` says what ``auto`` means.
    """
    return build_design(study, texts, start, device).variants


def build_design(
    study: StudyFile,
    texts: Texts,
    start: ModelConfig | None = None,
    device: str = "cpu",
    measure: Measure | None = None,
) -> Design:
    """As ``build_variants``. ``measure`` gives the step times of recipes where a budget is seconds."""
    asked = _Asked(study=study, texts=texts, device=device)
    baseline = _baseline(asked, start)
    recipes = {BASELINE: baseline}
    stack = _stack(asked, baseline) if study.design == DISMANTLE else None
    named = _DESIGNS[study.design](asked, baseline) if stack is None else stack.recipes
    if study.controls:
        named = [(NULL_TWIN, _change(asked, baseline, {"draws": "twin"}, "controls")), *named]
    for name, recipe in named:
        if name in recipes:
            raise UserError(
                f"{study.name}: variants: two variants are named {name!r}; give each its own name"
            )
        recipes[name] = recipe
    require_comparable(study, recipes)
    variants = [_variant(study, name, recipe, baseline) for name, recipe in recipes.items()]
    matched = {variant.name: variant.recipe for variant in variants}
    costs = Costs(texts)
    if any(study.budget_unit(name) == SECONDS for name in matched):
        if measure is None:
            raise UserError(
                f"{study.name}: budget: seconds are measured on the machine that trains, before its first "
                "trial, and here is none to measure on; run the study on one machine"
            )
        costs = Costs(texts, measure(matched, texts, device))
    trained = equally_trained(study, matched, costs)
    variants = [replace(variant, recipe=trained[variant.name]) for variant in variants]
    _refuse_twins(study, variants)
    return Design(variants, stack, costs)


def build_point(
    study: StudyFile,
    baseline: Variant,
    name: str,
    levels: dict[str, Level],
    sizes: dict[str, int],
    device: str,
) -> Variant:
    """The variant ``name`` that is a point of a search: levels of factors and sizes, all at once.

    Its feed-forward width is matched to the baseline as any variant's. Raises ``UserError`` where they make
    no model, or none that can be matched.
    """
    if study.start is not None:
        levels = {factor: _own_level(baseline.model, factor, level) for factor, level in levels.items()}
    recipe = baseline.recipe.at_point(levels, sizes)
    if study.start is None or "window" in levels:
        _refuse_idle_window(recipe.model, "search.space")
    training = recipe.training.resolve(device).fitted(recipe.model.context)
    return _variant(study, name, replace(recipe, training=training), baseline.recipe)


def _baseline(asked: _Asked, start: ModelConfig | None) -> Recipe:
    study = asked.study
    given: dict[str, Level] = (
        {"preset": study.baseline} if isinstance(study.baseline, str) else study.baseline
    )
    levels = dict(given)
    name = levels.pop("preset", "llama")
    own_key = "baseline"
    if study.design == DISMANTLE:
        own_key = "from"
        _require_preset(study, own_key, name)
    if start is not None:
        model = start.with_levels(context=study.context)
        levels = {} if isinstance(study.baseline, str) else levels
    else:
        model = _preset(study, str(name), asked.texts.of(study.data).vocabulary)
    recipe = Recipe(model=model, training=study.training.resolve(asked.device), data=study.data)
    baseline = _change(asked, recipe, levels, own_key)
    for factor, key in _OWN_KEYS.items():
        if factor in levels:
            raise UserError(
                f"{study.name}: {own_key}.{factor}: the baseline's is the study's own; write it as {key}"
            )
    before, after = recipe.labels(), baseline.labels()
    for factor in levels:
        if factor in study.training.model_fields_set and after[factor] != before[factor]:
            raise UserError(
                f"{study.name}: {own_key}.{factor}: is {after[factor]}, and training.{factor} is "
                f"{before[factor]}; remove one of them"
            )
    return baseline


def _preset(study: StudyFile, name: str, vocabulary: int) -> ModelConfig:
    size = {key: value for key, value in study.size.model_dump().items() if value is not None}
    return preset(name, vocabulary=vocabulary, context=study.context, **size)


def _parts_of(study: StudyFile, name: str, baseline: Recipe) -> Recipe:
    """Another preset's parts at the baseline's size: a comparison of recipes is not one of sizes."""
    model = baseline.model
    # Dropout too is the baseline's: no preset says anything of it.
    size = {key: getattr(model, key) for key in ("layers", "width", "heads", "head_width", "dropout")}
    if study.size.feedforward_width is not None:
        size["feedforward_width"] = study.size.feedforward_width
    parts = preset(name, vocabulary=model.vocabulary, context=study.context, **size)
    _refuse_idle_window(parts, f"{study.name}: {name}")
    return replace(baseline, model=parts)


def _change(asked: _Asked, recipe: Recipe, levels: dict[str, Level], key: str) -> Recipe:
    study = asked.study
    if study.start is not None:
        levels = {factor: _own_level(recipe.model, factor, level) for factor, level in levels.items()}
        if "draws" in levels:
            raise UserError(
                f"{study.name}: {key}: draws: a study that starts from a run draws no values; remove it"
            )
        for factor in (SIZE, TOKENIZER):
            if factor in levels:
                raise UserError(
                    f"{study.name}: {key}: {factor}: a study that starts from a run has that run's; remove it"
                )
    sizes = levels.get(SIZE)
    is_wider = not isinstance(sizes, dict) or sizes.get("width", recipe.model.width) != recipe.model.width
    if SIZE in levels and is_wider and study.size.feedforward_width is not None:
        raise UserError(
            f"{study.name}: size.feedforward_width: it follows the width where sizes are compared; remove it"
        )
    try:
        changed = recipe.with_levels(**levels)
        if changed.data.tokenizer != recipe.data.tokenizer:
            changed = changed.with_vocabulary(asked.texts.of(changed.data).vocabulary)
        model = changed.model
        # From a trained start the width stays: what can be kept of its matrices is kept.
        if "feedforward" in levels and study.size.feedforward_width is None and study.start is None:
            model = model.with_levels(feedforward_width=None)  # the kind's own rule; matching starts from it
    except UserError as error:
        raise UserError(f"{study.name}: {key}: {error}") from None
    # A trained start keeps the window that it came with, which longer texts than the study's may meet.
    if study.start is None or "window" in levels:
        _refuse_idle_window(model, f"{study.name}: {key}")
    return replace(changed, model=model, training=changed.training.resolve(asked.device))


def _refuse_idle_window(config: ModelConfig, key: str) -> None:
    """A window that no key of the study's context is outside of would be compared with itself."""
    if config.window is not None and config.window >= config.context:
        raise UserError(
            f"{key}: window: {config.window} keys are no limit within a context of {config.context}; use a "
            f"smaller window, or null"
        )


def _own_level(config: ModelConfig, factor: str, level: Level) -> Any:
    """A trained model's own ``rmsnorm`` has that model's eps: its bare name means it as it is."""
    own = getattr(config, factor, None)
    return own if isinstance(own, ComponentConfig) and level == own.name else level


Named = list[tuple[str, Recipe]]


def _one_at_a_time(asked: _Asked, baseline: Recipe) -> Named:
    study = asked.study
    found = []
    for factor, levels in study.factors.items():
        for recipe in _levels(asked, baseline, factor, levels)[1:]:
            found.append((f"{factor}={recipe.labels()[factor]}", recipe))
    return found


def _full_factorial(asked: _Asked, baseline: Recipe) -> Named:
    study = asked.study
    # Every factor is sound by itself, or refused with its own message.
    for factor, its_levels in study.factors.items():
        _levels(asked, baseline, factor, its_levels)
    found = []
    for combination in product(*study.factors.values()):
        levels: dict[str, Level] = dict(zip(study.factors, combination, strict=True))
        recipe = _change(asked, baseline, levels, "factors")
        changed = _difference(baseline, recipe)
        if changed:
            found.append((",".join(f"{factor}={new}" for factor, (_, new) in changed.items()), recipe))
    return found


def _leave_one_out(asked: _Asked, baseline: Recipe) -> Named:
    study = asked.study
    whole, reference = _reference(asked, baseline)
    differing = _difference(baseline, reference)
    if not differing:
        raise UserError(
            f"{study.name}: reference: {study.reference!r} has the baseline's parts; choose another preset"
        )
    found = []
    for factor, (_, level) in differing.items():
        if factor == "window" and "attention_pattern" in differing:
            continue  # which layers have a window, and how wide it is, are one part
        levels = {factor: reference.level(factor)}
        if factor == "attention_pattern":
            levels["window"] = reference.model.window
        recipe = _change(asked, baseline, levels, f"reference.{factor}")
        if recipe.behaviour() != baseline.behaviour():  # 'qkv_bias: false' alone says what the baseline does
            found.append((f"{factor}={level}", recipe))
    return [*found, (whole, reference)] if len(found) > 1 else found


def _reference(asked: _Asked, baseline: Recipe) -> tuple[str, Recipe]:
    """What a study leaves one part after another of, with its name: a preset, or levels, or both."""
    study = asked.study
    assert study.reference is not None  # the design needs it
    if isinstance(study.reference, str):
        return study.reference, _parts_of(study, study.reference, baseline)
    levels = dict(study.reference)
    name = levels.pop("preset", None)
    start = baseline if name is None else _parts_of(study, str(name), baseline)
    return "reference", _change(asked, start, levels, "reference")


def _stack(asked: _Asked, baseline: Recipe) -> Stack:
    """The parts between the baseline and the recipe under ``to``."""
    study = asked.study
    assert study.from_ is not None  # the design needs both
    assert study.to is not None
    origin = study.from_ if isinstance(study.from_, str) else str(study.from_.get("preset", "llama"))
    levels: dict[str, Level] = {"preset": study.to} if isinstance(study.to, str) else dict(study.to)
    name = levels.pop("preset", origin)
    _require_preset(study, "to", name)
    start = baseline
    if isinstance(study.to, str) or "preset" in study.to:
        # A recipe of its own: of the other's levels it has none, of training or of dropout neither.
        parts = _parts_of(study, str(name), baseline).model.with_levels(dropout=0.0)
        start = Recipe(model=parts, training=study.training.resolve(asked.device), data=study.data)
    whole = _change(asked, start, levels, "to")
    differing = _difference(baseline, whole)
    if FEEDFORWARD not in differing and SIZE not in differing:
        # Its width is a size, and no part: matching would make it equal, and without that it is.
        model = whole.model.with_levels(feedforward_width=baseline.model.feedforward_width)
        whole = replace(whole, model=model)

    def swap(recipe: Recipe, changes: dict[str, Any], key: str) -> Recipe:
        return _change(asked, recipe, changes, key)

    try:
        return take_apart(
            Ends(
                baseline=baseline,
                whole=whole,
                swap=swap,
                origin=origin,
                name=f"{name}-changed" if name == origin else str(name),
            ),
            differing,
            baseline=BASELINE,
        )
    except UserError as error:
        prefix = f"{study.name}: "
        raise UserError(prefix + str(error).removeprefix(prefix)) from None


def _require_preset(study: StudyFile, key: str, name: Level) -> None:
    if name not in preset_names():
        raise UserError(
            f"{study.name}: {key}: unknown preset {name!r}; {suggestion(str(name), preset_names())}"
        )


def _explicit(asked: _Asked, baseline: Recipe) -> Named:
    study = asked.study
    found = []
    for index, entry in enumerate(study.variants):
        levels = dict(entry)
        key, name = f"variants.{index}", levels.pop("name", None)
        if not isinstance(name, str) or not name:
            raise UserError(f"{study.name}: {key}: needs a name, for example 'name: gpt2'")
        if "\n" in name:
            raise UserError(
                f"{study.name}: {key}.name: {name!r} is more than a line; give a name of one line"
            )
        levels.pop("budget", None)  # it solves the tokens once all recipes are known
        start = baseline
        if "preset" in levels:
            start = _parts_of(study, str(levels.pop("preset")), baseline)
        width = _own_width(study, levels, key)
        recipe = _change(asked, start, levels, key)
        if width is not None:
            recipe = replace(recipe, model=recipe.model.with_levels(feedforward_width=width))
        found.append((name, recipe))
    return found


def _own_width(study: StudyFile, levels: dict[str, Level], key: str) -> int | None:
    """The feed-forward width that a variant's ``size`` names, taken out of ``levels``; None without one."""
    size = levels.get(SIZE)
    if not isinstance(size, dict) or FEEDFORWARD_WIDTH not in size:
        return None
    try:
        width = read_as(Size, {FEEDFORWARD_WIDTH: size[FEEDFORWARD_WIDTH]}, under=SIZE).feedforward_width
    except UserError as error:
        raise UserError(f"{study.name}: {key}: {error}") from None
    if study.match != "none":
        raise UserError(
            f"{study.name}: {key}.size.feedforward_width: would be undone where sizes are matched; write "
            "'match: none'"
        )
    rest = {name: value for name, value in size.items() if name != FEEDFORWARD_WIDTH}
    levels.pop(SIZE)
    if rest:
        levels[SIZE] = rest
    return width


def _search(asked: _Asked, baseline: Recipe) -> Named:
    return []  # its points are made one by one, as they are proposed


_DESIGNS = {
    "one_at_a_time": _one_at_a_time,
    "full_factorial": _full_factorial,
    "leave_one_out": _leave_one_out,
    "explicit": _explicit,
    "search": _search,
}


def _levels(asked: _Asked, baseline: Recipe, factor: str, levels: list[Level]) -> list[Recipe]:
    """One recipe per level, the baseline's own first."""
    study = asked.study
    recipes = {}
    for level in levels:
        recipe = _change(asked, baseline, {factor: level}, "factors")
        recipes[recipe.labels()[factor]] = recipe
    own = baseline.labels()[factor]
    if own not in recipes:
        first = next(iter(recipes))
        remedy = f"write 'baseline: {{preset: ..., {factor}: {first}}}'"
        if factor in _OWN_KEYS:
            remedy = f"give it as {_OWN_KEYS[factor]}"
        raise UserError(
            f"{study.name}: factors.{factor}: the baseline's level {own!r} is not in {', '.join(recipes)}; "
            f"add it, or {remedy}"
        )
    if len(recipes) < len(levels):
        raise UserError(f"{study.name}: factors.{factor}: a level is listed twice; list each once")
    return [recipes.pop(own), *recipes.values()]


def _difference(baseline: Recipe, recipe: Recipe) -> dict[str, tuple[str, str]]:
    """What differs between them, by factor: both labels.

    Key heads that only follow the size do not, nor batches that only follow the context.
    """
    ours, theirs = baseline.labels(), recipe.labels()
    expected = baseline.at_size_of(recipe).labels() | {SIZE: ours[SIZE], CONTEXT: ours[CONTEXT]}
    return {
        factor: (ours[factor], theirs[factor])
        for factor in ours
        if theirs[factor] not in (ours[factor], expected[factor])
    }


def _variant(study: StudyFile, name: str, recipe: Recipe, baseline: Recipe) -> Variant:
    change = _difference(baseline, recipe)
    labels = recipe.labels()
    if _names_a_width(study):
        widths = [str(one.model.feedforward_width) for one in (baseline, recipe)]
        labels = labels | {FEEDFORWARD_WIDTH: widths[1]}
        if widths[0] != widths[1]:
            change = change | {FEEDFORWARD_WIDTH: (widths[0], widths[1])}
    mismatch: float | None = None
    if recipe is baseline:
        mismatch = None if study.match == "none" else 0.0
    else:
        # On a ladder of sizes a swap is matched to the baseline of its own size, and a size to nothing.
        target = baseline.at_size_of(recipe).with_vocabulary(recipe.model.vocabulary).model
        if SIZE not in change or recipe.model != target:
            model, mismatch = match_size(recipe.model, target, study.match)
            recipe = replace(recipe, model=model)
    return Variant(name=name, levels=labels, change=change, recipe=recipe, mismatch=mismatch)


def _names_a_width(study: StudyFile) -> bool:
    """Whether some variant has a feed-forward width of its own; else it only follows from what is changed."""
    sizes = [entry.get(SIZE) for entry in study.variants]
    return any(isinstance(size, dict) and FEEDFORWARD_WIDTH in size for size in sizes)


def _refuse_twins(study: StudyFile, variants: list[Variant]) -> None:
    """Equal recipes, and those that differ in nothing but how their training is spelled.

    Models that compute the same by other words are warned of by ``workbench check``.
    """
    seen: dict[tuple[ModelConfig, str, str], str] = {}
    for variant in variants:
        own = (variant.model, repr(variant.recipe.data), variant.recipe.training_behaviour())
        twin = seen.setdefault(own, variant.name)
        if twin != variant.name:
            raise UserError(
                f"{study.name}: variants {twin!r} and {variant.name!r} are the same model, trained alike; "
                "remove one"
            )
