"""Tiny real studies, run through the command line in processes of their own, which may be forked."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import yaml
from faulty_parts import PATIENCE

from tests import in_process
from tests.forked import Forked

REPOSITORY = Path(__file__).parents[2]
PATIENCE_SECONDS = "0.008"  # for which the slow norm sleeps each time
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
    return {
        **os.environ,
        "PYTHONPATH": paths,
        "WORKBENCH_CACHE": str(folder / "cache"),
        PATIENCE: PATIENCE_SECONDS,
    }


def start(folder: Path, *arguments: str, start: type[subprocess.Popen] = Forked) -> subprocess.Popen:
    """``workbench`` in the background, forked as its workers are, or anew with ``subprocess.Popen``."""
    return start(
        [sys.executable, "-m", "workbench", *arguments],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def workbench(
    folder: Path, *arguments: str, timeout: float = 240, start: type[subprocess.Popen] = Forked
) -> subprocess.CompletedProcess:
    """``workbench`` to its end, forked, as its workers are; or all started anew with ``subprocess.Popen``."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    words = [sys.executable, "-m", "workbench", *arguments]
    with start(words, cwd=folder, env=environment(folder), **pipes) as process:
        try:
            output, errors = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


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
