"""``data.json.xz``: what each text of a study consists of, kept with the study so that it needs no cache.

Beginnings of hundreds of documents are in it, the same ones in many texts of a study: as compressed JSON they
take a fifth of their bytes.
"""

import json
import lzma
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from workbench.data.cache import cache_directory
from workbench.data.corpora import corpus_config
from workbench.data.report import CorpusReport, Stage, corpus_report, kept_report, report_entry
from workbench.errors import RecordError, UserError
from workbench.files import json_object, write_atomically
from workbench.pointers import refuse_pointer
from workbench.progress import Progress
from workbench.records.fields import Count, damage
from workbench.records.manifest import MANIFEST, MANIFEST_REMEDY, Manifest, ManifestVariant

REPORTS = "data.json.xz"
REMEDY = "run the study again to have it written anew, or delete it"
_MOST_BYTES = 64 * 2**20  # decompressed: a report has kilobytes, and a larger file is none


class _File(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    texts: list[CorpusReport]


class TextFacts(BaseModel):
    """What a manifest says of a text that variants train on; early ones say less."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    corpus: str | dict[str, Any] | None = None
    description: str | None = None
    fingerprint: str | None = None  # SHA-256 of the text
    train_tokens: Count | None = None
    train_documents: Count | None = None
    validation_documents: Count | None = None
    dropped_duplicates: Count | None = None
    stages: list[Stage] = []


@dataclass(frozen=True, kw_only=True)
class StudyText:
    """A text that variants of a study train on, as the manifest has it, and its report where there is one."""

    facts: TextFacts
    variants: tuple[str, ...]
    report: CorpusReport | None = None


def study_texts(manifest: Manifest, reports: Iterable[CorpusReport] = ()) -> list[StudyText]:
    """The distinct texts that variants train on, the baseline's first, each with its report if it has one.

    Raises ``RecordError`` where the manifest's counts of them are damaged.
    """
    by_key = {_key(report.corpus, report.fingerprint): report for report in reports}
    variants: dict[str, list[str]] = {}
    texts: dict[str, TextFacts] = {}
    for variant in sorted(manifest.variants, key=lambda one: one.name != manifest.baseline):
        facts = _facts(manifest, variant)
        key = _key(facts.corpus, facts.fingerprint)
        texts.setdefault(key, facts)
        variants.setdefault(key, []).append(variant.name)
    return [
        StudyText(facts=facts, variants=tuple(variants[key]), report=by_key.get(key))
        for key, facts in texts.items()
    ]


def read_reports(study: Path) -> list[CorpusReport]:
    """What a study's directory has; nothing where there is no file.

    Raises ``RecordError`` with the key and the remedy for a damaged one.
    """
    path = Path(study) / REPORTS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    refuse_pointer(path, content)
    try:
        text = decompressed(content).decode("utf-8")
    except ValueError as error:
        raise RecordError(f"{path}: cannot be read as compressed text ({error}); {REMEDY}") from None
    try:
        return _File.model_validate(json_object(text, path, remedy=REMEDY)).texts
    except ValidationError as error:
        raise RecordError(f"{path}: {damage(error)}; {REMEDY}") from None


def reports_in_cache(texts: Iterable[StudyText]) -> list[CorpusReport]:
    """The reports on ``texts`` that the cache has; nothing is read or made for their sake."""
    found = (kept_report(entry) for entry in cache_entries(texts))
    return [report for report in found if report is not None]


def cache_entries(texts: Iterable[StudyText]) -> list[Path]:
    """Where the cache would have a report on each of ``texts``; nowhere for a corpus that is not here."""
    entries = []
    for text in texts:
        try:
            entries.append(report_entry(corpus_config(text.facts.corpus or {}), cache_directory()))
        except (UserError, OSError):
            continue  # its files or its package are on another machine
    return entries


def keep_reports(
    study: Path, corpora: Iterable[Any], progress: Progress, note: Callable[[str], None]
) -> None:
    """Have the report on each of ``corpora`` in the study's directory; ``note`` hears what cannot be had.

    They are in the cache since the corpora were read, but where an earlier version did that.
    """
    reports: dict[str, CorpusReport] = {}
    for spec in {json.dumps(spec, sort_keys=True): spec for spec in corpora}.values():
        try:
            report = corpus_report(corpus_config(spec), cache_directory(), progress)
        except UserError as error:
            note(f"{REPORTS}: the page Data will lack a text: {error}")
        else:
            reports.setdefault(_key(report.corpus, report.fingerprint), report)
    write_reports(study, [report.to_dict() for report in reports.values()])


def write_reports(study: Path, reports: list[dict[str, Any]]) -> None:
    """Replace the file in a study's directory by ``reports``, each as ``CorpusReport.to_dict`` gives it."""
    write_atomically(study / REPORTS, compressed(reports))


def compressed(reports: list[dict[str, Any]]) -> bytes:
    """What the file holds."""
    text = json.dumps({"texts": reports}, ensure_ascii=False, separators=(",", ":"))
    return lzma.compress(text.encode("utf-8"), preset=6)


def decompressed(content: bytes) -> bytes:
    """What was compressed; raises ``ValueError`` for what is damaged, or larger than any that is written."""
    reader = lzma.LZMADecompressor()
    try:
        text = reader.decompress(content, max_length=_MOST_BYTES)
    except lzma.LZMAError as error:
        raise ValueError(str(error)) from None
    if not reader.eof:
        raise ValueError("it is cut short, or larger than any that is written")
    return text


def _facts(manifest: Manifest, variant: ManifestVariant) -> TextFacts:
    try:
        return TextFacts.model_validate(manifest.text_of(variant))
    except ValidationError as error:
        what = f"{MANIFEST}: data of {variant.name}: {damage(error)}"
        raise RecordError(f"{manifest.name}: {what}; {MANIFEST_REMEDY}") from None


def _key(corpus: Any, fingerprint: str | None) -> str:
    return json.dumps([corpus, fingerprint], sort_keys=True, default=str)
