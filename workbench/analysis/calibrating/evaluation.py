"""Evaluating a calibration where it lies: its table, its result, its report and its figure."""

from pathlib import Path

from workbench.analysis.calibrating.calibration import Calibration, calibrate, to_json
from workbench.analysis.calibrating.curves import calibration_table, curves_of
from workbench.analysis.calibrating.error_rates import STUDIES
from workbench.analysis.calibrating.figure import calibration_figure
from workbench.analysis.calibrating.report import render_calibration
from workbench.analysis.paper_figures import save
from workbench.files import write_atomically
from workbench.progress import Progress
from workbench.records.calibration_table import RESULT
from workbench.records.index import load_study

REPORT, FIGURE = "calibration.md", "calibration.svg"


def evaluate(
    study: Path,
    *,
    studies: int = STUDIES,
    seed: int = 0,
    progress: Progress = lambda text, part: None,
) -> Calibration:
    """Judge the verdict by the runs of the study's directory, and write what came of it beside them.

    A published copy is evaluated from its table, and nothing is written. Raises ``UserError`` where the study
    has no null twin, or too few pairs of it.
    """
    records = load_study(study)
    records.require_comparable()
    table = calibration_table(records)
    curves = curves_of(table, records.manifest)
    found = calibrate(curves, records.manifest, studies=studies, seed=seed, progress=progress)
    if records.is_published:
        return found
    if not records.manifest.calibration:
        records.manifest.model_copy(update={"calibration": True}).write(study)
    table.write(study)
    write_beside(study, found)
    return found


def write_beside(study: Path, found: Calibration) -> None:
    """Write ``calibration.json``, its Markdown and its figure into the directory ``study``."""
    link = f"\n![false words, power and noise]({FIGURE})\n"
    write_atomically(study / RESULT, to_json(found))
    write_atomically(study / REPORT, f"{render_calibration(found, 'md')}{link}")
    save(calibration_figure(found), study / FIGURE)
