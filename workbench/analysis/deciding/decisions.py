"""The verdicts of one study at its present look, from the differences of its pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from workbench.analysis.deciding.foresight import chance_of_verdict
from workbench.analysis.deciding.looks import HOPELESS, MARGIN_FROM, Rule
from workbench.analysis.deciding.steps import p_values, step_down
from workbench.analysis.statistics import Interval, Verdict, holm, standard_deviation
from workbench.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One comparison's word and what it follows from, in units of the metric.

    ``n`` pairs are in the word: those of the last look that is complete. ``look`` counts from 1, 0 is
    before the first, and ``looks`` is how many there may be. ``interval`` is the two-sided one whose place
    beyond the margin means better or worse, ``equivalence_interval`` the one whose place within it means
    equivalent; each says its own level, which looks and comparisons share. Both are None below two pairs.

    ``difference_p`` (two-sided, against "no further than the margin") and ``equivalence_p`` are Holm's, for
    a fixed number of pairs; looks have none, as the level of each look is what was corrected there.
    ``is_real`` says that zero is excluded by the same rule. ``levels`` are those of both intervals as
    tests (two-sided for better and worse, one-sided for equivalent): those that decided, or at which it is
    tested now. ``chance`` is that of a verdict by the last look, where it was asked for: while undecided,
    from 8 pairs on. ``goes_on`` says that more pairs are due. ``rule`` is what it was decided by.
    """

    verdict: Verdict
    n: int
    look: int
    looks: int
    margin: float
    mean: float | None
    sd: float | None
    interval: Interval | None
    equivalence_interval: Interval | None
    zero_interval: Interval | None
    is_real: bool
    difference_p: float | None
    equivalence_p: float | None
    levels: tuple[float, float]
    chance: float | None
    goes_on: bool
    rule: Rule

    @property
    def is_decided(self) -> bool:
        """Better, worse or equivalent."""
        return self.verdict in (Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT)

    @property
    def stopped(self) -> str | None:
        """``stopped at look 2 of 5``; None while it goes on, and where there is one look only."""
        if self.goes_on or self.looks == 1:
            return None
        return f"stopped at look {self.look} of {self.looks}"


def decide_study(
    differences: Mapping[str, Sequence[float]], margins: Mapping[str, float] | float, rule: Rule
) -> dict[str, Decision]:
    """The decision on each comparison, from what is known now.

    ``differences`` has, for each comparison, variant minus baseline in the order of the seeds, NaN for a
    seed whose pair is lost; shorter where seeds are still to come, and empty before the first. With looks,
    only seeds up to the last complete look count. Comparisons that are declared and not named (their trials
    crashed, or nothing ran) hold their place in the family all the same: ``rule.comparisons`` counts them.

    A decided comparison needs no more pairs, and what the others find later can only add to what is decided.
    """
    if len(differences) > rule.comparisons:
        raise UserError(
            f"comparisons: {len(differences)} have pairs and {rule.comparisons} are declared; "
            "the error is shared by those that were declared"
        )
    if not differences:
        return {}
    samples = [_sample(name, values, rule) for name, values in differences.items()]
    margin = np.array([_margin(margins, name) for name in differences])
    n = np.array([len(sample.values) for sample in samples])
    mean = np.array([sample.mean for sample in samples])
    sd = np.array([sample.sd for sample in samples])

    # The words, and beside them whether there is any difference at all, by the same rule.
    beyond, within = p_values(n, mean, sd, margin)
    steps = step_down(beyond, within, rule)
    from_zero, _ = p_values(n, mean, sd, 0.0)
    real = step_down(from_zero, np.ones(len(n)), rule)
    missing = [1.0] * (rule.comparisons - len(samples))
    held_beyond, held_within = holm([*beyond, *missing]), holm([*within, *missing])

    found = {}
    for place, (name, sample) in enumerate(zip(differences, samples, strict=True)):
        levels = float(steps.difference_level[place]), float(steps.equivalence_level[place])
        chance = None
        if not steps.decided[place] and _is_asked(sample, rule):
            chance = _chance(sample, margin[place], rule, levels)
        verdict = _word(sample, bool(steps.different[place]), bool(steps.equivalent[place]), chance)
        is_open = verdict is Verdict.INCONCLUSIVE and rule.until_decided and sample.look < len(rule.looks)
        found[name] = Decision(
            verdict=verdict,
            n=len(sample.values),
            look=sample.look,
            looks=len(rule.looks),
            margin=float(margin[place]),
            mean=sample.mean if len(sample.values) else None,
            sd=sample.sd if len(sample.values) > 1 else None,
            interval=_interval(sample, levels[0]),
            equivalence_interval=_interval(sample, 2 * levels[1]),
            zero_interval=_interval(sample, float(real.difference_level[place])),
            is_real=bool(real.different[place]),
            difference_p=None if rule.until_decided else held_beyond[place],
            equivalence_p=None if rule.until_decided else held_within[place],
            levels=levels,
            chance=chance,
            goes_on=is_open,
            rule=rule,
        )
    return found


@dataclass(frozen=True)
class _Sample:
    """The pairs that count; mean and sd stand at 0 where there are too few for them."""

    values: np.ndarray
    look: int
    mean: float
    sd: float


def _sample(name: str, differences: Sequence[float], rule: Rule) -> _Sample:
    values = np.asarray(differences, dtype=float)
    if values.ndim != 1 or np.isinf(values).any():
        raise UserError(
            f"{name}: paired differences must be a list of finite numbers, NaN where a pair is lost"
        )
    look = 1
    if rule.until_decided:
        look = rule.look_at(len(values))
        values = values[: rule.looks[look - 1] if look else 0]
    values = values[~np.isnan(values)]
    mean = float(values.mean()) if len(values) else 0.0
    return _Sample(values, look, mean, standard_deviation(values) if len(values) > 1 else 0.0)


def _margin(margins: Mapping[str, float] | float, name: str) -> float:
    margin = margins if isinstance(margins, int | float) else margins[name]
    if not margin >= 0:
        raise UserError(f"margin: {margin} is no half-width; give a number of the metric's units above 0")
    return float(margin)


def _interval(sample: _Sample, level: float) -> Interval | None:
    """The two-sided interval that misses with probability ``level``."""
    n = len(sample.values)
    if n < 2:
        return None
    half = float(stdtrit(n - 1, 1 - level / 2)) * sample.sd / np.sqrt(n)
    return Interval(sample.mean - half, sample.mean + half, 1 - float(level))


def _is_asked(sample: _Sample, rule: Rule) -> bool:
    """Whether a sample without a verdict is one of which it may be said that it stands at the margin."""
    enough = rule.until_decided and sample.look > 0 and rule.looks[sample.look - 1] >= MARGIN_FROM
    return enough and len(sample.values) > 1


def _chance(sample: _Sample, margin: float, rule: Rule, levels: tuple[float, float]) -> float:
    chances = chance_of_verdict(
        len(sample.values),
        np.array([sample.mean]),
        np.array([sample.sd]),
        margin,
        rule=rule,
        look=sample.look,
        difference_level=np.array([levels[0]]),
        equivalence_level=np.array([levels[1]]),
    )
    return float(chances[0])


def _word(sample: _Sample, different: bool, equivalent: bool, chance: float | None) -> Verdict:
    if different:
        return Verdict.BETTER if sample.mean < 0 else Verdict.WORSE
    if equivalent:
        return Verdict.EQUIVALENT
    if chance is not None and chance < HOPELESS:
        return Verdict.AT_MARGIN
    return Verdict.INCONCLUSIVE


def remark(decision: Decision) -> str | None:
    """What a difference that is no chance says of its size, where the word leaves that open.

    None where zero is not excluded for the whole family, and where all of the difference lies beyond the
    margin.
    """
    if not decision.is_real or decision.zero_interval is None or decision.equivalence_interval is None:
        return None
    excluded = f"the {level_text(decision.zero_interval)} interval excludes zero"
    if decision.verdict is Verdict.EQUIVALENT:
        return (
            f"small but real: a difference below the margin is likely ({excluded}, and the "
            f"{level_text(decision.equivalence_interval)} interval lies within the margin)"
        )
    if decision.verdict in (Verdict.INCONCLUSIVE, Verdict.AT_MARGIN):
        return (
            f"real; size not settled: {excluded}, and does not settle on which side of the margin's border "
            "the difference lies"
        )
    return None


def level_text(interval: Interval) -> str:
    """``98.8 %``; two decimals from 99.9 % on."""
    decimals = 1 if interval.level < 0.999 else 2
    return f"{round(100 * interval.level, decimals):g} %"
