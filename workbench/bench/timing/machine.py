"""The machine that was measured, and whether it was idle."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from workbench.numbers import percent
from workbench.records.provenance import processor, versions

_LIBRARIES = ("pandas", "pyarrow", "streamlit")  # beside those of every run: they decide how fast pages are
_BUSY_LOAD = 0.3  # of all processes over the last minute
_BUSY_SHARE = 0.1  # of all cores, during a second in which this process sleeps
_LOOK_SECONDS = 1.0


def describe(device: str) -> dict[str, Any]:
    """Processor, cores, memory; on a GPU its name, its memory and how much of it was free."""
    facts: dict[str, Any] = {
        "device": device,
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
    }
    return facts | (_gpu() if device == "cuda" else {})


def _gpu() -> dict[str, Any]:
    import torch

    free, total = torch.cuda.mem_get_info()
    return {
        "gpu": torch.cuda.get_device_name(),
        "gpus": torch.cuda.device_count(),
        "gpu_memory_bytes": total,
        "gpu_free_bytes": free,
        "cuda": torch.version.cuda,
    }


def kind(machine: dict[str, Any]) -> str:
    """``cpu``, or the GPU's name as a file name: ``h100-80gb-hbm3``."""
    if machine["device"] == "cpu":
        return "cpu"
    words = "".join(letter if letter.isalnum() else " " for letter in machine["gpu"].lower()).split()
    return "-".join(word for word in words if word not in ("nvidia", "geforce")) or machine["device"]


def library_versions() -> dict[str, str]:
    """Versions of Python and of every library that decides a number here."""
    found = dict(versions())
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def load() -> dict[str, Any]:
    """How busy the machine is before anything is measured; ``idle`` says whether ratios can be trusted."""
    average = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    share = psutil.cpu_percent(interval=_LOOK_SECONDS) / 100
    idle = share <= _BUSY_SHARE and (average is None or average <= _BUSY_LOAD)
    return {"average_1_minute": average, "processor_share": share, "idle": idle}


def warnings(load: dict[str, Any]) -> list[str]:
    """What a reader must know of a machine that was not idle."""
    if load["idle"]:
        return []
    average = load["average_1_minute"]
    shown = "" if average is None else f"load average {average:.2f}, "
    return [
        f"the machine was not idle at the start ({shown}{percent(load['processor_share'])} of its cores "
        "busy): absolute times are too long and spreads too wide; ratios suffer less. Measure again on a "
        "quiet one"
    ]
