"""The whole calibration of a study: error rates, power, noise along the runs, and what the goals say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from workbench.analysis.calibrating.curves import Curves
from workbench.analysis.calibrating.error_rates import (
    STUDIES,
    STUDIES_EACH,
    DesignRates,
    PairNoise,
    design_rates,
)
from workbench.analysis.calibrating.goals import Goal, goals
from workbench.analysis.calibrating.noise_by_tokens import NoiseAt, noise_by_tokens
from workbench.analysis.calibrating.seeds_needed import SeedsNeeded, needed_seeds
from workbench.analysis.calibrating.shapes import SHAPES
from workbench.analysis.deciding.decisions import decide_study
from workbench.analysis.deciding.looks import Rule
from workbench.analysis.metric_units import unit_of
from workbench.analysis.sd_range import SdRange, sd_range
from workbench.analysis.statistics import Interval
from workbench.errors import RecordError, UserError
from workbench.progress import Progress
from workbench.records.calibration_table import RESULT
from workbench.records.fields import damage
from workbench.records.manifest import Manifest

FIXED = (4, 8, 16)  # seeds of the designs with a fixed number
LOOKS = (4, 64)  # the first and the last of the design that runs until all is decided
MULTIPLES = (0.5, 1.0, 2.0)  # margins in units of the sd of a paired difference
_TABLE_MULTIPLES = (0.5, 1.0)  # of studies with several rows, which take the longest
_ALIKE = 1.1  # a multiple that is nearer than this factor to the study's own margin is left out
REMEDY = "give 'workbench noise STUDY' again to have it made anew"
NO_DIFFERENCE, UNKNOWN = "none, by construction", "not known"


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """A variant at all seeds of the pool, decided by the shipped rule: an ordinary row of a report."""

    variant: str
    truth: str
    seeds: int
    difference: float
    interval: Interval
    word: str


@dataclass(frozen=True, kw_only=True)
class Pool:
    """What the twin's differences look like before their mean is taken out, in units of the metric.

    ``standard_error`` is that of ``mean``. ``excess_kurtosis`` and ``skewness`` are 0 for a normal sample.
    """

    seeds: int
    lost: int
    mean: float
    standard_error: float
    sd: float
    sd_range: SdRange
    skewness: float
    excess_kurtosis: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What ``calibration.json`` holds. ``margin`` is the study's, beside multiples of the pool's sd."""

    study: str
    question: str
    metric: str
    unit: str
    manifest: str | None
    margin: float
    studies: int
    random_seed: int
    twin: str
    pool: Pool
    rows_of_tables: tuple[str, ...]
    demonstrations: tuple[Demonstration, ...]
    rates: tuple[DesignRates, ...]
    needed: tuple[SeedsNeeded, ...]
    goals: tuple[Goal, ...]
    noise: tuple[NoiseAt, ...]


@dataclass(frozen=True, kw_only=True)
class ShapeRates:
    """The error rates with noise of one shape; margins are in units of its sd."""

    shape: str
    rates: tuple[DesignRates, ...]
    goals: tuple[Goal, ...]


@dataclass(frozen=True, kw_only=True)
class SimulatedCalibration:
    """What ``workbench noise --simulate`` finds without any training."""

    studies: int
    random_seed: int
    shapes: tuple[ShapeRates, ...]


def calibrate(
    curves: Curves,
    manifest: Manifest,
    *,
    studies: int = STUDIES,
    seed: int = 0,
    progress: Progress = lambda text, part: None,
) -> Calibration:
    """Judge the shipped rule on the noise of ``curves``, at the study's margin and multiples of the sd.

    ``studies`` of each design and truth; of each pool that is resampled from the pool a twentieth of them.
    Raises ``UserError`` where there is no noise.
    """
    studies_each = max(1, studies * STUDIES_EACH // STUDIES)
    margin = manifest.margin_of(curves.twin)
    if not np.ptp(curves.differences(curves.twin)):
        raise UserError(
            f"{manifest.name}: {curves.twin} differs from the baseline by as much at every seed, so that "
            "there is no noise to judge the rule on; have it draw a tensor that trains"
        )
    alone = PairNoise.measured(curves.differences(curves.twin)[:, None], seed)
    joint = curves.joint_differences()
    margins = [margin, *_others(margin, alone.sd)]
    work = [(alone, rule, one) for rule in rules(1) for one in margins]
    rows: list[str] = []
    if len(curves.others) > 0 and len(joint) > 1:
        rows = [curves.twin, *curves.others]
        table = PairNoise.measured(joint, seed)
        of_tables = [margin, *_others(margin, table.sd, _TABLE_MULTIPLES)]
        work += [(table, rule, one) for rule in rules(len(rows)) for one in of_tables]
    rates = tuple(_all_rates(work, studies, studies_each, seed, progress))
    needed = tuple(
        found
        for one in margins
        for found in needed_seeds(
            alone, one, len(curves.seeds), studies=studies, studies_each=studies_each, seed=seed
        )
    )
    return Calibration(
        study=manifest.name,
        question=manifest.question,
        metric=manifest.metric,
        unit=unit_of(manifest.metric),
        manifest=manifest.hash,
        margin=margin,
        studies=studies,
        random_seed=seed,
        twin=curves.twin,
        pool=_pool(curves),
        rows_of_tables=tuple(rows),
        demonstrations=tuple(demonstrations(curves, manifest)),
        rates=rates,
        needed=needed,
        goals=tuple(goals(rates, needed)),
        noise=tuple(
            noise_by_tokens(curves.tokens, curves.losses[curves.baseline], curves.losses[curves.twin], margin)
        ),
    )


def simulate_shapes(
    *, studies: int = STUDIES, seed: int = 0, progress: Progress = lambda text, part: None
) -> SimulatedCalibration:
    """The same error rates for noise of each shape, without any run."""
    found = []
    for place, (name, noise) in enumerate(SHAPES.items()):
        work = [(noise, rule, one) for rule in rules(1) for one in MULTIPLES]
        work += [(noise, rule, one) for rule in rules(noise.comparisons) for one in _TABLE_MULTIPLES]

        def within(text: str, part: float, place: int = place, name: str = name) -> None:
            progress(f"{name}: {text}", (place + part) / len(SHAPES))

        rates = tuple(_all_rates(work, studies, 0, seed, within))
        found.append(ShapeRates(shape=name, rates=rates, goals=tuple(goals(rates, ()))))
    return SimulatedCalibration(studies=studies, random_seed=seed, shapes=tuple(found))


def rules(comparisons: int) -> list[Rule]:
    """The designs that are judged, of so many comparisons."""
    fixed = [Rule.fixed(seeds, comparisons) for seeds in FIXED]
    return [*fixed, Rule.until(*LOOKS, comparisons)]


def demonstrations(curves: Curves, manifest: Manifest) -> Iterator[Demonstration]:
    """Each variant at all seeds, as a report with a fixed number of seeds would have it."""
    names = [curves.twin, *curves.others]
    differences = {name: curves.differences(name) for name in names}
    margins = {name: manifest.margin_of(name) for name in names}
    rule = Rule.fixed(len(curves.seeds), len(names))
    decided = decide_study({name: values.tolist() for name, values in differences.items()}, margins, rule)
    for name, decision in decided.items():
        if decision.mean is None or decision.interval is None:
            continue  # none of its runs is complete
        yield Demonstration(
            variant=name,
            truth=NO_DIFFERENCE if name == curves.twin else UNKNOWN,
            seeds=decision.n,
            difference=decision.mean,
            interval=decision.interval,
            word=str(decision.verdict),
        )


def to_json(calibration: Calibration | SimulatedCalibration) -> str:
    """As ``calibration.json`` has it, all numbers raw."""
    kind = type(calibration)
    return TypeAdapter(kind).dump_json(calibration, indent=1).decode() + "\n"


def to_dict(calibration: Calibration | SimulatedCalibration) -> dict[str, Any]:
    """The same for programs."""
    return TypeAdapter(type(calibration)).dump_python(calibration, mode="json")


def read_calibration(study: Path) -> Calibration:
    """What was written beside a study's manifest; raises ``RecordError`` where it is missing or damaged."""
    path = study / RESULT
    try:
        return TypeAdapter(Calibration).validate_json(path.read_bytes())
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); {REMEDY}") from error
    except ValidationError as error:
        raise RecordError(f"{path}: {damage(error)}; {REMEDY}") from None


def _all_rates(
    work: Sequence[tuple[PairNoise, Rule, float]],
    studies: int,
    studies_each: int,
    seed: int,
    progress: Progress,
) -> Iterator[DesignRates]:
    """One after the other, saying how far; a design that runs until all is decided takes the longest."""
    weights = [_weight(rule) for _, rule, _ in work]
    done = 0.0
    for (noise, rule, margin), weight in zip(work, weights, strict=True):
        progress("deciding simulated studies", done / sum(weights))
        yield design_rates(noise, rule, margin, studies=studies, studies_each=studies_each, seed=seed)
        done += weight


def _weight(rule: Rule) -> float:
    """How long a design takes beside others."""
    return rule.comparisons * (8.0 if rule.until_decided else 1.0)


def _others(margin: float, sd: float, multiples: Sequence[float] = MULTIPLES) -> list[float]:
    """Margins beside the study's own: at its own alone power may be nothing, or certain."""
    others = [multiple * sd for multiple in multiples]
    return [one for one in others if max(one / margin, margin / one) > _ALIKE]


def _pool(curves: Curves) -> Pool:
    from scipy import stats  # which takes half a second to import: who reads a calibration does without

    differences = curves.differences(curves.twin)
    seeds = len(differences)
    sd = float(differences.std(ddof=1))
    return Pool(
        seeds=seeds,
        lost=curves.lost,
        mean=float(differences.mean()),
        standard_error=sd / float(np.sqrt(seeds)),
        sd=sd,
        sd_range=sd_range(sd, seeds - 1),
        skewness=float(stats.skew(differences, bias=False)),
        excess_kurtosis=float(stats.kurtosis(differences, bias=False)),
    )
