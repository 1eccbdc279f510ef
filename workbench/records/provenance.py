"""Where a number comes from: code version, library versions and hardware."""

import os
import platform
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

MACHINE = "WORKBENCH_MACHINE"  # an environment variable: what a cluster calls this machine
_LIBRARIES = ("torch", "lightning", "optuna", "numpy")


@lru_cache(maxsize=1)
def git_state() -> dict[str, Any]:
    """Commit of the workbench's own checkout and whether it has uncommitted changes; None outside git."""
    folder = Path(__file__).parent
    # An installed copy may lie inside somebody else's checkout: only a tracked file is in its commit.
    tracked = _git(folder, "ls-files", "--error-unmatch", Path(__file__).name)
    commit = _git(folder, "rev-parse", "HEAD") if tracked else None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no") if commit else None
    return {"git_commit": commit, "git_dirty": bool(changes) if commit else None}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):  # no git on this machine: provenance says None
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Versions of Python, the workbench and the libraries that decide a number."""
    found = {"python": platform.python_version()}
    for name in ("ablation-workbench", *_LIBRARIES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@lru_cache(maxsize=1)
def processor() -> str:
    """The processor's model name, as the operating system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # no /proc outside Linux
        pass
    return platform.processor() or platform.machine()


def machine() -> str:
    """What this machine is called: by the cluster that it belongs to, else by itself."""
    return os.environ.get(MACHINE) or platform.node()


def hardware(device: str) -> dict[str, Any]:
    """The machine and the device that a run used; imports torch only for a GPU's name."""
    facts: dict[str, Any] = {"device": device, "processor": processor(), "cores": os.cpu_count()}
    if device.startswith("cuda"):
        import torch

        facts["gpu"] = torch.cuda.get_device_name()
    return facts
