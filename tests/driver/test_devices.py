"""A study whose trials are computed on several devices has the table of one, and goes on with its runs."""

import shutil

import pytest

from tests import in_process
from tests.forked import Forked
from tests.study import studies
from workbench.training import leader

pytestmark = pytest.mark.slow
STUDY = {
    "learning_rates": [0.01],
    "seeds": {"confirm": 1},
    "training": studies.TINY["training"] | {"probes": 0.05},
}
DEVICES = ["--set", "training.devices=2", "--set", "training.strategy=ddp"]


def run(folder, *more):
    answer = in_process.workbench(folder, "run", "tiny.yaml", *more)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def require_close(value, other, key):
    """All numbers within 1e-5, all else equal."""
    if isinstance(value, dict):
        assert value.keys() == other.keys(), key
        for name in value:
            require_close(value[name], other[name], f"{key}.{name}")
    elif isinstance(value, list):
        assert len(value) == len(other), key
        for place, (own, theirs) in enumerate(zip(value, other, strict=True)):
            require_close(own, theirs, f"{key}.{place}")
    else:
        assert other == (pytest.approx(value, abs=1e-5) if isinstance(value, float) else value), key


def test_two_devices_give_the_table_of_one(tmp_path, monkeypatch):
    monkeypatch.setattr(leader.subprocess, "Popen", Forked)
    one, two = tmp_path / "one", tmp_path / "two"
    studies.make_study(one, **STUDY)
    run(one)
    shutil.copytree(one, two)
    treated = [run for run in studies.records(two) if run["variant"] == "norm=layernorm"]
    shutil.rmtree(two / "results/tiny/runs" / treated[0]["run_id"])
    run(two, *DEVICES)
    # The run has the identity that it had, and says how it was computed; so does the report.
    (again,) = [run for run in studies.records(two) if run["variant"] == "norm=layernorm"]
    assert again["run_id"] == treated[0]["run_id"]
    assert again["provenance"]["execution"] == [{"devices": 2, "strategy": "ddp"}]
    ours, theirs = studies.report(one), studies.report(two)
    assert any("2 ways of computing" in note["text"] for note in theirs["notes"])
    for own, other in zip(ours["rows"], theirs["rows"], strict=True):
        assert other.keys() == own.keys()
        for key, value in own.items():
            if not any(word in key for word in ("seconds", "memory")):
                require_close(value, other[key], key)
    assert again["summary"] == pytest.approx(treated[0]["summary"], abs=1e-5)
    # What the trial printed is in its log, the other rank's too; no file is another rank's.
    left = {path.name for path in (two / "results/tiny/runs" / again["run_id"]).iterdir()}
    assert left == {path.name for path in (one / "results/tiny/runs" / again["run_id"]).iterdir()}
