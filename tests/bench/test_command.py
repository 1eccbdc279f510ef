"""The command: mistakes at once, a report on the screen and in files."""

import json
import subprocess
import sys

import pytest
import torch
from typer.testing import CliRunner

from workbench.bench.outcome import Finding, Outcome
from workbench.bench.section import Effort, Section
from workbench.bench.sections import registry
from workbench.cli import main


@pytest.fixture
def one_section(monkeypatch):
    """Only one section, which measures nothing."""
    section = Section(
        name="levels",
        title="Levels",
        about="Nothing.",
        seconds=dict.fromkeys(Effort, 1.0),
        measure=lambda setting: Outcome(findings=[Finding(f"It was {setting.effort} on {setting.device}.")]),
    )
    monkeypatch.setattr(registry, "load", lambda name: section)


def bench(*arguments):
    return CliRunner().invoke(main.app, ["bench", *arguments])


def test_a_report_is_printed_and_kept(one_section, tmp_path):
    answer = bench("levels", "--quick", "--out", str(tmp_path), "--device", "cpu")
    assert answer.exit_code == 0, answer.output
    assert "It was quick on cpu." in answer.stdout
    assert "kept: " in answer.stderr
    [written] = tmp_path.glob("*.json")
    assert written.name.endswith("-cpu-quick.json")
    report = json.loads(written.read_text())
    assert [section["name"] for section in report["sections"]] == ["levels"]
    assert "It was quick on cpu." in written.with_suffix(".md").read_text()


def test_json_is_all_that_is_printed(one_section, tmp_path):
    answer = bench("levels", "--out", str(tmp_path), "--device", "cpu", "--json")
    assert json.loads(answer.stdout)["effort"] == "full"


def test_a_section_that_there_is_not_is_told_before_anything_is_loaded(tmp_path):
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "workbench",
        "bench",
        "level",
        "--out",
        str(tmp_path),
    ]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert "unknown section 'level'; did you mean 'levels'" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert "| torch\n" not in answer.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
def test_a_gpu_that_there_is_not_is_the_users_error(tmp_path):
    answer = bench("levels", "--device", "cuda", "--out", str(tmp_path))
    assert "--device: cuda" in str(answer.exception)
    assert not list(tmp_path.iterdir())
