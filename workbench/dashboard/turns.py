"""Who may work: pages that readers wait for, or the steps of the warm-up.

Python runs one thread at a time: a step that is taken beside a page makes its reader wait. So none begins
while a page is being drawn, is on its way, or was just drawn; and no module is imported in two threads at
once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition
from time import monotonic

_ON_ITS_WAY = 5.0  # seconds that a browser may take from a page's frame to asking for what is on it
_IS_SENT = 1.0  # seconds in which it has what was drawn, and the scripts that this needs


@dataclass(frozen=True)
class Asked:
    """A page by the path of its address, which is empty for the first one, and the study that this names."""

    page: str = ""
    study: str | None = None


class Turns:
    """Either pages are drawn (and drafts checked), any number at once, or one step is taken."""

    def __init__(self) -> None:
        self._free = Condition()
        self._drawing = 0
        self._stepping = False
        self._until = 0.0  # no step begins before
        self.asked = Asked()

    def expect_page(self, asked: Asked) -> None:
        """A browser was sent a page's frame and will ask for what is on it: until then begin no step."""
        with self._free:
            self.asked = asked
            self._until = monotonic() + _ON_ITS_WAY

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Draw a page within the block, once the step that is being taken is done."""
        with self._free:
            self._drawing += 1  # said first: no other step begins
            self._free.wait_for(lambda: not self._stepping)
        try:
            yield
        finally:
            with self._free:
                self._drawing -= 1
                self._until = monotonic() + _IS_SENT
                self._free.notify_all()

    @contextmanager
    def stepping(self, *, for_page: bool = False) -> Iterator[None]:
        """Take a step within the block, once no page is being drawn or, but for a step for it, on its way."""
        with self._free:
            while self._is_busy() or (not for_page and monotonic() < self._until):
                self._free.wait(None if self._is_busy() else self._until - monotonic())
            self._stepping = True
        try:
            yield
        finally:
            with self._free:
                self._stepping = False
                self._free.notify_all()

    def _is_busy(self) -> bool:
        return self._drawing > 0 or self._stepping


TURNS = Turns()
