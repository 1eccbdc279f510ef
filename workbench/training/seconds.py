"""Seconds of a piece of work, on a CPU or a GPU."""

import time
from collections.abc import Callable

import torch


def synchronize(device: str) -> None:
    """Wait until the device has done what it was given; a CPU always has."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds_of(work: Callable[[], object], device: str) -> float:
    """Wall-clock seconds of ``work``, the device's part included."""
    synchronize(device)
    began = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - began
