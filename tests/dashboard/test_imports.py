"""What a reader's first page waits for: libraries that it does not need are not among it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "lightning", "matplotlib", "optuna", "scipy.stats", "sklearn", "statsmodels")


def loaded(program, names):
    """Which of ``names`` a new process has imported at the end of ``program``."""
    asked = f"{program}\nimport sys\nprint(*(name for name in {names!r} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True, timeout=240
    )
    return done.stdout.split()


def test_the_overview_needs_no_heavy_library_to_begin():
    program = "from workbench.dashboard import sidebar\nfrom workbench.dashboard.pages import overview"
    assert loaded(program, HEAVY) == []


def test_the_command_prints_its_address_before_streamlit_is_imported():
    assert loaded("import workbench.dashboard.launch", ("streamlit", "pandas", *HEAVY)) == []
