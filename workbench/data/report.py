"""What a corpus and its treatment give: documents and bytes, and what each rule kept and dropped.

It takes as long as reading and treating the text, so it is kept in the cache beside the tokens, for whose
sake the text is read anyway.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from workbench.data.cache import locked, unwritable
from workbench.data.corpora import identity
from workbench.data.documents import load_documents
from workbench.data.sources.source import CorpusConfig
from workbench.data.split import Documents, utf8_bytes
from workbench.data.treatments.tally import beginnings
from workbench.errors import RecordError
from workbench.files import read_json, write_json
from workbench.progress import Progress

_FORMAT = 2  # raise it when the same options begin to give another report

_Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
_Difference = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
_Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    """A mapping of the report; what a newer version adds is kept."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)


class Size(_Part):
    """Documents, and their bytes of UTF-8."""

    documents: _Count
    bytes: _Count


class Side(Size):
    """One side of the split, as variants see it: training text is treated, what is held out never is."""

    beginnings: list[str] = []  # of up to twenty documents


class RuleCounts(_Part):
    """What one rule took of a stage's text."""

    dropped: _Count  # documents
    changed: _Count  # documents
    bytes: _Difference  # that went; of text that was added they are negative


class Stage(_Part):
    """One thing that was done to training documents: what came in, what is left, and by which rules."""

    name: str
    documents: _Count
    bytes: _Count
    documents_left: _Count
    bytes_left: _Count
    rules: dict[str, RuleCounts]  # those that took most bytes first
    judged_share: _Share | None = None  # of the bytes that are judged on, which stood in training documents

    @property
    def dropped(self) -> int:
        """Documents that went."""
        return self.documents - self.documents_left

    @property
    def changed(self) -> int:
        """Documents that stayed in other words."""
        return sum(counts.changed for counts in self.rules.values())


class Example(_Part):
    """A document of a stage: its beginning, or where it was changed, and the rule that did it."""

    text: str
    rule: str = ""  # of one that was kept none
    became: str | None = None  # where it was changed


class StageExamples(_Part):
    """Up to twenty documents of a stage that were kept, and by each rule changed and dropped."""

    name: str
    kept: list[Example]
    changed: list[Example]
    dropped: list[Example]


class MixedSource(_Part):
    """What of one corpus is in a mixture."""

    name: str
    share: _Share  # of the mixture's bytes, as its weights ask
    corpus: str | dict[str, Any]
    description: str
    available: Size  # for training, before it was mixed
    train: Size  # of the mixture
    validation: Size
    stages: list[Stage] = []  # what was done to it before it was mixed
    examples: list[StageExamples] = []


class CorpusReport(_Part):
    """A corpus and its treatment, in numbers and examples."""

    corpus: str | dict[str, Any]
    description: str
    fingerprint: str  # SHA-256 of both sides' text
    dropped_duplicates: _Count
    train: Side
    validation: Side
    stages: list[Stage]  # what was done to the training side, in turn
    examples: list[StageExamples]  # of each stage
    sources: list[MixedSource] = []  # of a mixture

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON holds it, without what is not said."""
        return self.model_dump(mode="json", exclude_none=True)


def corpus_report(
    config: CorpusConfig, cache: Path, progress: Progress = lambda text, part: None
) -> CorpusReport:
    """The report, from ``cache`` or put into it; raises ``UserError`` for a corpus that cannot be read."""
    entry = report_entry(config, cache)
    if found := kept_report(entry):
        return found
    with locked(entry):
        # Another process may have made it while this one waited.
        if found := kept_report(entry):
            return found
        progress("reading the corpus", 0.0)
        report = _report(config, load_documents(config, progress, entry.parent))
        _write(entry, report)
    return report


def keep_report(config: CorpusConfig, documents: Documents, cache: Path) -> None:
    """Put the report on documents that were read for something else into the cache."""
    entry = report_entry(config, cache)
    if kept_report(entry) is None:
        _write(entry, _report(config, documents))


def report_entry(config: CorpusConfig, cache: Path) -> Path:
    """Where the cache has the report, if it does; raises ``UserError`` where the corpus is not here."""
    parts = [_FORMAT, type(config).__name__, config.spec(), identity(config)]
    key = sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
    return Path(cache) / f"{key}.report.json"


def kept_report(entry: Path) -> CorpusReport | None:
    """The report that lies at ``entry``; None where it is missing or damaged, and nothing is read for it."""
    try:
        values = read_json(entry)
        if values["sha256"] != _checksum(values["report"]):
            return None
        return CorpusReport.model_validate(values["report"])
    except (RecordError, KeyError, TypeError, ValueError):  # pydantic's errors are ValueErrors
        return None


def _write(entry: Path, report: CorpusReport) -> None:
    values = report.to_dict()
    try:
        write_json(entry, {"report": values, "sha256": _checksum(values)})
    except OSError as error:
        raise unwritable(entry.parent, error) from error


def _report(config: CorpusConfig, documents: Documents) -> CorpusReport:
    sides = {
        side: {
            "documents": len(texts),
            "bytes": sum(map(utf8_bytes, texts)),
            "beginnings": beginnings(texts),
        }
        for side, texts in (("train", documents.train), ("validation", documents.validation))
    }
    return CorpusReport.model_validate(
        {
            "corpus": config.spec(),
            "description": documents.description,
            "fingerprint": documents.fingerprint,
            "dropped_duplicates": documents.dropped_duplicates,
            **sides,
            "stages": list(documents.stages),
            "examples": list(documents.examples),
            "sources": list(documents.sources),
        }
    )


def _checksum(report: dict[str, Any]) -> str:
    return sha256(json.dumps(report, sort_keys=True).encode()).hexdigest()
