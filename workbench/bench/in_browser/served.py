"""The dashboard as its command serves it, in a process of its own."""

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

_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\S*")
_PATIENCE = 120.0  # seconds, until a server on a busy machine answers


@contextmanager
def served(results: Path, cache: Path) -> Iterator[str]:
    """A server of ``results`` that has read nothing yet: the address that it printed, token and all.

    What it keeps beyond its end it keeps in ``cache``. Raises ``RuntimeError`` with its last words where it
    does not come up.
    """
    port = _free_port()
    log = cache.with_suffix(".log")
    cache.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"WORKBENCH_CACHE": str(cache), "COLUMNS": "1000"}  # the address is one line
    words = [sys.executable, "-m", "workbench", "dashboard", "--out", str(results), "--port", str(port)]
    with log.open("w") as output:
        server = subprocess.Popen(words, stdout=output, stderr=output, env=environment)
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server, log)
        found = _ADDRESS.search(log.read_text(errors="replace"))
        if found is None:
            raise RuntimeError(f"the dashboard printed no address: {_last_words(log)}")
        yield found.group()
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
