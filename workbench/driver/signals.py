"""How whoever runs jobs asks them to stop, and who answers: the driver, as to Ctrl-C; never a worker.

SIGTERM is sent by ``kill``, systemd, containers and Slurm (``scancel``, and at a time limit), SIGUSR1 by
Slurm where a job asks to be warned (``--signal=USR1@120``). Both may reach all processes of a job at once.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_ASKING = (signal.SIGTERM, signal.SIGUSR1)


@contextmanager
def taken_for_ctrl_c() -> Iterator[None]:
    """Inside the block the first of these signals raises ``KeyboardInterrupt``.

    Those that follow say nothing new, and must not cut short what the first one began: a warning comes before
    the end of a job's time. Ctrl-C itself, where it is pressed again, still does.
    """
    asked = False

    def ask(*_: object) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise KeyboardInterrupt

    before = {number: signal.signal(number, ask) for number in _ASKING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def left_to_the_driver() -> None:
    """From now on these signals do nothing to this process: the driver hears them too, and asks it to save.

    What a trial starts itself can be ended by them as ever.
    """
    before = {number: signal.signal(number, _heard) for number in _ASKING}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)

    os.register_at_fork(after_in_child=restore)


def _heard(*_: object) -> None:
    """Nothing: unlike a signal that is ignored, one with a handler is its default in what is executed."""
