"""From a study file to its variants: each one the baseline with a named change, at matched size."""

from dataclasses import dataclass
from itertools import product
from typing import Any

from workbench.errors import UserError, suggestion
from workbench.model.config import ModelConfig
from workbench.model.equivalence import behaviour
from workbench.model.matching import match_size
from workbench.model.parts.component import ComponentConfig
from workbench.model.presets import preset
from workbench.study.schema import Level, StudyFile

BASELINE = "baseline"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One combination of levels.

    ``change`` maps each factor that differs from the baseline to (baseline's level, own level);
    ``mismatch`` is the relative size difference that matching left, None where nothing was matched.
    """

    name: str
    levels: dict[str, str]
    change: dict[str, tuple[str, str]]
    model: ModelConfig
    mismatch: float | None

    @property
    def summary(self) -> str:
        """The change in one line: ``norm: rmsnorm -> layernorm``."""
        return ", ".join(f"{factor}: {old} → {new}" for factor, (old, new) in self.change.items()) or "—"


def build_variants(study: StudyFile, vocabulary: int, start: ModelConfig | None = None) -> list[Variant]:
    """The study's variants, the baseline first; raises ``UserError`` for a design that cannot be.

    ``start`` is the model of the run that the study starts from.
    """
    baseline = _baseline(study, vocabulary, start)
    configs = {BASELINE: baseline}
    for name, config in _DESIGNS[study.design](study, baseline):
        if name in configs:
            raise UserError(
                f"{study.name}: variants: two variants are named {name!r}; give each its own name"
            )
        configs[name] = config
    variants = [_variant(study, name, config, baseline) for name, config in configs.items()]
    _refuse_twins(study, variants)
    return variants


def _baseline(study: StudyFile, vocabulary: int, start: ModelConfig | None) -> ModelConfig:
    if start is not None:
        levels = study.baseline if isinstance(study.baseline, dict) else {}
        return _change(study, start.with_levels(context=study.context), levels, key="baseline")
    given: dict[str, Level] = (
        {"preset": study.baseline} if isinstance(study.baseline, str) else study.baseline
    )
    spec = dict(given)
    name = spec.pop("preset", "llama")
    return _change(study, _preset(study, str(name), vocabulary), spec, key="baseline")


def _preset(study: StudyFile, name: str, vocabulary: int) -> ModelConfig:
    size = {key: value for key, value in study.size.model_dump().items() if value is not None}
    return preset(name, vocabulary=vocabulary, context=study.context, **size)


def _parts_of(study: StudyFile, name: str, baseline: ModelConfig) -> ModelConfig:
    """Another preset's parts at the baseline's size: a comparison of recipes is not one of sizes."""
    size = {key: getattr(baseline, key) for key in ("layers", "width", "heads", "head_width")}
    if study.size.feedforward_width is not None:
        size["feedforward_width"] = study.size.feedforward_width
    parts = preset(name, vocabulary=baseline.vocabulary, context=study.context, **size)
    _refuse_idle_window(parts, f"{study.name}: {name}")
    return parts


def _change(study: StudyFile, config: ModelConfig, levels: dict[str, Level], key: str) -> ModelConfig:
    known = list(config.labels())
    if study.start is not None:
        levels = {factor: _own_level(config, factor, level) for factor, level in levels.items()}
    for factor in levels:
        if factor not in known:
            raise UserError(f"{study.name}: {key}: unknown factor {factor!r}; {suggestion(factor, known)}")
    changes: dict[str, Any] = dict(levels)
    # From a trained start the width stays: what can be kept of its matrices is kept.
    if "feedforward" in changes and study.size.feedforward_width is None and study.start is None:
        changes["feedforward_width"] = None  # the new kind's own rule; matching then starts from it
    try:
        changed = config.with_levels(**changes)
    except UserError as error:
        raise UserError(f"{study.name}: {key}: {error}") from None
    # A trained start keeps the window that it came with, which longer texts than the study's may meet.
    if study.start is None or "window" in levels:
        _refuse_idle_window(changed, f"{study.name}: {key}")
    return changed


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


def _one_at_a_time(study: StudyFile, baseline: ModelConfig) -> list[tuple[str, ModelConfig]]:
    found = []
    for factor, levels in study.factors.items():
        for config in _levels(study, baseline, factor, levels)[1:]:
            found.append((f"{factor}={config.labels()[factor]}", config))
    return found


def _full_factorial(study: StudyFile, baseline: ModelConfig) -> list[tuple[str, ModelConfig]]:
    for factor, levels in study.factors.items():
        _levels(study, baseline, factor, levels)  # every factor sound by itself, with its own message
    found = []
    for combination in product(*study.factors.values()):
        config = _change(study, baseline, dict(zip(study.factors, combination, strict=True)), "factors")
        changed = _difference(baseline, config)
        if changed:
            found.append((",".join(f"{factor}={new}" for factor, (_, new) in changed.items()), config))
    return found


def _leave_one_out(study: StudyFile, baseline: ModelConfig) -> list[tuple[str, ModelConfig]]:
    reference = _parts_of(study, str(study.reference), baseline)
    differing = _difference(baseline, reference)
    if not differing:
        raise UserError(
            f"{study.name}: reference: {study.reference!r} has the baseline's parts; choose another preset"
        )
    found = []
    for factor, (_, level) in differing.items():
        if factor == "window" and "attention_pattern" in differing:
            continue  # which layers have a window, and how wide it is, are one part
        levels = {factor: getattr(reference, factor)}
        if factor == "attention_pattern":
            levels["window"] = reference.window
        config = _change(study, baseline, levels, f"reference.{factor}")
        if behaviour(config) != behaviour(baseline):  # 'qkv_bias: false' alone says what the baseline does
            found.append((f"{factor}={level}", config))
    return [*found, (str(study.reference), reference)] if len(found) > 1 else found


def _explicit(study: StudyFile, baseline: ModelConfig) -> list[tuple[str, ModelConfig]]:
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
        start = baseline
        if "preset" in levels:
            start = _parts_of(study, str(levels.pop("preset")), baseline)
        found.append((name, _change(study, start, levels, key)))
    return found


_DESIGNS = {
    "one_at_a_time": _one_at_a_time,
    "full_factorial": _full_factorial,
    "leave_one_out": _leave_one_out,
    "explicit": _explicit,
}


def _levels(study: StudyFile, baseline: ModelConfig, factor: str, levels: list[Level]) -> list[ModelConfig]:
    """One model per level, the baseline's own first."""
    configs = {}
    for level in levels:
        config = _change(study, baseline, {factor: level}, "factors")
        configs[config.labels()[factor]] = config
    own = baseline.labels()[factor]
    if own not in configs:
        raise UserError(
            f"{study.name}: factors.{factor}: the baseline's level {own!r} is not in {', '.join(configs)}; "
            f"add it, or write 'baseline: {{preset: ..., {factor}: {next(iter(configs))}}}'"
        )
    if len(configs) < len(levels):
        raise UserError(f"{study.name}: factors.{factor}: a level is listed twice; list each once")
    return [configs.pop(own), *configs.values()]


def _difference(baseline: ModelConfig, config: ModelConfig) -> dict[str, tuple[str, str]]:
    ours, theirs = baseline.labels(), config.labels()
    return {factor: (ours[factor], theirs[factor]) for factor in ours if ours[factor] != theirs[factor]}


def _variant(study: StudyFile, name: str, config: ModelConfig, baseline: ModelConfig) -> Variant:
    change = _difference(baseline, config)
    mismatch = None
    if config is not baseline:
        config, mismatch = match_size(config, baseline, study.match)
    elif study.match != "none":
        mismatch = 0.0
    return Variant(name=name, levels=config.labels(), change=change, model=config, mismatch=mismatch)


def _refuse_twins(study: StudyFile, variants: list[Variant]) -> None:
    seen: dict[ModelConfig, str] = {}
    for variant in variants:
        twin = seen.setdefault(variant.model, variant.name)
        if twin != variant.name:
            raise UserError(
                f"{study.name}: variants {twin!r} and {variant.name!r} are the same model; remove one"
            )
