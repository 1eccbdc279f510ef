"""Starting the dashboard's server: on this machine only, and nothing of it leaves the machine."""

import json
import os
import socket
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from workbench.dashboard.launch_token import PARAMETER, VARIABLE, new_token
from workbench.dashboard.opening import open_when_up
from workbench.errors import UserError
from workbench.terminal import say

SETTINGS = Path(__file__).with_name("settings.toml")
SERVER = Path(__file__).parent / "server" / "guarded.py"
DEFAULT_PORT = 8501
_LARGEST_PORT = 65_535


def app_file() -> Path:
    """The front door ``app.py``: at the root of a checkout, beside this module in an installed copy."""
    beside = Path(__file__).with_name("app.py")
    checkout = Path(__file__).parents[2] / "app.py"
    for candidate in (beside, checkout):
        if candidate.is_file():
            return candidate
    raise UserError(
        f"the dashboard's app.py is neither at {beside} nor at {checkout}; install the package again"
    )


def command(results: Path, port: int | None = None) -> list[str]:
    """The command that serves ``results`` on 127.0.0.1, with every setting as a flag.

    Flags win over configuration files, so a copy started from any directory is as closed as a checkout.
    """
    served = streamlit_command(SERVER, DEFAULT_PORT if port is None else port)
    return [*served, "--", "--results", str(Path(results).absolute())]


def streamlit_command(script: Path, port: int) -> list[str]:
    """The command that has Streamlit serve ``script`` with the dashboard's settings."""
    flags = _flags(tomllib.loads(SETTINGS.read_text(encoding="utf-8")))
    return [sys.executable, "-m", "streamlit", "run", str(script), *flags, "--server.port", str(port)]


def serve(
    results: Path, port: int | None = None, *, read_only: bool = False, open_browser: bool = False
) -> NoReturn:
    """Become the server: this process serves until it is told to stop, by Ctrl-C or a signal.

    Who opens the address that is printed, with its token, may start and stop studies; with ``read_only``
    nobody may. ``open_browser`` opens it in this machine's browser once it answers. Raises ``UserError`` for
    a port that cannot be had.
    """
    port = DEFAULT_PORT if port is None else port
    _require_free(port)
    app_file()
    os.environ.pop(VARIABLE, None)
    address = f"http://127.0.0.1:{port}"
    if not read_only:
        os.environ[VARIABLE] = new_token()
        address += f"/?{PARAMETER}={os.environ[VARIABLE]}"
    say(f"Dashboard of {results} at {address} (Ctrl-C stops it)")
    say(f"From another machine: ssh -L {port}:127.0.0.1:{port} THIS_HOST, and then the same address there")
    if open_browser and not open_when_up(address, port):
        say("--open: this machine has no screen to open a browser on; open the address above yourself")
    # Not a child: who stops this process, a terminal, a scheduler or a service manager, stops the server.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Streamlit's greeting says less than the line above
    words = command(results, port)
    os.execv(words[0], words)


def _flags(settings: dict[str, Any], prefix: str = "--") -> Iterator[str]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flags(value, f"{prefix}{key}.")
            continue
        # Streamlit reads a server's list from repeated flags and a theme's list from one flag of JSON.
        repeated = isinstance(value, list) and not prefix.startswith("--theme")
        for item in value if repeated else [value]:
            yield f"{prefix}{key}"
            yield item if isinstance(item, str) else json.dumps(item)


def _require_free(port: int) -> None:
    if not 1 <= port <= _LARGEST_PORT:
        raise UserError(f"--port {port}: ports are numbers from 1 to {_LARGEST_PORT}; choose another one")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UserError(f"--port {port}: cannot be had ({error.strerror}); choose another one") from error
