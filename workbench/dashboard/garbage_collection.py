"""Collecting garbage at the price of what there is of it, not of the libraries.

Streamlit collects garbage after every run of a page, while its answer waits for the interpreter. With torch,
pandas and scipy imported that is a look at 400,000 objects which never go: more than half of a click. They
are set apart here; what sessions leave behind is collected after every run as before.
"""

import gc
import sys

_seen = {"modules": 0}  # when libraries were last set apart


def spare_libraries() -> None:
    """Set apart all that is there, if something was imported since this was last done; else do nothing.

    Called at the end of a page, when all that it needs is imported. What is garbage by then is collected
    first; what is alive and not a library's is freed as ever when nothing refers to it.
    """
    if len(sys.modules) != _seen["modules"]:
        _seen["modules"] = len(sys.modules)
        gc.collect()
        gc.freeze()
