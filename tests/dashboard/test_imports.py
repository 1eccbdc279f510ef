"""What a reader's first page waits for: libraries that it does not need are not among it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "lightning", "matplotlib", "optuna", "sklearn")


def loaded(program, names):
    """Which of ``names`` a new process has imported at the end of ``program``."""
    asked = f"{program}\nimport sys\nprint(*(name for name in {names!r} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True, timeout=240
    )
    return done.stdout.split()


def test_the_overview_and_its_report_need_no_heavy_library():
    program = """
from pathlib import Path
from workbench.dashboard import sidebar
from workbench.dashboard.pages import overview
from workbench.dashboard.study_library import Library
from workbench.dashboard.tables import verdict_table
library = Library()
records = library.study(Path("results/published/quickstart"))
report = library.report(records, records.manifest.baseline)
assert len(verdict_table(report)) > 1
assert "at the margin" in [row.verdict for row in report.rows]  # open: with a chance to be decided
"""
    assert loaded(program, ("scipy.stats", *HEAVY)) == []


@pytest.mark.parametrize("page", ["watch", "runs", "run", "curves", "effects", "compare", "claims", "data"])
def test_pages_of_words_numbers_and_charts_need_no_heavy_library(page):
    assert loaded(f"import workbench.dashboard.pages.{page}", ("scipy.stats", *HEAVY)) == []


def test_what_moved_inside_is_told_and_linked_without_torch():
    program = """
from pathlib import Path
from workbench.dashboard import explanation_panel
from workbench.dashboard.study_library import Library
from workbench.inspection.explanation import views_of
library = Library()
records = library.study(Path("results/published/quickstart"))
report = library.report(records, records.manifest.baseline)
found = [library.explanation(records, row.variant, records.manifest.baseline) for row in report.paired]
assert any(one.sentences() and views_of(one.moved) for one in found)
"""
    assert loaded(program, ("torch", "lightning")) == []


def test_a_page_of_views_imports_none_of_a_room_that_it_does_not_need():
    program = """
import sys
from workbench.inspection.views import views
own = [view.name for view in views("position")]
rooms = {name.split(".")[2] for name in sys.modules if name.endswith("_view")}
assert "activations" not in rooms, rooms
assert own == [view.name for view in views() if view.page == "position"]
"""
    assert loaded(program, ("scipy.optimize",)) == []


def test_the_command_prints_its_address_before_streamlit_is_imported():
    assert loaded("import workbench.dashboard.launch", ("streamlit", "pandas", "scipy.stats", *HEAVY)) == []
