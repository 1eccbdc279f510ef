"""Which runs have weights: of a published study only a few do."""

from pathlib import Path
from typing import Final

from workbench.errors import RecordError, UserError
from workbench.files import file_sha256
from workbench.pointers import refuse_pointer_file
from workbench.records.find import readable
from workbench.records.index import is_published
from workbench.records.run import WEIGHTS, RunDirectory, RunRecord

_SHOWN = 6
WEIGHTS_DIGEST: Final = "weights_sha256"  # in a record's provenance


def weights_digest(directory: RunDirectory) -> str:
    """SHA-256 of the run's weights as they are on the disk."""
    return file_sha256(directory.weights)


def recorded_digest(record: RunRecord) -> str | None:
    """SHA-256 of the weights that the record speaks of.

    Records from before digests were kept, and imported models (by their configuration), may have none.
    """
    return record.provenance.get(WEIGHTS_DIGEST) or record.config.get("weights")


def require_whole_weights(directory: RunDirectory) -> None:
    """Raise ``RecordError`` where the weights are not the file that the record speaks of."""
    digest = recorded_digest(directory.read())
    if digest is not None and weights_digest(directory) != digest:
        raise RecordError(
            f"{directory.weights}: is damaged (its SHA-256 is not the record's); restore it from a copy, or "
            f"delete the run's directory and run the study, or import the model, again"
        )


def with_weights(study: Path) -> list[RunDirectory]:
    """The runs of a study's directory that have their weights."""
    return [RunDirectory(path.parent) for path in sorted((study / "runs").glob(f"*/{WEIGHTS}"))]


def require_weights(directory: RunDirectory) -> None:
    """Raise ``UserError`` for a run without weights, saying why there are none and which runs have some."""
    if directory.weights.exists():
        refuse_pointer_file(directory.weights)
        return
    study = directory.path.parent.parent
    if is_published(study):
        raise UserError(_unpublished(directory, study))
    raise UserError(
        f"{directory.run_id}: has no weights, its state is {directory.read().state}; choose a "
        f"complete run that still has its model.safetensors"
    )


def _unpublished(directory: RunDirectory, study: Path) -> str:
    record = directory.read()
    which = f"{record.variant} seed {record.seed} of {study.name} was published without its weights"
    records = [readable(run) for run in with_weights(study)]
    names = sorted(f"{one.variant} seed {one.seed}" for one in records if one is not None)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    if not names:
        return f"{which}, as all its runs were; views of what was measured work without them"
    return f"{which}; choose a run that has them: {', '.join(names[:_SHOWN])}{more}"
