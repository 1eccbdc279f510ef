"""A slot of a cluster, on its own node: it keeps a worker there, as a driver does on its own machine.

This is what an actor of ``ray_cluster`` does; it knows nothing of Ray. Nothing here decides, and whatever the
worker says goes to the driver as it is.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.driver.events import Event, Task
from workbench.driver.executors.local import LocalExecutor
from workbench.errors import RecordError
from workbench.records.manifest import MANIFEST, read_manifest
from workbench.records.provenance import MACHINE, git_state, versions

MUST_AGREE = ("ablation-workbench", "torch", "lightning", "numpy")  # what decides a trial's numbers
_PAUSE_SECONDS = 0.02  # without an event, after which those that came with the first are told
_GATHERING_SECONDS = 0.2  # and at the latest after so long: a quick trial reports without a pause
_LISTENING_SECONDS = 0.1  # then a request to stop is looked for


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a slot trains, told by the driver: numbers, names and paths that hold on every node.

    ``study`` is the study's folder, and ``mark`` a file that the driver just put there. ``directory`` is
    where the driver runs, from which relative paths start; ``versions`` and ``commit`` are of its own code.
    """

    number: int
    node: str
    study: Path
    mark: str
    device: str
    threads: int
    directory: Path
    import_paths: list[Path]
    cache: str | None
    versions: dict[str, str]
    commit: str | None


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a worker said, what takes longer than it should, and whether its slot has stopped for good."""

    events: list[Event]
    waits: list[str]
    stopped: bool = False


class Slot:
    """One worker, watched. ``hear`` is called by one thread at a time, ``stop`` and ``end`` by any."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._stop = threading.Event()
        self._stopping: Iterator[Event | None] | None = None
        self._stopped = False
        if setting.directory.is_dir():
            os.chdir(setting.directory)
        if setting.cache is not None:
            os.environ["WORKBENCH_CACHE"] = setting.cache
        os.environ[MACHINE] = setting.node
        self._executor = LocalExecutor(
            1,
            device=setting.device,
            threads=setting.threads,
            logs=setting.study,
            import_paths=setting.import_paths,
            first=setting.number,
            gpus_chosen=True,  # by Ray
        )

    def problem(self) -> str:
        """Why this node cannot train the study, with the remedy; empty where it can."""
        setting = self._setting
        found = _other_code(setting) or _unseen(setting)
        if not found and setting.device == "cuda":
            found = _no_gpu(self.environment())
        return found

    def hear(self, seconds: float, task: Task | None = None) -> Heard:
        """Hand the worker a task, if there is one; then what it says, or nothing after so many seconds."""
        if task is not None:
            self._executor.submit(0, task)
        deadline = time.monotonic() + seconds
        events: list[Event] = []
        while not events and not self._stopped and time.monotonic() < deadline:
            if (event := self._next(_LISTENING_SECONDS)) is not None:
                events.append(event)
        told = time.monotonic() + _GATHERING_SECONDS
        while events and time.monotonic() < told and (event := self._next(_PAUSE_SECONDS)) is not None:
            events.append(event)
        return Heard(events=events, waits=self._executor.waits(), stopped=self._stopped)

    def _next(self, timeout: float) -> Event | None:
        if self._stop.is_set() and self._stopping is None:
            self._stopping = self._executor.stop()
        if self._stopping is None:
            return self._executor.next_event(timeout)
        try:
            return next(self._stopping)
        except StopIteration:
            self._stopped = True
            return None

    def stop(self) -> None:
        """Ask the trial to save and stop; what it says is heard as before."""
        self._stop.set()

    def end(self) -> None:
        """End the worker's process now."""
        self._executor.kill()

    def environment(self) -> dict[str, str]:
        """The environment variables of what runs on the slot."""
        return self._executor.environment(0)

    def measure(self, run: Path, most: int) -> dict[str, Any]:
        """How many runs like this one train here in one program (``sizing.size_said`` reads the answer)."""
        answer = _answer(
            [sys.executable, "-m", "workbench.driver.sizing", str(run), str(most)], self.environment()
        )
        if answer.returncode:
            return {"error": (answer.stderr.strip() or f"exit status {answer.returncode}")[-2000:]}
        found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
        return found


def _other_code(setting: Setting) -> str:
    """Numbers of one table come from one code."""
    here = versions()
    for name in MUST_AGREE:
        if here.get(name) != setting.versions.get(name):
            return (
                f"{name}: is {here.get(name) or 'not installed'} there and {setting.versions.get(name)} "
                f"where the driver runs; install the same on all nodes, or have them share one environment"
            )
    commit = git_state()["git_commit"]
    if setting.commit and commit and commit != setting.commit:
        return (
            f"workbench: its checkout there is at commit {commit[:12]} and the driver's at "
            f"{setting.commit[:12]}; check out the same on all nodes"
        )
    return ""


def _unseen(setting: Setting) -> str:
    """The folder of the study, and the texts that it names, must be the same on all nodes."""
    if not (setting.study / setting.mark).exists():
        return (
            f"--out: it does not see {setting.study} as the driver does; give --out a folder that all nodes "
            f"share under one path"
        )
    try:
        with tempfile.TemporaryFile(dir=setting.study):
            pass
    except OSError as error:
        return f"--out: it cannot write to {setting.study} ({error.strerror}); mend the folder's permissions"
    try:
        manifest = read_manifest(setting.study)
    except RecordError as error:
        return f"--out: it cannot read {setting.study / MANIFEST} ({error})"
    for path in _paths({"data": manifest.data, "variants": [variant.data for variant in manifest.variants]}):
        if not Path(path).expanduser().exists():
            return (
                f"data.corpus.path: it has no {path} (seen from {Path.cwd()}); put the text into a folder "
                f"that all nodes share, and name it by its whole path"
            )
    return ""


def _paths(value: Any) -> Iterator[str]:
    """The files and folders that a study's data name."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "path" and isinstance(item, str):
                yield item
            else:
                yield from _paths(item)
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item)


def _no_gpu(environment: dict[str, str]) -> str:
    asks = "import torch; print(torch.__version__, torch.cuda.is_available())"
    answer = _answer([sys.executable, "-c", asks], environment)
    version, _, usable = answer.stdout.strip().partition(" ")
    if usable == "True":
        return ""
    return (
        f"--gpus-per-trial: Ray counts a GPU there that torch {version} cannot use (no CUDA build, or no "
        f"driver); install a build for CUDA, or give --gpus-per-trial 0 to train on CPUs"
    )


def _answer(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What a process prints that loads torch; a slot itself has no use for it."""
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, errors="backslashreplace", check=False
    )
