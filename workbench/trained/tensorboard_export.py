"""``workbench export STUDY --to tensorboard FOLDER``: a study's curves as TensorBoard reads them."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.errors import UserError
from workbench.file_names import told_apart
from workbench.files import replacing_folder
from workbench.progress import Progress
from workbench.records.index import load_study
from workbench.records.metrics import AXES, RATE, rates_of_steps, read_metrics

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_LONGEST = 60  # bytes of a name of a folder
_IDENTITY = ("variant", "phase", "seed", "run_id")  # what of a run becomes a column of the page HParams


def export_curves(study: Path, folder: Path, progress: Progress) -> int:
    """Write event files for the runs of a study's directory, a folder for each; gives how many runs.

    ``folder/VARIANT/PHASE-SEED-RUN`` has every metric of a run at its steps, at the moments at which it was
    logged, and its hyperparameters with its last metrics (the page *HParams*). Raises ``UserError`` where the
    package tensorboard is missing, where ``folder`` is not new or empty, and where no run has a curve yet.
    """
    writer_of = _writer_class()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: exists already; name a new or an empty folder")
    records = load_study(study)
    runs = records.runs.to_dict("records")
    written = 0
    with replacing_folder(folder) as filling:
        for number, run in enumerate(runs):
            progress(f"exporting {records.title}", number / len(runs))
            table = read_metrics(Path(run["path"]))
            if not len(table):
                continue
            name = f"{run['phase']}-{run['seed']}-{told_apart(run['run_id'][:8], 8)}"
            writer = writer_of(str(filling / told_apart(run["variant"], _LONGEST) / name))
            _write_run(writer, run, table)
            writer.close()
            written += 1
        if not written:
            raise UserError(f"{records.title}: no run has a curve yet; run the study first")
    return written


def _writer_class() -> "type[SummaryWriter]":
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError(
            "--to tensorboard: the package 'tensorboard' is not installed; run: "
            "pip install 'ablation-workbench[tensorboard]'"
        ) from error
    return SummaryWriter


def _write_run(writer: "SummaryWriter", run: dict[str, Any], table: pd.DataFrame) -> None:
    from torch.utils.tensorboard.summary import hparams

    begun = run["started"] if isinstance(run["started"], str) else run["created"]
    clock = datetime.fromisoformat(begun).timestamp()
    metrics = [name for name in table if name not in AXES]
    for metric in metrics:
        values = rates_of_steps(table, run["provenance"] or {}) if metric == RATE else table
        values = values[values[metric].notna()]
        seconds = values["seconds"].fillna(0.0) if "seconds" in values else [0.0] * len(values)
        for step, value, second in zip(values["step"], values[metric], seconds, strict=True):
            writer.add_scalar(metric, value, int(step), walltime=clock + second)
    given = {name: _plain(run[name]) for name in _IDENTITY}
    given |= {name: _plain(value) for name, value in run["hyperparameters"].items()}
    last = {name: run[name] for name in metrics if isinstance(run.get(name), float)}
    # What ``SummaryWriter.add_hparams`` writes, into the run itself and not into a folder beside it.
    for summary in hparams(given, last):
        writer._get_file_writer().add_summary(summary)


def _plain(value: Any) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else str(value)
