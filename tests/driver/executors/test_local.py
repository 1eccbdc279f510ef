"""A worker's end is noticed however it comes: silence, a child that outlives it, a start that fails."""

import signal
import sys
import time

import psutil
import pytest

from workbench.driver import watch
from workbench.driver.events import Lost, Task
from workbench.driver.executors import local
from workbench.driver.executors.local import LocalExecutor

TAKEN = 'print(\'{"event": "taken"}\', flush=True)\n'
READY = 'print(\'{"event": "ready"}\', flush=True)\n'


@pytest.fixture
def executor(tmp_path, monkeypatch):
    made = []

    def start(script):
        monkeypatch.setattr(local, "_WORKER", [sys.executable, "-c", script])
        made.append(LocalExecutor(1, device="cpu", threads=1, logs=tmp_path, import_paths=[]))
        made[-1].submit(0, Task(runs=[tmp_path / "run"]))
        return made[-1]

    yield start
    for one in made:
        one.kill()


def lost(executor, seconds=60.0):
    """The event that tells of the worker's end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        event = executor.next_event(timeout=0.1)
        if isinstance(event, Lost):
            return event
    raise AssertionError("nobody noticed that the worker ended")


def test_a_worker_that_cannot_start_is_lost_with_its_trial_and_its_log(executor, tmp_path):
    found = lost(executor("import sys; print('no such library', file=sys.stderr); sys.exit(3)"))
    assert (found.run_ids, found.status, found.started) == (["run"], 3, False)
    assert "no such library" in (tmp_path / "worker-0.log").read_text()
    assert found.log == str(tmp_path / "worker-0.log")


def with_child(folder, kind):
    """A worker that starts a process, writes down which, and then ``kind`` befalls it itself."""
    return (
        f"{READY}import os, signal, subprocess\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(folder / 'child')!r}, 'w').write(str(child.pid))\n"
        f"os.kill(os.getpid(), signal.{kind})\n"
    )


def require_gone(folder):
    """The process that the worker started has ended."""
    left = [psutil.Process(pid) for pid in [int((folder / "child").read_text())] if psutil.pid_exists(pid)]
    for process in left:
        if process.status() != psutil.STATUS_ZOMBIE:  # else nobody has asked yet how it ended
            process.wait(timeout=60)


def test_a_worker_is_lost_when_it_ends_and_a_child_of_it_with_it(executor, tmp_path):
    """A component may start processes of its own, and these keep the worker's pipe open."""
    found = lost(executor(with_child(tmp_path, "SIGKILL")))
    assert (found.run_ids, found.status, found.started, found.given_up) == (["run"], -9, True, "")
    require_gone(tmp_path)


def test_nor_does_it_matter_that_a_child_left_its_group(executor, monkeypatch):
    monkeypatch.setattr(local, "_LAST_WORDS_SECONDS", 0.2)
    child = "import subprocess\nsubprocess.Popen(['sleep', '20'], start_new_session=True)\n"
    found = lost(executor(READY + child + "import os\nos._exit(5)"), seconds=15.0)
    assert (found.run_ids, found.status) == (["run"], 5)


def test_a_worker_that_is_stopped_is_killed_with_its_child_and_lost(executor, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "SILENT_SECONDS", 1.0)
    found = lost(executor(with_child(tmp_path, "SIGSTOP")))
    assert (found.run_ids, found.status, found.given_up) == (["run"], -9, "no sign of life for 1 s")
    require_gone(tmp_path)


def alive(times, done):
    """Signs of life, a tenth of a second apart, each with as much done as the expression ``done`` gives."""
    sign = f'print(\'{{"event": "alive", "done": %d}}\' % ({done}), flush=True)'
    return f"import time\nfor number in range({times}):\n    {sign}\n    time.sleep(0.1)\n"


def test_a_worker_that_gives_signs_of_life_is_left_alone(executor, monkeypatch):
    monkeypatch.setattr(watch, "SILENT_SECONDS", 3.0)
    monkeypatch.setattr(watch, "STILL_SECONDS", 3.0)
    found = lost(executor(READY + alive(42, done="number")))
    assert (found.status, found.given_up) == (0, "")


def test_a_worker_whose_training_stands_still_is_killed_and_lost(executor, monkeypatch):
    monkeypatch.setattr(watch, "STILL_SECONDS", 1.0)
    found = lost(executor(READY + alive(1000, done="7")))
    assert (found.run_ids, found.status, found.given_up) == (
        ["run"],
        -9,
        "its training stood still for 1 s",
    )


def test_what_a_worker_is_waited_for_is_told(executor, monkeypatch):
    monkeypatch.setattr(watch, "_TOLD_SILENT_SECONDS", 0.5)
    started = executor(READY + "import time; time.sleep(600)")
    assert seen(started, 1) == ["ready"]
    assert started.waits() == []
    assert started.next_event(timeout=1.0) is None
    assert started.waits() == ["worker 0: no sign of life for 1 s"]


def test_a_process_that_cannot_be_killed_is_left_behind_and_its_trial_goes_on(
    executor, tmp_path, monkeypatch
):
    """It waits for a disk or a device, say; what it would still write is refused."""
    kill = local._end
    monkeypatch.setattr(watch, "SILENT_SECONDS", 0.5)
    monkeypatch.setattr(local, "_DYING_SECONDS", 0.5)
    monkeypatch.setattr(local, "_end", lambda process: None)
    started = executor(READY + "import time; time.sleep(600)")
    first = started._slots[0].process
    assert (lost(started).given_up, first.poll()) == ("no sign of life for 0 s", None)
    monkeypatch.setattr(local, "_end", kill)
    started.submit(0, Task(runs=[tmp_path / "run"]))
    assert seen(started, 1) == ["ready"]
    assert started._slots[0].process is not first
    kill(first)
    assert first.wait(timeout=60) == -signal.SIGKILL


SAVES = (
    "import sys, time\nsys.stdin.readline()\nassert 'stop' in sys.stdin.readline()\ntime.sleep(2.5)\n"
    'print(\'{"event": "ended", "run_id": "run", "state": "running"}\', flush=True)\n'
)


def test_whoever_saves_is_waited_for_and_the_driver_can_say_so(executor):
    started = executor(READY + SAVES)
    heard = [None if event is None else event.event for event in started.stop()]
    assert [event for event in heard if event] == ["ready", "ended", "lost"]
    assert None in heard


def test_a_stopped_worker_holds_up_nobody_who_stops(executor, monkeypatch):
    """Idle too: it does not hear that it is to end."""
    monkeypatch.setattr(watch, "SILENT_SECONDS", 1.0)
    event = '{"event": "ended", "run_id": "run", "state": "complete"}'
    started = executor(READY + f"print('{event}', flush=True)\nimport os, signal\nos.kill(0, signal.SIGSTOP)")
    assert seen(started, 2) == ["ready", "ended"]
    (found,) = [event for event in started.stop() if event is not None]
    assert (found.run_ids, found.given_up) == ([], "no sign of life for 1 s")


def test_a_worker_that_leaves_is_replaced_and_not_called_lost(executor, tmp_path):
    event = '{"event": "ended", "run_id": "run", "state": "failed", "leaves": true}'
    started = executor(READY + f"print('{event}', flush=True)")
    seen = [started.next_event(timeout=60.0).event for _ in range(2)]
    assert seen == ["ready", "ended"]
    assert started.free_slots() == [0]
    started.submit(0, Task(runs=[tmp_path / "next"]))
    assert started.next_event(timeout=60.0).event == "ready"  # of a new process: the old one is forgotten


def seen(executor, count):
    """The next ``count`` events, by kind."""
    return [executor.next_event(timeout=60.0).event for _ in range(count)]


def test_a_worker_that_leaves_has_left_before_the_next_begins(executor, tmp_path, monkeypatch):
    """A thread of the trial's may hold it back, and it would keep the memory that it leaves for."""
    monkeypatch.setattr(local, "_LEAVING_SECONDS", 0.3)
    event = '{"event": "ended", "run_id": "run", "state": "failed", "leaves": true}'
    started = executor(READY + f"print('{event}', flush=True)\nimport time; time.sleep(60)")
    first = started._slots[0].process
    assert seen(started, 2) == ["ready", "ended"]
    assert first.poll() is None
    started.submit(0, Task(runs=[tmp_path / "next"]))
    assert first.poll() == -9
    assert seen(started, 1) == ["ready"]


def test_a_worker_that_leaves_last_does_not_outlive_the_study(executor):
    event = '{"event": "fault", "run_ids": ["run"], "error": "disk", "leaves": true}'
    started = executor(READY + f"print('{event}', flush=True)\nimport time; time.sleep(60)")
    first = started._slots[0].process
    assert seen(started, 2) == ["ready", "fault"]
    started.kill()
    assert first.poll() == -9


@pytest.mark.parametrize(
    ("takes", "unbegun"), [("", True), (f"import sys; sys.stdin.readline()\n{TAKEN}", False)]
)
def test_runs_that_were_handed_to_a_worker_that_had_ended_idle_never_began(
    executor, tmp_path, takes, unbegun
):
    event = '{"event": "ended", "run_id": "run", "state": "complete"}'
    started = executor(
        READY + TAKEN + f"print('{event}', flush=True)\nimport sys; sys.stdin.readline()\n" + takes
    )
    assert seen(started, 2) == ["ready", "ended"]
    started.submit(0, Task(runs=[tmp_path / "next"]))
    found = lost(started)
    assert (found.run_ids, found.unbegun) == (["next"], unbegun)


def test_a_first_task_that_is_lost_before_it_is_taken_up_counts(executor):
    """Else a worker that always ends at once would be started for ever."""
    assert not lost(executor(READY)).unbegun


def test_what_is_no_report_goes_to_the_log_and_the_worker_is_heard_to_its_end(executor, tmp_path):
    """A library may print when it is imported, before the worker has the pipe to itself."""
    lines = [
        "Welcome to a library!",
        "[1, 2]",
        "null",
        '{"event": "unheard of"}',
        '{"event": "progress", "run_id": "run"}',
        '{"event": "lost", "run_ids": [], "status": 0}',
        "[" * 100_000,
    ]
    script = "import sys\n" + "".join(f"print({line!r})\n" for line in lines[:-1])
    script += "print('[' * 100_000)\nsys.stdout.flush()\nsys.stdout.buffer.write(b'caf\\xe9\\n')\n"
    started = executor(script + READY + "sys.exit(3)")
    assert seen(started, 1) == ["ready"]
    found = lost(started)
    assert (found.run_ids, found.status, found.started) == (["run"], 3, True)
    assert (tmp_path / "worker-0.log").read_text().splitlines() == [*lines, "caf\\xe9"]


def test_a_log_that_cannot_be_written_silences_nobody(executor, tmp_path):
    started = executor(
        "import os, time\n"
        f"os.remove({str(tmp_path / 'worker-0.log')!r})\nos.mkdir({str(tmp_path / 'worker-0.log')!r})\n"
        "print('no report', flush=True)\n" + READY
    )
    assert seen(started, 1) == ["ready"]


@pytest.mark.parametrize(
    ("visible", "devices", "slots"),
    [
        ("0,1,2,3", 1, ["0", "1", "2", "3", "0"]),
        ("0,1,2,3", 2, ["0,1", "2,3", "0,1"]),
        ("4,7,9", 2, ["4,7", "9,4"]),
    ],
)
def test_a_slot_sees_its_own_gpus_alone(monkeypatch, tmp_path, visible, devices, slots):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    executor = local.LocalExecutor(
        len(slots), device="cuda", threads=1, logs=tmp_path, import_paths=[], devices=devices
    )
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in executor._slots] == slots
