"""What every test shares: one thread per process, no network, no waiting for the disk, a cache of its own."""

import gc
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).parent / "user_parts"))  # as a user's own files are found

import pytest

gc.disable()  # while libraries are imported and tests are found, of which nothing is garbage


@pytest.fixture(scope="session", autouse=True)
def _no_power_loss():
    """Nothing waits until it is on the disk: records are written by the ten thousand, for milliseconds each.

    ``tests/test_files.py`` has it wait; and so does whatever is started as a user starts it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def pytest_collection_modifyitems(items):
    """Files with slow tests first: a worker that began one last would end long after the other."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish():
    _skip_what_is_there()
    gc.enable()


@pytest.hookimpl(trylast=True)  # once fixtures have been torn down
def pytest_runtest_teardown(item, nextitem):
    if nextitem is None or nextitem.path != item.path:
        _skip_what_is_there()


def _skip_what_is_there():
    """Who collects garbage (a worker after each task, Streamlit after each page, statsmodels) may skip it.

    Libraries that tests import on the way, torch's compiler above all, would take 0.1 s and more each time.
    """
    gc.collect()
    gc.freeze()
