"""A study that was really trained, with every table at every checkpoint."""

import json
from pathlib import Path

import pytest

from tests.shared_between_workers import made_once
from workbench.inspection.scope import Scope
from workbench.records.index import load_study
from workbench.records.run import RunDirectory

STUDY = {
    "question": "does inspection work on what was trained?",
    "baseline": "llama",
    "size": {"layers": 2, "width": 16, "heads": 2},
    "context": 32,
    "design": "one_at_a_time",
    "factors": {"positions": ["rope", "learned"]},
    "data": {"corpus": {"path": "text"}, "tokenizer": "bytes"},
    "training": {
        "tokens": 1024,
        "batch_size": 4,
        "evaluations": 2,
        "evaluation_tokens": 512,
        "probes": 100.0,
        "samples": ["alpha", "beta gamma"],
    },
    "learning_rates": [0.01],
    "grid_growth": 0,
    "seeds": {"tune": 0, "confirm": 2},
    "margin": 0.05,
}


@pytest.fixture(scope="session")
def trained_study(tmp_path_factory):
    """The directory of the study, trained by the command line; tests read it, or copy it."""
    study = made_once(tmp_path_factory, "trained", _train) / "results" / "tiny"
    before = _written(study)
    yield study
    assert _written(study) == before


def _train(folder):
    from tests.in_process import workbench  # imports Lightning, which most tests of this folder do without

    (folder / "text").mkdir()
    for index in range(8):
        words = " ".join(f"alpha{(index * number) % 7} beta gamma" for number in range(200))
        (folder / "text" / f"{index}.txt").write_text(words)
    (folder / "tiny.yaml").write_text(json.dumps(STUDY))
    done = workbench(folder, "run", "tiny.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def _written(study):
    return {path: path.stat().st_mtime_ns for path in study.rglob("*")}


@pytest.fixture
def trained(trained_study, monkeypatch):
    """The swap against the baseline, first seed."""
    # The corpus was prepared in the study's own cache; its path in the manifest is relative to its folder.
    monkeypatch.setenv("WORKBENCH_CACHE", str(trained_study.parents[1] / "cache"))
    monkeypatch.chdir(trained_study.parents[1])
    runs = load_study(trained_study).runs.sort_values("seed")
    first = {row.variant: RunDirectory(Path(row.path)) for row in runs[::-1].itertuples()}
    changed = next(name for name in first if name != "baseline")
    return Scope(first[changed], first["baseline"])
