"""Running trials in processes of their own: one worker per slot, one slot per GPU or core."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from workbench.errors import UserError

_STOP_SECONDS = 60.0


class Executor(Protocol):
    """What the driver needs of an executor."""

    def free_slots(self) -> list[int]:
        """Slots without a trial."""

    def submit(self, slot: int, runs: list[Path], halving: dict[str, Any] | None = None) -> None:
        """Start the trials in ``runs`` on a free slot; several are one population."""

    def next_event(self, timeout: float) -> dict[str, Any] | None:
        """The next report of any slot; None when none came within ``timeout`` seconds.

        "lost" (with the exit status) says that a slot's process ended, and names the runs that it still had;
        "too_large" that these runs do not fit into memory together.
        """

    def stop(self) -> Iterator[dict[str, Any]]:
        """Ask every trial to save and stop; yields what they still report."""

    def kill(self) -> None:
        """End every process now."""


@dataclass
class _Slot:
    index: int
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen | None = None
    runs: set[str] = field(default_factory=set)
    ready: bool = field(default=False)


class LocalExecutor:
    """Workers on this machine, kept between trials so that libraries are imported once per slot."""

    def __init__(
        self, slots: int, *, device: str, threads: int, logs: Path, import_paths: list[Path]
    ) -> None:
        self._stopping = False
        self._events: queue.Queue[tuple[subprocess.Popen, _Slot, dict[str, Any]]] = queue.Queue()
        self._slots = [
            _Slot(index, _environment(index, device, threads, import_paths), logs / f"worker-{index}.log")
            for index in range(slots)
        ]

    def free_slots(self) -> list[int]:
        """Slots without a trial."""
        return [slot.index for slot in self._slots if not slot.runs]

    def submit(self, slot: int, runs: list[Path], halving: dict[str, Any] | None = None) -> None:
        """Start the trials in ``runs`` on a free slot, in a new process if the slot has none."""
        chosen = self._slots[slot]
        if chosen.process is None:
            self._spawn(chosen)
        chosen.runs = {run.name for run in runs}
        self._send(chosen, {"runs": [str(run) for run in runs], "halving": halving})

    def next_event(self, timeout: float) -> dict[str, Any] | None:
        """The next report; a process's end is reported as "lost" with the runs it had, if any."""
        try:
            process, slot, event = self._events.get(timeout=timeout)
        except queue.Empty:
            return None
        if process is not slot.process:
            return None  # the last words of a process that was replaced
        return self._note(slot, event) | {"slot": slot.index}

    def stop(self) -> Iterator[dict[str, Any]]:
        """Ask every trial to save and stop; kill what has not stopped after a minute."""
        self._stopping = True
        for slot in self._slots:
            self._send(slot, {"stop": True})
        while any(slot.process for slot in self._slots):
            event = self.next_event(timeout=_STOP_SECONDS)
            if event is None:
                break
            yield event
        self.kill()

    def kill(self) -> None:
        """End every process now."""
        for slot in self._slots:
            if slot.process is not None:
                slot.process.kill()
                slot.process.wait()
                slot.process, slot.runs = None, set()

    def _spawn(self, slot: _Slot) -> None:
        slot.log.parent.mkdir(parents=True, exist_ok=True)
        with open(slot.log, "ab") as log:
            slot.process = subprocess.Popen(
                [sys.executable, "-m", "workbench.study.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=slot.environment,
                process_group=0,  # Ctrl-C is the driver's to hear; it asks its workers to stop
            )
        slot.ready = False
        threading.Thread(target=self._listen, args=(slot, slot.process), daemon=True).start()

    def _listen(self, slot: _Slot, process: subprocess.Popen) -> None:
        for line in process.stdout:
            self._events.put((process, slot, json.loads(line)))
        self._events.put((process, slot, {"event": "lost", "status": process.wait()}))

    def _note(self, slot: _Slot, event: dict[str, Any]) -> dict[str, Any]:
        if event["event"] == "ready":
            slot.ready = True
        elif event["event"] == "ended":
            slot.runs.discard(event["run_id"])
        elif event["event"] == "too_large":
            slot.runs = set()
        elif event["event"] == "lost":
            runs, slot.runs, slot.process = sorted(slot.runs), set(), None
            if not slot.ready and not self._stopping:
                raise UserError(
                    f"worker {slot.index} could not start (status {event['status']}); see {slot.log}"
                )
            event = event | {"run_ids": runs}
        return event

    def _send(self, slot: _Slot, message: dict[str, Any]) -> None:
        if slot.process is None:
            return
        try:
            slot.process.stdin.write(json.dumps(message) + "\n")
            slot.process.stdin.flush()
        except BrokenPipeError:
            pass  # the process just died; its listener reports it as lost, with the run it was given


def _environment(index: int, device: str, threads: int, import_paths: list[Path]) -> dict[str, str]:
    paths = [str(path.resolve()) for path in import_paths]
    inherited = os.environ.get("PYTHONPATH")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*paths, *([inherited] if inherited else [])]),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
    }
    if device == "cuda":
        environment["CUDA_VISIBLE_DEVICES"] = _gpu(index)
    return environment


def _gpu(index: int) -> str:
    # More workers than GPUs share them in turn.
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(gpu) for gpu in range(default_slots("cuda"))]
    return names[index % len(names)]


def default_slots(device: str) -> int:
    """One slot per usable GPU, or per core that this process may use."""
    if device == "cuda":
        import torch

        return torch.cuda.device_count()
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
