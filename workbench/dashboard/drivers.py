"""Drivers from a page: one process for each study, started as from a shell, and asked to stop as by Ctrl-C.

It has a session of its own, so that it outlives the page, its browser and the dashboard. What it prints goes
to ``console.log`` in the study's directory. That no second one runs is the driver's own promise (its lock);
pages ask for none where one is known: by its sign of life, or by the process that was started here.
"""

import json
import os
import platform
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import workbench
from workbench.dashboard.launch_token import VARIABLE
from workbench.dashboard.text_tail import text_tail
from workbench.errors import RecordError, UserError
from workbench.files import read_json, write_json
from workbench.records.driving import STARTED, Driving, driver_of, where
from workbench.records.index import is_published
from workbench.records.manifest import MANIFEST, read_manifest
from workbench.records.run import now
from workbench.study.schema import find_named_file, load_study_file

CONSOLE = "console.log"
# Options of ``run`` that take a value, and those that take none; what else was typed is not run from a page.
_VALUED = (
    "--set",
    "--workers",
    "--population",
    "--executor",
    "--address",
    "--gpus-per-trial",
    "--cpus-per-trial",
)
_PLAIN = ("--retry-failed",)
_starting = Lock()  # of two clicks at once one finds the other's process


def run_words(
    file: Path, results: Path, overrides: Sequence[str] = (), workers: int | None = None
) -> list[str]:
    """What a user would type behind ``workbench`` to run the study in ``file``."""
    words = ["run", str(file), *(word for override in overrides for word in ("--set", override))]
    words += ["--workers", str(workers)] if workers else []
    return [*words, *_out(results)]


def start(study: Path, words: Sequence[str]) -> None:
    """Start ``workbench`` with ``words``, which run the study whose results lie in ``study``.

    Raises ``UserError`` where it is published, where somebody drives it already, and where its directory
    cannot be written.
    """
    if is_published(study):
        raise UserError(f"{study.name}: is published, and stays as it is; run a copy of your own")
    with _starting:
        driver = driver_of(study)
        if driver.driving is not Driving.NONE:
            raise UserError(f"{study.name}: is being run already, {where(driver)}; stop it, or wait for it")
        try:
            study.mkdir(parents=True, exist_ok=True)
            process = _begin(study, words)
            facts = {"pid": process.pid, "host": platform.node(), "started": now(), "words": list(words)}
            write_json(study / STARTED, facts)
        except OSError as error:
            raise UserError(f"{study}: cannot be written ({error.strerror}); check the folder") from error
    # Somebody has to hear of its end, or it would stay in the list of processes as one that died.
    Thread(target=process.wait, daemon=True).start()


def stop(study: Path) -> None:
    """Ask the study's driver to stop as Ctrl-C does, so that trials save a checkpoint.

    Raises ``UserError`` where there is no process of this machine to be asked.
    """
    driver = driver_of(study)
    if driver.pid is None:
        where_it_is = f"it runs on {driver.host}: stop it there" if driver.host else "nobody drives it"
        raise UserError(f"{study.name}: there is nothing to stop from here; {where_it_is}")
    # The driver takes it for Ctrl-C, whose own signal a process that a script started may ignore.
    with suppress(ProcessLookupError):
        os.kill(driver.pid, signal.SIGTERM)


def words_again(study: Path, results: Path) -> list[str]:
    """The command that goes on with a study: the one that ran it last, for results in ``results``.

    Raises ``UserError`` where a page cannot give it: another command made the study, or its file is not here.
    """
    command = _last_command(study)
    if not command:
        raise UserError(
            f"{study.name}: which command ran it is not recorded; in a terminal: workbench run, and its file"
        )
    if command[:1] != ["run"] or len(command) < 2:
        typed = " ".join(["workbench", *command])
        raise UserError(f"{study.name}: was made by '{typed}', which goes on from a terminal only")
    kept, left = _known_options(command[1:])
    files = [word for word in left if not word.startswith("-")]
    if len(left) != 1 or not files:
        typed = shlex.join(["workbench", *command])
        raise UserError(f"{study.name}: cannot be taken up from a page; in a terminal: {typed}")
    file = find_named_file(files[0])
    if file is None:
        raise UserError(
            f"{study.name}: {files[0]} is not here, from which it was run; start the dashboard in the folder "
            "where it is"
        )
    # Whatever a record says: what is started here is this study, and no other.
    asked = load_study_file(file, _settings(kept), complete=False).name
    if asked != study.name:
        raise UserError(f"{study.name}: {file} asks another study by now, {asked}; rename this one, or that")
    return ["run", str(file), *kept, *_out(results)]


def with_seeds(words: Sequence[str], seeds: int) -> list[str]:
    """``words`` that run the study with so many confirmation seeds, or with at most so many.

    Raises ``UserError`` for a study file that cannot be read, and for a number that is none more.
    """
    planned = load_study_file(Path(words[1]), _settings(words), complete=False).seeds
    if isinstance(planned.confirm, str):  # until_decided
        key, have, value = "seeds.at_most", planned.at_most, str(seeds)
    elif isinstance(planned.confirm, list):
        key, have = "seeds.confirm", len(planned.confirm)
        free = max(planned.confirm) + 1
        more = [*planned.confirm, *range(free, free + seeds - have)]
        value = json.dumps(more)
    else:
        key, have, value = "seeds.confirm", planned.confirm, str(seeds)
    if seeds <= have:
        raise UserError(f"{key}: it has {have} already; give more")
    # The last of two settings of one key counts.
    return [*words, "--set", f"{key}={value}"]


def with_trials(words: Sequence[str], trials: int) -> list[str]:
    """``words`` that run a search with so many trials in all.

    Raises ``UserError`` for a study file that cannot be read or is no search, and for a number that is none
    more.
    """
    search = load_study_file(Path(words[1]), _settings(words), complete=False).search
    if search is None:
        raise UserError(f"search.trials: {words[1]} is no search by now; run it as what it is")
    if trials <= search.trials:
        raise UserError(f"search.trials: it has {search.trials} already; give more")
    return [*words, "--set", f"search.trials={trials}"]


def console_tail(study: Path, lines: int) -> str:
    """The last lines of what drivers that a page started have printed; empty where none was."""
    return text_tail(study / CONSOLE, lines)


def is_begun(study: Path) -> bool:
    """Whether a page started the study and it has no manifest: its text is prepared, or it failed."""
    return (study / STARTED).exists() and not (study / MANIFEST).exists()


def begun_studies(results: Path) -> list[Path]:
    """The directories of such studies, by name."""
    return sorted(path.parent for path in results.glob(f"*/{STARTED}") if is_begun(path.parent))


def _begin(study: Path, words: Sequence[str]) -> "subprocess.Popen[bytes]":
    root = str(Path(workbench.__file__).parents[1])  # the code that shows the page is the code that runs
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment |= {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
    with open(study / CONSOLE, "ab") as console:
        console.write(f"$ {shlex.join(['workbench', *words])}\n".encode(errors="replace"))
        console.flush()
        return subprocess.Popen(
            [sys.executable, "-m", "workbench", *words],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def _last_command(study: Path) -> list[str]:
    """What was typed behind ``workbench`` to run the study last, or what a page started."""
    page: list[str] = []
    with suppress(RecordError):
        words: Any = read_json(study / STARTED).get("words")
        page = [str(word) for word in words] if isinstance(words, list) else []
    try:
        typed = read_manifest(study).command or ""
    except RecordError:
        return page
    # A manifest has the words joined by blanks: those of a page are known one by one.
    if typed == " ".join(["workbench", *page]):
        return page
    try:
        return shlex.split(typed)[1:]
    except ValueError:
        return typed.split()[1:]


def _known_options(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Options of a page's command among ``words``, without ``--out``; and all other words."""
    kept: list[str] = []
    left: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        name, sign, _ = word.partition("=")
        if name in (*_VALUED, "--out", "-o"):
            pair = [word] if sign else [word, *queue[:1]]
            queue = queue if sign else queue[1:]
            kept += pair if name in _VALUED else []
        elif word in _PLAIN:
            kept.append(word)
        else:
            left.append(word)
    return kept, left


def _settings(words: Sequence[str]) -> list[str]:
    """What follows ``--set``, or stands in ``--set=…``."""
    found = [after for word, after in pairwise(words) if word == "--set"]
    return found + [word.removeprefix("--set=") for word in words if word.startswith("--set=")]


def _out(results: Path) -> list[str]:
    """``--out``, where results lie elsewhere than a command puts them by itself."""
    here = Path.cwd()
    if results.absolute() == here / "results":
        return []
    inside = results.absolute().is_relative_to(here)
    return ["--out", str(results.absolute().relative_to(here) if inside else results.absolute())]
