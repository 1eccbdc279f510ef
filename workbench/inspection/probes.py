"""Measuring finished runs: the tables that views over many seeds read, written beside each run."""

import json
from collections.abc import Callable, Collection

from workbench.inspection.probe import Probe, make_probe
from workbench.inspection.subject import Subject, open_subject
from workbench.inspection.tables import TABLES
from workbench.records.probes import append_probes, read_probes, write_probes
from workbench.records.run import RunDirectory
from workbench.training.run_text import open_corpus, text_changed

Progress = Callable[[str, float], None]


def probe_of(subject: Subject) -> Probe:
    """What a run is measured on: equal for all runs of one corpus, tokenizer and context."""
    model = subject.decoder.config
    return make_probe(subject.corpus, model.context, model.vocabulary)


def lacking(directory: RunDirectory, tables: Collection[str] = tuple(TABLES)) -> list[str]:
    """Those of ``tables`` that the run's final weights were not measured for."""
    known, step = read_probes(directory.path), _last_step(directory)
    measured = set(known.loc[known["step"] == step, "table"])
    return [name for name in tables if name not in measured]


def forget(directory: RunDirectory) -> None:
    """Drop what can be measured anew, and what is of another probe; raises ``UserError`` without weights.

    Checkpoints of training stay: their weights are gone, and so would be what was measured on them.
    """
    probe, known = probe_of(open_subject(directory)), read_probes(directory.path)
    kept = (known["step"] != _last_step(directory)) & (known["probe_hash"] == probe.hash)
    write_probes(directory.path, known[kept])


def measure_run(
    directory: RunDirectory, tables: Collection[str], progress: Progress = lambda text, part: None
) -> None:
    """Write ``tables`` of the run's final weights; raises ``UserError`` for a run without weights."""
    subject = open_subject(directory)
    probe, step = probe_of(subject), _last_step(directory)
    for number, name in enumerate(tables):
        progress(f"{subject.record.variant} seed {subject.record.seed}: {name}", number / len(tables))
        rows = TABLES[name].measure(subject.decoder, probe)
        append_probes(directory.path, rows.assign(table=name, step=step, probe_hash=probe.hash))


def measure_missing(
    runs: list[RunDirectory],
    tables: Collection[str] = tuple(TABLES),
    progress: Progress = lambda text, part: None,
) -> None:
    """Measure for each of ``runs`` those of ``tables`` that it lacks; ``progress`` hears of the whole."""
    for number, run in enumerate(runs):

        def report(text: str, part: float, number: int = number) -> None:
            progress(text, (number + part) / len(runs))

        measure_run(run, lacking(run, tables), report)
    progress("measured", 1.0)


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


def _last_step(directory: RunDirectory) -> int:
    return directory.read().progress.get("step", 0)
