"""Whether a study was ever trained: of some, step times were measured and nothing else."""

from pathlib import Path

from workbench.records.calibration_table import TABLE
from workbench.records.published_tables import RUNS
from workbench.records.step_times import read_step_times


def has_runs(study: Path) -> bool:
    """Whether there are runs of the study in the directory ``study``, each alone or in a calibration's table.

    No record is read: it may be asked of many studies.
    """
    runs = Path(study) / RUNS
    return (runs.is_dir() and any(runs.iterdir())) or (Path(study) / TABLE).exists()


def is_measured_alone(study: Path) -> bool:
    """Whether step times are all that there is of the study: none of its trials began.

    Raises ``RecordError`` where their file is damaged.
    """
    return not has_runs(study) and bool(read_step_times(study))
