"""A published study says what the study says, fits into a commit, and names nothing of the machine."""

import json
import platform
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from safetensors.numpy import save_file
from typer.testing import CliRunner

from workbench.analysis.effects import study_report
from workbench.cli.catalogue import catalogue
from workbench.cli.main import app
from workbench.driver.optuna_ledger import Ledger, journal_damage
from workbench.errors import RecordError, UserError
from workbench.files import read_yaml, write_json, write_yaml
from workbench.publishing.publish import publish
from workbench.publishing.scrub import Scrubber
from workbench.records.find import find_run
from workbench.records.index import list_studies, load_study
from workbench.records.metrics import MetricsWriter
from workbench.records.probes import empty_probes, read_probes, write_probes
from workbench.records.run import RunDirectory, RunRecord, State, config_hash, now, run_id, write_record
from workbench.records.study_notes import write_remark
from workbench.records.weights_at_hand import require_weights
from workbench.study.paths import find_results
from workbench.study.status import render_status, study_status

USER, HOST = "alice-of-the-lab", "node07.cluster"
SEEDS = [11, 12, 13]
LOSSES = {"baseline": [2.0, 2.1, 2.05], "norm=layernorm": [2.2, 2.31, 2.24]}
WEIGHTS = 40_000  # bytes of each run's weights


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A user's project below a home of a name that is in no other text; the present directory."""
    project = tmp_path / "homes" / USER / "project"
    project.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(project.parent))
    monkeypatch.setenv("USER", USER)
    monkeypatch.setattr(platform, "node", lambda: HOST)
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def study(place):
    """A finished study of two variants, with everything that a driver and its workers leave behind."""
    return write_study(place)


def config(place, variant):
    corpus = {"path": str(place.parent / "texts"), "glob": "**/*.txt"}
    return {
        "model": {"variant": variant, "context": 16},
        "data": {"corpus": corpus, "tokenizer": "bytes"},
        "training": {"device": "cpu", "threads": 1},
    }


def write_study(place, name="mine", **changes):
    folder = place / "results" / name
    variants = [
        {"name": variant, "change": {}, "levels": {}, "config_hash": config_hash(config(place, variant))}
        for variant in LOSSES
    ]
    manifest = {
        "name": name,
        "question": "Does it help and/or hurt, see https://arxiv.org/abs/1706.03762?",
        "design": "one_at_a_time",
        "metric": "validation/loss",
        "margin": 0.05,
        "baseline": "baseline",
        "variants": variants,
        "learning_rates": [0.01],
        "seeds": {"pilot": [], "tune": [], "confirm": SEEDS},
        "phases": ["confirm"],
        "data": {
            "corpus": {"path": str(place.parent / "texts")},
            "description": f"{place.parent}/texts (**/*.txt), 12 documents",
        },
        "command": f"workbench run {place}/mine.yaml --out {place}/results --set x=/scratch/{USER}/y",
    }
    write_yaml(folder / "study.yaml", manifest | changes)
    ledger = Ledger(folder, "validation/loss")
    for variant, losses in LOSSES.items():
        for seed, loss in zip(SEEDS, losses, strict=True):
            write_run(folder, ledger, config(place, variant), variant, seed, loss)
    write_json(folder / "driver.json", {"state": "done", "host": HOST, "pid": 7, "updated": "2026-01-01"})
    (folder / "driver.lock").touch()
    (folder / "worker-0.log").write_text(f"{place}: started\n")
    return folder


def write_run(folder, ledger, settings, variant, seed, loss, phase="confirm"):
    record = RunRecord(
        run_id=run_id(settings, phase, {"learning_rate": 0.01}, seed),
        study=folder.name,
        variant=variant,
        phase=phase,
        seed=seed,
        hyperparameters={"learning_rate": 0.01},
        config=settings,
        state=State.COMPLETE,
        summary={"validation/loss": loss},
        cost={"tokens": 800, "flops": 1e6, "seconds": 1.0},
        progress={"step": 4, "steps": 4},
        provenance={"hardware": {"device": "cpu", "processor": "Testium 9", "cores": 2}},
    )
    axes = {"step": [2, 4], "tokens": [400, 800], "flops": [5e5, 1e6], "seconds": [0.5, 1.0]}
    run = write_record(folder, record, pd.DataFrame(axes | {"validation/loss": [loss + 0.2, loss]}))
    numbers = np.random.default_rng(seed).standard_normal(WEIGHTS // 4, dtype=np.float32)
    save_file({"head.weight": numbers}, run.weights)
    (run.path / "log.txt").write_text(f"{Path.cwd()} on {HOST}\n")
    ledger.finish(record)
    return run


def change(folder, variant, seed, **values):
    """Rewrite a run's record; one that is not complete has no weights."""
    run = run_of(folder, variant, seed)
    record = run.read()
    for name, value in values.items():
        setattr(record, name, value)
    run.write(record)
    if record.state is not State.COMPLETE:
        run.weights.unlink()
    return record


def run_of(folder, variant, seed):
    runs = load_study(folder).runs
    row = runs[(runs["variant"] == variant) & (runs["seed"] == seed)].iloc[0]
    return RunDirectory(row["path"])


def published(folder, *, weights=1, limit=20.0):
    return publish(folder, folder.parent, weights=weights, limit=limit)


def probes(*metrics):
    """A table of a row for each of ``metrics``."""
    row = {"step": 4, "table": "heads", "layer": 0, "head": 0, "x": None, "value": 0.5, "n": 1}
    return pd.DataFrame([row | {"metric": metric, "probe_hash": "abc"} for metric in metrics])


def weights_of(folder):
    runs = [RunDirectory(path.parent).read() for path in (folder / "runs").glob("*/model.safetensors")]
    return sorted((run.variant, run.seed) for run in runs)


def test_records_report_and_figures_are_copied_and_what_is_only_of_the_run_is_not(study, place):
    (run_of(study, "baseline", 11).path / "last.ckpt").write_bytes(b"checkpoint")
    write_remark(study, "for nobody else", ["mine"])
    done = published(study)
    assert done.path == place / "results" / "published" / "mine"
    assert sorted(path.name for path in done.path.iterdir()) == [
        "curves.svg", "forest.svg", "metrics.parquet", "optuna.journal", "report.csv", "report.md", "runs",
        "study.yaml",
    ]  # fmt: skip
    files = {path.name for path in (done.path / "runs").glob("*/*")}
    assert files == {"run.json", "model.safetensors"}
    assert (done.runs, done.weights) == (6, 2)
    assert "![forest](forest.svg)" in (done.path / "report.md").read_text()
    assert not list(done.path.parent.glob(".*"))


def test_the_copy_says_what_the_study_says(study):
    before, after = load_study(study), load_study(published(study).path)
    assert after.superseded == 0
    assert after.problems == []
    assert [row.comparison for row in study_report(after).rows] == [
        row.comparison for row in study_report(before).rows
    ]
    for path, copy in zip(before.runs["path"], after.runs["path"], strict=True):
        pd.testing.assert_frame_equal(RunDirectory(copy).metrics(), RunDirectory(path).metrics())
    trials = Ledger(published(study).path, "validation/loss")._study("baseline").get_trials()
    assert [trial.value for trial in trials] == LOSSES["baseline"]


def test_no_published_byte_names_the_machine_or_its_user(study, place):
    trace = (
        f'Traceback:\n  File "{place}/my_parts.py", line 3\n  File "/opt/{USER}/lib/torch/nn.py", line 9\n'
        f"ConnectionError: [{HOST}] refused {USER}"
    )
    where = {"machines": [{"name": HOST, "step": 0}]}
    failed = change(
        study, "norm=layernorm", 13, state=State.FAILED, error=trace, summary={}, provenance=where
    )
    (study / "optuna.journal").unlink()
    Ledger(study, "validation/loss").finish(failed)
    copy = published(study).path
    assert "refused" in (copy / "optuna.journal").read_text()
    for path in sorted(path for path in copy.rglob("*") if path.is_file()):
        content = path.read_bytes()
        for private in (str(Path.home()), str(place), USER, HOST, HOST.partition(".")[0]):
            assert private.encode() not in content, (path, private)
    assert read_yaml(copy / "study.yaml")["command"] == (
        "workbench run ./mine.yaml --out ./results --set x=y"
    )
    (error,) = [json.loads(path.read_text())["error"] for path in copy.glob(f"runs/{failed.run_id}/run.json")]
    assert error.splitlines()[1:] == [
        '  File "./my_parts.py", line 3',
        '  File "nn.py", line 9',
        "ConnectionError: […] refused …",
    ]


def test_what_escapes_the_scrubbing_is_refused(study, place, monkeypatch):
    monkeypatch.setattr(Scrubber, "text", lambda self, text: text)
    with pytest.raises(UserError, match=rf"names .*{USER}.*, a path of this machine"):
        published(study)
    assert not (place / "results" / "published" / "mine").exists()


def test_a_text_in_a_table_that_names_a_place_is_refused_though_it_is_compressed(study, place):
    # Only the first and the last of a column's texts stand in the file as they are.
    write_probes(run_of(study, "baseline", 11).path, probes("distance", f"entropy of {place}/text", "share"))
    with pytest.raises(UserError, match=rf"probes\.parquet: names {place}, a path of this machine"):
        published(study)


def test_texts_that_are_no_paths_of_a_machine_stay(place):
    scrubber = Scrubber()
    for text in (
        "and/or",
        "nats/token",
        "a (b)/c",
        "imported/gpt2",
        "https://arxiv.org/abs/1",
        "../texts",
        "3/4",
    ):
        assert scrubber.text(text) == text
    assert scrubber.text(f"{place}er/x.txt, one document") == "x.txt, one document"
    assert scrubber.text("~/data/x and /Users/bob/my.txt") == "x and my.txt"
    assert scrubber.value({"error": [f"on {HOST}"], "name": HOST}) == {"error": ["on …"], "name": HOST}


def test_weights_are_of_the_same_seeds_for_every_variant(study):
    assert weights_of(published(study, weights=2).path) == [
        ("baseline", 11), ("baseline", 12), ("norm=layernorm", 11), ("norm=layernorm", 12),
    ]  # fmt: skip
    change(study, "norm=layernorm", 11, state=State.DIVERGED, error="loss is nan", summary={})
    assert weights_of(published(study).path) == [("baseline", 12), ("norm=layernorm", 12)]
    assert weights_of(published(study, weights=0).path) == []


def test_a_study_that_has_lost_its_weights_is_published_without(study):
    for path in study.glob("runs/*/model.safetensors"):
        path.unlink()
    assert published(study).weights == 0


def test_rows_of_a_lost_worker_are_compacted(study):
    record = change(study, "baseline", 11, state=State.FAILED, error="the worker died", summary={})
    lost = RunDirectory(study / "runs" / record.run_id)
    (lost.path / "metrics.parquet").unlink()
    writer = MetricsWriter(lost.path)
    writer.append({"step": 1, "tokens": 1, "flops": 1.0, "seconds": 0.1, "train/loss": 3.0})
    writer.close()
    copy = RunDirectory(published(study).path / "runs" / record.run_id)
    assert not (copy.path / "metrics.jsonl").exists()
    assert copy.metrics()["train/loss"].tolist() == [3.0]


@pytest.mark.parametrize("name", ["metrics.parquet", "model.safetensors", "probes.parquet"])
def test_a_damaged_file_of_a_run_is_named_and_nothing_is_published(study, name):
    run = run_of(study, "baseline", 11).path
    write_probes(run, empty_probes())
    (run / name).write_bytes((run / name).read_bytes()[:-20])
    with pytest.raises(RecordError, match=f"{run.name}/{name}: (cannot be read|is damaged)"):
        published(study)
    assert not (study.parent / "published" / study.name).exists()


def test_a_complete_run_without_rows_is_not_published(study):
    (run_of(study, "baseline", 11).path / "metrics.parquet").unlink()
    with pytest.raises(RecordError, match=r"metrics\.parquet: is missing"):
        published(study)


def test_a_study_without_a_pair_is_not_published(study):
    runs = load_study(study).runs
    for seed in runs.loc[(runs["phase"] == "confirm") & (runs["variant"] == "baseline"), "seed"]:
        change(study, "baseline", seed, state=State.FAILED, error="boom", summary={})
    with pytest.raises(UserError, match="no pair of its trials completed"):
        published(study)


def test_a_damaged_journal_is_published_as_the_records_have_it(study):
    (study / "optuna.journal").write_text('{"op_code": 0, "worker')
    copy = published(study).path
    assert journal_damage(copy / "optuna.journal") is None
    storage = JournalStorage(JournalFileBackend(str(copy / "optuna.journal")))
    trials = [trial for one in storage.get_all_studies() for trial in storage.get_all_trials(one._study_id)]
    assert len(trials) == len(list(copy.glob("runs/*/run.json")))


def test_the_limit_counts_all_published_studies_and_names_the_remedy(study, place):
    with pytest.raises(
        UserError, match=r"limit: mine takes [\d.]+ kB, [\d.]+ kB of them weights.*fewer --weights"
    ):
        published(study, limit=0.05)
    assert not (place / "results" / "published" / "mine").exists()
    size = published(study, weights=0).megabytes
    published(study, weights=0, limit=size * 1.01)  # an earlier copy of the same study makes room
    other = write_study(place, "other")
    with pytest.raises(UserError, match=r"weights, other studies [\d.]+ kB"):
        published(other, weights=0, limit=size * 1.5)
    assert published(other, weights=0, limit=size * 2.1).all_megabytes == pytest.approx(2 * size, rel=0.02)


def test_a_run_without_an_outcome_is_not_published(study, place):
    ledger = Ledger(study, "validation/loss")
    run = write_run(study, ledger, config(place, "baseline"), "baseline", 5, 2.0, phase="tune")
    record = run.read()
    record.state = State.RUNNING
    run.write(record)
    assert published(study).runs == 6


def test_a_stopped_study_is_published_where_that_is_asked_for(study):
    change(study, "norm=layernorm", 13, state=State.RUNNING)
    copy = publish(study, study.parent, weights=0, limit=80, stopped=True).path
    assert "study stopped" in (copy / "report.md").read_text()
    states = {RunDirectory(path).read().state for path in (copy / "runs").iterdir()}
    assert states == {State.COMPLETE}
    write_json(study / "driver.json", {"state": "running", "updated": now()})
    with pytest.raises(UserError, match="mine: is running"):
        publish(study, study.parent, weights=0, limit=80, stopped=True)


def test_publishing_again_replaces_the_copy(study):
    published(study, weights=3)
    write_probes(run_of(study, "baseline", 11).path, probes("entropy"))
    copy = published(study).path
    assert len(list(copy.glob("runs/*/model.safetensors"))) == 2
    assert pd.read_parquet(copy / "probes.parquet")["metric"].tolist() == ["entropy"]
    assert read_probes(run_of(copy, "baseline", 11).path)["value"].tolist() == [0.5]
    assert read_probes(run_of(copy, "baseline", 12).path).empty


def test_a_study_without_a_verdict_is_refused(study, place):
    change(study, "baseline", 12, state=State.RUNNING)
    with pytest.raises(UserError, match="mine: is stopped, and only finished studies are published; run it"):
        published(study)
    change(study, "baseline", 12, state=State.COMPLETE)
    write_json(study / "driver.json", {"state": "running", "updated": now()})
    with pytest.raises(UserError, match="mine: is running, and only finished studies are published"):
        published(study)
    imports = write_study(place, "imported", design="import")
    with pytest.raises(UserError, match="holds models from elsewhere"):
        published(imports)


def test_a_published_study_is_not_published_again(study):
    with pytest.raises(UserError, match="published/mine: is published already"):
        published(published(study).path)


def test_a_run_without_weights_is_answered_with_those_that_have_them(study):
    copy = published(study).path
    require_weights(run_of(copy, "baseline", 11))
    with pytest.raises(UserError) as told:
        require_weights(run_of(copy, "baseline", 12))
    assert str(told.value) == (
        "baseline seed 12 of mine was published without its weights; choose a run that has them: "
        "baseline seed 11, norm=layernorm seed 11"
    )
    with pytest.raises(UserError, match="without its weights, as all its runs were"):
        require_weights(run_of(published(study, weights=0).path, "baseline", 12))


def test_a_study_and_its_copy_are_told_apart(study, place):
    copy, results = published(study).path, place / "results"
    assert list_studies(results) == [study, copy]
    assert find_results("mine", results) == study
    assert find_results("published/mine", results) == copy
    assert find_run(results, "mine/baseline/12").path.parents[1] == study
    assert find_run(results, "published/mine/baseline/12").path.parents[1] == copy
    facts = study_status(None, results)
    assert [(one["published"], one["state"]) for one in facts["studies"]] == [
        (False, "done"),
        (True, "published"),
    ]
    names = list(render_status(facts).renderables[0].columns[0].cells)
    assert names == ["mine", "published/mine"]


def test_a_checkout_with_published_studies_alone_can_be_read(study, place, monkeypatch):
    (place / "ablations").mkdir()
    write_yaml(place / "ablations" / "mine.yaml", {})
    copy = published(study).path
    assert {row["results"] for row in catalogue(["studies"], place / "results")["studies"]} == {"yes"}
    study.rename(place / "elsewhere")
    assert {row["results"] for row in catalogue(["studies"], place / "results")["studies"]} == {"published"}
    assert find_results("mine", place / "results") == copy
    assert find_run(place / "results", "mine/baseline/12").path.parents[1] == copy


def test_the_command_says_what_was_published(study):
    answer = CliRunner().invoke(app, ["publish", "mine"], catch_exceptions=False)
    assert answer.exit_code == 0
    assert "published: results/published/mine: 6 runs, 2 with weights, " in answer.output
    assert re.search(r"with weights, [\d.]+ kB \([\d.]+ kB of 80 MB for all\)", answer.output)
    assert "git add results/published/mine" in answer.output
    # The made-up runs have weights that no decoder takes: they are published as they are, and named.
    assert "note: 6 of 6 confirm runs lack tables that views read; 6 with weights are" in answer.stderr
    (told,) = [line for line in answer.stdout.splitlines() if line.startswith("not measured: ")]
    assert "baseline seed 11 (heads, profiles," in told
    assert "and 2 more: " in told
