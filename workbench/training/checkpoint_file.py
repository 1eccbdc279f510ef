"""What a trial that trains alone goes on from: Lightning's checkpoint, and the rows up to its step in it."""

import zipfile
from pathlib import Path
from typing import Any

import torch

from workbench.errors import RecordError
from workbench.training.hardware import out_of_memory

ROWS = "rows"  # the key of the run's metric rows


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The content, tensors on the CPU; raises ``RecordError`` where the file is not as it was written.

    ``torch.load`` notices a file that was cut short, but not a page of zeros in the middle of a tensor: the
    checksums of the archive are compared first.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        if broken is not None:
            raise RecordError(f"{path}: is damaged (the checksum of {broken} is another)")
        content = torch.load(path, map_location="cpu", weights_only=True)
        content["global_step"], content[ROWS]  # what a resume needs beside Lightning's own
    except (OSError, RecordError):
        raise
    except Exception as error:  # whatever a damaged file makes of the unpickler
        if out_of_memory(error):
            raise
        raise RecordError(f"{path}: is damaged ({type(error).__name__}: {error})") from error
    return content
