"""The dashboard as its command serves it, in a process of its own; and the least that Streamlit can serve."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.dashboard.launch import streamlit_command

LEAST = Path(__file__).with_name("least_app.py")
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\S*")
_PATIENCE = 120.0  # seconds, until a server on a busy machine answers


@contextmanager
def served(results: Path, cache: Path) -> Iterator[str]:
    """A server of ``results`` that has read nothing yet: the address that it printed, token and all.

    What it keeps beyond its end it keeps in ``cache``. Raises ``RuntimeError`` with its last words where it
    does not come up.
    """
    port = _free_port()
    words = [sys.executable, "-m", "workbench", "dashboard", "--out", str(results), "--port", str(port)]
    cache.mkdir(parents=True, exist_ok=True)
    log = cache.with_suffix(".log")
    variables = {"WORKBENCH_CACHE": str(cache), "COLUMNS": "1000"}  # the address is one line
    with _running(words, variables, port, log):
        found = _ADDRESS.search(log.read_text(errors="replace"))
        if found is None:
            raise RuntimeError(f"the dashboard printed no address: {_last_words(log)}")
        yield found.group()


@contextmanager
def served_least(folder: Path) -> Iterator[str]:
    """The address of a server of ``least_app``, with the dashboard's settings; its log is in ``folder``."""
    port = _free_port()
    folder.mkdir(parents=True, exist_ok=True)
    with _running(streamlit_command(LEAST, port), {}, port, folder / "least.log"):
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def _running(words: list[str], variables: dict[str, str], port: int, log: Path) -> Iterator[None]:
    """A server that answers, until the block ends; raises ``RuntimeError`` where it does not come up."""
    with log.open("w") as output:
        server = subprocess.Popen(words, stdout=output, stderr=output, env=os.environ | variables)
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server, log)
        yield
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if server.poll() is not None:
            raise RuntimeError(f"the dashboard ended: {_last_words(log)}")
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"the dashboard did not answer within {_PATIENCE:.0f} s: {_last_words(log)}")


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
