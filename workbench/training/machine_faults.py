"""What ends a trial without being its outcome: a fault of the machine that it ran on."""

from safetensors import SafetensorError
from torch import AcceleratorError

from workbench.errors import RecordError
from workbench.records.attempts import GivenUp

# torch reports trouble with files as a bare RuntimeError.
_FILE_TROUBLE = ("PytorchStream", "No space left on device", "Input/output error", "Stale file handle")


class RankLost(RuntimeError):
    """A process that computes a part of the trial was killed, or met a fault of the machine itself."""


def is_machine_fault(error: BaseException) -> bool:
    """Whether ``error``, or what it was raised from, lies with files, disks or devices, or with the driver.

    It says nothing about the model: the trial is to be tried again, and never to be recorded as failed. Want
    of memory is none: a model may be too large (``out_of_memory``).
    """
    cause: BaseException | None = error
    while cause is not None:
        if _is_of_the_machine(cause):
            return True
        cause = cause.__cause__
    return False


def _is_of_the_machine(error: BaseException) -> bool:
    if isinstance(error, AcceleratorError):
        return "device-side assert" not in str(error)  # which an index out of range in a component triggers
    if isinstance(error, GivenUp | RankLost):
        return True
    if isinstance(error, RuntimeError):
        return any(text in str(error) for text in _FILE_TROUBLE)
    return isinstance(error, OSError | SafetensorError | RecordError)
