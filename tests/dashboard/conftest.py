"""Studies for the dashboard's tests, written once: pages only read."""

import pytest
from dashboard_studies import write_study


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """A finished study with a damaged record, and nothing else."""
    folder = tmp_path_factory.mktemp("results")
    write_study(folder, "quickstart", damaged=True)
    return folder


@pytest.fixture(scope="session")
def study(results):
    """The finished study's directory."""
    return results / "quickstart"
