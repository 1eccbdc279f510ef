"""A stranger's results folder in a real browser, served by ``workbench dashboard`` until it is stopped."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlparse

import pytest

from tests.dashboard.hostile_studies import poison, write_hostile
from tests.dashboard.page_steps import PATIENT, settle
from workbench.dashboard.content_security_policy import HEADERS
from workbench.records.index import load_study
from workbench.visible import visible

pytestmark = pytest.mark.browser
STRANGER = "127.0.0.1:9"
PAGES = {  # by study: the page to begin with, and the pages to look at
    "hostile": ("", ["Overview", "Runs", "Curves", "Effects", "Watch", "Run", "Compare"]),
    "inside": ("attention", ["Attention", "Position", "Activations"]),
}
# What would be on a page had any of the text been taken for mark-up.
MADE = (
    "img[src*=leak], [data-testid=stMain] a[href^=http], a[href^=javascript], a[href^=mailto], .katex, "
    ".stMarkdownColoredText, [aria-label='home icon'], img[alt='Streamlit logo'], h2 em, h2 strong, h2 del, "
    "h2 code, [data-testid=stException]"
)


@pytest.fixture(scope="module")
def results(tmp_path_factory, inspected):
    """Two studies of a stranger, one of them with weights."""
    folder = tmp_path_factory.mktemp("stranger")
    write_hostile(folder, STRANGER, "inside", model=inspected / "inside")
    return write_hostile(folder, STRANGER)


@pytest.fixture(scope="module")
def server(results, cache, tmp_path_factory, wait_for):
    """The process of ``workbench dashboard``, its address and its log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("dashboard") / "log.txt"
    words = [sys.executable, "-m", "workbench", "dashboard", "--out", str(results), "--port", str(port)]
    environment = os.environ | {"WORKBENCH_CACHE": cache, "PYTHONPATH": str(Path(__file__).parents[2])}
    with log.open("w") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output, cwd=log.parent, env=environment)
    wait_for(f"http://127.0.0.1:{port}/_stcore/health", process, log)
    yield process, port, log
    process.kill()
    process.wait(timeout=PATIENT / 1000)


@pytest.fixture
def address(server):
    return f"http://127.0.0.1:{server[1]}"


def test_nothing_is_made_of_a_strangers_text_and_nobody_else_is_asked(page, address, results):
    runs = load_study(results / "hostile").runs
    chosen = ",".join(runs.loc[runs["state"].isin(["failed", "diverged"]), "run_id"])
    opened = 0
    for study, (first, titles) in PAGES.items():
        page.goto(f"{address}/{first}?study={study}&runs={chosen}&variant={poison(STRANGER)}")
        for title in titles:
            page.get_by_role("link", name=title, exact=True).click()
            heading = {"Overview": "Which", "Watch": "hostile"}.get(title, title)
            page.locator(f"h2:has-text('{heading}')").wait_for()
            settle(page)
            folded = page.locator("[data-testid=stMain] summary")
            for place in range(folded.count()):
                folded.nth(place).click()
            opened += folded.count()
            parts = page.locator("[data-testid=stMain] [role=tab]")
            for place in range(parts.count() if title == "Effects" else 1):
                if place:
                    parts.nth(place).click()
                    page.locator("[role=tabpanel]:visible [data-testid=stElementContainer]").first.wait_for()
                settle(page)
                assert page.locator(MADE).count() == 0, title
                assert visible(poison(STRANGER)).strip() in page.locator("body").inner_text(), title
    assert opened >= 4  # cautions, problems and provenance on the first page alone
    assert page.errors == []
    asked = {urlparse(url).netloc for url in page.asked if not url.startswith(("data:", "blob:"))}
    assert asked == {urlparse(address).netloc}


def test_a_question_is_the_heading_letter_by_letter(page, address):
    page.goto(f"{address}/?study=hostile")
    heading = page.locator("h2").first
    heading.get_by_text("Which parts").wait_for()
    question = "Which parts of the LLaMA recipe help a very small model, at this budget, beyond noise?"
    assert heading.inner_text() == question + visible(poison(STRANGER))


def test_the_browser_would_ask_nobody_else_whatever_a_page_made(page, address):
    page.goto(f"{address}/?study=hostile")
    assert page.request.get(address).headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
    blocked = page.evaluate(
        """host => new Promise(done => {
            document.addEventListener("securitypolicyviolation", event => done(event.blockedURI))
            const image = new Image()
            image.src = `http://${host}/leak`
            document.body.append(image)
        })""",
        STRANGER,
    )
    assert blocked == f"http://{STRANGER}/leak"


def test_a_signal_ends_the_server_and_frees_its_port(server):
    process, port, log = server
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=PATIENT / 1000)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
    assert log.read_text().count("\n") == 2  # its address, and how to reach it from elsewhere
    assert "Ctrl-C stops it" in log.read_text()
