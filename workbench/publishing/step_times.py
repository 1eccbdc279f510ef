"""The step times of a study in its published copy: of one that was never trained, all that is published."""

from pathlib import Path

from workbench.analysis.report import markdown_table
from workbench.analysis.step_time_table import step_time_table
from workbench.analysis.text_escapes import escape_markdown
from workbench.files import read_json, write_atomically, write_json
from workbench.publishing.scrub import Scrubber
from workbench.records.index import StudyRecords
from workbench.records.step_times import STEP_TIMES, read_step_times


def copy_step_times(study: Path, copy: Path, scrubber: Scrubber) -> None:
    """Copy what was measured, if anything was; raises ``RecordError`` where it is damaged."""
    if read_step_times(study):
        write_json(copy / STEP_TIMES, scrubber.value(read_json(study / STEP_TIMES)))


def write_step_report(records: StudyRecords, copy: Path, name: str) -> None:
    """The report ``name`` in ``copy``, of a study whose step times were measured alone."""
    measured = read_step_times(copy)
    table = step_time_table(measured)
    notes = dict.fromkeys(doubt for one in measured for doubt in one.doubts)
    parts = [
        f"# {escape_markdown(records.manifest.name)}",
        escape_markdown(records.manifest.question),
        "Step times alone: no trial of this study was trained.",
        escape_markdown(table.title),
        markdown_table(table),
        "\n".join(f"- note: {escape_markdown(text)}" for text in notes),
    ]
    write_atomically(copy / name, "\n\n".join(part for part in parts if part) + "\n")
