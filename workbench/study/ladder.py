"""A ladder: the plans of its rungs as one, whose variants are those of all rungs.

A rung is planned as a study of its size and budget would be, so that its trials are that study's trials, with
the same run ids. All rungs have the same variants; what tells them apart is their names.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from workbench.errors import UserError
from workbench.records.manifest import Manifest, ManifestVariant, RecordedRung
from workbench.records.run import RunConfig, config_hash
from workbench.study.design import Variant
from workbench.study.schema import StudyFile
from workbench.training.config import TrainingConfig

_SIZES = ("layers", "width", "heads", "feedforward_width")


class RungPlan(Protocol):
    """What is asked of the ``Plan`` of a rung, which is that of a study of its size and budget."""

    @property
    def study(self) -> StudyFile:
        """The study of the rung alone."""
        ...

    @property
    def variants(self) -> list[Variant]:
        """Its variants, the baseline first."""
        ...

    @property
    def baseline(self) -> Variant:
        """The first of them."""
        ...

    @property
    def names(self) -> list[str]:
        """Their names."""
        ...

    @property
    def training(self) -> TrainingConfig:
        """How the baseline is trained."""
        ...

    @property
    def tokens(self) -> int:
        """Training tokens of one trial of the baseline."""
        ...

    def config(self, variant: Variant) -> RunConfig:
        """The configuration of a variant's runs."""
        ...

    def manifest(self, command: str) -> Manifest:
        """The manifest of the rung alone."""
        ...


def names_by_rung(rungs: Sequence[RungPlan]) -> list[dict[str, str]]:
    """By rung the names of its variants in the ladder, the baseline's first: what every rung calls them."""
    return [
        {f"rung {number}: {name}": name for name in rung.names} for number, rung in enumerate(rungs, start=1)
    ]


def variants_of_ladder(study: StudyFile, rungs: Sequence[RungPlan]) -> list[Variant]:
    """The variants of all rungs; raises ``UserError`` where rungs differ in them, or do not ascend."""
    seen: dict[str, str] = {}
    variants = []
    for number, (rung, names) in enumerate(zip(rungs, names_by_rung(rungs), strict=True)):
        key = f"{study.name}: rungs.{number}"
        if rung.names != rungs[0].names:
            raise UserError(
                f"{key}: has the variants {', '.join(rung.names)}, and the first rung has "
                f"{', '.join(rungs[0].names)}; take levels that have one name at every size"
            )
        if number and compute_of(rung) <= compute_of(rungs[number - 1]):
            raise UserError(
                f"{key}: takes no more compute than the rung before it ({compute_of(rung):.3g} FLOPs for a "
                "trial of its baseline); list rungs from the least to the most"
            )
        for variant, name in zip(rung.variants, names, strict=True):
            twin = seen.setdefault(config_hash(rung.config(variant)), name)
            if twin != name:
                raise UserError(f"{key}: {name!r} and {twin!r} are the same model, trained alike; remove one")
            variants.append(replace(variant, name=name))
    return variants


def compute_of(rung: RungPlan) -> float:
    """Training FLOPs of one trial of the rung's baseline."""
    return float(rung.tokens * rung.baseline.model.flops_per_token())


def manifest_of_ladder(study: StudyFile, rungs: Sequence[RungPlan]) -> Manifest:
    """The manifest of the whole ladder, unsigned: that of its first rung, with the variants of all."""
    manifests = [rung.manifest(command="") for rung in rungs]
    first = manifests[0]
    names = names_by_rung(rungs)
    variants: list[ManifestVariant] = []
    factors: dict[str, list[str]] = {}
    unique: dict[str, int] = {}
    for manifest, named in zip(manifests, names, strict=True):
        own = _differing(manifest.training, first.training)
        for variant, name in zip(manifest.variants, named, strict=True):
            update: dict[str, Any] = {"name": name}
            if own or variant.training:
                update["training"] = own | variant.training
            variants.append(variant.model_copy(update=update))
        for factor, labels in manifest.factors.items():
            known = factors.setdefault(factor, [])
            known += [label for label in labels if label not in known]
        unique |= {
            name: manifest.unique_tokens[called]
            for name, called in named.items()
            if called in manifest.unique_tokens
        }
    joined = first.model_copy(
        update={
            "baseline": variants[0].name,
            "variants": variants,
            "factors": factors,
            "learning_rates": study.learning_rates,
            "rungs": [
                _recorded(study, number, rung, named)
                for number, (rung, named) in enumerate(zip(rungs, names, strict=True))
            ],
        }
    )
    return joined.model_copy(update={"unique_tokens": unique}) if unique else joined


def _recorded(study: StudyFile, number: int, rung: RungPlan, named: dict[str, str]) -> RecordedRung:
    model = rung.baseline.model
    recorded = RecordedRung(
        size={key: getattr(model, key) for key in _SIZES},
        tokens=rung.tokens,
        batch_size=rung.training.batch_size,
        compute=compute_of(rung),
        baseline=next(iter(named)),
        variants=named,
    )
    if study.rungs[number].learning_rates is None:
        return recorded
    return recorded.model_copy(update={"learning_rates": rung.study.learning_rates})


def _differing(training: Any, others: Any) -> dict[str, Any]:
    """What of one way to train is not as in another."""
    return {key: value for key, value in training.items() if value != others.get(key)}
