"""A browser without a window, driven by Playwright; where there is none, what to install."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import UserError

if TYPE_CHECKING:  # an extra of the tests: nobody else needs it
    from playwright.sync_api import Browser, Playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Without a GPU and without what a browser asks its maker for: neither belongs to a page.
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


class NoBrowserError(UserError):
    """Nothing can be measured in a browser here; the message says what to install."""


@contextmanager
def playwright() -> "Iterator[Playwright]":
    """Playwright at work; raises ``NoBrowserError`` where it is not installed."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise NoBrowserError(
            "playwright is not installed: pip install 'ablation-workbench[test]', "
            "and a browser with: playwright install chromium"
        ) from None
    with sync_playwright() as driver:
        yield driver


@contextmanager
def browser(driver: "Playwright") -> "Iterator[Browser]":
    """A new browser, which has loaded nothing yet; raises ``NoBrowserError`` where there is none."""
    opened = driver.chromium.launch(executable_path=executable(driver), args=list(_ARGUMENTS))
    try:
        yield opened
    finally:
        opened.close()


def executable(driver: "Playwright") -> str:
    """A Chromium or Chrome on the path, or the one that Playwright has installed."""
    own = driver.chromium.executable_path
    found = next(filter(None, map(shutil.which, _NAMES)), own if Path(own).is_file() else None)
    if found is None:
        raise NoBrowserError(
            f"no browser: none of {', '.join(_NAMES)} is on the path; install one with: "
            "playwright install chromium"
        )
    return found
