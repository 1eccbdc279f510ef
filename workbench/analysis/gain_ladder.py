"""The baseline at other budgets: its learning rates, its runs' losses, and the gain of each variant by them.

At the smallest and at the largest budget the learning rate is chosen by the tuning runs there, by the rule of
``tuned_rates``; between these and the study's own budget, at which the study tunes anyway, it is interpolated
on the logarithms of tokens and rate. A study of one learning rate has that one at every budget.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

import pandas as pd

from workbench.analysis.compute_gain import Gain, Rung, TokenGain, token_gain
from workbench.analysis.confirm_outcomes import Outcomes, confirm_outcomes
from workbench.analysis.metric_units import is_error
from workbench.analysis.notes import Note, reading
from workbench.analysis.tuned_rates import (
    ALL_LOST,
    AT_EDGE,
    ONE_SIDE_LOST,
    TunedRate,
    choose_learning_rates,
    same_rate,
)
from workbench.analysis.variant_row import VariantRow
from workbench.numbers import plural, rate
from workbench.records.hyperparameters import LEARNING_RATE
from workbench.records.index import StudyRecords
from workbench.records.manifest import Manifest, ManifestVariant
from workbench.records.run import Phase


@dataclass(frozen=True, kw_only=True)
class BudgetRung:
    """The baseline at one budget: its learning rate (None while it is not known), and its runs by seed.

    ``is_own``: it is the study's budget, at which the baseline's confirm runs stand. ``place`` is that of a
    rate that was chosen there, None where it was interpolated.
    """

    name: str
    tokens: int
    is_own: bool
    learning_rate: float | None
    place: str | None
    losses: dict[int, float]
    planned: int
    lost: int
    is_done: bool

    @property
    def mean(self) -> float | None:
        """Over the seeds that trained."""
        return mean(self.losses.values()) if self.losses else None

    @property
    def sd(self) -> float | None:
        """Over the seeds that trained; None below two."""
        return stdev(self.losses.values()) if len(self.losses) > 1 else None


@dataclass(frozen=True, kw_only=True)
class VariantGain:
    """What one variant is worth in compute. ``why`` says why there is no gain; then all three are None.

    ``seconds`` is None too where no pair of its confirm runs was timed on like machines.
    """

    variant: str
    found: TokenGain | None
    tokens: Gain | None
    flops: Gain | None
    seconds: Gain | None
    why: str | None


@dataclass(frozen=True, kw_only=True)
class ComputeGains:
    """The baseline's ladder, by rising tokens, and the gain of every variant by it, in the report's order."""

    rungs: tuple[BudgetRung, ...]
    gains: tuple[VariantGain, ...]
    tokens: int
    notes: tuple[Note, ...]

    @property
    def is_done(self) -> bool:
        """Whether every run of the other budgets has an outcome."""
        return all(rung.is_done for rung in self.rungs if not rung.is_own)

    def of(self, variant: str) -> VariantGain:
        """That of the variant."""
        return next(gain for gain in self.gains if gain.variant == variant)


@dataclass(frozen=True, kw_only=True)
class ReadOff:
    """Where the baseline reaches a variant's loss, as a figure draws it: tokens, cut to the ladder's ends.

    ``reached`` is None where the ladder does not reach it, and ``low`` and ``high`` are then its end; where
    the slope is not known they are the study's own budget.
    """

    variant: str
    loss: float
    reached: float | None
    low: float
    high: float
    gain: str


def read_off(found: ComputeGains) -> list[ReadOff]:
    """One for every variant whose loss is known."""
    rows = []
    least, most = found.rungs[0].tokens, found.rungs[-1].tokens
    for one in found.gains:
        if one.found is None or one.found.loss is None:
            continue
        gain = one.tokens
        if gain is None:
            own, loss = float(found.tokens), one.found.loss
            why = one.why or ""
            rows.append(ReadOff(variant=one.variant, loss=loss, reached=None, low=own, high=own, gain=why))
            continue
        ends = [gain.value, gain.value]
        if gain.interval is not None:
            ends = [gain.interval.low, gain.interval.high]
        low, high = (min(max(end * found.tokens, least), most) for end in ends)
        rows.append(
            ReadOff(
                variant=one.variant,
                loss=one.found.loss,
                reached=None if gain.known is None else gain.known * found.tokens,
                low=low,
                high=high,
                gain=gain.text,
            )
        )
    return rows


def end_rates(study: StudyRecords) -> dict[str, TunedRate | None]:
    """What the tuning runs at the smallest and the largest budget choose there, by the rung's name.

    None for one of which none has finished. Empty where the study tunes nothing.
    """
    gain = study.manifest.gain
    if gain is None or not _is_tuned(study.manifest):
        return {}
    names = [rung.name for rung in gain.ends]
    return choose_learning_rates(_as_a_study(study), names, study.manifest.metric)


def rung_rates(study: StudyRecords, own: float) -> dict[str, float | None]:
    """The learning rate of each rung, by its name, where ``own`` is that of the study's budget.

    None as long as tuning has not finished at an end that it follows from.
    """
    return _rates_between(study.manifest, own, end_rates(study))


def _rates_between(
    manifest: Manifest, own: float, found: Mapping[str, TunedRate | None]
) -> dict[str, float | None]:
    """The same, where ``found`` is what tuning chose at both ends."""
    gain = manifest.gain
    if gain is None:
        return {}
    if not _is_tuned(manifest):
        return {rung.name: own for rung in gain.rungs}
    known = {_own_tokens(manifest): own}
    for rung in gain.ends:
        tuned = found[rung.name]
        if tuned is not None:
            known[rung.tokens] = tuned.learning_rate
    return {rung.name: interpolated(rung.tokens, known) for rung in gain.rungs}


def interpolated(tokens: int, known: Mapping[int, float]) -> float | None:
    """The rate at ``tokens`` on straight lines through ``known`` rates, in the logarithms of both.

    To two digits, as rates are chosen; None beyond what is known.
    """
    if tokens in known:
        return known[tokens]
    below = max((budget for budget in known if budget < tokens), default=None)
    above = min((budget for budget in known if budget > tokens), default=None)
    if below is None or above is None:
        return None
    share = math.log(tokens / below) / math.log(above / below)
    return float(f"{known[below] ** (1 - share) * known[above] ** share:.2g}")


def compute_gains(
    study: StudyRecords,
    rows: Sequence[VariantRow],
    outcomes: Mapping[str, Outcomes],
    unjudged: Mapping[str, str],
) -> ComputeGains | None:
    """The ladder, and a gain for each row that has a difference; None for a study that asks for none.

    ``unjudged`` has, by variant, why it is not judged whatever its losses say.
    """
    manifest = study.manifest
    if manifest.gain is None:
        return None
    own = next(row.learning_rate for row in rows if row.is_baseline)
    rungs = _rungs(study, own, outcomes[manifest.baseline])
    tokens = _own_tokens(manifest)
    points = [Rung(tokens=rung.tokens, losses=rung.losses) for rung in rungs]
    gains = []
    for row in rows:
        if row.is_baseline:
            continue
        variant = next(one for one in manifest.variants if one.name == row.variant)
        why = _why_none(manifest, variant, row) or unjudged.get(row.variant)
        if why is not None:
            gains.append(_nothing(row.variant, why))
            continue
        gains.append(_gain(row, variant, manifest, points, tokens, outcomes))
    return ComputeGains(rungs=tuple(rungs), gains=tuple(gains), tokens=tokens, notes=tuple(_notes(rungs)))


def _gain(
    row: VariantRow,
    variant: ManifestVariant,
    manifest: Manifest,
    points: list[Rung],
    tokens: int,
    outcomes: Mapping[str, Outcomes],
) -> VariantGain:
    decision = row.decision
    if decision is None or decision.interval is None:
        return _nothing(row.variant, "no two pairs of complete runs yet")
    baseline, mine = outcomes[manifest.baseline], outcomes[row.variant]
    # The pairs that the word is of: those of the last complete look.
    counted = set(baseline.planned)
    if decision.rule.until_decided:
        counted = set(baseline.planned[: decision.rule.looks[decision.look - 1]])
    differences = {seed: value for seed, value in row.differences.items() if seed in counted}
    found = token_gain(points, tokens, differences, decision.interval.level)
    if found.gain is None:
        return VariantGain(
            variant=row.variant, found=found, tokens=None, flops=None, seconds=None, why=found.problem
        )
    ours, theirs = variant.flops_per_token, manifest.baseline_variant.flops_per_token
    pace = [_pace(mine.runs[seed], baseline.runs[seed]) for seed in differences]
    ratios = [ratio for ratio in pace if ratio is not None]
    return VariantGain(
        variant=row.variant,
        found=found,
        tokens=found.gain,
        flops=found.gain.scaled(theirs / ours) if ours and theirs else None,
        seconds=found.gain.scaled_by_pairs(ratios) if ratios else None,
        why=None,
    )


def _nothing(variant: str, why: str) -> VariantGain:
    return VariantGain(variant=variant, found=None, tokens=None, flops=None, seconds=None, why=why)


def _why_none(manifest: Manifest, variant: ManifestVariant, row: VariantRow) -> str | None:
    """Why the baseline's losses at other budgets say nothing of this variant; None where they do."""
    if is_error(manifest.metric):
        return f"{manifest.metric} is no loss that falls steadily with compute"
    if manifest.tokenizer_of(variant.name) != manifest.tokenizer_of(manifest.baseline):
        return "its tokens are those of another tokenizer"
    if variant.data:
        return "it trains on another text"
    if manifest.tokens_of(variant) != _own_tokens(manifest):
        return "it trains on another number of tokens"
    if row.fate is not None:
        return f"it {row.fate}"
    return None


def _pace(variant: Mapping[str, Any], baseline: Mapping[str, Any]) -> float | None:
    """Seconds of a token, the baseline's over the variant's; None of runs that were not timed alike."""
    if _machine(variant) != _machine(baseline):
        return None
    speeds = []
    for run in (baseline, variant):
        seconds, tokens = run.get("seconds"), run.get("tokens")
        if not seconds or not tokens or not math.isfinite(seconds) or seconds <= 0:
            return None
        speeds.append(float(seconds) / float(tokens))
    return speeds[0] / speeds[1]


def _machine(run: Mapping[str, Any]) -> tuple[str, Any]:
    """What its seconds depend on beside itself: the kind of machine, and how many trained in one program."""
    provenance = run.get("provenance")
    known = provenance if isinstance(provenance, dict) else {}
    return str(known.get("hardware")), known.get("population")


def _rungs(study: StudyRecords, own: float | None, baseline: Outcomes) -> list[BudgetRung]:
    """All budgets, where ``own`` is the learning rate of the study's, and ``baseline`` its confirm runs."""
    manifest = study.manifest
    gain = manifest.gain
    assert gain is not None  # who asks looks first
    ends = end_rates(study)
    rates: dict[str, float | None] = dict.fromkeys(rung.name for rung in gain.rungs)
    if own is not None:
        rates = _rates_between(manifest, own, ends)
    places = {name: one.place for name, one in ends.items() if one is not None}
    runs = _as_a_study(study)
    rungs = [
        BudgetRung(
            name=manifest.baseline,
            tokens=_own_tokens(manifest),
            is_own=True,
            learning_rate=own,
            place=None,
            losses=baseline.values,
            planned=len(baseline.planned),
            lost=baseline.blown_up + baseline.crashed,
            is_done=baseline.status == "done",
        )
    ]
    for rung in gain.rungs:
        at = rates[rung.name]
        # Before its rate is known a rung has no runs; later those at another rate are of an earlier choice.
        mine = [at is not None and same_rate(one, at) for one in runs[LEARNING_RATE]]
        found = confirm_outcomes(
            runs[pd.Series(mine, index=runs.index, dtype=bool)],
            rung.name,
            metric=manifest.metric,
            seeds=gain.seeds,
            tuned=None,
        )
        rungs.append(
            BudgetRung(
                name=rung.name,
                tokens=rung.tokens,
                is_own=False,
                learning_rate=at,
                place=places.get(rung.name),
                losses=found.values,
                planned=len(gain.seeds),
                lost=found.blown_up + found.crashed,
                is_done=found.status == "done",
            )
        )
    return sorted(rungs, key=lambda rung: rung.tokens)


def _notes(rungs: Sequence[BudgetRung]) -> list[Note]:
    notes = []
    for rung in rungs:
        if rung.is_own:
            continue
        if rung.lost:
            lost = (
                f"{rung.lost} of {plural(rung.planned, 'run')} gave no result and are left out of the slope"
            )
            notes.append(reading(f"{rung.name}: {lost}"))
        if rung.place in (AT_EDGE, ONE_SIDE_LOST, ALL_LOST) and rung.learning_rate is not None:
            edge = (
                f"{rung.name}: its learning rate {rate(rung.learning_rate)} is at the edge of what gave a "
                "result there: with a better one its loss would be lower"
            )
            notes.append(reading(edge))
    return notes


def _as_a_study(study: StudyRecords) -> pd.DataFrame:
    """The runs of the other budgets as those of a study: at the tuning seeds they tune, at others confirm."""
    manifest = study.manifest
    runs = study.runs[study.runs["phase"] == Phase.GAIN]
    tunes = runs["seed"].isin(manifest.seeds.tune)
    return runs.assign(phase=[str(Phase.TUNE if one else Phase.CONFIRM) for one in tunes])


def _own_tokens(manifest: Manifest) -> int:
    tokens = manifest.tokens_of(manifest.baseline_variant)
    assert tokens is not None, "a manifest with other budgets says its own"
    return tokens


def _is_tuned(manifest: Manifest) -> bool:
    return manifest.phases is not None and Phase.TUNE in manifest.phases


def gain_columns(one: VariantGain) -> dict[str, Any]:
    """A gain as columns of a table: by unit its value and its interval's ends, None beyond the ladder."""
    columns: dict[str, Any] = {}
    for unit, gain in (("tokens", one.tokens), ("flops", one.flops), ("seconds", one.seconds)):
        columns |= {
            f"gain_{unit}": gain.known if gain else None,
            f"gain_{unit}_low": gain.low if gain else None,
            f"gain_{unit}_high": gain.high if gain else None,
            f"gain_{unit}_text": gain.text if gain else None,
        }
    found = one.found
    interval = one.tokens.interval if one.tokens else None
    return columns | {
        "gain_level": interval.level if interval else None,
        "gain_slope": found.slope.value if found and found.slope else None,
        "gain_slope_error": found.slope.error if found and found.slope else None,
        "no_gain": one.why,
    }
