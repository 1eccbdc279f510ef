"""Answers in plain sentences: what was compared, by how much it differs, and how sure that is.

Each sentence says no more than its row: at this budget, against this baseline, on these seeds.
"""

import re
from collections.abc import Mapping
from functools import cache

from workbench.analysis.deciding.decisions import level_text
from workbench.analysis.deciding.foresight import PairsNeeded
from workbench.analysis.dismantling import Dismantled
from workbench.analysis.dismantling_sentences import dismantling_sentences
from workbench.analysis.effects import Report
from workbench.analysis.gain_ladder import VariantGain
from workbench.analysis.level_titles import level_facts
from workbench.analysis.report_footer import at_equal, held_equal
from workbench.analysis.statistics import Verdict
from workbench.analysis.variant_row import VariantRow
from workbench.analysis.without_result import describe_blown_up, describe_fate, remedy
from workbench.numbers import byte_size, decimals_for, fixed, percent, plural, scaled
from workbench.records.manifest import NOTHING, is_null_twin

_LEARNED = re.compile(r"bpe-(\d+)")  # a tokenizer that is learned, of so many tokens
_EQUAL_COST = 0.01  # a smaller difference of FLOPs a token makes no sentence
# Factors whose levels are named by files and folders: one that is called as a level of ours is none.
_GIVEN = ("tokenizer", "corpus")
# Factors whose levels have the titles of presets: LLaMA's initialisation is not all of LLaMA.
_NEEDS_ITS_FACTOR = ("initialization",)


def answers(report: Report) -> list[str]:
    """One sentence per variant, in the report's order; behind them what lies between two recipes.

    Where the baseline was trained at other budgets, each variant has one more: what it is worth in compute.
    """
    subjects, whole = {}, []
    if report.dismantled is not None:
        subjects = _with_a_part_back(report.dismantled)
        whole = dismantling_sentences(report.dismantled, report.unit)
    rows = [sentence(row, subjects.get(row.variant)) for row in report.comparisons]
    return [*rows, *gain_sentences(report), *whole]


def _with_a_part_back(dismantled: Dismantled) -> dict[str, str]:
    """``GPT-2 with RoPE instead of learned positions``, by variant: shorter than all that it differs in."""
    whole = _titles().get(dismantled.whole, dismantled.whole)
    subjects = {}
    for part in dismantled.parts:
        back = ", ".join(_change(factor, new, old) for factor, (old, new) in part.change.items())
        if part.into_variant != part.out_variant:
            back = back if back.startswith(("with ", "without ")) else f"with {back}"
            subjects[part.into_variant] = f"{whole} {back}"
    return subjects


def gain_sentences(report: Report) -> list[str]:
    """What each variant that has a gain is worth in compute; none where no other budgets were trained."""
    found = report.gains.gains if report.gains else ()
    subjects = {row.variant: describe_change(row) for row in report.comparisons}
    return [gain_sentence(subjects[one.variant], one) for one in found if one.tokens is not None]


def gain_sentence(subject: str, one: VariantGain) -> str:
    """``LayerNorm instead of RMSNorm: for its loss the baseline needs 1.52x [1.24, 1.92] the tokens.``

    A variant that costs compute is said to need more itself. ``one`` is of a variant that has a gain.
    """
    gain = one.tokens
    assert gain is not None  # who asks looks first
    if gain.beyond == "above":
        most = gain.text.strip("<>")
        return f"{subject}: the baseline does not reach its loss with {most} the tokens, its largest budget."
    if gain.beyond == "below":
        least = gain.inverse.text.strip("<>")
        return (
            f"{subject}: the baseline reaches its loss with less than its smallest budget, so that it needs "
            f"more than {least} the tokens of the baseline for the same loss."
        )
    costs = gain.is_settled and gain.value < 1
    units = [("tokens", gain), ("FLOPs", one.flops), ("seconds", one.seconds)]
    if one.flops is not None and abs(one.flops.value / gain.value - 1) < _EQUAL_COST:
        del units[1]  # says nothing more
    known = [(unit, own.inverse if costs else own) for unit, own in units if own is not None]
    said = [f"{own.text} the {unit}" for unit, own in known]
    text = said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
    if costs:
        return f"{subject}: needs {text} of the baseline for the same loss."
    unsettled = "" if gain.is_settled else "; whether it needs more or less is not settled"
    return f"{subject}: for its loss the baseline needs {text}{unsettled}."


def headline(report: Report) -> str:
    """The whole study in one line, with its budget; a baseline that is none comes first, with the remedy."""
    rows = report.comparisons
    judged = [row for row in rows if row.verdict]
    if not judged and not report.baseline.fate:
        return f"{_budget(report)}: no verdict yet; {_progress(report)}."
    counts = [(verdict, sum(row.verdict is verdict for row in judged)) for verdict in Verdict]
    text = ", ".join(f"{n} {verdict}" for verdict, n in counts if n)
    unfinished = "" if report.state == "complete" else f" So far: {_progress(report)}."
    changes = plural(len(rows), "change")
    if report.baseline.fate:
        others = f" Of {changes} to it: {text}." if judged else ""
        if any(row.diverges for row in judged):
            others += " What diverges less is better than it, whatever the losses are."
        return f"{baseline_alarm(report)}{others}{unfinished}"
    missing = f", {len(rows) - len(judged)} without a verdict yet" if len(judged) < len(rows) else ""
    return f"{_budget(report)}: of {changes} to the baseline, {text}{missing}.{unfinished}"


def baseline_alarm(report: Report) -> str:
    """Why nothing can be compared with a baseline that failed or did not train, and the remedy."""
    row = report.baseline
    return f"Nothing can be compared: the baseline {describe_fate(row)}. Remedy: {remedy(row)}."


def sentence(row: VariantRow, subject: str | None = None) -> str:
    """What is known of one variant: ``Learned positions instead of RoPE: worse by 0.21 nats/token (...)``.

    ``subject`` is what it is called; None: its change in words.
    """
    subject = subject or describe_change(row)
    so_far = "" if row.status == "done" else " so far"
    if row.fate:
        trained = f"; where it trained, {_level(row)}" if row.values else ""
        return f"{subject}: {describe_fate(row)}{so_far}{trained}."
    if row.is_baseline:
        return f"{subject}: {_level(row)}."
    if row.no_verdict:
        return f"{subject}: no verdict, as {row.no_verdict}; {_level(row)}."
    if row.verdict is None:
        return f"{subject}: {_waiting(row)}."
    if row.diverges:
        return f"{subject}: {_reliability(row)}{so_far}; {_where_trained(row)}."
    if row.comparison is None:
        return f"{subject}: {row.verdict}{so_far}; no pair of complete runs{_aside(row)}."
    return f"{subject}: {_judgement(row, row.comparison.mean)}{so_far} ({_evidence(row)}){_aside(row)}."


def describe_change(row: VariantRow) -> str:
    """The change in words: ``LayerNorm instead of RMSNorm``; several changes after the variant's name.

    What is equal comes last, where rows differ in that: ``... at equal FLOPs``.
    """
    if row.is_baseline:
        return "Baseline"
    text = _changes(row)
    return text if row.budget_unit is None else f"{text} {at_equal(row.budget_unit)}"


def _changes(row: VariantRow) -> str:
    if is_null_twin(row.change):
        return "Null twin, which changes nothing but one draw"
    if not row.change:
        return row.called or row.variant
    text = change_in_titles(row.change)
    named = len(row.change) > 1 and row.label == (row.called or row.variant)
    if named:
        return f"{_titles().get(row.label, row.label)} ({text})"  # a name stays as it was given
    return text[0].upper() + text[1:]


def change_in_titles(change: Mapping[str, tuple[str, str]]) -> str:
    """What is exchanged, by factor (old, new), in titles of levels: ``LayerNorm instead of RMSNorm``."""
    return ", ".join(_change(factor, old, new) for factor, (old, new) in change.items())


def level_name(factor: str, label: str) -> str:
    """A level as the field writes it: ``rope`` is RoPE, ``none`` of the norms is no norm."""
    if factor == "tokenizer" and (learned := _LEARNED.fullmatch(str(label))):
        return f"BPE {int(learned[1]):,}"
    if factor in _GIVEN:
        return str(label)
    name, _, options = str(label).partition("(")
    if name == "none":
        return _titles_of_none().get(factor, f"no {_words(factor)}")
    written = _titles().get(name, name)
    return f"{written} ({options}" if options else written


@cache
def _titles() -> dict[str, str]:
    """By level, whatever its factor: a norm of queries and keys is written as any other."""
    return {level.name: level.title for level in level_facts() if level.title and level.name != "none"}


@cache
def _titles_of_none() -> dict[str, str]:
    """By factor: what it means that there is none."""
    return {level.factor: level.title for level in level_facts() if level.title and level.name == "none"}


def _change(factor: str, old: str, new: str) -> str:
    if {old, new} == {"true", "false"}:
        have, lack = ("with", "without") if new == "true" else ("without", "with")
        return f"{have} {_words(factor)} instead of {lack}"
    ours, theirs = level_name(factor, new), level_name(factor, old)
    titled = str(new).partition("(")[0] in _titles() and factor not in _NEEDS_ITS_FACTOR + _GIVEN
    if titled or new == "none":
        return f"{ours} instead of {theirs}"
    return f"{_words(factor)} {ours} instead of {theirs}"


def _words(factor: str) -> str:
    return factor.replace("_", " ")


def _judgement(row: VariantRow, difference: float) -> str:
    size = f"{_number(row, abs(difference))} {row.unit}"
    if row.verdict in (Verdict.BETTER, Verdict.WORSE):
        return f"{row.verdict} by {size}"
    signed = f"difference {_number(row, difference, sign=True)} {row.unit}"
    if row.verdict is Verdict.EQUIVALENT:
        return f"equivalent within ±{row.margin:g} {row.unit}; {signed}"
    return f"{row.verdict}; {signed}"


def _reliability(row: VariantRow) -> str:
    """``worse: diverges more (7 of 16 seeds did not train, of the baseline's 0 of 16; ...)``."""
    found = row.divergence
    assert found is not None  # the verdict is of it
    mine = f"{found.variant.lost} of {plural(found.variant.runs, 'seed')} did not train"
    theirs = f"of the baseline's {found.baseline.lost} of {found.baseline.runs}"
    return f"{row.verdict}: diverges {row.diverges} ({mine}, {theirs}; {found.test})"


def _where_trained(row: VariantRow) -> str:
    if row.difference is None:
        return _level(row)
    difference = f"{_number(row, row.difference, sign=True)} {row.unit}"
    return f"where both trained, difference {difference} ({_evidence(row)})"


def _evidence(row: VariantRow) -> str:
    seeds = plural(row.pairs, "paired seed")
    interval = row.interval
    if interval is None:
        return f"no interval from {seeds}"
    low, high = interval.low, interval.high
    sign = True
    if row.verdict is Verdict.WORSE and low > 0:
        sign = False
    if row.verdict is Verdict.BETTER and high < 0:
        low, high, sign = -high, -low, False
    ends = f"{_number(row, low, sign=sign)} to {_number(row, high, sign=sign)}"
    return f"{level_text(interval)} CI {ends}, {seeds}"


def _aside(row: VariantRow) -> str:
    parts = []
    if row.blown_up:
        parts.append(f"{row.blown_up} of {row.seeds_planned} seeds did not train ({describe_blown_up(row)})")
    if row.failed:
        parts.append(f"{row.failed} failed ({row.error})" if row.error else f"{row.failed} failed")
    if row.pairs_needed is not None:
        parts.append(_needed(row.pairs_needed))
    elif row.verdict is Verdict.INCONCLUSIVE:
        parts.extend(note for note in row.notes if "no verdict" in note or "seeds did not train than" in note)
    return "".join(f"; {part}" for part in parts)


def _needed(needed: PairsNeeded) -> str:
    """``about 47 paired seeds (19 to 160) would be needed to decide``; and the chance, where that is less."""
    likely = needed.text(needed.likely)
    about = f"more than {needed.limit:,}" if likely.startswith(">") else f"about {likely}"
    ends = f"{needed.text(needed.low)} to {needed.text(needed.high)}"
    return (
        f"{about} paired seeds ({ends}) would be needed to decide; with {needed.at:,} the chance is "
        f"{percent(needed.chance)}"
    )


def _waiting(row: VariantRow) -> str:
    if row.status == "not started":
        return "not started"
    done = f"{row.seeds_done} of {row.seeds_planned} seeds complete"
    return f"no pair with the baseline yet, {done}{_aside(row)}"


def _level(row: VariantRow) -> str:
    if row.mean is None:
        return f"{row.metric} not known yet"
    spread = "" if row.sd is None else f" ± {_number(row, row.sd)}"
    seeds = plural(row.seeds_done, "seed")
    return f"{row.metric} {_number(row, row.mean)}{spread} {row.unit} ({seeds})"


def _number(row: VariantRow, value: float, *, sign: bool = False) -> str:
    # A tenth of the margin is what a reader can use; the table has one more digit.
    return fixed(value, decimals_for(row.margin) - 1, sign=sign)


def _budget(report: Report) -> str:
    facts = report.footer
    parts = []
    if facts["parameters"]:
        parts.append(f"{facts['parameters']:,} parameters")
    if facts["budget_unit"] == "flops" and report.baseline.training_flops:
        parts.append(f"{scaled(report.baseline.training_flops, 'FLOP')} of training per run")
    elif facts["budget_unit"] == "bytes" and report.baseline.bytes_read:
        parts.append(f"{byte_size(report.baseline.bytes_read)} of training text per run")
    elif facts["passes"]:
        parts.append(f"{facts['passes']:.2f} passes over the training text per run")
        parts.append(f"{facts['tokens_per_run']:,} tokens for the baseline")
    elif facts["tokens_per_run"]:
        parts.append(f"{facts['tokens_per_run']:,} training tokens per run")
    own_units = dict.fromkeys(facts.get("own_budget_units", {}).values())
    parts += [f"or as many {held_equal(unit)}" for unit in own_units if unit != NOTHING]
    return f"At this budget ({', '.join(parts)})" if parts else "At this budget"


def _progress(report: Report) -> str:
    done = sum(row.seeds_done for row in report.rows)
    planned = sum(row.seeds_planned for row in report.rows)
    return f"{done} of {planned} confirm runs complete, study {report.state}"
