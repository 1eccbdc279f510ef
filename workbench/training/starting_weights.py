"""Where a started trial begins: the weights of another run, as far as the variant has the same tensors."""

from pathlib import Path

from safetensors.torch import load_file

from workbench.errors import RecordError
from workbench.files import file_sha256
from workbench.model.decoder import Decoder
from workbench.model.weights import transfer_weights

STARTING_WEIGHTS = "start.safetensors"  # in the study's directory


def load_starting_weights(decoder: Decoder, study: Path, sha256: str) -> None:
    """Copy the study's starting weights into an initialised decoder; ``RecordError`` if they changed."""
    path = study / STARTING_WEIGHTS
    if not path.is_file():
        raise RecordError(f"start: {path} is missing; run the study again to have it put there")
    if file_sha256(path) != sha256:
        raise RecordError(
            f"start: {path} is not the file that the study began with; run the study again to replace it"
        )
    transfer_weights(decoder, load_file(path))
