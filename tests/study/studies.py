"""Tiny real studies, run through the command line in processes of their own."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml
from faulty_parts import PATIENCE

from tests import in_process

REPOSITORY = Path(__file__).parents[2]
TINY = {
    "question": "does it work from end to end?",
    "baseline": "llama",
    "size": {"layers": 1, "width": 16, "heads": 2},
    "context": 16,
    "design": "one_at_a_time",
    "factors": {"norm": ["rmsnorm", "layernorm"]},
    "data": {"corpus": {"path": "text"}, "tokenizer": "bytes"},
    "training": {"tokens": 2560, "batch_size": 4, "evaluations": 4, "evaluation_tokens": 512},
    "learning_rates": [0.01, 0.02],
    "grid_growth": 0,
    "seeds": {"tune": 1, "confirm": 2},
    "margin": 0.05,
}


def make_study(folder: Path, **changes) -> Path:
    """Write a corpus and a study file that uses it."""
    (folder / "text").mkdir(parents=True, exist_ok=True)
    words = random.Random(0)
    for index in range(12):
        lines = [" ".join(words.choices(["alpha", "beta", "gamma", "delta"], k=8)) for _ in range(60)]
        (folder / "text" / f"{index}.txt").write_text("\n".join(lines))
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY | changes))
    return path


def environment(folder: Path) -> dict[str, str]:
    """The project and the faulty parts importable, the slow one slow; a cache of the test's own.

    What a test runs in its own process is not interrupted there, and need not be slow.
    """
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests" / "user_parts")])
    return {**os.environ, "PYTHONPATH": paths, "WORKBENCH_CACHE": str(folder / "cache"), PATIENCE: "0.003"}


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    """``workbench`` in the background."""
    return subprocess.Popen(
        [sys.executable, "-m", "workbench", *arguments],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell's background job ignores Ctrl-C and so would its children; a user's terminal does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def workbench(folder: Path, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess:
    """``workbench`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "workbench", *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def report(folder: Path) -> dict:
    """The study's report as ``report --json`` prints it."""
    answer = in_process.workbench(folder, "report", "tiny", "--json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def records(folder: Path) -> list[dict]:
    """Every run record of the study."""
    return [
        json.loads(path.read_text()) for path in sorted((folder / "results/tiny/runs").glob("*/run.json"))
    ]


def outcomes(folder: Path) -> dict[tuple, dict]:
    """What each trial found, without when and how fast: equal for equal studies."""
    return {_trial(run): (run["state"], run["summary"]) for run in records(folder)}


def _trial(run: dict) -> tuple:
    return run["variant"], run["phase"], run["seed"], run["hyperparameters"]["learning_rate"]


def wait_for(condition, process: subprocess.Popen, seconds: float = 120) -> None:
    """Wait until ``condition()`` holds; fails with the process's output if it ends or time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            raise AssertionError(f"the driver ended early:\n{process.stdout.read()}")
        if time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"timed out:\n{process.stdout.read()}")
        time.sleep(0.05)
