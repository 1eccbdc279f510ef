"""The command line: quick to answer, machine-readable, and honest about mistakes."""

import json
import os
import resource
import subprocess
import sys

import pytest
import yaml
from typer.testing import CliRunner

import workbench
from workbench.cli.completion import VIEWS
from workbench.cli.main import app
from workbench.inspection.views import views
from workbench.records import RunRecord, State, write_record
from workbench.records.manifest import MANIFEST

HEAVY = ("torch", "lightning", "optuna", "streamlit", "pandas", "matplotlib", "scipy", "pydantic")


def invoke(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_help_imports_nothing_heavy():
    code = f"import sys, workbench.cli.main; print([name for name in {HEAVY} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_help_answers_in_half_a_second():
    """Of processor time: what else the machine does at the moment is not the command's fault."""
    seconds = []
    for _ in range(5):
        before = _children_seconds()
        command = [sys.executable, "-m", "workbench", "--help"]
        subprocess.run(command, capture_output=True, check=True, timeout=30)
        seconds.append(_children_seconds() - before)
    assert min(seconds) < 0.5


def _children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_every_command_has_help():
    studies = ("init", "run", "status", "report", "list", "check", "plan", "noise", "archive", "delete")
    for command in (*studies, "dashboard", "export"):
        answer = invoke(command, "--help")
        assert answer.exit_code == 0
        assert len(answer.output) > 100


def test_lists_name_every_component():
    rows = json.loads(invoke("list", "components", "--json").output)["components"]
    names = {(row["factor"], row["name"]) for row in rows}
    assert {("positions", "rope"), ("norm", "layernorm"), ("feedforward", "swiglu")} <= names
    assert all(row["about"] for row in rows)


def test_presets_and_corpora_are_listed():
    facts = json.loads(invoke("list", "--json").output)
    assert {"llama", "gpt2"} <= {row["name"] for row in facts["presets"]}
    assert "python-stdlib" in {row["name"] for row in facts["corpora"]}


def test_shipped_studies_are_listed_with_their_questions():
    rows = json.loads(invoke("list", "studies", "--json").output)["studies"]
    found = {row["name"].rpartition("/")[2] for row in rows}
    assert {"quickstart.yaml", "positions.yaml", "norms.yaml", "feedforward.yaml", "recipes.yaml"} <= found
    assert all(row["about"].endswith("?") for row in rows)


def test_check_says_what_would_run_and_trains_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("".join(f"line {number} of some text\n" for number in range(400)))
    study = {
        "question": "q?",
        "size": {"layers": 1, "width": 16, "heads": 2},
        "context": 16,
        "factors": {"positions": ["rope", "learned"], "feedforward": ["swiglu", "relu"]},
        "data": {"corpus": {"path": "text.txt"}},
        "training": {"tokens": 640, "batch_size": 4, "evaluations": 2, "evaluation_tokens": 64},
        "learning_rates": [0.01, 0.02, 0.04],
        "seeds": {"tune": 1, "confirm": 2},
        "margin": 0.01,
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    answer = CliRunner().invoke(app, ["check", "mine.yaml", "--json"])
    assert answer.exit_code == 0, answer.output
    facts = json.loads(answer.stdout)
    assert facts["trials"] == {"tune": 9, "confirm": 6, "total": 15}
    assert [item["name"] for item in facts["variants"]] == [
        "baseline",
        "positions=learned",
        "feedforward=relu",
    ]
    learned = facts["variants"][1]
    assert learned["parameters"] - facts["variants"][0]["parameters"] == 16 * 16
    assert facts["steps_per_trial"] == 10
    assert facts["estimated_seconds"] > 0
    assert any("seeds.confirm" in warning for warning in facts["warnings"])
    assert not (tmp_path / "results").exists()
    assert "positions: rope → learned" in CliRunner().invoke(app, ["check", "mine.yaml"]).output


@pytest.fixture
def results(tmp_path):
    study = tmp_path / "results" / "s"
    study.mkdir(parents=True)
    manifest = {"name": "s", "question": "q?", "variants": [{"name": "baseline"}], "baseline": "baseline"}
    (study / "study.yaml").write_text(yaml.safe_dump(manifest | {"metric": "validation/loss"}))
    for seed, state in enumerate([State.COMPLETE, State.COMPLETE, State.FAILED]):
        record = RunRecord(
            run_id=f"r{seed}",
            study="s",
            variant="baseline",
            phase="confirm",
            seed=seed,
            hyperparameters={"learning_rate": 0.1},
            config={},
            state=state,
            error="Traceback\nValueError: broken" if state is State.FAILED else None,
        )
        write_record(study, record)
    return tmp_path / "results"


def test_status_counts_states_and_names_errors(results):
    study = json.loads(invoke("status", "--out", str(results), "--json").output)["studies"][0]
    assert study["runs"]["complete"] == 2
    assert study["runs"]["failed"] == 1
    assert study["errors"] == ["baseline seed 2: failed: ValueError: broken"]
    assert "ValueError: broken" in invoke("status", "--out", str(results)).output


def test_status_without_studies_says_what_to_do(tmp_path):
    assert "workbench run" in invoke("status", "--out", str(tmp_path)).output


def test_a_driver_that_was_killed_is_shown_as_interrupted(results):
    driver = {"state": "running", "updated": "2020-01-01T00:00:00+00:00", "message": "", "phase": "tune"}
    (results / "s" / "driver.json").write_text(json.dumps(driver))
    study = json.loads(invoke("status", "s", "--out", str(results), "--json").output)["studies"][0]
    assert study["state"] == "interrupted"


def test_the_version_is_that_of_the_package():
    answer = invoke("--version")
    assert (answer.exit_code, answer.output) == (0, f"workbench {workbench.__version__}\n")


def completed(words, folder):
    """What bash would offer for the last of ``words``."""
    environment = os.environ | {
        "_WORKBENCH_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    code = "import sys; sys.argv = ['workbench']; from workbench.cli.main import main; main()"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_shell_completes_commands_studies_and_views(tmp_path):
    for name in ("mine", "minor", "published/mild"):
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / MANIFEST).touch()
    assert completed(["workbench", "stat"], tmp_path) == ["status"]
    assert completed(["workbench", "report", "mi"], tmp_path) == ["mine", "minor"]
    assert completed(["workbench", "inspect", "pub"], tmp_path) == ["published/mild"]
    assert completed(["workbench", "inspect", "mine", "--view", "head_"], tmp_path) == [
        "head_scores",
        "head_ablation",
    ]


def test_help_and_completion_name_the_views_that_there_are():
    assert [view.name for view in views()] == list(VIEWS)
    assert all(name in " ".join(invoke("inspect", "--help").output.split()) for name in VIEWS)
