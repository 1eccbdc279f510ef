"""Studies that start from a run: one part swapped in a trained model, its damage and its recovery."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tests.in_process import workbench
from tests.study.studies import TINY, make_study
from tests.tiny_models import save_llama
from workbench.cli.main import app
from workbench.errors import UserError
from workbench.records.find import find_run
from workbench.records.index import load_study
from workbench.records.run import RunDirectory

FIRST = {
    "training": {"tokens": 12800, "batch_size": 4, "evaluations": 4, "evaluation_tokens": 512},
    "seeds": {"tune": 0, "confirm": 1},
    "learning_rates": [0.01],
}
SECOND = {
    "question": "what does it cost to take it out?",
    "start": "tiny/baseline",
    "factors": {"norm": ["rmsnorm", "layernorm"], "positions": ["rope", "none"]},
    "training": TINY["training"],
    "learning_rates": [0.003],
    "seeds": {"tune": 0, "confirm": 2},
    "margin": 0.05,
}


def second(folder: Path, **changes) -> Path:
    path = folder / "second.yaml"
    path.write_text(
        yaml.safe_dump({key: value for key, value in (SECOND | changes).items() if value is not None})
    )
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the finished study 'tiny', and 'second', which started from its baseline."""
    folder = tmp_path_factory.mktemp("start")
    make_study(folder, **FIRST)
    second(folder)
    for name in ("tiny.yaml", "second.yaml"):
        answer = workbench(folder, "run", name)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder


def curves(folder):
    runs = load_study(folder / "results" / "second").runs
    assert set(runs["state"]) == {"complete"}
    return {(row["variant"], row["seed"]): RunDirectory(row["path"]).metrics() for _, row in runs.iterrows()}


@pytest.mark.slow
def test_the_baseline_begins_exactly_where_the_run_ended(trained):
    start = find_run(trained / "results", "tiny/baseline").read().summary["validation/loss"]
    for (variant, _), curve in curves(trained).items():
        first = curve.dropna(subset=["validation/loss"]).iloc[0]
        assert (first["step"], first["tokens"], first["seconds"]) == (0, 0, 0)
        assert (first["validation/loss"] == start) == (variant == "baseline")


@pytest.mark.slow
def test_the_report_tells_damage_and_recovery(trained):
    found = json.loads(workbench(trained, "report", "second", "--json").stdout)["recovery"]
    rows = {row["variant"]: row for row in found}
    assert set(rows) == {"norm=layernorm", "positions=none"}
    without = rows["positions=none"]
    assert without["damage"] > 0.1
    assert without["remaining"] < without["damage"]
    assert without["share"] == pytest.approx(1 - without["remaining"] / without["damage"])
    for form in ("terminal", "md", "latex"):
        assert "Damage and recovery" in workbench(trained, "report", "second", "--format", form).stdout


@pytest.mark.slow
def test_the_manifest_says_what_was_kept(trained):
    manifest = load_study(trained / "results" / "second").manifest
    starts = {variant.name: variant.start for variant in manifest.variants}
    assert starts["baseline"].fresh == starts["positions=none"].fresh == 0
    assert starts["norm=layernorm"].fresh == 3 * 16  # two norms of the layer and the final one
    assert "blocks.*.attention_norm.bias" in starts["norm=layernorm"].fresh_names
    assert manifest.match == "none"
    assert manifest.start.reference == "tiny/baseline"


@pytest.mark.slow
def test_a_study_is_whole_without_the_run_that_it_started_from(trained):
    """Its weights lie in its own directory: the same command has nothing left to do."""
    run = find_run(trained / "results", "tiny/baseline")
    assert (trained / "results/second/start.safetensors").read_bytes() == run.weights.read_bytes()
    before = {path: path.stat().st_mtime_ns for path in trained.glob("results/second/runs/*/run.json")}
    with gone(trained / "results/tiny"):
        answer = workbench(trained, "run", "second.yaml")
    assert answer.returncode == 0, answer.stderr
    assert before == {
        path: path.stat().st_mtime_ns for path in trained.glob("results/second/runs/*/run.json")
    }
    assert "differs from this study's earlier manifest" not in answer.stdout


@contextmanager
def gone(folder):
    """The folder is somewhere else for a while."""
    away = folder.rename(folder.parent.parent / "away")
    try:
        yield
    finally:
        away.rename(folder)


@pytest.mark.slow
def test_an_imported_model_is_a_start(trained):
    save_llama(trained / "llama")
    assert workbench(trained, "import", "llama").returncode == 0
    second(trained, start="imported/llama", data={"corpus": {"path": "text"}}, context=24, name="third")
    answer = workbench(trained, "run", "second.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    manifest = load_study(trained / "results" / "third").manifest
    assert manifest.variants[0].start.fresh == 0
    assert manifest.variants[0].model["key_value_heads"] == 2
    with gone(trained / "results/imported"):  # its tokenizer and its special tokens too
        again = workbench(trained, "run", "second.yaml")
    assert again.returncode == 0, again.stderr
    assert "differs from this study's earlier manifest" not in again.stdout
    second(trained)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": "tiny/basline"}, "second: start: run: no complete run of 'tiny/basline'; did you mean"),
        ({"size": {"layers": 2}}, "size: a study that starts from a run has that run's size"),
        ({"baseline": "gpt2"}, "baseline: a study that starts from a run has that run's model"),
        ({"data": {"tokenizer": {"bpe": 300}}}, "data.tokenizer: the study starts from run"),
        ({"design": "leave_one_out", "reference": "gpt2", "factors": None}, "start: presets have sizes"),
        ({"start": None}, "context: how many tokens a window has is missing"),
    ],
)
def test_mistakes_name_the_key_and_the_remedy(trained, monkeypatch, changes, message):
    monkeypatch.chdir(trained)
    monkeypatch.setenv("WORKBENCH_CACHE", str(trained / "cache"))
    path = trained / "wrong.yaml"
    values = {"name": "second"} | SECOND | changes
    path.write_text(yaml.safe_dump({key: value for key, value in values.items() if value is not None}))
    result = CliRunner().invoke(app, ["check", str(path)])
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
