"""Studies for the dashboard's tests, written once: pages only read."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.dashboard import inspection_studies
from tests.dashboard.dashboard_studies import beat, write_study
from tests.dashboard.page_steps import PATIENT
from workbench.bench.in_browser import browser as installed
from workbench.dashboard.launch import SERVER, command
from workbench.dashboard.launch_token import VARIABLE

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """A finished study with a damaged record, and nothing else."""
    folder = tmp_path_factory.mktemp("results")
    write_study(folder, "quickstart", damaged=True)
    return folder


@pytest.fixture(scope="session")
def study(results):
    """The finished study's directory."""
    return results / "quickstart"


@pytest.fixture(scope="session")
def live_results(tmp_path_factory):
    """A function that gives a results folder with a live study of so many finished seeds."""
    folders = {}

    def live(finished):
        if finished not in folders:
            folders[finished] = tmp_path_factory.mktemp(f"live{finished}")
            write_study(folders[finished], "live", confirm=finished, live=True)
        beat(folders[finished] / "live")
        return folders[finished]

    return live


@pytest.fixture(scope="session")
def inspected(tmp_path_factory, cache):
    """A results folder with a study whose runs have weights and tables; its text is in ``cache``."""
    folder = tmp_path_factory.mktemp("inspected") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_CACHE", cache)
        inspection_studies.write_study(folder)
    return folder


@pytest.fixture(scope="session")
def runs(inspected):
    """Run ids of the study in ``inspected`` by variant and seed."""
    return {key: run.run_id for key, run in inspection_studies.runs_of(inspected / "inside").items()}


@pytest.fixture
def unmeasured(tmp_path):
    """A results folder whose runs have weights and no tables."""
    inspection_studies.write_study(tmp_path / "results", tables=False)
    return tmp_path / "results"


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """The cache that every test has; fixtures that outlive a test name it themselves."""
    return str(tmp_path_factory.getbasetemp() / "cache")


@pytest.fixture
def opened(monkeypatch):
    """A function that opens the dashboard of a results folder on a page, as at a URL with ``parameters``."""

    def open_page(folder, page="overview", **parameters):
        monkeypatch.setattr(sys, "argv", ["app.py", "--results", str(folder)])
        app = AppTest.from_file(str(APP), default_timeout=60)
        for name, value in parameters.items():
            app.query_params[name] = value
        return app.switch_page(f"workbench/dashboard/pages/{page}.py").run()

    return open_page


@pytest.fixture
def imported(tmp_path):
    """A results folder with one imported model."""
    from tests.tiny_models import save_llama
    from workbench.trained.imports import import_model

    save_llama(tmp_path / "tiny-llama")
    options = {"name": None, "context": None, "tokenizer": None}
    import_model(tmp_path / "tiny-llama", out=tmp_path / "results", **options)
    return tmp_path / "results"


@pytest.fixture(scope="module")
def browser():
    """A Chromium that is installed on this machine."""
    with contextlib.ExitStack() as stack:
        try:
            driver = stack.enter_context(installed.playwright())
            chromium = stack.enter_context(installed.browser(driver))
        except installed.NoBrowserError as error:
            pytest.skip(str(error))
        yield chromium


@pytest.fixture(scope="module")
def serve_script(serve):
    """A function that serves another script with the dashboard's settings, and gives its address."""
    return lambda script: serve(script.parent, script)


@pytest.fixture(scope="module")
def serve(tmp_path_factory, cache):
    """A function that serves a results folder, from a directory without settings, and gives its address.

    Nobody may start a study there, unless the server is given a token.
    """
    servers = []

    def start(results, script=SERVER, token=""):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        log = tmp_path_factory.mktemp("server") / "log.txt"
        environment = os.environ | {"WORKBENCH_CACHE": cache, VARIABLE: token}
        with log.open("w") as output:
            asked = [str(script) if part == str(SERVER) else part for part in command(results, port)]
            server = subprocess.Popen(asked, stdout=output, stderr=output, cwd=log.parent, env=environment)
        servers.append((server, log))
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server, log)
        return f"http://127.0.0.1:{port}"

    yield start
    for server, _ in servers:
        server.terminate()
        server.wait(timeout=PATIENT / 1000)
    assert not [log for _, log in servers if "Traceback" in log.read_text()]


@pytest.fixture(scope="session")
def wait_for():
    """A function that waits until a server answers."""
    return _wait_for


def _wait_for(url, server, log):
    until = time.monotonic() + PATIENT / 1000
    while time.monotonic() < until:
        if server.poll() is not None:
            pytest.fail(f"the server ended: {log.read_text()}")
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the server did not answer within {PATIENT / 1000:.0f} s: {log.read_text()}")


@pytest.fixture(scope="module")
def new_tab(browser):
    """A function that opens a tab which notes whom it asks and what goes wrong in it.

    All are tabs of one window, so that the dashboard's own code is loaded and compiled once.
    """
    window = browser.new_context(viewport={"width": 1440, "height": 1000})

    def open_tab():
        tab = window.new_page()
        tab.set_default_timeout(PATIENT)
        tab.asked, tab.errors = [], []
        tab.on("request", lambda request: tab.asked.append(request.url))
        tab.on("websocket", lambda socket: tab.asked.append(socket.url))
        tab.on("pageerror", lambda error: tab.errors.append(str(error)))
        return tab

    yield open_tab
    window.close()


@pytest.fixture
def page(new_tab):
    """A fresh tab."""
    tab = new_tab()
    yield tab
    tab.close()


@pytest.fixture(scope="session", autouse=True)
def _no_component_search():
    """Keep the harness from reading every installed package at each start: 0.4 s for nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "streamlit.components.v2.manifest_scanner.scan_component_manifests",
            lambda *_, **__: [],
            raising=False,
        )
        yield
