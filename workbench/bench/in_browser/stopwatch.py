"""Seconds within a page: from its address, a click or a key to the last change of what is drawn."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SCRIPT = Path(__file__).with_name("stopwatch.js")
WIDTH, HEIGHT = 1440, 1000  # pixels
_QUIET = 300  # milliseconds without a change, after which a page counts as drawn
_PATIENCE = 60_000  # milliseconds


class Stopwatch:
    """A tab of ``browser`` in a window of its own, whose page notes when it last changed."""

    def __init__(self, browser: "Browser") -> None:
        window = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
        window.add_init_script(path=SCRIPT)
        self.page: Page = window.new_page()
        self.page.set_default_timeout(_PATIENCE)

    def first_load(self, address: str) -> float:
        """Seconds from asking for ``address`` until all of its page is drawn."""
        self.page.goto(address, wait_until="commit")
        return self._taken()

    def seconds_of(self, act: Callable[["Page"], None]) -> float:
        """Seconds from the last click or key of ``act`` to the last change that follows from it.

        Raises ``RuntimeError`` with what is waited for where it is not drawn within a minute.
        """
        act(self.page)
        return self._taken()

    def require_no_fault(self) -> None:
        """Raise ``RuntimeError`` with what Streamlit says went wrong on the page, if anything did."""
        said = self.page.locator("[data-testid=stException]")
        if said.count():
            raise RuntimeError(said.first.inner_text().splitlines()[0])

    def close(self) -> None:
        """Close the window."""
        self.page.context.close()

    def _taken(self) -> float:
        from playwright.sync_api import TimeoutError as TookTooLongError

        try:
            taken = self.page.wait_for_function(
                "quiet => workbenchWatch.taken(quiet)", arg=_QUIET, polling=50
            )
        except TookTooLongError:
            waiting = self.page.evaluate("quiet => workbenchWatch.waiting(quiet)", _QUIET)
            raise RuntimeError(f"not drawn within {_PATIENCE / 1000:.0f} s: {waiting}") from None
        (milliseconds,) = taken.json_value()
        return float(milliseconds) / 1000
