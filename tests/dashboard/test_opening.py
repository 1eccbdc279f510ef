"""``dashboard --open``: a browser is led to the address, and no other user of the machine sees its token."""

import os
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from workbench.dashboard.opening import lead_browser_to, open_when_up

ADDRESS = "http://127.0.0.1:1/?token=a-secret"
# A browser that says what it was started with, and where that leads.
BROWSER = """#!{python}
import sys, urllib.request
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_): return None
try:
    urllib.request.build_opener(Stay).open(sys.argv[1], timeout=10)
except urllib.error.HTTPError as answer:
    with open({said!r}, "w") as file:
        print(sys.argv[1], answer.code, answer.headers["Location"], file=file)
"""


def test_without_a_screen_nothing_is_opened(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert not open_when_up(ADDRESS, 1)


def test_a_browser_is_started_once_the_server_answers_and_led_to_the_address(tmp_path):
    said, browser = tmp_path / "said", tmp_path / "browser"
    browser.write_text(BROWSER.format(python=sys.executable, said=str(said)))
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    code = "import sys; from workbench.dashboard import opening; opening.open_when_up(sys.argv[1], {})"
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        command = [sys.executable, "-c", code.format(port), ADDRESS]
        subprocess.run(command, check=True, timeout=60, env=os.environ | {"BROWSER": f"{browser} %s"})
        assert not said.exists()  # nobody listens yet
        server.listen()
        for _ in range(600):
            if said.exists() and said.read_text().endswith("\n"):
                break
            time.sleep(0.1)
    opened, code, led_to = said.read_text().split()
    assert (code, led_to) == ("302", ADDRESS)
    assert "secret" not in opened


def test_it_leads_there_once_and_from_no_other_path(monkeypatch):
    asked = []

    def open_later(address):
        host = address.rpartition("/")[0]
        asked.append(address)
        # The other paths are asked from a process of their own: this one answers only once it waits.
        code = (
            "import sys, urllib.request, urllib.error\n"
            "try: urllib.request.urlopen(sys.argv[1] + '/other', timeout=10)\n"
            "except urllib.error.HTTPError as error: assert error.code == 404\n"
            "try: urllib.request.urlopen(sys.argv[2], timeout=10)\n"
            "except urllib.error.URLError: pass\n"  # the address of the test leads nowhere
        )
        asked.append(subprocess.Popen([sys.executable, "-c", code, host, address]))

    monkeypatch.setattr("webbrowser.open", open_later)
    lead_browser_to(ADDRESS)
    assert asked[1].wait(timeout=30) == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(asked[0], timeout=5)
