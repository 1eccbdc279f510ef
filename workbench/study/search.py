"""A search's space, resolved: what each point of it is, and which points cannot be."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from workbench.errors import UserError, in_one_line
from workbench.records.hyperparameters import LEARNING_RATE, Hyperparameters
from workbench.records.run import Phase, RunConfig, config_hash
from workbench.records.search import RecordedSearch, SearchPoint, variant_name
from workbench.records.space import Point, Range, Space
from workbench.study.design import Variant, build_point
from workbench.study.recipe import CONTEXT, CORPUS, SIZE, TOKENIZER, TREATMENT
from workbench.study.schema import Level, StudyFile
from workbench.study.search_section import SIZES, SearchSection
from workbench.study.tuning import RATES
from workbench.training.config import TrainingConfig
from workbench.training.tuned_values import SCHEDULE, TUNABLE, with_tuned
from workbench.user_input import read_as

# Numbers of a training that are no part of a configuration when they are searched.
_HYPERPARAMETERS = tuple(name for name in TUNABLE if name != SCHEDULE)
_IMPOSSIBLE = "possible"  # the constraint of a point that makes no model
_REMEDIES = {
    SIZE: f"name the sizes themselves: {', '.join(SIZES)}",
    CONTEXT: "losses at several contexts do not compare; set context",
    CORPUS: "a search has one text; set data.corpus",
    TREATMENT: "a search has one text; set data.corpus",
    TOKENIZER: "a search has one tokenizer; set data.tokenizer",
}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A point as it would be trained: ``variant`` is None where it makes no model."""

    recorded: SearchPoint
    variant: Variant | None
    hyperparameters: Hyperparameters

    def in_bracket(self, number: int | None) -> "Candidate":
        """The same in a bracket of hyperband; itself without one."""
        if number is None:
            return self
        return replace(self, recorded=self.recorded.model_copy(update={"bracket": number}))

    def excluded(self, why: str) -> "Candidate":
        """The same, not to be trained for the reason ``why``."""
        constraints = {**self.recorded.constraints, _IMPOSSIBLE: 1.0}
        recorded = self.recorded.model_copy(update={"infeasible": why, "constraints": constraints})
        return replace(self, recorded=recorded)


@dataclass(frozen=True, kw_only=True)
class ResolvedSearch:
    """The search of a study file, its factors' levels known by their labels."""

    study: StudyFile
    section: SearchSection
    baseline: Variant
    device: str
    space: Space  # choices of factors by their labels
    levels: dict[str, dict[str, Level]]  # by factor and label, as the file writes it
    alone: list[Variant]  # the baseline with each level by itself

    @classmethod
    def of(cls, study: StudyFile, baseline: Variant, device: str) -> "ResolvedSearch":
        """Resolve it; raises ``UserError`` with the key for a factor or level that is none."""
        section = study.search
        assert section is not None, "the design search has the key"
        space: Space = {}
        levels: dict[str, dict[str, Level]] = {}
        alone: list[Variant] = []
        for name, dimension in section.space.items():
            space[name] = dimension
            if name in SIZES or _is_hyperparameter(name, dimension):
                _check_numbers(study, name, dimension, baseline)
                continue
            known, variants = _labelled(study, name, dimension, baseline, device)
            alone += variants
            if not isinstance(dimension, Range):
                space[name] = list(known)
                levels[name] = known
        return cls(
            study=study,
            section=section,
            baseline=baseline,
            device=device,
            space=space,
            levels=levels,
            alone=alone,
        )

    @property
    def hyperparameters(self) -> list[str]:
        """The dimensions that are no part of a configuration."""
        return [name for name in self.space if name not in SIZES and name not in self._factors]

    @property
    def _factors(self) -> list[str]:
        own = self.section.space
        return [name for name in own if name not in SIZES and not _is_hyperparameter(name, own[name])]

    def candidate(self, number: int, point: Point) -> Candidate:
        """The point with that number: its variant, or why there is none, and what its configuration says."""
        sizes = {name: int(value) for name, value in point.items() if name in SIZES}
        own = {name: float(point[name]) for name in self.hyperparameters}
        rates = self.study.learning_rates
        hyperparameters = own if LEARNING_RATE in own else {LEARNING_RATE: _only(rates), **own}
        try:
            variant = build_point(
                self.study, self.baseline, variant_name(number), self._levels_of(point), sizes, self.device
            )
        except UserError as error:
            recorded = SearchPoint(
                number=number,
                point=point,
                constraints={_IMPOSSIBLE: 1.0},
                infeasible=in_one_line(str(error)),
            )
            return Candidate(recorded=recorded, variant=None, hyperparameters=hyperparameters)
        model = variant.model
        figures = {
            "parameters": float(model.num_parameters()),
            "nonembedding_parameters": float(model.nonembedding_parameters()),
            "flops_per_token": float(model.flops_per_token()),
            "decode_bytes": float(model.decode_bytes()),
        }
        excess = {one.text: one.excess(figures[one.figure]) for one in self.section.bounds}
        broken = [one for one in self.section.bounds if excess[one.text] > 0]
        recorded = SearchPoint(
            number=number,
            point=point,
            figures=figures,
            constraints=excess,
            infeasible="; ".join(f"{one.text}: has {figures[one.figure]:,.0f}" for one in broken) or None,
        )
        return Candidate(recorded=recorded, variant=variant, hyperparameters=hyperparameters)

    @property
    def rungs(self) -> list[int]:
        """The tokens of hyperband's rungs, fewest first; the last is the whole budget. None without it."""
        return self.section.rungs(self.baseline.recipe.training.tokens)

    def _levels_of(self, point: Point) -> dict[str, Level]:
        return {
            name: self.levels[name][point[name]] if name in self.levels else point[name]
            for name in self._factors
        }

    def recorded(self, config: RunConfig) -> RecordedSearch:
        """The search as its manifest says it; ``config`` is the baseline's."""
        section = self.section
        found = RecordedSearch(
            space=self.space,
            levels={name: list(known.values()) for name, known in self.levels.items()},
            sizes=section.sizes,
            hyperparameters=self.hyperparameters,
            objectives=section.objectives,
            constraints=section.constraints,
            sampler=section.sampler,
            pruner=section.pruner,
            trials=section.trials,
        )
        if self.rungs:  # where there are none the manifest has no key
            found = found.model_copy(update={"rungs": self.rungs})
        return found.model_copy(update={"identity": self._identity(found, config)})

    def _identity(self, recorded: RecordedSearch, config: RunConfig) -> str:
        """Hash of what decides the points and their training; more trials are the same search going on."""
        left_out = {"trials", "identity"} if recorded.rungs else {"trials", "identity", "rungs"}
        promised = recorded.model_dump(mode="json", exclude=left_out)
        seeds = self.study.seeds.lists()[Phase.TUNE]
        rates = self.study.learning_rates
        whole = [self.study.name, promised, config_hash(config), seeds, rates, self.study.match]
        return sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:12]


def at_rung(variant: Variant, tokens: int) -> Variant:
    """``variant`` trained on a rung's tokens; of the whole budget it is the variant itself."""
    recipe = variant.recipe
    if recipe.training.tokens == tokens:
        return variant
    training = recipe.training.model_copy(update={"tokens": tokens}).fitted(recipe.model.context)
    return replace(variant, recipe=replace(recipe, training=training))


def _is_hyperparameter(name: str, dimension: Range | list[Any]) -> bool:
    if name not in _HYPERPARAMETERS:
        return False
    return isinstance(dimension, Range) or all(_is_number(value) for value in dimension)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_numbers(study: StudyFile, name: str, dimension: Range | list[Any], baseline: Variant) -> None:
    """Whether a hyperparameter may have all of its values; of sizes a point's model says so."""
    values = [dimension.low, dimension.high] if isinstance(dimension, Range) else dimension
    if name in SIZES:
        return
    options = baseline.recipe.training.model_dump(mode="json")
    for value in values:
        try:
            if name == LEARNING_RATE:
                if not RATES[0] <= value <= RATES[1]:
                    raise UserError(f"{value:g} is not from {RATES[0]:g} to {RATES[1]:g}; give another rate")
            else:
                read_as(TrainingConfig, with_tuned(options, {name: value}))
        except UserError as error:
            raise UserError(f"{study.name}: search.space.{name}: {error}") from None


def _labelled(
    study: StudyFile, name: str, dimension: Range | list[Level], baseline: Variant, device: str
) -> tuple[dict[str, Level], list[Variant]]:
    """The levels of a factor by their labels, each with the baseline alone; of a range its ends."""
    key = f"{study.name}: search.space.{name}"
    if name in _REMEDIES:
        raise UserError(f"{key}: is no dimension of a search; {_REMEDIES[name]}")
    values: Sequence[Level]
    values = [dimension.low, dimension.high] if isinstance(dimension, Range) else dimension
    known: dict[str, Level] = {}
    variants = []
    for value in values:
        try:
            variant = build_point(study, baseline, name, {name: value}, {}, device)
        except UserError as error:
            raise UserError(f"{key}: {error}") from None
        label = variant.levels[name]
        if label in known:
            raise UserError(f"{key}: the level {label} is listed twice; list each once")
        known[label] = value
        variants.append(variant)
    return known, variants


def _only(rates: Any) -> float:
    """The one learning rate of all points."""
    return float(rates[0])
