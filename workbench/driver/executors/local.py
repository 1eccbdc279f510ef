"""Running trials in processes of their own on this machine: one worker per slot, one slot per GPU or core."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from workbench.driver.events import (
    Alive,
    Ended,
    Event,
    Fault,
    Lost,
    Message,
    Ready,
    Stop,
    Taken,
    Task,
    TooLarge,
    Unpopulatable,
    read_report,
    to_line,
)
from workbench.driver.watch import Watch

_WORKER = [sys.executable, "-m", "workbench.driver.worker"]
_STOP_SECONDS = 600.0  # for the longest step or validation that a trial may be at, and its checkpoint
_LAST_WORDS_SECONDS = 5.0
_LEAVING_SECONDS = 10.0
_DYING_SECONDS = 30.0  # a process that waits for a disk or a device may outlive even SIGKILL


@dataclass
class _Slot:
    index: int
    name: str
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[str] | None = None
    leaving: subprocess.Popen[str] | None = None  # the one before, which said that it ends
    runs: set[str] = field(default_factory=set)
    ready: bool = False
    idle: bool = False  # it was handed the present runs after others, and has not taken them up yet
    watch: Watch = field(default_factory=Watch)
    given_up: str = ""  # why its process was ended
    dying: float = 0.0  # seconds since then


class LocalExecutor:
    """Workers on this machine, kept between trials so that libraries are imported once per slot.

    ``first`` is the number in the name of the first slot's worker, as others may have workers in the same
    study. ``gpus_chosen``: whoever started this process has chosen the GPUs that it sees, for its only slot.
    """

    def __init__(
        self,
        slots: int,
        *,
        device: str,
        threads: int,
        logs: Path,
        import_paths: list[Path],
        first: int = 0,
        gpus_chosen: bool = False,
    ) -> None:
        self._events: queue.Queue[tuple[subprocess.Popen[str], _Slot, Event]] = queue.Queue()
        self._slots = []
        for index in range(slots):
            environment = _environment(threads, import_paths)
            if device == "cuda" and not gpus_chosen:
                environment["CUDA_VISIBLE_DEVICES"] = _gpu(index)
            number = first + index
            log = logs / f"worker-{number}.log"
            self._slots.append(_Slot(index, name=f"worker {number}", environment=environment, log=log))
        self._stopping = False

    def free_slots(self) -> list[int]:
        """Slots without a trial."""
        return [slot.index for slot in self._slots if not slot.runs]

    def submit(self, slot: int, task: Task) -> None:
        """Start the task on a free slot, in a new process if the slot has none."""
        chosen = self._slots[slot]
        chosen.idle = chosen.process is not None
        if chosen.process is None:
            self._spawn(chosen)
        chosen.runs = {run.name for run in task.runs}
        chosen.watch.handed()
        self._send(chosen, task)

    def next_event(self, timeout: float) -> Event | None:
        """The next report of a worker; a process's end is reported as lost with the runs it had, if any."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            asked = time.monotonic()
            try:
                process, slot, event = self._events.get(timeout=left)
            except queue.Empty:
                return None
            finally:
                # No more than was asked for: the driver itself may have been stopped meanwhile.
                self._look_after(min(time.monotonic() - asked, left))
            if process is not slot.process:
                continue  # the last words of a process that was replaced
            event = self._note(slot, event)
            slot.watch.heard(event)
            if not isinstance(event, Alive | Taken):
                return event
        return None

    def _look_after(self, seconds: float) -> None:
        """End the processes that are to be given up, having listened for so many seconds more."""
        for slot in self._slots:
            if slot.process is None or not (slot.runs or self._stopping):
                continue
            slot.watch.listened(seconds)
            if slot.given_up:
                slot.dying += seconds
                if slot.dying > _DYING_SECONDS:
                    self._events.put((slot.process, slot, Lost(run_ids=[], status=-signal.SIGKILL)))
            elif reason := slot.watch.reason():
                slot.given_up = reason
                _end(slot.process)

    def waits(self) -> list[str]:
        """What takes longer than it should, a line each."""
        watched = {slot.name: slot.watch.words() for slot in self._slots if slot.process and slot.runs}
        return [f"{name}: {words}" for name, words in watched.items() if words]

    def environment(self, slot: int) -> dict[str, str]:
        """The environment variables of what runs on the slot."""
        return self._slots[slot].environment

    def stop(self) -> Iterator[Event | None]:
        """Ask every trial to save and stop; kill what has not stopped after ten minutes."""
        self._stopping = True
        for slot in self._slots:
            self._send(slot, Stop())
        deadline = time.monotonic() + _STOP_SECONDS
        while any(slot.process for slot in self._slots) and time.monotonic() < deadline:
            yield self.next_event(timeout=1.0)
        self.kill()

    def kill(self) -> None:
        """End every process now."""
        for slot in self._slots:
            for process in (slot.process, slot.leaving):
                if process is not None:
                    _end(process)
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(timeout=_DYING_SECONDS)
            slot.process = None
            slot.leaving = None
            slot.runs = set()

    def _spawn(self, slot: _Slot) -> None:
        self._see_off(slot)
        slot.log.parent.mkdir(parents=True, exist_ok=True)
        with open(slot.log, "ab") as log:
            slot.process = subprocess.Popen(
                _WORKER,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
                errors="backslashreplace",  # a library may print what is no UTF-8
                env=slot.environment,
                process_group=0,  # Ctrl-C is the driver's to hear; it asks its workers to stop
            )
        slot.ready = False
        slot.watch = Watch()
        slot.given_up = ""
        slot.dying = 0.0
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
            _end(slot.leaving)
            with suppress(subprocess.TimeoutExpired):
                slot.leaving.wait(timeout=_DYING_SECONDS)
        slot.leaving = None

    def _listen(self, slot: _Slot, process: subprocess.Popen[str]) -> None:
        """Hear a process to its end, whatever it says: who listened no more would take it for silent."""
        assert process.stdout is not None  # it is a pipe
        for line in process.stdout:
            report = read_report(line)
            if report is not None:
                self._events.put((process, slot, report))
            elif line.strip():
                # A library printed it, when it was imported perhaps: it goes where the worker's errors go.
                with suppress(OSError), open(slot.log, "a", encoding="utf-8") as log:
                    log.write(line)

    def _await_end(self, slot: _Slot, process: subprocess.Popen[str], listener: threading.Thread) -> None:
        status = process.wait()
        # A child of it may live on: it has the pipe too, and perhaps memory that the next worker needs.
        _end_group(process.pid)
        # What it said last comes first; a child that left the group still holds the pipe open.
        listener.join(timeout=_LAST_WORDS_SECONDS)
        self._events.put((process, slot, Lost(run_ids=[], status=status)))

    def _note(self, slot: _Slot, event: Event) -> Event:
        """Keep the slot's books; the event, and of a lost process all that the slot knows of it."""
        match event:
            case Ready():
                slot.ready = True
            case Taken():
                slot.idle = False
            case Ended():
                slot.runs.discard(event.run_id)
            case TooLarge() | Fault() | Unpopulatable():
                slot.runs = set()
            case Lost():
                event = Lost(
                    run_ids=sorted(slot.runs),
                    status=event.status,
                    started=slot.ready,
                    given_up=slot.given_up,
                    unbegun=slot.idle,
                    log=str(slot.log),
                )
                slot.runs = set()
                slot.process = None
        if isinstance(event, Ended | Fault | TooLarge) and event.leaves:
            # It ends by itself: its end is no loss, and the next trial gets a new one.
            slot.leaving = slot.process
            slot.process = None
        return event

    def _send(self, slot: _Slot, message: Message) -> None:
        if slot.process is None:
            return
        assert slot.process.stdin is not None  # it is a pipe
        try:
            slot.process.stdin.write(to_line(message))
            slot.process.stdin.flush()
        except BrokenPipeError:
            pass  # the process just died; its listener reports it as lost, with the run it was given


def _end(process: subprocess.Popen[str]) -> None:
    """Kill the process and what it started."""
    if process.poll() is None:
        _end_group(process.pid)


def _end_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody is left, or only who has ended
        os.killpg(leader, signal.SIGKILL)


def _environment(threads: int, import_paths: list[Path]) -> dict[str, str]:
    paths = [str(path.resolve()) for path in import_paths]
    inherited = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*paths, *([inherited] if inherited else [])]),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
    }


def _gpu(index: int) -> str:
    # It brings torch, which a slot of a cluster does without.
    from workbench.training.hardware import default_slots

    # More workers than GPUs share them in turn.
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(gpu) for gpu in range(default_slots("cuda"))]
    return names[index % len(names)]
