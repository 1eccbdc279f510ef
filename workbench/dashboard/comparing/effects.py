"""The same change in several studies: a row for each comparison of each study, as its report judges it.

A report's word and interval are taken as they are; nothing is pooled, and nothing is judged anew.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from textwrap import shorten
from typing import Any

import pandas as pd

from workbench.analysis.answer_sentences import change_in_titles
from workbench.analysis.effects import Report
from workbench.analysis.metric_units import is_per_token
from workbench.analysis.report_tables import verdict_cell
from workbench.analysis.variant_row import VariantRow
from workbench.analysis.without_result import brief
from workbench.claims.forest import ForestPanel, ForestRow
from workbench.dashboard.effect_charts import difference_text
from workbench.numbers import plural, prefix_for
from workbench.records.index import StudyRecords
from workbench.records.manifest import Manifest
from workbench.records.margin import margin_text

Change = tuple[tuple[str, str, str], ...]  # (factor, the baseline's level, the variant's own), by factor
WORDS = ("better", "worse", "equivalent", "inconclusive", "at the margin", "no verdict")
_DIGITS = 6  # of a text's fingerprint


@dataclass(frozen=True)
class Compared:
    """One study of those that are compared, or one rung of a ladder, with its report.

    ``title`` tells it from all others; ``study`` is its study's title, whose colour it has.
    """

    title: str
    study: str
    records: StudyRecords
    report: Report


@dataclass(frozen=True, kw_only=True)
class EffectRow(ForestRow):
    """A comparison of one study; ``kind`` is one of ``WORDS``, ``said`` the whole word with its numbers.

    ``change`` is what was exchanged for what, ``heading`` the same in titles. ``facts`` has size, tokens,
    text and pairs in a line. ``numbers`` has all of that as raw values, for files.
    """

    study: str
    change: Change
    heading: str
    facts: str
    numbers: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class EffectPanel(ForestPanel):
    """The comparisons of one metric, those of one change one below another.

    ``tokenizer`` is set where the unit counts by its tokens.
    """

    rows: tuple[EffectRow, ...]  # narrower than in a card
    tokenizer: str

    @property
    def title(self) -> str:
        """``validation/loss minus baseline (nats/token; left is better)``."""
        of = f", tokenizer {self.tokenizer}" if self.tokenizer else ""
        return f"{', '.join(self.quantities)} minus each study's baseline ({self.unit}{of}; left is better)"

    @property
    def changes(self) -> dict[Change, list[EffectRow]]:
        """The rows by their change, in order."""
        found: dict[Change, list[EffectRow]] = {}
        for row in self.rows:
            found.setdefault(row.change, []).append(row)
        return found


def shared_changes(studies: Sequence[Compared]) -> set[Change]:
    """The changes that more than one of ``studies`` has; rungs of a ladder count as studies."""
    seen: dict[Change, set[str]] = {}
    for one in studies:
        for row in one.report.comparisons:
            seen.setdefault(change_of(row), set()).add(one.title)
    return {change for change, titles in seen.items() if len(titles) > 1}


def effect_panels(studies: Sequence[Compared], only: set[Change] | None = None) -> list[EffectPanel]:
    """A panel for each metric: units never share an axis, nor do nats per token of different tokenizers.

    ``only``: changes to show, all by default. Changes that most studies have come first.
    """
    texts = text_names(studies)
    panels: dict[tuple[str, str, str], list[EffectRow]] = {}
    for one in studies:
        manifest, report = one.records.manifest, one.report
        tokenizer = tokenizer_name(manifest) if is_per_token(report.metric) else ""
        rows = panels.setdefault((report.metric, report.unit, tokenizer), [])
        rows += [
            effect_row(one, row, texts[one.title])
            for row in report.comparisons
            if only is None or change_of(row) in only
        ]
    return [
        EffectPanel(unit=unit, quantities=(metric,), rows=tuple(_by_change(rows)), tokenizer=tokenizer)
        for (metric, unit, tokenizer), rows in panels.items()
        if rows
    ]


def _by_change(rows: list[EffectRow]) -> list[EffectRow]:
    counts: dict[Change, int] = {}
    for row in rows:
        counts[row.change] = counts.get(row.change, 0) + 1
    order = sorted(counts, key=lambda change: -counts[change])
    return sorted(rows, key=lambda row: order.index(row.change))


def change_of(row: VariantRow) -> Change:
    """What tells a row's change from others; of a variant without recorded levels its name."""
    found = tuple(sorted((factor, old, new) for factor, (old, new) in row.change.items()))
    return found or (("variant", "", row.called or row.variant),)


def effect_row(one: Compared, row: VariantRow, text: str) -> EffectRow:
    """``row`` of a study's report, with what a reader must know of the study beside it."""
    manifest = one.records.manifest
    heading = change_in_titles(row.change) if row.change else row.called or row.variant
    interval = row.interval
    value = row.difference
    known = math.nan if value is None else value
    # A variant without a result is named in its row, and has no mark.
    said = f"{brief(row)}   {difference_text(row)}" if value is not None else f"{brief(row)}, not drawn"
    numbers = {
        "change": heading,
        "study": one.title,
        "variant": row.called or row.variant,
        "metric": row.metric,
        "unit": row.unit,
        "difference": value,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "level": interval.level if interval else None,
        "margin": row.margin,
        "verdict": verdict_cell(row),
        "pairs": row.pairs,
        "layers": manifest.baseline_variant.model.get("layers"),
        "width": manifest.baseline_variant.model.get("width"),
        "parameters": row.parameters,
        "tokens": row.tokens,
        "text": text,
        "tokenizer": tokenizer_name(manifest),
    }
    return EffectRow(
        label=f"{heading}: {one.title}",
        kind=_kind(row),
        said=said,
        value=value,
        low=interval.low if interval else known,
        high=interval.high if interval else known,
        band=(-row.margin, row.margin),
        asked=f"{margin_text(row.margin)} {row.unit}",
        study=one.title,
        change=change_of(row),
        heading=heading[0].upper() + heading[1:],
        facts=facts_of(numbers),
        numbers=numbers,
    )


def _kind(row: VariantRow) -> str:
    return str(row.verdict) if row.verdict in WORDS else "no verdict"


def facts_of(numbers: dict[str, Any], letters: int | None = None) -> str:
    """``2 layers, 119 k parameters, 410 k tokens, python-stdlib, 8 pairs``; what is not known is left out.

    ``letters``: of the text's name, if not all of them.
    """
    parts = [
        plural(numbers["layers"], "layer") if numbers["layers"] else "",
        f"{compact(numbers['parameters'])} parameters" if numbers["parameters"] else "",
        f"{compact(numbers['tokens'])} tokens" if numbers["tokens"] else "",
        shorten(numbers["text"], letters, placeholder=" …") if letters else numbers["text"],
        plural(numbers["pairs"], "pair"),
    ]
    return ", ".join(part for part in parts if part)


def compact(value: float) -> str:
    """``119 k``, ``1.61 M``: three digits."""
    factor, prefix = prefix_for(value)
    return f"{value / factor:.3g} {prefix}".rstrip()


def text_names(studies: Iterable[Compared]) -> dict[str, str]:
    """What each study trains on, by title: a corpus's name, with its fingerprint where names are equal."""
    found = {one.title: _text(one.records.manifest) for one in studies}
    prints: dict[str, set[str]] = {}
    for name, fingerprint in found.values():
        prints.setdefault(name, set()).add(fingerprint)
    return {
        title: f"{name} {fingerprint[:_DIGITS]}" if len(prints[name]) > 1 and fingerprint else name
        for title, (name, fingerprint) in found.items()
    }


def _text(manifest: Manifest) -> tuple[str, str]:
    """The name and the fingerprint of what the baseline trains on."""
    data = manifest.text_of(manifest.baseline_variant)
    corpus = data.get("corpus")
    if isinstance(corpus, dict):
        # Of a path its last part: a row has no room for more, and a fingerprint tells equal names apart.
        path = PurePath(str(corpus.get("path") or "")).name
        corpus = corpus.get("name") or corpus.get("generated") or path
    name = str(corpus or data.get("description") or "a text without a name")
    return name, str(data.get("fingerprint") or "")


def tokenizer_name(manifest: Manifest) -> str:
    """What tells the baseline's tokenizer from others; of different ones of one study that they differ."""
    if manifest.tokenizers_differ:
        return "several"
    found = manifest.tokenizer_of(manifest.baseline)
    if isinstance(found, dict):
        return ", ".join(f"{key} {value}" for key, value in found.items())
    return str(found)[:12] if found else "not recorded"


def effect_table(panels: Sequence[EffectPanel]) -> pd.DataFrame:
    """All rows of all panels with their raw numbers, as a file has them."""
    return pd.DataFrame([row.numbers for panel in panels for row in panel.rows])
