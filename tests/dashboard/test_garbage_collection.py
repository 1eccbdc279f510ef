"""Collections skip libraries and what is kept of studies, and still take what a session leaves."""

import gc
import sys
import types
import weakref

import pytest

from workbench.dashboard.garbage_collection import set_apart, set_libraries_apart


class Leaves:
    """Something in a circle, which only a collection can free."""

    def __init__(self):
        self.itself = self


@pytest.fixture
def imported(monkeypatch):
    """A function that acts as if one more module had been imported."""
    return lambda name: monkeypatch.setitem(sys.modules, name, types.ModuleType(name))


def test_libraries_are_set_apart_once_for_each_import(imported):
    imported("made_up_library")
    set_apart()
    before = gc.get_freeze_count()
    assert before > 10_000
    kept = [[] for _ in range(500)]
    set_apart()
    assert gc.get_freeze_count() <= before
    imported("another_made_up_library")
    set_apart()
    assert gc.get_freeze_count() >= before + len(kept)


def test_much_that_is_kept_is_set_apart_too():
    set_apart()
    before = gc.get_freeze_count()
    few = [[] for _ in range(500)]
    set_apart()
    assert gc.get_freeze_count() <= before
    many = [[] for _ in range(30_000)]
    set_apart()
    assert gc.get_freeze_count() >= before + len(few) + len(many)


def test_what_is_garbage_by_then_and_what_a_session_leaves_later_is_collected(imported):
    early = weakref.ref(Leaves())
    imported("made_up_library")
    set_apart()
    assert early() is None
    late = weakref.ref(Leaves())
    gc.collect()
    assert late() is None


def test_libraries_are_set_apart_without_a_collection_and_need_not_be_again(imported):
    imported("made_up_library")
    garbage = weakref.ref(Leaves())
    set_libraries_apart()
    frozen = gc.get_freeze_count()
    assert garbage() is not None
    set_apart()
    assert gc.get_freeze_count() <= frozen


def test_a_page_sets_them_apart(opened, results, imported):
    opened(results)
    before = gc.get_freeze_count()
    imported("made_up_library")
    kept = [[] for _ in range(500)]
    opened(results)
    assert gc.get_freeze_count() >= before + len(kept)
