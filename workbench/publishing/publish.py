"""``workbench publish``: a finished study as others may read it, small enough to be committed.

A copy in ``results/published``: what was measured of every run, the weights of few, the report and its
figures; nothing of the machine that it ran on.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from safetensors import SafetensorError, safe_open

from workbench.analysis.any_report import rendered, report_of
from workbench.analysis.calibrating.calibration import read_calibration
from workbench.analysis.calibrating.curves import calibration_table
from workbench.analysis.calibrating.evaluation import REPORT as CALIBRATION_REPORT
from workbench.analysis.calibrating.evaluation import write_beside
from workbench.analysis.paper_figures import save
from workbench.analysis.report_figures import report_figures
from workbench.data.tokenizers import kept_name
from workbench.driver.optuna_ledger import JOURNAL, Ledger, journal_damage
from workbench.driver.search_ledger import SearchLedger
from workbench.errors import RecordError, UserError
from workbench.files import put_folder_in_place, read_json, write_atomically, write_json, write_yaml
from workbench.inspection.measured import read_measured
from workbench.inspection.measuring import MeasuredRuns, complete_tables, lacking_runs
from workbench.model.parts.foreign_sources import INDEX, index_of
from workbench.numbers import byte_size
from workbench.progress import Progress
from workbench.publishing.compacting import join_tables, shorten_workers
from workbench.publishing.documents import count_examples, fitted, without_examples
from workbench.publishing.scrub import Scrubber, legible
from workbench.publishing.step_times import copy_step_times, write_step_report
from workbench.publishing.views_without import sentence, views_without
from workbench.records.calibration_table import RESULT
from workbench.records.index import MANIFEST, PUBLISHED, StudyRecords, completed_pairs, load_study
from workbench.records.measured_alone import is_measured_alone
from workbench.records.metrics import COMPACT, save_frame
from workbench.records.probes import PROBES, write_probes
from workbench.records.published_tables import RUNS
from workbench.records.run import FINISHED, PARTS, RECORD, WEIGHTS, Phase, RunDirectory, State, config_hash
from workbench.records.search import SEARCH
from workbench.records.weights_at_hand import require_whole_weights, with_weights
from workbench.study.kept_reports import REPORTS, read_reports, reports_in_cache, study_texts
from workbench.training.run_text import keep_tokenizer, open_tokenizer

REPORT = "report"
_MEGABYTE = 1e6


@dataclass(frozen=True, kw_only=True)
class Published:
    """What was published: the copy, its runs, those with weights, and megabytes of it and of all copies.

    ``measuring``: runs that were measured for it, and those of which tables are lacking still. ``examples``:
    beginnings of documents of its texts that are in it. ``views_without``: titles of the views over seeds
    that have nothing to show of it, as its report says too.
    """

    path: Path
    runs: int
    weights: int
    megabytes: float
    all_megabytes: float
    measuring: MeasuredRuns
    examples: int
    views_without: tuple[str, ...] = ()
    report: str = f"{REPORT}.md"


def publish(
    study: Path,
    results: Path,
    *,
    weights: int,
    limit: float,
    examples: bool = True,
    measure: bool = True,
    stopped: bool = False,
    note: Callable[[str], None] = lambda text: None,
    progress: Progress = lambda text, part: None,
) -> Published:
    """Copy the study's directory into ``results/published``, in place of an earlier copy.

    What its confirm runs lack is measured first, and kept with them, so that it is not measured again: who
    reads the copy has the weights of few runs. Without ``measure`` they are published as they are, and the
    copy's report names the views that have nothing to show.
    ``note`` hears how much that is. A run that cannot be measured is published as it is, and named.
    ``weights``: of how many confirm seeds of each variant; ``limit``: megabytes of all published studies;
    ``examples``: whether beginnings of the documents that it trained on go in. Of a calibration nothing goes
    in but its manifest, the table of its final losses and curves, and what was made of it; of a study whose
    step times were measured, and which was never trained, its manifest and these.
    ``stopped``: whether a study goes in that was stopped before its verdict, with the runs that have ended.
    Raises ``UserError`` for another study that has no verdict yet, and where the limit is exceeded.
    """
    records = load_study(study)
    target = Path(results) / PUBLISHED / records.path.name
    if not records.is_published and is_measured_alone(records.path):
        return _publish_step_times(records, target, limit)
    _refuse_unfinished(records, stopped)
    if records.manifest.calibration:
        return _publish_calibration(records, target, limit)
    measuring = _complete_tables(records, note, progress) if measure else MeasuredRuns([], [], [])
    with _staging(target.parent) as folder:
        copy = folder / PUBLISHED / target.name
        scrubber = Scrubber([records.driver.host if records.driver else ""])
        _copy_runs(records, copy, scrubber, _seeds_with_weights(records, weights), progress)
        join_tables(copy)
        _copy_study(records, copy, scrubber)
        _copy_reports(records, copy, scrubber, examples)
        published = load_study(copy)
        _write_report(published)
        without = views_without(_confirm_runs(published))
        if without:
            report = copy / f"{REPORT}.md"
            write_atomically(report, f"{report.read_text('utf-8')}\n{sentence(without)}")
        others = _megabytes(target.parent) - _megabytes(folder) - _megabytes(target)
        _refuse_large(copy, others, limit)
        _refuse_private(copy, scrubber)
        put_folder_in_place(copy, target)
    return Published(
        path=target,
        runs=len(list((target / RUNS).iterdir())),
        weights=len(with_weights(target)),
        megabytes=_megabytes(target),
        all_megabytes=_megabytes(target.parent),
        measuring=measuring,
        examples=count_examples(report.to_dict() for report in read_reports(target)),
        views_without=without,
    )


def _publish_calibration(records: StudyRecords, target: Path, limit: float) -> Published:
    """Final losses and curves, no more: hundreds of runs of few variants, of which nobody looks at one."""
    made = read_calibration(records.path)
    if made.manifest != records.manifest.hash:
        raise UserError(
            f"{records.title}: {RESULT} was made of an earlier version of this study; give 'workbench noise "
            f"{records.title}' again"
        )
    table = calibration_table(records)

    def fill(copy: Path, scrubber: Scrubber) -> None:
        table.write(copy)
        write_beside(copy, made)

    return _publish_small(records, target, limit, fill, runs=len(table.curves()), report=CALIBRATION_REPORT)


def _publish_step_times(records: StudyRecords, target: Path, limit: float) -> Published:
    """Manifest and step times, of a study that was never trained."""
    report = f"{REPORT}.md"

    def fill(copy: Path, scrubber: Scrubber) -> None:
        copy_step_times(records.path, copy, scrubber)
        write_step_report(records, copy, report)

    return _publish_small(records, target, limit, fill, runs=0, report=report)


def _publish_small(
    records: StudyRecords,
    target: Path,
    limit: float,
    fill: Callable[[Path, Scrubber], None],
    *,
    runs: int,
    report: str,
) -> Published:
    """The manifest, and what ``fill`` puts beside it: no run of its own."""
    with _staging(target.parent) as folder:
        copy = folder / PUBLISHED / target.name
        scrubber = Scrubber([records.driver.host if records.driver else ""])
        _copy_manifest(records, copy, scrubber)
        fill(copy, scrubber)
        others = _megabytes(target.parent) - _megabytes(folder) - _megabytes(target)
        _refuse_large(copy, others, limit)
        _refuse_private(copy, scrubber)
        put_folder_in_place(copy, target)
    return Published(
        path=target,
        runs=runs,
        weights=0,
        megabytes=_megabytes(target),
        all_megabytes=_megabytes(target.parent),
        measuring=MeasuredRuns([], [], []),
        examples=0,
        report=report,
    )


def _complete_tables(records: StudyRecords, note: Callable[[str], None], progress: Progress) -> MeasuredRuns:
    runs = _confirm_runs(records)
    lacking = lacking_runs(runs)
    if lacking:
        able = sum(run.weights.exists() for run in lacking)
        first = f"{able} with weights are measured first" if able else "none of them has weights to measure"
        note(f"{len(lacking)} of {len(runs)} confirm runs lack tables that views read; {first}")
    return complete_tables(lacking, progress)


def _confirm_runs(records: StudyRecords) -> list[RunDirectory]:
    """What pages show over seeds: none looks into the points of a search, and what tuning tried has the
    tables that its training left.
    """
    done = records.runs[records.runs["state"] == "complete"]
    return [RunDirectory(path) for path in done.loc[done["phase"] == Phase.CONFIRM, "path"]]


def _refuse_unfinished(records: StudyRecords, stopped: bool) -> None:
    name = records.title
    if records.is_published:
        raise UserError(f"{name}: is published already; publish the study that it is a copy of")
    if records.manifest.is_import:
        raise UserError(f"{name}: holds models from elsewhere, and nothing is compared; publish a study")
    search = records.manifest.is_search
    state = report_of(records).state
    if records.is_live or (state != "complete" and not (stopped and state == "stopped")):
        remedy = f"run it to its {'end' if search else 'verdict'} first"
        if state == "stopped" and not records.is_live:
            remedy += ", or publish what has ended with --stopped"
        raise UserError(
            f"{name}: is {'running' if records.is_live else state}, and only finished studies are published; "
            f"{remedy}"
        )
    paired = any(completed_pairs(one.manifest, one.runs) for one in records.compared)
    if not search and not paired:
        raise UserError(f"{name}: no pair of its trials completed, and there is nothing to publish; mend it")


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A folder beside the copies, one level deeper than where studies are looked for; gone at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".publishing-", dir=folder))
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _seeds_with_weights(records: StudyRecords, count: int) -> dict[str, list[int]]:
    """Confirm seeds of each variant whose weights are published: the same for all as far as they can be."""
    runs = records.runs
    done = runs[(runs["state"] == "complete") & (runs["phase"] == Phase.CONFIRM)]
    there = done.loc[[RunDirectory(path).weights.exists() for path in done["path"]]]
    seeds = there.groupby("variant")["seed"].agg(set).to_dict()
    shared = set.intersection(*seeds.values()) if len(seeds) == len(records.manifest.variants) else set()
    planned = sorted(records.manifest.seeds.confirm, key=lambda seed: seed not in shared)
    return {name: [seed for seed in planned if seed in own][:count] for name, own in seeds.items()}


def _copy_runs(
    records: StudyRecords, copy: Path, scrubber: Scrubber, kept: dict[str, list[int]], progress: Progress
) -> None:
    rows = records.runs[records.runs["state"].isin([str(state) for state in FINISHED])].to_dict("records")
    _copy_tokenizers(records.path, copy, rows)
    for number, row in enumerate(rows):
        progress(f"run {number + 1} of {len(rows)}", number / len(rows))
        source = RunDirectory(row["path"])
        target = RunDirectory(copy / RUNS / row["run_id"])
        record = read_json(source.path / RECORD)
        record["provenance"].pop("machines", None)  # their names are nobody's business
        write_json(target.path / RECORD, scrubber.value(record))
        _copy_tables(source, target)
        if row["phase"] == Phase.CONFIRM and row["seed"] in kept.get(row["variant"], []):
            _copy_weights(source, target)


def _copy_weights(source: RunDirectory, target: RunDirectory) -> None:
    """Raises ``RecordError`` for a file that was cut short or changed: nobody could load the copy."""
    require_whole_weights(source)
    try:
        with safe_open(source.weights, "pt"):
            shutil.copyfile(source.weights, target.weights)
    except SafetensorError as error:
        raise RecordError(
            f"{source.weights}: is damaged ({error}); publish without weights (--weights 0), or delete the "
            f"run's directory and run the study again"
        ) from error


def _copy_tokenizers(study: Path, copy: Path, rows: list[dict]) -> None:
    """What the runs' tokens mean: the file of each tokenizer, under its digest; early records kept none."""
    for row in rows:
        spec = row["config"]["data"]["tokenizer"]
        if isinstance(spec, dict) and "sha256" in spec and not (copy / kept_name(spec["sha256"])).exists():
            keep_tokenizer(open_tokenizer(RunDirectory(row["path"])), copy)


def _copy_tables(source: RunDirectory, target: RunDirectory) -> None:
    """Metrics and probes, as far as they can be read; rows of an old lost run may never have been compacted.

    Raises ``RecordError`` naming the file that cannot be read.
    """
    rows = source.metrics()
    if rows.empty and source.read().state is State.COMPLETE:
        raise RecordError(
            f"{source.path / COMPACT}: is missing; delete the run's directory and run the study again to "
            f"have it trained anew"
        )
    probes = read_measured(source)
    if (source.path / COMPACT).exists():
        shutil.copyfile(source.path / COMPACT, target.path / COMPACT)
    else:
        save_frame(target.path, source.metrics())
    if len(probes) or (source.path / PROBES).exists():
        write_probes(target.path, probes)  # also what had to be kept in the cache


def _copy_study(records: StudyRecords, copy: Path, scrubber: Scrubber) -> None:
    _copy_manifest(records, copy, scrubber)
    if (records.path / SEARCH).exists():
        write_json(copy / SEARCH, scrubber.value(read_json(records.path / SEARCH)))
    copy_step_times(records.path, copy, scrubber)
    _copy_parts(records, copy, scrubber)
    _copy_journal(records, copy, scrubber)


def _copy_manifest(records: StudyRecords, copy: Path, scrubber: Scrubber) -> None:
    manifest = scrubber.value(records.manifest.to_dict())
    hashes = _new_hashes(records.runs, scrubber)
    for trained in (*manifest["variants"], *manifest.get("gain", {}).get("rungs", [])):
        trained["config_hash"] = hashes.get(trained.get("config_hash"), trained.get("config_hash"))
    write_yaml(copy / MANIFEST, manifest)


def _copy_reports(records: StudyRecords, copy: Path, scrubber: Scrubber, examples: bool) -> None:
    """What its texts consist of; of a study of an earlier version what the cache still knows.

    Raises ``RecordError`` where the study's own file is damaged.
    """
    own = read_reports(records.path)
    lacking = [text for text in study_texts(records.manifest, own) if text.report is None]
    texts = study_texts(records.manifest, [*own, *reports_in_cache(lacking)])
    reports = [scrubber.value(text.report.to_dict()) for text in texts if text.report is not None]
    if reports:
        write_atomically(copy / REPORTS, fitted(reports) if examples else without_examples(reports))


def _copy_journal(records: StudyRecords, copy: Path, scrubber: Scrubber) -> None:
    journal = records.path / JOURNAL
    if journal_damage(journal):
        tuning = records.manifest.tuning
        if records.manifest.is_search:
            SearchLedger.rebuilt(copy)
        else:
            space = tuning.space if tuning is not None else None
            Ledger.from_records(copy, records.manifest.metric, space)
        journal = copy / JOURNAL
    if journal.exists():
        entries = [scrubber.value(json.loads(line)) for line in journal.read_text("utf-8").splitlines()]
        lines = [json.dumps(entry, separators=(",", ":")) for entry in shorten_workers(entries)]
        write_atomically(copy / JOURNAL, "".join(f"{line}\n" for line in lines))


def _copy_parts(records: StudyRecords, copy: Path, scrubber: Scrubber) -> None:
    """The code of the parts that the published runs have, as it is: its digest is what they are known by."""
    used = {
        part["source"]
        for config in records.runs["config"]
        for part in config.get("model", {}).values()
        if isinstance(part, dict) and "source" in part
    }
    for digest in sorted(used):
        kept = records.path / PARTS / digest
        if kept.is_dir():
            target = copy / PARTS / digest
            shutil.copytree(kept, target, ignore=shutil.ignore_patterns("__pycache__"))
            write_json(target / INDEX, scrubber.value(index_of(kept)))


def _new_hashes(runs: pd.DataFrame, scrubber: Scrubber) -> dict[str, str]:
    """A corpus's path is part of what a run is known by: manifest and records must change it alike."""
    first = runs.drop_duplicates("config_hash")
    return {
        old: config_hash(scrubber.value(config))
        for old, config in zip(first["config_hash"], first["config"], strict=True)
    }


def _write_report(records: StudyRecords) -> None:
    """``report.md`` with its figures, and ``report.csv``, from the copy: they say what it says."""
    report = report_of(records)
    links = _saved(report_figures(records, report), records.path)
    write_atomically(records.path / f"{REPORT}.md", f"{rendered(report, 'md')}{links}")
    write_atomically(records.path / f"{REPORT}.csv", str(rendered(report, "csv")))


def _saved(figures: dict[str, Figure], folder: Path) -> str:
    """Save ``figures`` beside the report; returns its links to them."""
    paths = [save(figure, folder / f"{name}.svg") for name, figure in figures.items()]
    return "".join(f"\n![{path.stem.replace('_', ' ')}]({path.name})\n" for path in paths)


def _refuse_large(copy: Path, others: float, limit: float) -> None:
    size = _megabytes(copy)
    if size + others <= limit:
        return
    weights = sum(run.weights.stat().st_size for run in with_weights(copy))
    fewer = "fewer --weights, " if weights else ""
    beside = f", other studies {byte_size(others * _MEGABYTE)}" if others else ""
    raise UserError(
        f"limit: {copy.name} takes {byte_size(size * _MEGABYTE)}, {byte_size(weights)} of them "
        f"weights{beside}; all that is published may take {limit:g} MB: publish {fewer}remove a published "
        f"study, or raise --limit"
    )


def _refuse_private(copy: Path, scrubber: Scrubber) -> None:
    """What was scrubbed is looked at once more: publishing cannot be taken back."""
    for path in sorted(path for path in copy.rglob("*") if path.is_file() and path.name != WEIGHTS):
        if place := scrubber.left_in(legible(path)):
            raise UserError(f"{path.relative_to(copy)}: names {place}, a path of this machine; remove it")


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / _MEGABYTE
