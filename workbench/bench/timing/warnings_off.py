"""No warnings and no advice of libraries while something is measured: they would stand between the tables."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = ("lightning.pytorch", "lightning.fabric", "optuna")


@contextmanager
def warnings_off() -> Iterator[None]:
    """Inside the block Python's warnings are dropped, and Lightning and Optuna log errors only."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
