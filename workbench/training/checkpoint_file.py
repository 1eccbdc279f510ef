"""What a trial that trains alone goes on from: Lightning's checkpoint, and the rows up to its step in it."""

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from workbench.errors import RecordError
from workbench.training.hardware import out_of_memory

ROWS = "rows"  # the key of the run's metric rows


class LoadedCheckpoint(TorchCheckpointIO):
    """The content of a checkpoint, which Lightning is given in place of reading the file once more."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content

    def load_checkpoint(self, *_: Any, **__: Any) -> dict[str, Any]:
        """The content, once: Lightning lets go of it when training begins, and so its memory is free."""
        content = self.content
        self.content = {}
        return content


def load_checkpoint(path: Path) -> LoadedCheckpoint:
    """The checkpoint, tensors on the CPU; raises ``RecordError`` where the file is not as it was written.

    ``torch.load`` notices a file that was cut short, but not a page of zeros in the middle of a tensor: the
    checksums of the archive are compared first. The file is read once, so that what was compared is what is
    loaded.
    """
    try:
        file = BytesIO(path.read_bytes())
        with zipfile.ZipFile(file) as archive:
            broken = archive.testzip()
        if broken is not None:
            raise RecordError(f"{path}: is damaged (the checksum of {broken} is another)")
        file.seek(0)
        content = torch.load(file, map_location="cpu", weights_only=True)
        content["global_step"], content[ROWS]  # what a resume needs beside Lightning's own
    except (OSError, RecordError):
        raise
    except Exception as error:  # whatever a damaged file makes of the unpickler
        if out_of_memory(error):
            raise
        raise RecordError(f"{path}: is damaged ({type(error).__name__}: {error})") from error
    return LoadedCheckpoint(content)
