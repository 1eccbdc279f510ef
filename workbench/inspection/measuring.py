"""Measuring finished runs: the tables that views over many seeds read, written beside each run or cached."""

import json
from collections.abc import Collection
from dataclasses import dataclass

from workbench.errors import RecordError, UserError
from workbench.inspection.measured import drop_other_probes, keep_measured, last_step, not_measured
from workbench.inspection.probe import Probe, make_probe
from workbench.inspection.subject import Subject, open_subject
from workbench.inspection.tables import known_tables
from workbench.progress import Progress
from workbench.records.run import RunDirectory
from workbench.training.run_text import open_corpus, text_changed


@dataclass(frozen=True)
class Unmeasured:
    """A run, those of its tables that could not be measured, and why."""

    run: RunDirectory
    tables: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class MeasuredRuns:
    """Runs that were measured, what of runs could not be, and runs that lack tables and have no weights."""

    measured: list[RunDirectory]
    unmeasured: list[Unmeasured]
    weightless: list[RunDirectory]


def probe_of(subject: Subject) -> Probe:
    """What a run is measured on: equal for all runs of one corpus, tokenizer and context."""
    model = subject.decoder.config
    return make_probe(subject.corpus, model.context, model.vocabulary)


def lacking(directory: RunDirectory, tables: Collection[str] | None = None) -> list[str]:
    """Those of ``tables``, all by default, that the run's final weights were not measured for."""
    return not_measured(directory, known_tables() if tables is None else tables)


def measure_run(
    directory: RunDirectory, tables: Collection[str], progress: Progress = lambda text, part: None
) -> list[Unmeasured]:
    """Measure ``tables`` of the run's final weights and keep them; gives those that cannot be, and why.

    Raises ``UserError`` for a run without weights or text, of which nothing can be measured.
    """
    if not tables:
        return []
    subject = open_subject(directory)
    return _measure(directory, subject, probe_of(subject), tables, progress)


def _measure(
    directory: RunDirectory, subject: Subject, probe: Probe, tables: Collection[str], progress: Progress
) -> list[Unmeasured]:
    step = last_step(directory)
    known = known_tables()
    found = []
    for number, name in enumerate(tables):
        progress(f"{subject.record.variant} seed {subject.record.seed}: {name}", number / len(tables))
        try:
            rows = known[name].measure(subject.decoder, probe)
        except UserError as error:  # a part of the user's own need not have what a table looks at
            found.append(Unmeasured(directory, (name,), str(error)))
            continue
        keep_measured(directory, rows.assign(table=name, step=step, probe_hash=probe.hash))
    return found


def measure_again(directory: RunDirectory, progress: Progress = lambda text, part: None) -> list[Unmeasured]:
    """Measure every table anew, then drop what is of another probe; raises as ``measure_run`` does.

    Checkpoints of training stay: their weights are gone, and so would be what was measured on them.
    """
    subject = open_subject(directory)
    probe = probe_of(subject)
    found = _measure(directory, subject, probe, tuple(known_tables()), progress)
    drop_other_probes(directory, probe.hash)
    return found


def measure_missing(
    runs: list[RunDirectory],
    tables: Collection[str] | None = None,
    progress: Progress = lambda text, part: None,
    *,
    again: bool = False,
) -> list[Unmeasured]:
    """Measure for each of ``runs`` those of ``tables``, or of all, that it lacks; ``again``: every table.

    A run that cannot be measured does not keep the others from it: what is missing in the end is returned
    with the reasons. ``progress`` hears of the whole.
    """
    found = []
    for number, run in enumerate(runs):

        def report(text: str, part: float, number: int = number) -> None:
            progress(text, (number + part) / len(runs))

        wanted = tuple(known_tables())
        try:
            if again:
                found += measure_again(run, report)
            else:
                wanted = tuple(lacking(run, tables))
                found += measure_run(run, wanted, report)
        except UserError as error:
            found.append(Unmeasured(run, wanted, str(error)))
    progress("measured", 1.0)
    return found


def complete_tables(
    runs: list[RunDirectory], progress: Progress = lambda text, part: None, *, again: bool = False
) -> MeasuredRuns:
    """Measure every table that ``runs`` lack, or all ``again``, where there are weights to measure."""
    lacks = {run.path: set(_lacking(run)) for run in runs}
    asked = [run for run in runs if run.weights.exists() and (again or lacks[run.path])]
    unmeasured = measure_missing(asked, progress=progress, again=again)
    done = {run.path: set(known_tables()) if again else lacks[run.path] for run in asked}
    for one in unmeasured:
        done[one.run.path] -= set(one.tables)
    return MeasuredRuns(
        measured=[run for run in asked if done[run.path]],
        unmeasured=unmeasured,
        weightless=[run for run in runs if lacks[run.path] and not run.weights.exists()],
    )


def lacking_runs(runs: list[RunDirectory]) -> list[RunDirectory]:
    """Those of ``runs`` that lack a table."""
    return [run for run in runs if _lacking(run)]


def _lacking(run: RunDirectory) -> list[str]:
    try:
        return lacking(run)
    except RecordError:  # whoever measures it hears what is damaged
        return list(known_tables())


def on_other_text(runs: list[RunDirectory]) -> list[RunDirectory]:
    """Those of ``runs`` whose corpus is another text now than the one that they were trained on."""
    changed: dict[str, bool] = {}
    found = []
    for run in runs:
        record = run.read()
        data = json.dumps(record.config["data"])  # the runs of a study share their text
        if data not in changed:
            changed[data] = text_changed(record, open_corpus(run))
        if changed[data]:
            found.append(run)
    return found
