"""Running trials in processes of their own: one worker per slot, one slot per GPU or core."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from workbench.training.hardware import default_slots

_WORKER = [sys.executable, "-m", "workbench.driver.worker"]
_STOP_SECONDS = 60.0
_SILENCE_SECONDS = 300.0  # many signs of life of a worker (study/worker.py)
_LAST_WORDS_SECONDS = 5.0
_LEAVING_SECONDS = 10.0


class Executor(Protocol):
    """What the driver needs of an executor."""

    def free_slots(self) -> list[int]:
        """Slots without a trial."""

    def submit(self, slot: int, runs: list[Path], halving: dict[str, Any] | None = None) -> None:
        """Start the trials in ``runs`` on a free slot; several are one population."""

    def next_event(self, timeout: float) -> dict[str, Any] | None:
        """The next report of any slot; None when none came within ``timeout`` seconds.

        "lost" (with the exit status) says that a slot's process ended, and names the runs that it still had
        ("unbegun" where it ended between two tasks, and never took them up); "fault" that these runs met a
        fault of the machine, which is no outcome; "too_large" that they do not fit into memory together;
        "unpopulatable" that their model cannot be trained in a population.
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
    leaving: subprocess.Popen | None = None  # the one before, which said that it ends
    runs: set[str] = field(default_factory=set)
    ready: bool = False
    idle: bool = False  # it was handed the present runs after others, and has not taken them up yet
    silence: float = 0.0  # seconds since its process was heard of


class LocalExecutor:
    """Workers on this machine, kept between trials so that libraries are imported once per slot."""

    def __init__(
        self, slots: int, *, device: str, threads: int, logs: Path, import_paths: list[Path]
    ) -> None:
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
        chosen.idle = chosen.process is not None
        if chosen.process is None:
            self._spawn(chosen)
        chosen.runs = {run.name for run in runs}
        self._send(chosen, {"runs": [str(run) for run in runs], "halving": halving})

    def next_event(self, timeout: float) -> dict[str, Any] | None:
        """The next report; a process's end is reported as "lost" with the runs it had, if any."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            asked = time.monotonic()
            try:
                process, slot, event = self._events.get(timeout=left)
            except queue.Empty:
                return None
            finally:
                self._count_silence(time.monotonic() - asked)
            if process is not slot.process:
                continue  # the last words of a process that was replaced
            told = self._note(slot, event)
            slot.silence = 0.0
            if event["event"] not in ("alive", "taken"):
                return told | {"slot": slot.index}
        return None

    def _count_silence(self, seconds: float) -> None:
        """Kill a process that was silent for too long: stopped, or waiting for a disk that does not answer.

        Only the seconds that the driver itself listened count: a machine that slept kills nobody.
        """
        for slot in self._slots:
            if slot.process is not None and slot.runs:
                slot.silence += seconds
                if slot.silence > _SILENCE_SECONDS:
                    slot.process.kill()

    def stop(self) -> Iterator[dict[str, Any]]:
        """Ask every trial to save and stop; kill what has not stopped after a minute."""
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
            for process in (slot.process, slot.leaving):
                if process is not None:
                    process.kill()
                    process.wait()
            slot.process, slot.leaving, slot.runs = None, None, set()

    def _spawn(self, slot: _Slot) -> None:
        self._see_off(slot)
        slot.log.parent.mkdir(parents=True, exist_ok=True)
        with open(slot.log, "ab") as log:
            slot.process = subprocess.Popen(
                _WORKER,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=slot.environment,
                process_group=0,  # Ctrl-C is the driver's to hear; it asks its workers to stop
            )
        slot.ready = False
        slot.silence = 0.0
        listener = threading.Thread(target=self._listen, args=(slot, slot.process), daemon=True)
        listener.start()
        threading.Thread(target=self._await_end, args=(slot, slot.process, listener), daemon=True).start()

    def _see_off(self, slot: _Slot) -> None:
        """Wait until a process that leaves has left: the next one may need its memory."""
        if slot.leaving is None:
            return
        try:
            slot.leaving.wait(timeout=_LEAVING_SECONDS)
        except subprocess.TimeoutExpired:  # something of the trial's, a thread perhaps, holds it back
            slot.leaving.kill()
            slot.leaving.wait()
        slot.leaving = None

    def _listen(self, slot: _Slot, process: subprocess.Popen) -> None:
        for line in process.stdout:
            self._events.put((process, slot, json.loads(line)))

    def _await_end(self, slot: _Slot, process: subprocess.Popen, listener: threading.Thread) -> None:
        status = process.wait()
        # What it said last comes first. Its pipe may stay open beyond its end: a child of it has it too.
        listener.join(timeout=_LAST_WORDS_SECONDS)
        self._events.put((process, slot, {"event": "lost", "status": status}))

    def _note(self, slot: _Slot, event: dict[str, Any]) -> dict[str, Any]:
        if event["event"] == "ready":
            slot.ready = True
        elif event["event"] == "taken":
            slot.idle = False
        elif event["event"] == "ended":
            slot.runs.discard(event["run_id"])
        elif event["event"] in ("too_large", "fault", "unpopulatable"):
            slot.runs = set()
        elif event["event"] == "lost":
            told = {
                "run_ids": sorted(slot.runs),
                "started": slot.ready,
                "silent": slot.silence > _SILENCE_SECONDS,
                "unbegun": slot.idle,
                "log": str(slot.log),
            }
            event = event | told
            slot.runs = set()
            slot.process = None
        if event.get("leaves"):
            # It ends by itself: its end is no loss, and the next trial gets a new one.
            slot.process, slot.leaving = None, slot.process
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
