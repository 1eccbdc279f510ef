"""The server's command: closed to the network by its flags, wherever it is started from."""

import socket
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from workbench.dashboard import launch
from workbench.errors import UserError


def flags(words):
    return {word.removeprefix("--"): after for word, after in pairwise(words) if word.startswith("--")}


def test_the_command_binds_this_machine_only_and_sends_nothing(tmp_path):
    words = launch.command(tmp_path / "results", 9123)
    found = flags(words)
    assert found["server.address"] == "127.0.0.1"
    assert found["browser.gatherUsageStats"] == "false"
    assert found["client.showErrorLinks"] == "false"
    assert found["client.toolbarMode"] == "viewer"
    assert found["server.port"] == "9123"
    hosts = [after for word, after in pairwise(words) if word == "--server.allowedHosts"]
    assert hosts == ["127.0.0.1", "localhost"]
    assert words[words.index("--") :] == ["--", "--results", str(tmp_path / "results")]


def test_a_relative_results_folder_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert launch.command(Path("results"))[-1] == str(tmp_path / "results")


def test_the_front_door_is_found_in_a_checkout():
    assert launch.app_file() == Path(__file__).parents[2] / "app.py"


def test_the_front_door_is_found_in_an_installed_copy(tmp_path, monkeypatch):
    folder = tmp_path / "workbench" / "dashboard"
    folder.mkdir(parents=True)
    monkeypatch.setattr(launch, "__file__", str(folder / "launch.py"))
    with pytest.raises(UserError, match=r"app\.py"):
        launch.app_file()
    (folder / "app.py").write_text("")
    assert launch.app_file() == folder / "app.py"


def test_a_bare_streamlit_run_has_the_same_settings():
    checkout = Path(__file__).parents[2] / ".streamlit" / "config.toml"
    assert tomllib.loads(checkout.read_text()) == tomllib.loads(launch.SETTINGS.read_text())


def test_a_taken_port_is_the_users_error(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"--port {port}"):
            launch.serve(tmp_path, port)


def test_the_page_icon_is_a_file_of_the_package():
    source = (Path(__file__).parents[2] / "app.py").read_text()
    assert "page_icon=ICON" in source
    assert "icon=" not in source.replace(
        "page_icon=", ""
    )  # a Material icon would be fetched from the internet
    assert Path(launch.__file__).with_name("icon.png").read_bytes()[:4] == b"\x89PNG"
