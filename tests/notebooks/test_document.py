"""docs/notebooks.md: every example of it is run, on the published studies of a checkout."""

import doctest
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def test_the_examples_do_what_the_page_says(monkeypatch):
    monkeypatch.chdir(CHECKOUT)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.testfile(
        str(CHECKOUT / "docs" / "notebooks.md"), module_relative=False, optionflags=options
    )
    assert found.attempted > 15
    assert found.failed == 0
