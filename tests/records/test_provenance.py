"""Where a number comes from: the commit of the workbench's own files, never of what they lie in."""

import importlib.util
import shutil
import subprocess

import pytest

from workbench.records import provenance


@pytest.fixture
def installed(tmp_path):
    """``git_state`` of a copy of the workbench in a checkout; ``git`` runs a command there."""

    def git(*arguments):
        names = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        return subprocess.run(
            ["git", "-C", tmp_path, *names, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    def state():
        spec = importlib.util.spec_from_file_location("copy_of_provenance", tmp_path / "provenance.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.git_state()

    git("init", "--quiet")
    shutil.copyfile(provenance.__file__, tmp_path / "provenance.py")
    return git, state


def test_a_copy_in_somebody_elses_checkout_has_no_commit(installed):
    git, state = installed
    git("commit", "--quiet", "--allow-empty", "-m", "theirs")
    assert state() == {"git_commit": None, "git_dirty": None}


def test_a_commit_and_what_is_not_in_it(installed):
    git, state = installed
    git("add", ".")
    git("commit", "--quiet", "-m", "ours")
    assert state() == {"git_commit": git("rev-parse", "HEAD"), "git_dirty": False}
    with open(f"{git('rev-parse', '--show-toplevel')}/provenance.py", "a") as file:
        file.write("# changed\n")
    assert state() == {"git_commit": git("rev-parse", "HEAD"), "git_dirty": True}


def test_a_gpus_name_and_the_libraries_that_decide_a_number_are_kept(monkeypatch):
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "Testium GPU")
    assert provenance.hardware("cuda")["gpu"] == "Testium GPU"
    assert "gpu" not in provenance.hardware("cpu")
    assert {"python", "torch", "lightning", "optuna", "numpy"} <= provenance.versions().keys()
