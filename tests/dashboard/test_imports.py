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


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("prompt_attention", "attention.prompt_attention_view"),
        ("extrapolation", "position.extrapolation_view"),
        ("residual", "activations.residual_view"),
    ],
)
def test_the_view_that_a_page_opens_with_is_imported_alone_and_without_torch(name, module):
    program = f"""
import sys
import workbench.dashboard.pages.inspect_page
from workbench.inspection.views import find_view
assert find_view("{name}").name == "{name}"
views = [name for name in sys.modules if name.endswith("_view")]
assert views == ["workbench.inspection.{module}"], views
"""
    assert loaded(program, (*HEAVY, "scipy.optimize")) == []


def test_a_new_study_is_asked_without_torch_once_a_server_has_kept_what_can_be_compared(tmp_path):
    program = f"""
from pathlib import Path
from workbench.dashboard import state
from workbench.dashboard.disk_cache import DiskCache
from workbench.dashboard.study_library import Library
state.library = lambda: Library(DiskCache(Path({str(tmp_path)!r})))
import workbench.dashboard.pages.new_study
from workbench.dashboard.asking.fields import FIELDS, described
from workbench.dashboard.asking.offered import first_draft, levels_of, offered_factors
assert all(described(field.key).about and field.options() is not None for field in FIELDS)
assert "layernorm" in offered_factors()["norm"].names
assert levels_of(first_draft()).costs["norm"]["layernorm"].parameters > 0
"""
    assert loaded(program, ("torch",)) == ["torch"]
    assert loaded(program, ("scipy.stats", *HEAVY)) == []


def test_a_draft_is_checked_without_lightning(tmp_path):
    program = f"""
import io
from pathlib import Path
from workbench.dashboard.asking.checking import study_from
from workbench.dashboard.asking.draft import FIRST
from workbench.study.check import check_plan, seconds_per_token
from workbench.study.preparation import plan_of
from workbench.terminal import Terminal
results = Path({str(tmp_path)!r})
plan = plan_of(study_from(FIRST, Path("ablations/my-study.yaml")), Terminal(file=io.StringIO()), results)
assert check_plan(plan, seconds_per_token(plan), workers=None, out=results)["trials"]["total"] > 0
"""
    assert loaded(program, ("scipy.stats", *HEAVY)) == ["torch"]


def test_the_command_prints_its_address_before_streamlit_is_imported():
    assert loaded("import workbench.dashboard.launch", ("streamlit", "pandas", "scipy.stats", *HEAVY)) == []
