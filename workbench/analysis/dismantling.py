"""What lies between two recipes, part by part, from both ends: of the design ``dismantle``.

The *gap* is the loss of the second recipe minus that of the first (the baseline). A part contributes to it
what the loss of the first rises by when the part alone is exchanged (*left out*), and what the loss of the
second falls by when it alone is exchanged back (*added*). Both are computed within each seed, whose runs
share data order and initial values, and their intervals are Student's t over these numbers; a seed that lacks
a run leaves out what needs that run.

* A part's *share* is its contribution over the gap, with Fieller's interval (1954) from the paired seeds.
  Where the gap may be zero there are no shares.
* *Left over* is the gap minus the sum of all contributions from one end, at each seed. Parts add up where it
  is equivalent to zero within the margin; they do not where it lies beyond it.
* A part's *interaction* with the rest is what it contributes when it is left out minus when it is added. With
  two parts that is one number for both, and what is left over of the sum too.
* A part *changes nothing*, and may be removed, where both contributions lie within the margin. Each of the
  two has to, so that the larger of their p values is the part's (Berger 1982: an intersection-union test).

Words hold jointly by the rule of a study's rows (``deciding``), in families of their own: what is left over
(of both ends), the interactions, and what may be removed. Intervals of contributions, of the gap and of
shares are each by themselves at 95 %, over all looks together where a study looks until all is decided.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np
from scipy.special import stdtrit

from workbench.analysis.colours import BLUE, VERMILLION
from workbench.analysis.confirm_outcomes import Outcomes, paired_differences
from workbench.analysis.deciding.decisions import decide_study
from workbench.analysis.deciding.looks import Rule
from workbench.analysis.deciding.steps import p_values, step_down
from workbench.analysis.notes import Note, reading
from workbench.analysis.ratios import fieller
from workbench.analysis.statistics import (
    CONFIDENCE,
    Interval,
    Verdict,
    mean_interval,
    standard_deviation,
)
from workbench.records.manifest import Manifest, RecordedPart, RecordedStack
from workbench.records.margin import Margins, margin_for

ADD_UP, DO_NOT_ADD_UP, OPEN = "parts add up", "do not add up", "open"
OUT_COLOUR, INTO_COLOUR = BLUE, VERMILLION  # of what is left out of one recipe, and added to the other
_PLACES = 12  # of sums of differences: what is left behind them is rounding, and has no noise to test by
_OPEN = ("running", "not started")
Contrast = dict[int, float]  # by seed; NaN where a run is lost, and no entry where one is still to come


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A quantity of each seed that has all of its runs, in units of the metric; lower losses are better.

    ``interval`` is Student's t over the seeds; None below two of them. ``left_out`` are seeds that lack a run
    for good.
    """

    by_seed: dict[int, float]
    left_out: tuple[int, ...]
    mean: float | None
    interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class Share:
    """A mean over the mean gap of the same seeds, with Fieller's interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """What a part contributes when it is left out minus when it is added.

    ``interval`` is at the level at which zero was tested, and ``is_real`` says that it is excluded.
    """

    measured: Measured
    interval: Interval | None
    is_real: bool


@dataclass(frozen=True, kw_only=True)
class LeftOver:
    """The gap minus the sum of all contributions from one end.

    ``interval`` and ``equivalence_interval`` are those that the ``verdict`` against the margin follows from.
    """

    measured: Measured
    interval: Interval | None
    equivalence_interval: Interval | None
    verdict: Verdict

    @property
    def word(self) -> str:
        """``parts add up``, ``do not add up`` or ``open``."""
        if self.verdict is Verdict.EQUIVALENT:
            return ADD_UP
        if self.verdict in (Verdict.BETTER, Verdict.WORSE):
            return DO_NOT_ADD_UP
        return OPEN


@dataclass(frozen=True, kw_only=True)
class End:
    """One end: what each part contributes there, their sum at each seed, and what is left of the gap."""

    sum: Measured
    share: Share | None
    left_over: LeftOver | None


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part on which the two recipes differ.

    ``change`` maps its factors to (level of the first recipe, of the second). ``out`` and ``into`` are its
    contributions, positive where the first recipe's level is better; ``out_variant`` and ``into_variant``
    have it exchanged alone. ``removable`` says that both lie within ``margin``; None where ``unjudged`` says
    why that cannot be asked. ``removable_level`` is that of the intervals which it was, or is, asked by.
    """

    change: dict[str, tuple[str, str]]
    out_variant: str
    into_variant: str
    margin: float
    out: Measured
    into: Measured
    out_share: Share | None
    into_share: Share | None
    interaction: Interaction | None
    removable: bool | None
    removable_level: float
    unjudged: str | None

    @property
    def name(self) -> str:
        """``norm``; factors that are exchanged together are joined by ``+``."""
        return " + ".join(self.change)

    @property
    def change_text(self) -> str:
        """``norm: rmsnorm → layernorm``."""
        return ", ".join(f"{factor}: {old} → {new}" for factor, (old, new) in self.change.items())

    @property
    def says(self) -> str:
        """``may be removed``, ``interacts``; empty where it says neither."""
        words = []
        if self.removable:
            words.append("may be removed")
        if self.interaction is not None and self.interaction.is_real:
            words.append("interacts")
        return ", ".join(words)


@dataclass(frozen=True, kw_only=True)
class Dismantled:
    """Two recipes taken apart: ``origin``, as the study file names it, and the variant ``whole``.

    ``no_shares`` says why there are none. ``out`` and ``into`` sum the parts from each end; ``left_over`` of
    an end is None with a single part, which is the gap.
    """

    origin: str
    whole: str
    margin: float
    level: float
    gap: Measured
    parts: tuple[Part, ...]
    out: End
    into: End
    no_shares: str | None
    notes: tuple[Note, ...]

    @property
    def additivity(self) -> str:
        """Whether the parts add up; of ends that say different things both; empty of a single part."""
        words = [end.left_over.word for end in (self.out, self.into) if end.left_over is not None]
        if len(set(words)) < 2:
            return words[0] if words else ""
        return f"left out: {words[0]}; added: {words[1]}"

    @property
    def interacting(self) -> tuple[Part, ...]:
        """The parts whose interaction with the rest is not zero."""
        return tuple(part for part in self.parts if part.interaction and part.interaction.is_real)

    @property
    def removable(self) -> tuple[Part, ...]:
        """The parts that change nothing within the margin, at either end."""
        return tuple(part for part in self.parts if part.removable)


def dismantled(
    manifest: Manifest, outcomes: Mapping[str, Outcomes], unjudged: Mapping[str, str]
) -> Dismantled | None:
    """The parts of a stack, from its confirm runs; None for other designs, and before any pair is complete.

    ``unjudged`` has, by variant, why it is not judged whatever its losses say: it was tuned otherwise. What
    needs it has numbers, and no word.
    """
    stack = manifest.stack
    if stack is None:
        return None
    found = take_apart(
        stack,
        outcomes,
        baseline=manifest.baseline,
        change=next(one.change for one in manifest.variants if one.name == stack.whole),
        margins=manifest.margin,
        looks=manifest.looks,
        unjudged=unjudged,
    )
    known = [found.gap, *(end for part in found.parts for end in (part.out, part.into))]
    return found if any(one.by_seed for one in known) else None


def take_apart(
    stack: RecordedStack,
    outcomes: Mapping[str, Outcomes],
    *,
    baseline: str,
    change: Mapping[str, Sequence[str]],
    margins: Margins,
    looks: Sequence[int] = (),
    unjudged: Mapping[str, str] | None = None,
) -> Dismantled:
    """Contributions, shares, what is left over, interactions and what may be removed.

    ``change`` has both levels of each factor that differs, ``margins`` are in units of the metric. With
    ``looks`` (numbers of the planned seeds) only those up to the last look count that is complete.
    """
    own = _Sample(outcomes[baseline].planned, tuple(looks))
    reasons = unjudged or {}

    # What each seed says: differences of the metric between two runs, and sums of such.
    def difference(more: str, less: str) -> Contrast:
        return _difference(outcomes[more], outcomes[less])

    gap = difference(stack.whole, baseline)
    out = [difference(part.out, baseline) for part in stack.parts]
    into = [difference(stack.whole, part.into) for part in stack.parts]
    measured_gap = own.measured(gap)
    no_shares = _why_no_shares(measured_gap)

    def share(contrast: Contrast) -> Share | None:
        return None if no_shares else own.share(contrast, gap)

    # The words, each kind of them a family of its own.
    needed = [_needs(stack, part, baseline) for part in stack.parts]
    why_not = [_first_reason(reasons, names) or _unlike(outcomes, names) for names in needed]
    margin = margin_for(margins, change)
    unequal = [_first_reason(reasons, names) for names in needed]
    interactions = _interactions(own, out, into, margin, unequal)
    is_judged = not any(unequal)
    left_out, left_into = _left_over(own, gap, out, into, margin, is_judged=is_judged)
    own_margins = [margin_for(margins, part.factors) for part in stack.parts]
    removable, levels = _removable(own, out, into, own_margins, why_not)

    parts = tuple(
        Part(
            change={factor: (change[factor][0], change[factor][1]) for factor in part.factors},
            out_variant=part.out,
            into_variant=part.into,
            margin=own_margins[place],
            out=own.measured(out[place]),
            into=own.measured(into[place]),
            out_share=share(out[place]),
            into_share=share(into[place]),
            interaction=interactions[place],
            removable=None if why_not[place] else removable[place],
            removable_level=1 - 2 * levels[place],
            unjudged=why_not[place],
        )
        for place, part in enumerate(stack.parts)
    )
    return Dismantled(
        origin=stack.origin,
        whole=stack.whole,
        margin=margin,
        level=own.level,
        gap=measured_gap,
        parts=parts,
        out=End(sum=own.measured(_sum(out)), share=share(_sum(out)), left_over=left_out),
        into=End(sum=own.measured(_sum(into)), share=share(_sum(into)), left_over=left_into),
        no_shares=no_shares,
        notes=(*_seeds_left_out(measured_gap, parts, stack.whole), *_not_judged(parts)),
    )


@dataclass(frozen=True)
class _Sample:
    """Which of the planned seeds count, and the level of a quantity that stands by itself."""

    seeds: tuple[int, ...]
    looks: tuple[int, ...]

    def rule(self, comparisons: int) -> Rule:
        """The rule of so many words that hold jointly."""
        if self.looks:
            return Rule(self.looks, comparisons, until_decided=True)
        return Rule.fixed(len(self.seeds), comparisons)

    @property
    def level(self) -> float:
        """Of the interval of one quantity by itself, over all looks together."""
        return 1 - self.rule(1).difference_level(1) if self.looks else CONFIDENCE

    def in_order(self, contrast: Contrast) -> list[float]:
        """In the order of the seeds, NaN for a lost one; with looks up to the first that is to come."""
        if not self.looks:
            return [contrast[seed] for seed in self.seeds if seed in contrast]
        values = []
        for seed in self.seeds:
            if seed not in contrast:
                break
            values.append(contrast[seed])
        return values

    def counted(self, contrast: Contrast) -> Contrast:
        """Of the seeds that count, as ``decide_study`` counts them."""
        known = self.in_order(contrast)
        if not self.looks:
            return {seed: contrast[seed] for seed in self.seeds if seed in contrast}
        until = max((look for look in self.looks if look <= len(known)), default=0)
        return dict(zip(self.seeds, known[:until], strict=False))

    def measured(self, contrast: Contrast) -> Measured:
        """Mean and interval over the seeds that count."""
        counted = self.counted(contrast)
        by_seed = {seed: value for seed, value in counted.items() if not math.isnan(value)}
        values = list(by_seed.values())
        return Measured(
            by_seed=by_seed,
            left_out=tuple(seed for seed in counted if seed not in by_seed),
            mean=mean(values) if values else None,
            interval=mean_interval(values, self.level),
        )

    def share(self, contrast: Contrast, gap: Contrast) -> Share | None:
        """Of ``gap``, at the seeds that count."""
        return share_of(self.measured(contrast).by_seed, self.measured(gap).by_seed, self.level)


def share_of(contribution: Mapping[int, float], gap: Mapping[int, float], level: float) -> Share | None:
    """The mean contribution over the mean gap at the seeds that have both, with Fieller's interval.

    None where there are fewer than two such seeds, and where at these the gap may be zero.
    """
    pairs = [(contribution[seed], gap[seed]) for seed in contribution if seed in gap]
    n = len(pairs)
    if n < 2:
        return None
    (of_part, both), (_, of_gap) = np.cov(np.array(pairs).T) / n
    numerator, denominator = map(float, np.mean(pairs, axis=0))
    interval = fieller(
        numerator,
        denominator,
        variances=(of_part, of_gap),
        covariance=both,
        quantile=float(stdtrit(n - 1, (1 + level) / 2)),
        level=level,
    )
    return None if interval is None else Share(value=numerator / denominator, interval=interval)


def _difference(more: Outcomes, less: Outcomes) -> Contrast:
    """``more`` minus ``less`` by seed, at equal budgets."""
    known, _ = paired_differences(more, less)
    found = {}
    for seed in less.planned:
        if seed in known:
            found[seed] = known[seed]
        elif not {more.states[seed], less.states[seed]} & set(_OPEN):
            found[seed] = math.nan
    return found


def _sum(contrasts: Sequence[Contrast]) -> Contrast:
    """Their sum at the seeds of which nothing is to come."""
    first, *others = contrasts
    return {
        seed: round(sum((other[seed] for other in others), value), _PLACES)
        for seed, value in first.items()
        if all(seed in other for other in others)
    }


def _minus(one: Contrast, other: Contrast) -> Contrast:
    return {seed: round(value - other[seed], _PLACES) for seed, value in one.items() if seed in other}


def _why_no_shares(gap: Measured) -> str | None:
    if gap.interval is None:
        return "the gap is not known yet"
    if not gap.interval.excludes(0):
        return "the gap between the two may be zero: there is nothing to have shares of"
    return None


def _needs(stack: RecordedStack, part: RecordedPart, baseline: str) -> list[str]:
    return [baseline, part.out, stack.whole, part.into]


def _first_reason(unjudged: Mapping[str, str], names: Sequence[str]) -> str | None:
    """Why words that need these variants cannot be said."""
    return next((f"{name}: {unjudged[name]}" for name in names if name in unjudged), None)


def _unlike(outcomes: Mapping[str, Outcomes], names: Sequence[str]) -> str | None:
    """Why a part that changes no loss may change something yet: who trains at all."""
    for one, other in (names[:2], names[2:]):
        if outcomes[one].blown_up != outcomes[other].blown_up:
            return f"not as many seeds of {one} trained as of {other}"
    return None


def _interactions(
    own: _Sample,
    out: Sequence[Contrast],
    into: Sequence[Contrast],
    margin: float,
    why_not: Sequence[str | None],
) -> list[Interaction | None]:
    """Of each part with the rest, tested jointly; with two parts there is one between them."""
    if len(out) == 1:
        return [None]
    contrasts = {place: _minus(*ends) for place, ends in enumerate(zip(out, into, strict=True))}
    distinct = [0] if len(out) == 2 else list(contrasts)
    decided = decide_study(
        {str(place): own.in_order(contrasts[place]) for place in distinct}, margin, own.rule(len(distinct))
    )
    found: list[Interaction | None] = []
    for place, contrast in contrasts.items():
        decision = decided[str(place if place in distinct else 0)]
        found.append(
            Interaction(
                measured=own.measured(contrast),
                interval=decision.zero_interval,
                is_real=decision.is_real and why_not[place] is None,
            )
        )
    return found


def _left_over(
    own: _Sample,
    gap: Contrast,
    out: Sequence[Contrast],
    into: Sequence[Contrast],
    margin: float,
    *,
    is_judged: bool,
) -> list[LeftOver | None]:
    """The gap minus the sum from each end, tested jointly; with two parts the one is minus the other."""
    if len(out) == 1:
        return [None, None]
    contrasts = [_minus(gap, _sum(out)), _minus(gap, _sum(into))]
    if len(out) == 2:
        decided = [decide_study({"": own.in_order(one)}, margin, own.rule(1))[""] for one in contrasts]
    else:
        both = {str(place): own.in_order(one) for place, one in enumerate(contrasts)}
        decided = list(decide_study(both, margin, own.rule(2)).values())
    return [
        LeftOver(
            measured=own.measured(contrast),
            interval=decision.interval,
            equivalence_interval=decision.equivalence_interval,
            verdict=decision.verdict if is_judged else Verdict.INCONCLUSIVE,
        )
        for contrast, decision in zip(contrasts, decided, strict=True)
    ]


def _removable(
    own: _Sample,
    out: Sequence[Contrast],
    into: Sequence[Contrast],
    margins: Sequence[float],
    why_not: Sequence[str | None],
) -> tuple[list[bool], list[float]]:
    """Of which parts both contributions lie within the margin, and the one-sided level of each test."""
    p = np.ones(len(out))
    for place, ends in enumerate(zip(out, into, strict=True)):
        if why_not[place] is None:
            p[place] = max(_within(own.measured(end), margins[place]) for end in ends)
    steps = step_down(np.ones(len(out)), p, own.rule(len(out)))
    return steps.equivalent.tolist(), steps.equivalence_level.tolist()


def _within(one: Measured, margin: float) -> float:
    """p against a mean at the margin or beyond."""
    values = np.array(list(one.by_seed.values()))
    if len(values) < 2:
        return 1.0
    sd = standard_deviation(values)
    _, within = p_values(np.array(len(values)), values.mean(), np.array(sd), margin)
    return float(within)


def _seeds_left_out(gap: Measured, parts: Sequence[Part], whole: str) -> list[Note]:
    """Which seeds do not count, said once for all that leave out the same."""
    named = {f"the gap to {whole}": gap}
    if len(parts) > 1:
        named |= {f"{part.name} (left out)": part.out for part in parts}
        named |= {f"{part.name} (added)": part.into for part in parts}
    notes = []
    for seeds in dict.fromkeys(one.left_out for one in named.values() if one.left_out):
        what = ", ".join(name for name, one in named.items() if one.left_out == seeds)
        which = f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"
        notes.append(reading(f"{what}: without {which}, where a run that it needs has no result"))
    return notes


def _not_judged(parts: Sequence[Part]) -> list[Note]:
    return [
        reading(f"{part.name}: nothing is said of removing it, as {part.unjudged}")
        for part in parts
        if part.unjudged
    ]


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """A row of a figure: a part from both ends, the sum of all, or the gap, which has one end (``out``)."""

    name: str
    out: Measured
    into: Measured | None
    says: str


def left_out_of(found: Dismantled) -> str:
    """How the one end is called in figures."""
    return f"left out of {found.origin}"


def added_to(found: Dismantled) -> str:
    """How the other end is called."""
    return f"added to {found.whole}"


def contributions(found: Dismantled) -> list[Contribution]:
    """The rows of a figure: the parts, and where there are several their sum; then the gap."""
    name = f"gap, {found.origin} to {found.whole}"
    gap = Contribution(name=name, out=found.gap, into=None, says="")
    if len(found.parts) == 1:
        return [gap]
    parts = [
        Contribution(name=part.change_text, out=part.out, into=part.into, says=part.says)
        for part in found.parts
    ]
    both = found.additivity
    return [
        *parts,
        Contribution(name="sum of the parts", out=found.out.sum, into=found.into.sum, says=both),
        gap,
    ]


def part_columns(found: Dismantled) -> dict[str, dict[str, Any]]:
    """By variant, what its part contributes from the end at which it is exchanged, as columns of a table.

    With two parts a variant is the one left out and the other added, and has the columns of the former.
    """
    columns: dict[str, dict[str, Any]] = {}
    for part in found.parts:
        ends = (
            (part.out_variant, left_out_of(found), part.out, part.out_share),
            (part.into_variant, added_to(found), part.into, part.into_share),
        )
        for variant, end, contribution, share in ends[: len(found.parts)]:  # of a single part there is one
            if variant in columns and variant == part.into_variant:
                continue
            interaction = part.interaction
            columns[variant] = {
                "part": part.name,
                "end": end,
                "contribution": contribution.mean,
                **_ends("contribution", contribution.interval),
                "share": share.value if share else None,
                **_ends("share", share.interval if share else None),
                "interaction": interaction.measured.mean if interaction else None,
                **_ends("interaction", interaction.interval if interaction else None),
                "interacts": interaction.is_real if interaction else None,
                "removable": part.removable,
            }
    return columns


def _ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return {f"{name}_low": None, f"{name}_high": None}
    return {f"{name}_low": interval.low, f"{name}_high": interval.high}
