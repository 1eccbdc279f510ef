"""Collecting garbage at the price of what there is of it, not of libraries and studies.

Streamlit collects garbage after every run of a page, while its answer waits for the interpreter. With torch,
pandas and scipy imported that is a look at 400,000 objects which never go: more than half of a click. They
are set apart here, and so is what was read of studies and is kept; what sessions leave behind is collected
after every run as before.
"""

import gc
import sys

_MANY = 20_000  # objects: a look at them takes about 10 ms
_seen = {"modules": 0}  # when libraries were last set apart


def set_apart() -> None:
    """Set apart all that is there, if something was imported since this was last done, or if it is much.

    Called at the end of a page, when all that it needs is imported and read. What is garbage by then is
    collected first; what is alive and not a library's is freed as ever when nothing refers to it.
    """
    if len(sys.modules) != _seen["modules"] or len(gc.get_objects()) > _MANY:
        gc.collect()
        set_libraries_apart()


def set_libraries_apart() -> None:
    """Set apart all that is there, at once: for after imports, which leave less than one object in 100."""
    _seen["modules"] = len(sys.modules)
    gc.freeze()
