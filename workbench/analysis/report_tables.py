"""The report's tables as text cells; the renderers only differ in how they draw them."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from workbench.analysis.budget_trend import QUARTERS
from workbench.analysis.compute_gain import Gain, budget_ratio
from workbench.analysis.deciding.decisions import level_text
from workbench.analysis.dismantling import Dismantled, End, Measured, Part, Share
from workbench.analysis.effects import Report
from workbench.analysis.factorial import Effect
from workbench.analysis.flops import FlopsRow
from workbench.analysis.gain_ladder import BudgetRung, ComputeGains, VariantGain
from workbench.analysis.other_sets import SetRow
from workbench.analysis.recovery import RecoveryRow
from workbench.analysis.report_footer import held_equal
from workbench.analysis.statistics import Interval, PairedComparison
from workbench.analysis.tuned_rates import FLAT, INTERIOR, NOISE_UNKNOWN
from workbench.analysis.tuning_report import TunedVariant, TuningReport
from workbench.analysis.variant_row import VariantRow
from workbench.numbers import (
    MISSING,
    byte_size,
    count,
    decimals_for,
    fixed,
    number,
    percent,
    plural,
    probability,
    rate,
    scaled,
    with_interval,
)
from workbench.records.hyperparameters import shown
from workbench.records.training_outcome import DID_NOT_TRAIN

AT_EQUAL = "at equal"  # the column of what a row trains on as much of as the baseline


@dataclass(frozen=True)
class TextTable:
    """A table of text. The first column is left-aligned, and so are those named in ``left``.

    ``spare`` names the columns that a narrow terminal leaves out, those that say the least first.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()

    def without(self, left_out: Collection[str]) -> "TextTable":
        """The table without the columns of these headings."""
        kept = [place for place, heading in enumerate(self.headings) if heading not in left_out]
        headings = tuple(self.headings[place] for place in kept)
        rows = tuple(tuple(row[place] for place in kept) for row in self.rows)
        return replace(self, headings=headings, rows=rows)

    def is_empty(self, heading: str) -> bool:
        """Whether a column has nothing but dashes."""
        place = self.headings.index(heading)
        return all(row[place] == MISSING for row in self.rows)


def report_tables(report: Report) -> list[TextTable]:
    """All tables of a report, the verdicts first."""
    tables = [effects_table(report)]
    if any(row.trend for row in report.comparisons):
        tables.append(trend_table(report))
    if any(row.bytes_read is not None for row in report.rows):
        tables.append(budgets_table(report))
    if report.other_sets:
        tables.append(other_sets_table(report))
    if report.gains:
        tables += [gains_table(report, report.gains), gain_budgets_table(report, report.gains)]
    if report.equal_flops:
        tables.append(flops_table(report))
    if report.recovery:
        tables.append(recovery_table(report))
    if report.factorial:
        tables.append(factorial_table(report))
    if report.dismantled:
        tables += [contributions_table(report, report.dismantled), shares_table(report.dismantled)]
    tables.append(variants_table(report))
    if report.tuning is not None and report.tuning.variants:
        tables += [tuning_table(report, report.tuning), spend_table(report, report.tuning)]
    return tables


def effects_table(report: Report) -> TextTable:
    """Each variant against the baseline: difference, interval, verdict."""
    decimals = decimals_for(report.margin)
    headings = (
        "change",
        "seeds",
        f"{report.metric}\nmean ± sd",
        f"difference\n[{_level(report)}CI]",
        *((AT_EQUAL,) if _units_differ(report) else ()),
        *(("margin",) if isinstance(report.margins, dict) else ()),
        "in %",
        "wins",
        "Holm\np",
        "verdict",
        "seeds\nneeded",
    )
    rows = tuple(_effect_cells(row, report, decimals) for row in report.rows)
    title = (
        f"Paired difference to the baseline in {report.unit}, and in % of the baseline; lower is better "
        "(wins: seeds at which the variant is lower)"
    )
    if report.baseline.fate:  # said once more where a table is read without its report
        title = f"The baseline {report.baseline.fate}: nothing is compared. {title}"
    spare = ("in %", "wins", "Holm\np", "seeds\nneeded", "seeds", f"{report.metric}\nmean ± sd")
    return TextTable(title, headings, rows, left=("verdict", AT_EQUAL), spare=spare)


def _effect_cells(row: VariantRow, report: Report, decimals: int) -> tuple[str, ...]:
    return (
        row.label,
        _seeds(row),
        mean_and_sd(row.mean, row.sd, decimals - 1),
        difference_cell(row.comparison, decimals),
        *_own_unit(row),
        *_own_margin(row, report),
        MISSING if row.relative is None else f"{100 * row.relative:+.2f}",
        f"{row.wins}/{row.pairs}" if row.comparison else MISSING,
        probability(row.holm_p),
        verdict_cell(row),
        _pairs_needed(row),
    )


def _level(report: Report) -> str:
    """The level of the intervals, where all rows have one; each row's own stands in its sentence."""
    levels = {level_text(row.interval) for row in report.comparisons if row.interval}
    return f"{levels.pop()} " if len(levels) == 1 else ""


def _pairs_needed(row: VariantRow) -> str:
    """``19–160``: between which numbers they lie; a dash where nothing is open. Sentences say more."""
    needed = row.pairs_needed
    if needed is None:
        return MISSING
    return f"{needed.text(needed.low)}–{needed.text(needed.high)}"


def _units_differ(report: Report) -> bool:
    """Whether rows differ in what they train on as much of as the baseline."""
    return report.baseline.budget_unit is not None


def _own_unit(row: VariantRow) -> list[str]:
    """What a row trains on as much of as the baseline, where rows differ in it."""
    if row.budget_unit is None:
        return []
    return [MISSING if row.is_baseline else held_equal(row.budget_unit)]


def _own_margin(row: VariantRow, report: Report) -> list[str]:
    """What a row is judged by, where rows differ in it."""
    if not isinstance(report.margins, dict):
        return []
    return [MISSING if row.is_baseline else f"±{row.margin:g}"]


def _seeds(row: VariantRow) -> str:
    done = f"{row.seeds_done}/{row.seeds_planned}"
    # Those that diverged did not train either; where all did the former, that says more.
    counts = ((row.blown_up, DID_NOT_TRAIN if row.untrained else "diverged"), (row.failed, "failed"))
    return ", ".join([done, *(f"{n} {what}" for n, what in counts if n)])


def verdict_cell(row: VariantRow) -> str:
    """The verdict's word; for the baseline or where there is none yet, what the row is."""
    if row.is_baseline:
        what = row.fate or row.status
        return "baseline" if what == "done" else f"baseline, {what}"
    if row.no_verdict:
        return "no verdict"
    if row.diverges:
        return f"{row.verdict}: diverges {row.diverges}"
    return str(row.verdict) if row.verdict else row.status


def mean_and_sd(mean: float | None, sd: float | None, decimals: int) -> str:
    """``3.1234 ± 0.0123``; without ± for a single value."""
    return fixed(mean, decimals) if sd is None else f"{fixed(mean, decimals)} ± {fixed(sd, decimals)}"


def difference_cell(comparison: PairedComparison | None, decimals: int) -> str:
    """``+0.0123 [0.0042, 0.0204]``."""
    if comparison is None:
        return MISSING
    return with_interval(comparison.mean, comparison.interval, decimals, sign=True)


def variants_table(report: Report) -> TextTable:
    """What each variant is, and how its learning rate was found."""
    spelled_out = any(row.label != row.change_text for row in report.comparisons)
    headings = (
        "variant",
        *(("change",) if spelled_out else ()),
        "parameters",
        "FLOPs\nper token",
        "size\nmismatch",
        "learning\nrate",
        "optimum\n[95 % CI]",
        "curvature",
        "interior",
        "tuning",
        "detects",
    )
    rows = tuple(_variant_cells(row, report, spelled_out) for row in report.rows)
    title = (
        f"Size, tuning and sensitivity (mismatch: {report.footer['match']} against the baseline; "
        "optimum, curvature: of a quadratic in the rate's octaves; interior: lower and higher rates are "
        "worse beyond noise; detects: the difference found with 80 % power)"
    )
    spare = ("detects", "curvature", "tuning", "size\nmismatch", "optimum\n[95 % CI]", "change")
    return TextTable(title, headings, rows, left=("change", "interior"), spare=spare)


def _variant_cells(row: VariantRow, report: Report, spelled_out: bool) -> tuple[str, ...]:
    tuning = (
        f"{row.tuning_trials} trials, {scaled(row.tuning_flops, 'FLOP')}" if row.tuning_trials else MISSING
    )
    return (
        row.variant,
        *((row.change_text,) if spelled_out else ()),
        count(row.parameters),
        scaled(row.flops_per_token, "FLOP"),
        percent(row.mismatch, 2, sign=True),
        rate(row.learning_rate),
        _optimum(row),
        number(row.rate_curvature) if row.rate_curvature else MISSING,
        _interior(row),
        tuning,
        fixed(row.detectable_effect, decimals_for(report.margin)),
    )


def _optimum(row: VariantRow) -> str:
    """``0.0031 [0.0024, 0.0041]``; ``…`` for an end beyond what was tried."""
    if row.rate_curvature_error is None:  # one tuning seed has no noise to make an interval of
        return rate(row.rate_optimum)
    ends = ["…" if end is None else f"{end:.2g}" for end in (row.rate_low, row.rate_high)]
    return f"{rate(row.rate_optimum)} [{', '.join(ends)}]"


def _interior(row: VariantRow) -> str:
    """Where the chosen rate lies: ``yes``, ``flat``, or why not."""
    if row.rate_place is None:
        return MISSING
    if row.rate_place == INTERIOR:
        return "yes"
    return row.rate_place if row.rate_place in (FLAT, NOISE_UNKNOWN) else f"no, {row.rate_place}"


def tuning_table(report: Report, tuning: TuningReport) -> TextTable:
    """What each hyperparameter was tuned to, and how much worse its other values are at best."""
    decimals = decimals_for(report.margin)
    rows = []
    for one in tuning.variants:
        for name in tuning.dimensions:
            groups = (
                f"{group.text}: {'no result' if group.excess is None else fixed(group.excess, decimals)}"
                for group in one.sensitivity[name]
            )
            end = one.edges.get(name, "")
            place = f"{end.partition(' is the ')[2]}" if end else MISSING
            rows.append((one.variant, name, shown(one.chosen[name]), place, ", ".join(groups)))
    title = (
        f"Tuned values (edge: at an end of what was tried; sensitivity: how much worse in {report.unit}, on "
        "the tuning seeds, the best point is at those values)"
    )
    headings = ("variant", "hyper-\nparameter", "tuned", "edge", "sensitivity")
    return TextTable(title, headings, tuple(rows), left=headings)


def spend_table(report: Report, tuning: TuningReport) -> TextTable:
    """What tuning took of each variant, and how good it looks by how many points were tried."""
    decimals = decimals_for(report.margin)
    most = max(len(one.best_of) for one in tuning.variants)
    shares = sorted({k for k in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512) if k < most} | ({most} - {0}))
    headings = (
        "variant",
        "points",
        "trials",
        "tokens\nallotted",
        "tokens\nspent",
        "FLOPs",
        "loss",
        *(f"best\nof {k}" for k in shares),
    )
    rows = tuple(
        (
            one.variant,
            count(one.points),
            count(one.trials),
            count(one.granted),
            count(one.spent),
            scaled(one.flops, "FLOP"),
            fixed(one.loss, decimals),
            *(_best_of(one, k, decimals) for k in shares),
        )
        for one in tuning.variants
    )
    by = "its points" if tuning.shared else f"its points, which {tuning.sampler} did not draw at random"
    title = (
        f"What tuning took, and {report.metric} at the tuned point (best of k: expected lowest mean of k "
        f"random draws of {by} ± sd, Dodge et al. 2019)"
    )
    return TextTable(title, headings, rows)


def _best_of(one: TunedVariant, k: int, decimals: int) -> str:
    if k > len(one.best_of):
        return MISSING
    return mean_and_sd(one.best_of[k - 1].mean, one.best_of[k - 1].sd, decimals)


def trend_table(report: Report) -> TextTable:
    """Where each difference was earlier in the runs, and how it moved at their end."""
    decimals = decimals_for(report.margin)
    headings = (
        "variant",
        "P better,\nequal, worse",
        *(f"{share} %" for share in QUARTERS),
        "per doubling\n[95 % CI]",
        "changed\nsign at",
    )
    rows = tuple(_trend_cells(row, decimals) for row in report.comparisons if row.trend)
    title = (
        "What the pairs alone make likely of each difference, within and beyond the margin (flat prior; it "
        "decides nothing); "
        f"the difference in {report.unit} along the run, at shares of its tokens, and its change "
        "for a doubling of the tokens by the slope over the last half (a point inside a run is no run of "
        "that length, whose learning rate would have come down)"
    )
    return TextTable(title, headings, rows, spare=("75 %", "25 %", "changed\nsign at"))


def _trend_cells(row: VariantRow, decimals: int) -> tuple[str, ...]:
    trend = row.trend
    assert trend is not None  # rows without are left out
    moved = MISSING
    if trend.per_doubling is not None:
        moved = with_interval(trend.per_doubling, trend.per_doubling_interval, decimals, sign=True)
    return (
        row.variant,
        _beliefs(row),
        *(fixed(trend.at[share], decimals, sign=True) for share in QUARTERS),
        moved,
        percent(trend.sign_change),
    )


def _beliefs(row: VariantRow) -> str:
    """``0.00, 0.44, 0.56``: how likely better, equal and worse are."""
    found = row.belief
    if found is None:
        return MISSING
    return ", ".join(f"{chance:.2f}" for chance in (found.better, found.equal, found.worse))


def budgets_table(report: Report) -> TextTable:
    """What a run of each variant trains on, where variants differ in that.

    How often each reads its text is among it where that is known.
    """
    is_counted = any(row.epochs is not None for row in report.rows)
    headings = (
        "change",
        "all\nparameters",
        "training\ntokens",
        *(("unique\ntokens", "epochs") if is_counted else ()),
        "bytes\nread",
        "training\nFLOPs",
        *((AT_EQUAL,) if _units_differ(report) else ()),
        "budget\nmismatch",
    )
    rows = tuple(_budget_cells(row, is_counted) for row in report.rows)
    counted = ""
    if is_counted:
        counted = (
            "; unique tokens: of its training text, copies of a document counted once; epochs: how often "
            "each of them is read, on the average"
        )
    equal = f"held equal: {held_equal(report.footer['budget_unit'])}; mismatch: of those"
    if _units_differ(report):
        equal = "mismatch: of what a row holds equal"
    title = (
        f"What a run trains on ({equal}, against the baseline; bytes read: the text that the tokens stand "
        f"for{counted})"
    )
    spare = ("all\nparameters", "training\nFLOPs")
    return TextTable(title, headings, rows, left=(AT_EQUAL,), spare=spare)


def _budget_cells(row: VariantRow, is_counted: bool) -> tuple[str, ...]:
    return (
        row.label,
        count(row.parameters),
        count(row.tokens),
        *((count(row.unique_tokens), fixed(row.epochs, 2)) if is_counted else ()),
        MISSING if row.bytes_read is None else byte_size(row.bytes_read),
        scaled(row.training_flops, "FLOP"),
        *_own_unit(row),
        percent(row.budget_mismatch, 2, sign=True),
    )


def other_sets_table(report: Report) -> TextTable:
    """The same runs on the evaluation sets that the verdict does not rest on."""
    decimals = decimals_for(report.margin)
    labels = {row.variant: row.label for row in report.rows}
    headings = ("change", "set", "seeds", "mean ± sd", "difference [95 % CI]", "pairs")
    rows = tuple(_set_cells(row, labels[row.variant], decimals) for row in report.other_sets)
    units = " and ".join(dict.fromkeys(row.unit for row in report.other_sets))
    title = (
        f"Other evaluation sets, in {units}; lower is better (descriptive: the verdict rests on "
        f"{report.metric})"
    )
    return TextTable(title, headings, rows, left=("set",))


def _set_cells(row: SetRow, label: str, decimals: int) -> tuple[str, ...]:
    difference = MISSING
    if row.difference is not None:
        difference = with_interval(row.difference, row.interval, decimals, sign=True)
    return (
        label,
        row.set,
        str(len(row.values)),
        mean_and_sd(row.mean, row.sd, decimals),
        difference,
        str(row.pairs) if row.pairs else MISSING,
    )


def flops_table(report: Report) -> TextTable:
    """Curves of equal tokens read at equal training FLOPs, beside their reading at the end; no verdict."""
    equal = report.equal_flops
    assert equal is not None  # who asks for the table looks first
    decimals = decimals_for(report.margin)
    labels = {row.variant: row.label for row in report.rows}
    headings = (
        "change",
        "seeds",
        "schedule\nread at",
        "mean ± sd",
        "at equal FLOPs\n[95 % CI]",
        "at the end\n[95 % CI]",
    )
    rows = tuple(_flops_cells(row, labels[row.variant], decimals) for row in equal.rows)
    title = (
        f"At equal FLOPs: {scaled(equal.flops, 'FLOP')} per run, beside the reading at the end of each (no "
        "verdict: a curve read before its schedule ends may be lower or higher than a run of that length; "
        "budget: flops trains each on its own schedule)"
    )
    return TextTable(title, headings, rows)


def _flops_cells(row: FlopsRow, label: str, decimals: int) -> tuple[str, ...]:
    return (
        label,
        str(len(row.values)),
        percent(row.share),
        mean_and_sd(row.mean, row.sd, decimals),
        difference_cell(row.comparison, decimals),
        difference_cell(row.at_the_end, decimals),
    )


def gains_table(report: Report, found: ComputeGains) -> TextTable:
    """How many times as much compute the baseline needs for each variant's loss, in three units."""
    labels = {row.variant: row.label for row in report.rows}
    rows = tuple(_gain_cells(one, labels[one.variant], report) for one in found.gains)
    title = (
        "Compute-equivalent gain: how many times as much the baseline needs for the loss that a variant has "
        f"after {count(found.tokens)} tokens; above 1x the variant saves compute, below it costs "
        "(intervals by Fieller, at the level of the row's verdict; seconds: by the speeds of its pairs; "
        "< and >: beyond the baseline's budgets; slope: of the baseline's loss on ln tokens in between ± "
        "standard error)"
    )
    level = f"\n[{_level(report)}CI]"
    headings = ("change", f"tokens{level}", f"FLOPs{level}", f"seconds{level}", "slope", "says")
    return TextTable(title, headings, rows, left=("says",), spare=("slope",))


def _gain_cells(one: VariantGain, label: str, report: Report) -> tuple[str, ...]:
    slope = one.found.slope if one.found else None
    decimals = decimals_for(report.margin) - 1
    return (
        label,
        _gain_cell(one.tokens),
        _gain_cell(one.flops),
        _gain_cell(one.seconds),
        mean_and_sd(slope.value, slope.error, decimals) if slope else MISSING,
        one.why or MISSING,
    )


def _gain_cell(gain: Gain | None) -> str:
    return gain.text if gain else MISSING


def gain_budgets_table(report: Report, found: ComputeGains) -> TextTable:
    """The baseline at each budget: what the gains are read from."""
    rows = tuple(_rung_cells(rung, found.tokens, report) for rung in found.rungs)
    title = (
        f"The baseline by its budget, {report.metric} in {report.unit}: each run with a learning-rate "
        "schedule of its own length (rate: chosen at the ends and at the study's own budget, interpolated "
        "between)"
    )
    headings = ("tokens", "of the\nstudy's", "learning\nrate", "seeds", "mean ± sd")
    return TextTable(title, headings, rows)


def _rung_cells(rung: BudgetRung, own: int, report: Report) -> tuple[str, ...]:
    lost = f", {rung.lost} lost" if rung.lost else ""
    return (
        count(rung.tokens),
        f"{budget_ratio(rung.tokens / own)}x",
        rate(rung.learning_rate),
        f"{len(rung.losses)}/{rung.planned}{lost}",
        mean_and_sd(rung.mean, rung.sd, decimals_for(report.margin) - 1),
    )


def recovery_table(report: Report) -> TextTable:
    """What each swap costs in the trained model at once, and what training wins back."""
    assert report.recovery is not None  # who asks for the table looks first
    decimals = decimals_for(report.margin)
    labels = {row.variant: row.label for row in report.rows}
    headings = (
        "change",
        "seeds",
        "damage [95 % CI]",
        "remaining [95 % CI]",
        "recovered [95 % CI]",
        "tokens to recover",
    )
    rows = tuple(_recovery_cells(row, labels[row.variant], decimals) for row in report.recovery)
    title = (
        f"Damage and recovery in {report.unit}: the difference to the baseline before the first step, and "
        f"after the last; tokens until the mean curve is within {_recovery_margin(report)} of the baseline's "
        "end"
    )
    return TextTable(title, headings, rows)


def _recovery_margin(report: Report) -> str:
    return "its margin" if isinstance(report.margins, dict) else f"{report.margins:g}"


def _recovery_cells(row: RecoveryRow, label: str, decimals: int) -> tuple[str, ...]:
    if row.damage is None or row.remaining is None:
        return (label, str(row.pairs), *[MISSING] * 4)
    return (
        label,
        str(row.pairs),
        with_interval(row.damage, row.damage_interval, decimals, sign=True),
        with_interval(row.remaining, row.remaining_interval, decimals, sign=True),
        _recovered(row),
        "not reached" if row.tokens is None else count(round(row.tokens)),
    )


def _recovered(row: RecoveryRow) -> str:
    """``80 % [71 %, 88 %]``, of a damage that is one."""
    if row.share is None:
        return "no damage beyond noise"
    if row.share_interval is None:
        return percent(row.share)
    return f"{percent(row.share)} [{percent(row.share_interval.low)}, {percent(row.share_interval.high)}]"


def factorial_table(report: Report) -> TextTable:
    """Main effects, then interactions of two factors and of three."""
    found = report.factorial
    assert found is not None  # who asks for the table looks first
    decimals = decimals_for(report.margin)
    rows = tuple(_factorial_cells(item, decimals) for item in (*found.main, *found.interactions))
    title = (
        f"Factorial effects in {report.unit}, averaged over the other factors: the contrast of each seed, "
        "their mean and t interval over seeds; changes that are additive do together what they do alone; the "
        f"words of all {plural(found.family, 'effect')} hold jointly at 5 % (Holm on the margin), and each "
        "interval is the one that its word follows from"
    )
    levels = {level_text(effect.interval) for effect in (*found.main, *found.interactions)}
    level = f"{levels.pop()} " if len(levels) == 1 else ""
    headings = ("effect", "kind", "seeds", f"estimate [{level}CI]", "p", "Holm p", "verdict")
    return TextTable(title, headings, rows, left=("kind", "verdict"), spare=("p", "kind", "seeds"))


def _factorial_cells(effect: Effect, decimals: int) -> tuple[str, ...]:
    return (
        effect.label,
        {1: "main", 2: "interaction", 3: "three-way"}[len(effect.factors)],
        str(len(effect.by_seed)),
        with_interval(effect.estimate, effect.interval, decimals, sign=True),
        MISSING if effect.holm_p is None else probability(effect.p),  # looks have no p of a single one
        probability(effect.holm_p),
        effect.word,
    )


def contributions_table(report: Report, found: Dismantled) -> TextTable:
    """What each part contributes to the gap from both ends; their sum, the gap, and what is left over."""
    decimals = decimals_for(report.margin)
    rows = [_contribution_cells(part, decimals) for part in found.parts]
    if len(found.parts) > 1:
        rows.append(_sum_cells("sum of the parts", found.out.sum, found.into.sum, decimals))
    rows.append(_sum_cells("gap", found.gap, found.gap, decimals))
    if found.out.left_over is not None and found.into.left_over is not None:
        rows.append(_left_over_cells(found, decimals))
    title = (
        f"From {found.origin} to {found.whole}, part by part, in {report.unit}: what leaving it out of "
        f"{found.origin} costs, and what adding it to {found.whole} saves (by seed; {_apart_level(found)} t "
        "intervals, each by itself); interaction: the one minus the other, and left over: the gap minus the "
        "sum, at the levels at which they are tested together"
    )
    headings = ("part", "left out", "added", "interaction", "says")  # names are for the title, which wraps
    return TextTable(title, headings, tuple(rows), left=("says",), spare=("interaction",))


def _apart_level(found: Dismantled) -> str:
    return level_text(Interval(0.0, 0.0, found.level))


def _contribution_cells(part: Part, decimals: int) -> tuple[str, ...]:
    interaction = MISSING
    if part.interaction is not None and part.interaction.measured.mean is not None:
        mean = part.interaction.measured.mean
        interaction = with_interval(mean, part.interaction.interval, decimals, sign=True)
    return (
        part.name,
        measured_cell(part.out, decimals),
        measured_cell(part.into, decimals),
        interaction,
        part.says or MISSING,
    )


def _sum_cells(name: str, out: Measured, into: Measured, decimals: int) -> tuple[str, ...]:
    return (name, measured_cell(out, decimals), measured_cell(into, decimals), MISSING, MISSING)


def _left_over_cells(found: Dismantled, decimals: int) -> tuple[str, ...]:
    cells = []
    for end in (found.out, found.into):
        assert end.left_over is not None  # who asks looks first
        known = end.left_over.measured.mean
        cell = MISSING
        if known is not None:
            cell = with_interval(known, end.left_over.interval, decimals, sign=True)
        cells.append(cell)
    return ("left over", *cells, MISSING, found.additivity)


def measured_cell(one: Measured, decimals: int) -> str:
    """``+0.0123 [0.0042, 0.0204]``."""
    if one.mean is None:
        return MISSING
    return with_interval(one.mean, one.interval, decimals, sign=True)


def shares_table(found: Dismantled) -> TextTable:
    """Which share of the gap each part has, from both ends, and the seeds behind it."""
    rows = [
        (
            part.change_text,
            _share_cell(part.out_share),
            _share_cell(part.into_share),
            *_seed_cells(part.out, part.into),
        )
        for part in found.parts
    ]
    if len(found.parts) > 1:
        rows.append(("sum of the parts", *_end_cells(found.out, found.into)))
    why = f": none, as {found.no_shares}" if found.no_shares else ""
    title = (
        f"Shares of the gap between {found.origin} and {found.whole}, of parts left out of the one and added "
        f"to the other ({_apart_level(found)} intervals by Fieller, of paired seeds){why}"
    )
    headings = (
        "part",
        "left out",
        "added",
        "seeds,\nleft out",
        "seeds,\nadded",
    )
    return TextTable(title, headings, tuple(rows), spare=("seeds,\nadded", "seeds,\nleft out"))


def _end_cells(out: End, into: End) -> tuple[str, ...]:
    return (_share_cell(out.share), _share_cell(into.share), *_seed_cells(out.sum, into.sum))


def _seed_cells(out: Measured, into: Measured) -> tuple[str, ...]:
    return tuple(str(len(one.by_seed)) for one in (out, into))


def _share_cell(share: Share | None) -> str:
    """``62 % [51 %, 75 %]``."""
    if share is None:
        return MISSING
    value, low, high = (round(end, 2) + 0.0 for end in (share.value, share.interval.low, share.interval.high))
    return f"{percent(value)} [{percent(low)}, {percent(high)}]"


def pilot_line(report: Report) -> str | None:
    """The pilot in a sentence; None where there is none."""
    pilot = report.pilot
    if pilot is None:
        return None
    decimals = decimals_for(report.margin)
    done = f"{pilot.seeds_done} of {pilot.seeds_planned} baseline runs"
    if pilot.sd is None or pilot.sd_range is None:
        return f"Pilot: {done}; the noise is not known yet."
    ends = f"{fixed(pilot.sd_range.low, decimals)} to {fixed(pilot.sd_range.high, decimals)}"
    return (
        f"Pilot: {done}, sd {fixed(pilot.sd, decimals)} {report.unit} (95 % range {ends}). "
        f"If pairing removes no noise, {pilot.confirm_seeds} seeds find a difference of "
        f"{fixed(pilot.detectable_effect, decimals)} (on the safe side "
        f"{fixed(pilot.safe_detectable_effect, decimals)}); {pilot.margin_seeds} would find the margin."
    )
