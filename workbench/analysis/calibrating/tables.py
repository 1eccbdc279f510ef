"""A calibration as tables of text cells, which terminal, page, Markdown and LaTeX draw alike."""

from collections.abc import Sequence

from workbench.analysis.calibrating.calibration import Calibration, SimulatedCalibration
from workbench.analysis.calibrating.error_rates import NONE, TWO_MARGINS, DesignRates, Share, TruthRates
from workbench.analysis.calibrating.goals import MET, Goal
from workbench.analysis.calibrating.noise_by_tokens import NoiseAt, cheapest
from workbench.analysis.deciding.decisions import level_text
from workbench.analysis.report_tables import TextTable
from workbench.numbers import MISSING, count, decimals_for, fixed, plural, with_interval

CHEAPEST = "*"  # behind the smallest cost of a column


def calibration_tables(found: Calibration) -> list[TextTable]:
    """All tables of a calibration, what it should show and does first."""
    decimals = decimals_for(found.margin)
    tables = [goals_table(found.goals, decimals), demonstrations_table(found)]
    alone = [one for one in found.rates if one.comparisons == 1]
    together = [one for one in found.rates if one.comparisons > 1]
    tables.append(rates_table(alone, decimals, found.unit))
    if together:
        tables.append(rates_table(together, decimals, found.unit, found.rows_of_tables))
    if found.needed:
        tables.append(needed_table(found))
    return [*tables, noise_table(found)]


def simulated_tables(found: SimulatedCalibration) -> list[TextTable]:
    """For each shape of noise its goals and its error rates; margins in units of the sd."""
    tables = []
    for shape in found.shapes:
        alone = [one for one in shape.rates if one.comparisons == 1]
        together = [one for one in shape.rates if one.comparisons > 1]
        tables += [
            goals_table(shape.goals, 1, f"{shape.shape}: "),
            rates_table(alone, 1, "sd of a difference", before=f"{shape.shape}: "),
            rates_table(together, 1, "sd of a difference", before=f"{shape.shape}: "),
        ]
    return tables


def goals_table(goals: Sequence[Goal], decimals: int, before: str = "") -> TextTable:
    """Each goal with what was measured, and whether it is met."""
    rows = tuple(
        (
            one.what,
            one.design,
            str(one.rows),
            _wanted(one),
            f"{_share(one.value, points=one.is_points)} ± {_share(one.uncertainty)}",
            f"±{fixed(one.margin, decimals)}",
            one.word,
        )
        for one in goals
    )
    title = (
        f"{before}What the calibration should show, and what it does (in % of studies; ± is half of a 95 % "
        "interval, of Monte Carlo and of the seeds; of several margins the worst, and which it is)"
    )
    headings = ("goal", "design", "rows", "wanted", "measured", "margin", "goal is")
    return TextTable(title, headings, rows, left=("design", "goal is"), spare=("margin", "rows"))


def _wanted(one: Goal) -> str:
    """``≤ 5.0``, ``≥ 94.0``, ``4.0 to 6.0``, in percent; of a difference in percentage points."""
    if one.low == 0:
        return f"≤ {_share(one.high)}"
    if one.high == 1:
        return f"≥ {_share(one.low)}"
    return f"{_share(one.low, points=one.is_points)} to {_share(one.high, points=one.is_points)}"


def _share(value: float, *, points: bool = False) -> str:
    return fixed(100 * value, 1, sign=points)


def demonstrations_table(found: Calibration) -> TextTable:
    """Every variant at all seeds of the pool, as an ordinary row; the truth of most is not known."""
    decimals = decimals_for(found.margin)
    levels = {level_text(one.interval) for one in found.demonstrations}
    level = f"{levels.pop()} " if len(levels) == 1 else ""
    rows = tuple(
        (
            one.variant,
            one.truth,
            str(one.seeds),
            with_interval(one.difference, one.interval, decimals, sign=True),
            one.word,
        )
        for one in found.demonstrations
    )
    title = (
        f"The pairs as they are, decided as in any study, in {found.unit} (margin ±{found.margin:g}); what "
        "is true of the null twin is known, of the others it is not: they are shown, and judge nothing"
    )
    headings = ("variant", "true difference", "seeds", f"difference\n[{level}CI]", "verdict")
    return TextTable(title, headings, rows, left=("true difference", "verdict"))


def rates_table(
    rates: Sequence[DesignRates], decimals: int, unit: str, variants: Sequence[str] = (), *, before: str = ""
) -> TextTable:
    """How often each word is false, how often intervals hold the truth, and power against its prediction."""
    several = any(one.comparisons > 1 for one in rates)
    headings = (
        "design",
        "margin",
        "no difference:\nbetter or worse",
        "at the margin:\nbetter or worse",
        "at the margin:\nequivalent",
        "intervals\nhold it",
        *(
            ()
            if several
            else (
                "equivalent\nif equal",
                "better or worse\nat two margins",
                "pairs,\nif equal",
                "pairs at\ntwo margins",
            )
        ),
    )
    rows = tuple(_rate_cells(one, decimals, several=several) for one in rates)
    alone = "one comparison; power and pairs (of half of the studies at most) as predicted → as observed"
    of_what = alone
    if several:
        number = plural(max(one.comparisons for one in rates), "row")
        named = f" ({', '.join(variants)}, centred, their seeds drawn together)" if variants else ""
        of_what = f"studies with {number}{named}: any false word in the whole study"
    title = (
        f"{before}False words, in % of studies, ± a standard error of Monte Carlo and of the seeds; "
        f"{of_what}. At the margin (in {unit}): true differences above it / below it"
        + (" / on both sides of it" if several else "")
    )
    return TextTable(
        title, headings, rows, spare=("pairs at\ntwo margins", "pairs,\nif equal", "intervals\nhold it")
    )


def _rate_cells(one: DesignRates, decimals: int, *, several: bool) -> tuple[str, ...]:
    at_margin = [truth for truth in one.truths if truth.is_at_margin]
    none = one.at(NONE)
    covered = [truth.covered.value for truth in one.truths]
    cells = [
        one.design,
        f"±{fixed(one.margin, decimals)}",
        _with_error(none.false_difference),
        _side_by_side([truth.false_difference for truth in at_margin]),
        _side_by_side([truth.false_equivalent for truth in at_margin]),
        _ends(covered),
    ]
    if not several:
        observed = [one.at(name) for name in TWO_MARGINS]
        mean = sum(truth.right.value for truth in observed if truth.right) / len(observed)
        cells += [
            _predicted(none.predicted, none.right.value if none.right else None),
            _predicted(observed[0].predicted, mean),
            _pairs(none),
            _pairs(observed[0]),
        ]
    return tuple(cells)


def _pairs(one: TruthRates) -> str:
    """``16 → 16``; the number alone where it is fixed."""
    return str(one.pairs) if one.predicted_pairs is None else f"{one.predicted_pairs} → {one.pairs}"


def _ends(shares: Sequence[float]) -> str:
    low, high = _share(min(shares)), _share(max(shares))
    return low if low == high else f"{low} to {high}"


def _with_error(share: Share) -> str:
    return f"{_share(share.value)} ± {_share(share.error)}"


def _side_by_side(shares: Sequence[Share]) -> str:
    """``2.4 / 2.6 ± 0.5``: the error is the largest of theirs."""
    values = " / ".join(_share(share.value) for share in shares)
    return f"{values} ± {_share(max(share.error for share in shares))}"


def _predicted(predicted: float | None, observed: float | None) -> str:
    if predicted is None or observed is None:
        return MISSING
    return f"{_share(predicted)} → {_share(observed)}"


def needed_table(found: Calibration) -> TextTable:
    """The seeds that ``workbench plan`` says, and those that the pool needs."""
    decimals = decimals_for(found.margin)
    rows = tuple(
        (
            one.word,
            f"±{fixed(one.margin, decimals)}",
            fixed(one.difference, decimals),
            str(one.predicted),
            MISSING if one.observed is None else str(one.observed),
            _predicted(one.power.value - one.beyond_prediction.value, one.power.value),
        )
        for one in found.needed
    )
    title = (
        f"Seeds needed for a power of 80 %, as plan predicts them from the sd of the pool and as the pool "
        f"needs them, in {found.unit}; power with the predicted number, in %"
    )
    headings = ("to be called", "margin", "true\ndifference", "predicted", "observed", "power")
    return TextTable(title, headings, rows)


def noise_table(found: Calibration) -> TextTable:
    """Noise along the runs, and what a verdict costs if runs were read there."""
    decimals = decimals_for(found.margin)
    rows = tuple(_noise_cells(one, found.noise, decimals) for one in found.noise)
    title = (
        f"Noise along the runs ({found.pool.seeds} seeds, in {found.unit}), and the training tokens of all "
        f"runs that tell a difference of two margins (±{found.margin:g}), or call equals equivalent, in 80 % "
        f"of studies ({CHEAPEST}: the cheapest). A point inside a run is no run of that length, whose "
        "learning rate would have come down, and an effect changes with the budget too: a guide to a first "
        "look only"
    )
    headings = (
        "tokens",
        "loss",
        "sd of\na run",
        "sd of a pair\n[95 % range]",
        "correlation\nof a pair",
        "seeds to\ntell",
        "tokens to\ntell",
        "seeds to call\nequivalent",
        "tokens to call\nequivalent",
    )
    spare = ("loss", "correlation\nof a pair", "seeds to\ntell", "seeds to call\nequivalent")
    return TextTable(title, headings, rows, spare=spare)


def _noise_cells(one: NoiseAt, all_of_them: Sequence[NoiseAt], decimals: int) -> tuple[str, ...]:
    ends = f"{fixed(one.paired_range.low, decimals)}, {fixed(one.paired_range.high, decimals)}"
    return (
        count(one.tokens),
        fixed(one.mean, decimals - 1),
        fixed(one.run_sd, decimals),
        f"{fixed(one.paired_sd, decimals)} [{ends}]",
        f"{one.correlation:.2f}",
        _seeds(one.seeds_different),
        _cost(one, all_of_them, "cost_different"),
        _seeds(one.seeds_equivalent),
        _cost(one, all_of_them, "cost_equivalent"),
    )


def _seeds(seeds: int | None) -> str:
    return ">1000" if seeds is None else str(seeds)


def _cost(one: NoiseAt, all_of_them: Sequence[NoiseAt], name: str) -> str:
    cost: int | None = getattr(one, name)
    is_cheapest = cost is not None and one is cheapest(all_of_them, name)
    return f"{count(cost)}{CHEAPEST if is_cheapest else ''}"


def headline(found: Calibration) -> str:
    """The calibration in a sentence: how many goals are met, and what was missed."""
    missed = [one for one in found.goals if one.word != MET]
    met = f"{len(found.goals) - len(missed)} of {plural(len(found.goals), 'goal')} met"
    pool = found.pool
    sd = fixed(pool.sd, decimals_for(found.margin))
    return f"{met}; {plural(pool.seeds, 'pair')} of baseline and null twin, sd {sd} {found.unit}"


def missed_sentences(goals: Sequence[Goal], before: str = "") -> list[str]:
    """A sentence for each goal that is missed."""
    return [
        f"{before}{one.word}: {one.what} ({one.design}, {plural(one.rows, 'row')}, margin "
        f"±{one.margin:.3g}): {_share(one.value, points=one.is_points)} ± {_share(one.uncertainty)} where "
        f"{_wanted(one)} is wanted" + (" (percentage points)" if one.is_points else " (%)")
        for one in goals
        if one.word != MET
    ]
