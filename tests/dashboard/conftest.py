"""Studies for the dashboard's tests, written once: pages only read."""

import pytest
from dashboard_studies import beat, write_study


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


@pytest.fixture(scope="session")
def live_results(tmp_path_factory):
    """A function that gives a results folder with a live study of so many finished seeds."""
    folders = {}

    def live(finished):
        if finished not in folders:
            folders[finished] = tmp_path_factory.mktemp(f"live{finished}")
            write_study(folders[finished], "live", confirm=finished, live=True)
        beat(folders[finished] / "live")
        return folders[finished]

    return live


@pytest.fixture(scope="session", autouse=True)
def _no_component_search():
    """Keep the harness from reading every installed package at each start: 0.4 s for nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "streamlit.components.v2.manifest_scanner.scan_component_manifests",
            lambda *_, **__: [],
            raising=False,
        )
        yield
