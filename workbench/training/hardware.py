"""What this machine offers: the device, its peak arithmetic rate, and the memory used."""

import errno
import gc
import os
import re

import psutil
import torch

from workbench.errors import UserError
from workbench.numbers import plural

# Dense bf16 tensor-core peaks in FLOP/s, from the vendors' data sheets; the first whole name found wins.
_PEAKS = {
    "H200 NVL": 836e12,
    "H200": 989e12,
    "GH200": 989e12,
    "H100 NVL": 835e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "B200": 2.25e15,
    "L40S": 362e12,
    "L4": 121e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
    "V100": 125e12,
    "T4": 65e12,
}
_OTHERS = re.compile(r"\b(MIG|Laptop|Max-Q|Ti|D)\b")  # a slice or a relative of the card: a peak of its own


# How libraries below Python say it, each in an error of no kind of its own.
_WANT_OF_MEMORY = (
    "DefaultCPUAllocator",
    "can't allocate memory",
    "Cannot allocate memory",
    "Storage size calculation overflowed",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "std::bad_alloc",
)


def default_device() -> str:
    """ "cuda" where a GPU is usable, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def peak_flops(device: str, precision: str) -> float | None:
    """Peak FLOP/s for the model-FLOPs utilisation; None where it is not known (CPUs, fp32, other GPUs)."""
    if device != "cuda" or precision != "bf16":
        return None
    name = torch.cuda.get_device_name()
    if _OTHERS.search(name):
        return None
    # Whole words: an L40 is no L4, and an RTX A1000 no A100.
    return next((peak for key, peak in _PEAKS.items() if re.search(rf"\b{key}\b", name)), None)


def forget_peak_memory(device: str) -> None:
    """Begin the peak anew: a worker's earlier trials are none of the next one's business."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()


def memory_bytes(device: str) -> int:
    """Memory in use: torch's peak allocation on a GPU, the process's resident set on a CPU."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return psutil.Process().memory_info().rss


def release_memory() -> None:
    """Give back what is no longer used: other processes may share the GPU."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def total_memory(device: str) -> int:
    """Bytes of memory that the GPU, or the machine, has in all."""
    if device == "cuda":
        return torch.cuda.get_device_properties(0).total_memory
    return psutil.virtual_memory().total + psutil.swap_memory().total


def out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory ran out, on the GPU or in the process.

    PyTorch's CPU allocator raises a bare ``RuntimeError``, and a mapped file an ``OSError``.
    """
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, RuntimeError) and any(words in str(error) for words in _WANT_OF_MEMORY):
        return True
    return isinstance(error, MemoryError | torch.OutOfMemoryError)


def default_slots(device: str, devices: int = 1) -> int:
    """One slot per ``devices`` usable GPUs, or cores that this process may use.

    Raises ``UserError`` where there are not as many GPUs.
    """
    if device == "cuda":
        there = torch.cuda.device_count()
        if devices > 1 and there < devices:
            raise UserError(
                f"training.devices: {devices} are more than this machine's {plural(there, 'GPU')}; give "
                f"{max(1, there)} or fewer"
            )
        return there // devices
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // devices)
