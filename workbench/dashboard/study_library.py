"""Reading studies quickly: every file is read once per version of it (modification time and size).

What takes long to work out may be kept beyond the process as well.
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from workbench.analysis.cost_points import CostPoint, cost_points
from workbench.analysis.effects import Report, study_report
from workbench.analysis.importances import Importances, importances_of
from workbench.analysis.ladder_effects import LadderReport, ladder_report
from workbench.analysis.notes import reading
from workbench.analysis.search import Search, searched
from workbench.dashboard.disk_cache import DiskCache, FolderState, folder_state
from workbench.errors import RecordError
from workbench.files import version
from workbench.inspection.behaviour_columns import Values, read_behaviours
from workbench.inspection.measured import measured_versions
from workbench.records.driver_state import DriverState, read_driver_state
from workbench.records.index import MANIFEST, StudyRecords, load_study
from workbench.records.manifest import NOTHING, Manifest, ManifestVariant, read_manifest
from workbench.records.metrics import metrics_version
from workbench.records.published_tables import RUNS
from workbench.records.run import RECORD, RunDirectory
from workbench.records.search import SEARCH
from workbench.records.step_times import STEP_TIMES
from workbench.records.study_notes import NOTES, StudyNotes, read_notes

if (
    TYPE_CHECKING
):  # claims bring the schema of studies, corpora and views torch: no page but their own need load them
    from workbench.claims.card import Card
    from workbench.claims.quantities.quantity import ConfirmedStudy
    from workbench.claims.results import CardResult
    from workbench.inspection.explanation import Explanation
    from workbench.study.kept_reports import StudyText

Value = TypeVar("Value")
_FRAMES = 1_500  # runs whose metrics stay in memory: about 100 kB each


def study_version(path: Path) -> tuple[Hashable, ...]:
    """Version of a study's manifest, points and every run's record. The driver's heartbeat is left out."""
    points = version(path / SEARCH)  # of a search
    records = ((run, version(os.path.join(run, RECORD))) for run in _runs(path))
    return (version(path / MANIFEST), points, *records)


def _runs(path: Path) -> list[str]:
    """What is in the study's folder of runs, by name."""
    # Hundreds of names, at every click: joined as text, which is many times as fast.
    folder = os.path.join(path, RUNS)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [os.path.join(folder, name) for name in names]


def pulse(records: StudyRecords) -> tuple[Hashable, ...]:
    """What changes whenever there is something new to show: records, live metrics, signs of life."""
    running = records.runs.loc[records.runs["state"] == "running", "path"]
    live = tuple(metrics_version(Path(path)) for path in running)
    return (study_version(records.path), live, records.is_live)


def with_heartbeat(records: StudyRecords) -> StudyRecords:
    """``records`` with the driver's latest sign of life."""
    try:
        driver: DriverState | None = read_driver_state(records.path)
    except RecordError:  # no driver yet, or a damaged file, which load_study has listed as a problem
        driver = None
    return replace(records, driver=driver)


def _is_driven(path: Path) -> bool:
    """Whether a driver is at work on the study."""
    try:
        return read_driver_state(path).is_live
    except RecordError:  # as in with_heartbeat
        return False


def rebased(records: StudyRecords, baseline: str) -> StudyRecords:
    """``records`` as if ``baseline`` had been declared the baseline: an exploratory view of the same runs."""
    # The other budgets are of the declared baseline, and say nothing of another one.
    manifest = records.manifest.model_copy(update={"baseline": baseline, "gain": None})
    first = manifest.baseline_variant
    rest = [variant for variant in manifest.variants if variant.name != baseline]
    declared = records.manifest.baseline_variant
    variants = [_against(manifest, declared, variant) for variant in (first, *rest)]
    return replace(records, manifest=manifest.model_copy(update={"variants": variants}))


def _against(manifest: Manifest, declared: ManifestVariant, variant: ManifestVariant) -> ManifestVariant:
    """``variant`` with its change from the baseline of ``manifest``; how far their sizes differ is not known.

    How far their budgets do follows from what each takes of what is equal between them. ``declared`` is the
    baseline that each was made equal to.
    """
    baseline = manifest.baseline_variant
    change = {
        factor: [baseline.levels.get(factor, ""), level]
        for factor, level in variant.levels.items()
        if baseline.levels.get(factor) != level
    }
    budget = variant.budget
    if budget is not None:
        unit = _equal_between(manifest, declared, variant)
        told = manifest.budget if unit == NOTHING else unit
        ours, theirs = manifest.spent_by(variant, told), manifest.spent_by(baseline, told)
        if ours is not None and theirs:
            budget = budget.model_copy(update={"mismatch": ours / theirs - 1})
        budget = budget.model_copy(update={"unit": unit})
    return variant.model_copy(update={"change": change, "mismatch": None, "budget": budget})


def _equal_between(manifest: Manifest, declared: ManifestVariant, variant: ManifestVariant) -> str:
    """What ``variant`` and the baseline train on as much of, where each was made equal to ``declared``."""
    baseline = manifest.baseline_variant
    if variant.name == baseline.name:
        return manifest.budget
    units = {manifest.budget_unit(one) for one in (variant, baseline) if one.name != declared.name}
    return units.pop() if len(units) == 1 else NOTHING


def _report(records: StudyRecords, baseline: str) -> Report:
    declared = records.manifest.baseline
    if baseline == declared:
        return study_report(records)
    report = study_report(rebased(records, baseline))
    # Said in the report itself, so that a downloaded table says it too.
    note = f"exploratory: compared with {baseline}; the study declared {declared} as its baseline"
    return replace(report, study=f"{report.study} (exploratory)", notes=(reading(note), *report.notes))


def _rung(records: StudyRecords) -> str | None:
    """What tells the records of one rung of a ladder from those of others."""
    return None if records.rung is None else records.rung.baseline


class Library:
    """Studies, reports and metrics, each kept until its files change. Safe to share between sessions.

    What it returns is shared too: callers must not change it. With ``disk``, what takes long to make of whole
    studies is kept there too, for the next process.
    """

    def __init__(self, disk: DiskCache | None = None) -> None:
        self._disk = disk
        self._folders: dict[Path, tuple[Hashable, FolderState]] = {}
        self._kept: OrderedDict[Hashable, tuple[object, Any]] = OrderedDict()
        self._lock = RLock()

    def study(self, path: Path) -> StudyRecords:
        """A study's records; raises ``RecordError`` when its manifest cannot be read."""
        return with_heartbeat(self._records(path, study_version(path)))

    def manifest(self, path: Path) -> Manifest:
        """A study's manifest alone; raises ``RecordError`` when it cannot be read."""
        return self._keep(("manifest", path), version(path / MANIFEST), lambda: read_manifest(path), of=())

    def notes(self, path: Path) -> StudyNotes:
        """What readers wrote down about a study; raises ``RecordError`` for a damaged file."""
        return self._keep(("notes", path), version(path / NOTES), lambda: read_notes(path))

    def costs(self, records: StudyRecords, metric: str | None) -> list[CostPoint]:
        """What each variant loses by ``metric``, and what that cost."""
        key = ("costs", records.path, _rung(records), metric)
        current = study_version(records.path)
        return self._keep(key, current, lambda: cost_points(records, metric), of=[records.path])

    def report(self, records: StudyRecords, baseline: str) -> Report:
        """The study's report against ``baseline``, declared or not."""
        key = ("report", records.path, _rung(records), baseline)
        current = (study_version(records.path), records.is_live)
        return self._keep(key, current, lambda: _report(records, baseline), of=[records.path])

    def rungs(self, records: StudyRecords) -> list[StudyRecords]:
        """The records of each rung of a ladder, of any other study itself.

        Raises ``RecordError`` where the manifest's rungs are damaged.
        """
        key = ("rungs", records.path)
        found = self._keep(key, study_version(records.path), lambda: records.compared)
        return [replace(one, driver=records.driver) for one in found]

    def ladder(self, records: StudyRecords) -> LadderReport | None:
        """What becomes of effects over the ladder; None for other studies."""
        if not records.manifest.is_ladder:
            return None
        key = ("ladder", records.path)
        current = (study_version(records.path), records.is_live)
        return self._keep(key, current, lambda: ladder_report(records), of=[records.path])

    def search(self, records: StudyRecords) -> Search | None:
        """What a search found; None for other studies."""
        key = ("search", records.path)
        return self._keep(key, study_version(records.path), lambda: searched(records), of=[records.path])

    def importances(self, records: StudyRecords, objective: str, kind: str) -> Importances:
        """How much each dimension of a search matters for ``objective``; fANOVA takes seconds, once."""
        search = self.search(records)
        assert search is not None, "the study is a search"
        key = ("importances", records.path, objective, kind)
        current = study_version(records.path)
        return self._keep(key, current, lambda: importances_of(search, objective, kind), of=[records.path])

    def metrics(self, run: Path) -> pd.DataFrame:
        """A run's metrics; raises ``RecordError`` when they cannot be read."""
        return self._keep(("metrics", run), metrics_version(run), lambda: RunDirectory(run).metrics())

    def behaviours(self, records: StudyRecords) -> Values:
        """What the probes of the study's confirm runs say of each."""
        key = ("behaviours", records.path, _rung(records))
        current = measured_versions(records.runs["path"])
        return self._keep(key, current, lambda: read_behaviours(records.runs), of=[records.path])

    def explanation(self, records: StudyRecords, variant: str, baseline: str) -> "Explanation":
        """Which of these numbers moved with the effect of ``variant``."""
        from workbench.inspection.explanation import explain

        current = measured_versions(records.runs["path"])
        key = ("explanation", records.path, _rung(records), variant, baseline)
        return self._keep(
            key, current, lambda: explain(self.behaviours(records), variant, baseline), of=[records.path]
        )

    def claims(self, results: Path, size: str) -> "list[CardResult]":
        """Every claim card with its word; raises ``UserError`` for a mistake in one."""
        look = cache(self._all_of)  # at each study once, though several cards ask for it
        return [self.claim(card, results, size, look) for card in self.cards()]

    def cards(self) -> "list[Card]":
        """Every claim card; raises ``UserError`` for a mistake in one."""
        from workbench.claims.card import card_files, load_cards

        files = card_files()
        written = tuple((path, version(path)) for path in files)
        return self._keep(("cards", tuple(files)), written, load_cards)

    def claim(
        self, card: "Card", results: Path, size: str, look: Callable[[Path], Hashable] | None = None
    ) -> "CardResult":
        """One card with its word. Cards share what was made of a study's records.

        ``look`` gives the version of a study with all that was measured of it.
        """
        from workbench.claims.evidence import Studies
        from workbench.claims.results import card_result

        look = look or self._all_of
        studies = Studies(results, self.study, self.confirmed)
        paths = {name: studies.path(name) for name in card.studies(size)}
        current = tuple((name, path and look(path)) for name, path in sorted(paths.items()))
        return self._keep(
            ("claim", card.id, results, size),
            (card, current),
            lambda: card_result(card, size, studies),
            of=[path for path in paths.values() if path],
        )

    def confirmed(self, records: StudyRecords) -> "ConfirmedStudy":
        """The records with what became of their confirm phase, and the rates that it was at."""
        from workbench.claims.quantities.quantity import ConfirmedStudy

        key = ("confirmed", records.path, _rung(records))
        return self._keep(key, study_version(records.path), lambda: ConfirmedStudy(records))

    def _all_of(self, path: Path) -> Hashable:
        """The version of a study's records, and of what was measured beside them and on its runs."""
        return path, study_version(path), version(path / STEP_TIMES), measured_versions(_runs(path))

    def _records(self, path: Path, current: tuple[Hashable, ...]) -> StudyRecords:
        """A study's records, whose version is ``current``, with the sign of life of when they were read."""
        return self._keep(("study", path), current, lambda: load_study(path), of=[path])

    def texts(self, records: StudyRecords) -> "tuple[list[StudyText], str]":
        """The texts of a study with their reports, as far as they are at hand; and what is wrong with these.

        A report that the study does not have is taken from the cache. Nothing is read or made for its sake.
        Raises ``RecordError`` where the manifest's counts are damaged.
        """
        from workbench.data.report import kept_report
        from workbench.study.kept_reports import REPORTS, cache_entries, read_reports, study_texts

        file = version(records.path / REPORTS)
        problem = ""
        try:
            own = self._keep(("reports", records.path), file, lambda: read_reports(records.path))
        except RecordError as error:
            own, problem = [], str(error)
        lacking = [text for text in study_texts(records.manifest, own) if text.report is None]
        current = (file, version(records.path / MANIFEST))
        # Which entries they are says a look at each of a corpus's files: not at every click.
        entries = self._keep(("entries", records.path), current, lambda: cache_entries(lacking))
        cached = tuple(version(entry) for entry in entries)
        found = self._keep(
            ("cached reports", records.path), (current, cached), lambda: [kept_report(one) for one in entries]
        )
        reports = [*own, *(report for report in found if report is not None)]
        return study_texts(records.manifest, reports), problem

    def lasting(
        self, key: Hashable, current: object, make: Callable[[], Value], of: Collection[Path]
    ) -> Value:
        """What ``make`` gives, kept on the disk if there is one, for this server and those after it.

        It is made again where its version is another than ``current``, or anything changed in the study
        folders ``of``.
        """
        # A study that runs is another at every look, and to look at all of its files takes long.
        if self._disk is None or any(map(_is_driven, of)):
            return make()
        # Their state before they are read: a change meanwhile makes what is kept out of date, not wrong.
        return self._disk.kept(key, current, [self._folder(path) for path in sorted(of)], make)

    def tidy(self) -> None:
        """Delete what the disk keeps for nobody."""
        if self._disk is not None:
            self._disk.tidy()

    def _folder(self, path: Path) -> FolderState:
        """What a study's folder held when the present version of its records was first looked at."""
        current = study_version(path)
        known = self._folders.get(path)
        if known is None or known[0] != current:
            known = self._folders[path] = (current, folder_state(path))
        return known[1]

    def _keep(
        self, key: Hashable, current: object, read: Callable[[], Value], of: Collection[Path] | None = None
    ) -> Value:
        """What ``read`` gives, until its version is another than ``current``; with ``of`` as ``lasting``."""
        with self._lock:
            known = self._kept.get(key)
            if known and known[0] == current:
                self._kept.move_to_end(key)
                return known[1]
        value = read() if of is None else self.lasting(key, current, read, of)
        with self._lock:
            self._kept[key] = (current, value)
            while len(self._kept) > _FRAMES:
                self._kept.popitem(last=False)
        return value
