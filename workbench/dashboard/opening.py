"""Opening the dashboard in a browser once its server answers."""

import os
import secrets
import socket
import sys
import time
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

_PATIENCE = 60.0  # seconds for the server to answer, and then for the browser to come


def open_when_up(address: str, port: int) -> bool:
    """Open ``address`` in this machine's browser when a server answers at ``port``; does not wait for that.

    False, and nothing is opened, where there is no screen for a browser of one's own.
    """
    if not _has_screen():
        return False
    # A grandchild, whose end the system sees to: this process becomes the server, which waits for no child.
    child = os.fork()
    if child == 0:
        try:
            if os.fork() == 0 and _answers(port):
                lead_browser_to(address)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return True


def _has_screen() -> bool:
    """Without one, webbrowser would look for a browser of the terminal, which the server's lines disturb."""
    return sys.platform == "darwin" or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")))


def lead_browser_to(address: str) -> None:
    """Open ``address`` by way of another one that leads there once.

    Other users of the machine see the words that a browser is started with, and must not see the token.
    """
    once = f"/{secrets.token_urlsafe(24)}"

    class Guide(BaseHTTPRequestHandler):
        used = False

        def do_GET(self) -> None:
            """Lead there, once."""
            if self.path != once or Guide.used:
                self.send_error(404)
                return
            Guide.used = True
            self.send_response(302)
            self.send_header("Location", address)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: it would stand among what the dashboard prints."""

    with HTTPServer(("127.0.0.1", 0), Guide) as guide:
        guide.timeout = 1
        # Beside: some browsers are waited for until they are closed.
        start = f"http://127.0.0.1:{guide.server_port}{once}"
        Thread(target=webbrowser.open, args=[start], daemon=True).start()
        end = time.monotonic() + _PATIENCE
        while not Guide.used and time.monotonic() < end:
            guide.handle_request()


def _answers(port: int) -> bool:
    """Whether a server takes connections at ``port``, within a minute."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.2)
    return False
