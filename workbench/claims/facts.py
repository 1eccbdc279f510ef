"""What a reader must know of a study beside a number of it: sizes, tokens, costs, texts, machines, rates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from workbench.analysis.report_footer import describe_data, hardware_of
from workbench.analysis.tuned_rates import TunedRate
from workbench.claims.quantities.quantity import ConfirmedStudy, Measured, Quantity
from workbench.numbers import rate
from workbench.records.manifest import ManifestVariant, TextData
from workbench.records.run import Phase


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What a prediction compares in one study: the variant, and the other side unless it is of it alone.

    ``rung`` is that of a ladder, ``rung 2``; empty where the study is none.
    """

    study: ConfirmedStudy
    sides: tuple[ManifestVariant, ...]
    rung: str = ""


@dataclass(frozen=True, kw_only=True)
class TrainingCost:
    """A side's training FLOPs per token, and the tokens of one of its trials; None where not recorded."""

    variant: str
    flops_per_token: int | None
    tokens: int | None

    @property
    def flops(self) -> float | None:
        """Of a whole trial."""
        if not self.flops_per_token or not self.tokens:
            return None
        return float(self.flops_per_token * self.tokens)


@dataclass(frozen=True, kw_only=True)
class StudyFacts:
    """Facts of both sides where they differ; of a ladder those of all its rungs.

    ``details`` say how step times were measured, which have neither tokens nor rates. ``costs`` has the
    variant's and then the other side's, of the last rung where there are several.
    """

    title: str
    path: Path
    parameters: tuple[int, ...]
    tokens: tuple[int, ...]
    costs: tuple[TrainingCost, ...]
    corpus: str
    hardware: tuple[str, ...]
    rates: tuple[str, ...]
    details: tuple[str, ...] = ()


def facts_of_study(
    whole: ConfirmedStudy, compared: Sequence[Compared], quantity: Quantity, measured: Measured
) -> StudyFacts:
    """The facts of ``whole``, of which a prediction of ``quantity`` compares these."""
    texts: dict[str, None] = {}
    hardware: dict[str, None] = {}
    rates = []
    costs: tuple[TrainingCost, ...] = ()
    for one in compared:
        manifest, runs = one.study.records.manifest, one.study.records.runs
        for side in one.sides:
            texts[describe_data(cast(TextData, manifest.text_of(side))) or "not recorded"] = None
            rates.append(_rate(f"{one.rung}: " if one.rung else "", side.name, one.study.tuned[side.name]))
        hardware |= dict.fromkeys(hardware_of(runs[runs["phase"] == Phase.CONFIRM]))
        costs = tuple(
            TrainingCost(
                variant=side.name,
                flops_per_token=side.flops_per_token,
                tokens=manifest.tokens_of(side),
            )
            for side in one.sides
        )
    tokens = _distinct(one.study.records.manifest.tokens_of(side) for one in compared for side in one.sides)
    of_trials = quantity.of_trials
    return StudyFacts(
        title=whole.records.title,
        path=whole.records.path,
        parameters=_distinct(side.parameters for one in compared for side in one.sides),
        tokens=tokens if of_trials else (),
        costs=costs if of_trials else (),
        corpus="; ".join(texts),
        hardware=tuple(hardware) if of_trials else measured.hardware,
        rates=tuple(rates) if of_trials else (),
        details=measured.details,
    )


def _distinct(values: Iterable[int | None]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(value for value in values if value is not None))


def _rate(rung: str, name: str, chosen: TunedRate | None) -> str:
    # A rung's variants are called "rung 2: norm=layernorm" already.
    called = name if name.startswith(rung) else f"{rung}{name}"
    if chosen is None:
        return f"{called} not tuned"
    return f"{called} {rate(chosen.learning_rate)} {chosen.place}"
