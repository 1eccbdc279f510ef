"""A damaged record is marked and named with its key and what to do; it never takes a study down.

One damage at a time in a small sound study: each key of run.json and study.yaml, and damages of whole files.
"""

import json
from contextlib import redirect_stdout, suppress
from copy import deepcopy
from io import StringIO

import pytest
import yaml

from tests.analysis.synthetic_studies import Study, manifest, variant
from workbench.analysis.effects import study_report
from workbench.analysis.report import render, to_json
from workbench.errors import RecordError, UserError
from workbench.files import write_yaml
from workbench.records import load_study
from workbench.records.find import find_run
from workbench.records.run import RunDirectory
from workbench.study.status import render_status, study_status
from workbench.terminal import console

DELETED = object()
DAMAGES = {"null": None, "text": "x", "list": [], "tag": "[/red]", "deleted": DELETED}
FILES = {
    "empty": b"",
    "cut": b'{"run_id": "abc", "sta',
    "garbage": b"\x93\x00\xff garbage",
    "nul": bytes(40),
    "list": b"[]",
    "deep": b"[" * 100_000,
    "deep value": b'{"a": ' * 900 + b"1" + b"}" * 900,
}
LOSSES = [3.0, 3.01, 2.99]
ANY_TEXT = ("run_id", "study", "variant", "error", "git_commit", "precision")
NOT_KNOWN = ("error", "started", "finished", "git_commit")  # may be null
NOT_NEEDED = ("error", "started", "finished", "attempts")  # may be left out


def inner_keys():
    """Keys inside of the mappings of a run that are read for its row."""
    yield ("summary", "validation/loss")
    yield from (("cost", key) for key in ("tokens", "flops", "seconds", "parameters"))
    yield from (("progress", key) for key in ("step", "steps"))
    yield from (("provenance", key) for key in ("versions", "git_commit", "precision", "population"))
    yield from (("config", key) for key in ("model", "data", "training"))
    yield ("config", "training", "threads")
    yield ("hyperparameters", "learning_rate")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "synthetic"
    variants = [variant("baseline"), variant("norm=layernorm", norm="layernorm")]
    seeds = {"pilot": [1, 2], "tune": [101], "confirm": [201, 202, 203]}
    body = manifest(variants, seeds=seeds)
    study = Study(folder, body).pilot([3.0, 3.01]).tune(seeds=(101,))
    study.confirm("baseline", LOSSES).confirm("norm=layernorm", [loss - 0.1 for loss in LOSSES])
    write_yaml(folder.parent / "other" / "study.yaml", body)  # has to be shown as ever
    return folder


@pytest.fixture
def restored(sound):
    """The sound study; whatever a test wrote over its one run and its manifest is put back."""
    files = [confirm_run(sound), sound / "study.yaml"]
    before = [file.read_bytes() for file in files]
    yield sound
    for file, content in zip(files, before, strict=True):
        clear(file)
        file.write_bytes(content)
    (sound / "driver.json").unlink(missing_ok=True)


def clear(file):
    if file.is_dir() and not file.is_symlink():
        file.rmdir()
    else:
        file.unlink(missing_ok=True)


def confirm_run(study):
    """The record of the first confirm run of the variant."""
    runs = load_study(study).runs
    chosen = runs[
        (runs["phase"] == "confirm") & (runs["variant"] == "norm=layernorm") & (runs["seed"] == 201)
    ]
    return RunDirectory(chosen["path"].iloc[0]).path / "run.json"


def damaged(values, path, damage):
    changed = deepcopy(values)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    if damage is DELETED:
        inner.pop(path[-1], None)
    else:
        inner[path[-1]] = damage
    return changed


def everything(study):
    """What all commands say of the study: report in all formats, status, and the run by its name."""
    records = load_study(study)
    report = study_report(records)
    for form in ("terminal", "md", "csv", "latex"):
        render(report, form)
    json.dumps(to_json(report))
    facts = study_status(None, study.parent)
    with redirect_stdout(StringIO()):
        console().print(render_status(facts))
    json.dumps(facts)
    for name in ("synthetic/norm=layernorm/202", "synthetic/norm=layernorm/201", "synthetic/nothing/1"):
        with suppress(UserError):  # an error in a line, that this or that run is not there
            find_run(study.parent, name)
    return records, report, facts


def facts_of(study, facts):
    return next(one for one in facts["studies"] if one["path"] == str(study))


def require_marked(study, run, key=""):
    """The run is named with its key and a remedy, enters no number, and all else is as it was."""
    records, report, facts = everything(study)
    (problem,) = records.problems
    assert problem.path == run
    assert problem.message.startswith(f"{run}: ")
    assert "delete the run's directory and run the study" in problem.message
    assert "\n" not in problem.message
    assert key in problem.message
    assert run.parent.name not in set(records.runs["run_id"])
    assert facts_of(study, facts)["problems"] == [problem.message]
    assert problem.message in report.notes
    assert [row.seeds_done for row in report.rows] == [3, 2]


def write_run(study, path, damage):
    run = confirm_run(study)
    values = json.loads(run.read_text())
    run.write_text(json.dumps(damaged(values, path, damage)))
    return run


RUN_KEYS = (
    *("run_id", "study", "variant", "phase", "seed", "hyperparameters", "config", "state", "error"),
    *("summary", "cost", "progress", "provenance", "created", "started", "finished", "attempts"),
)


def is_sound(path, damage):
    """Whether a record may be so."""
    inner = len(path) > 1
    if damage == "null":
        return path[-1] in NOT_KNOWN or (inner and path[0] in ("summary", "cost"))
    if damage == "deleted":
        return path[-1] in NOT_NEEDED or (inner and path[-1] != "learning_rate")
    return damage in ("text", "tag") and path[-1] in ANY_TEXT


@pytest.mark.parametrize("path", [*((key,) for key in RUN_KEYS), *inner_keys()], ids=".".join)
def test_runs_with_a_damaged_key_are_marked_and_the_rest_is_as_it_was(sound, path):
    """Each damage of the key in a run of its own, all at once."""
    runs = [RunDirectory(one) for one in load_study(sound).runs["path"]][: len(DAMAGES)]
    files = [run.path / "run.json" for run in runs]
    before = [file.read_text() for file in files]
    for file, content, damage in zip(files, before, DAMAGES.values(), strict=True):
        file.write_text(json.dumps(damaged(json.loads(content), path, damage)))
    try:
        records, report, facts = everything(sound)
        marked = [file for file, name in zip(files, DAMAGES, strict=True) if not is_sound(path, name)]
        assert [problem.path for problem in records.problems] == sorted(marked)
        assert len(records.runs) == 14 - len(marked)
        for problem in records.problems:
            assert problem.message.startswith(f"{problem.path}: ")
            assert ("training" if path[-1] == "threads" else path[-1]) in problem.message
            assert "delete the run's directory and run the study" in problem.message
            assert "\n" not in problem.message
            assert problem.message in report.notes
        assert facts_of(sound, facts)["problems"] == [problem.message for problem in records.problems]
    finally:
        for file, content in zip(files, before, strict=True):
            file.write_text(content)


@pytest.mark.parametrize("content", FILES)
def test_a_run_whose_file_is_damaged_is_marked(restored, content):
    run = confirm_run(restored)
    run.write_bytes(FILES[content])
    require_marked(restored, run)


@pytest.mark.parametrize("kind", ["directory", "loop", "dangling"])
def test_a_run_whose_file_is_no_file_is_marked(restored, kind):
    run = confirm_run(restored)
    run.unlink()
    if kind == "directory":
        run.mkdir()
    else:
        run.symlink_to(run if kind == "loop" else run.with_name("nowhere"))
    require_marked(restored, run)


def test_a_damaged_configuration_that_is_too_deep_to_be_hashed_is_marked(restored):
    run = confirm_run(restored)
    values = json.loads(run.read_text())
    deep = {}
    for _ in range(850):
        deep = {"a": deep}
    run.write_text(json.dumps(damaged(values, ("config", "model"), deep)))
    everything(restored)


def test_a_number_that_no_table_can_hold_is_a_damage(restored):
    run = confirm_run(restored)
    sound = run.read_bytes()
    for path in (("seed",), ("cost", "tokens"), ("progress", "step")):
        require_marked(restored, write_run(restored, path, 10**400), path[-1])
        run.write_bytes(sound)


def test_a_hyperparameter_cannot_have_the_name_of_what_a_run_is(restored):
    run = write_run(restored, ("hyperparameters",), {"learning_rate": 0.1, "seed": 7.0})
    require_marked(restored, run, "hyperparameters")


def test_a_metric_cannot_take_the_place_of_what_a_run_is(restored):
    write_run(restored, ("summary", "seed"), 7)
    records, *_ = everything(restored)
    assert 7 not in set(records.runs["seed"])


def test_a_factorial_manifest_whose_variants_name_other_factors_is_an_error(tmp_path):
    variants = [variant("baseline"), variant("norm=layernorm", norm="layernorm")]
    variants[1]["levels"] = {}
    study = Study(tmp_path / "s", manifest(variants, design="full_factorial")).load()
    with pytest.raises(RecordError, match="variants: norm=layernorm: levels: should name the factors"):
        study_report(study)


def test_what_a_newer_version_adds_is_kept(restored):
    run = write_run(restored, ("colour",), "blue")
    directory = RunDirectory(run.parent)
    directory.write(directory.read())
    assert json.loads(run.read_text())["colour"] == "blue"


NEEDED = ("name", "variants", "baseline", "metric", "margin")
MANIFEST_KEYS = (
    *NEEDED,
    *("question", "design", "match", "factors", "learning_rates", "grid_growth", "halving", "seeds"),
    *("phases", "context", "training", "data", "start", "hash", "versions", "git_commit", "git_dirty"),
    *("command", "amendments"),
)
MANIFEST_PATHS = [
    *((key,) for key in MANIFEST_KEYS),
    *(
        ("variants", 1, key)
        for key in ("name", "levels", "change", "parameters", "flops_per_token", "mismatch")
    ),
    *(("variants", 1, key) for key in ("config_hash", "model", "nonembedding_parameters")),
    *(("seeds", key) for key in ("pilot", "tune", "confirm")),
    ("training", "tokens"),
    ("data", "description"),
]


@pytest.mark.parametrize("path", MANIFEST_PATHS, ids=lambda path: ".".join(map(str, path)))
def test_a_damaged_manifest_is_an_error_with_its_key_or_is_read(restored, path):
    """Either the report stands, or one line names file, key and remedy; other studies are shown as ever."""
    file = restored / "study.yaml"
    values = yaml.safe_load(file.read_text())
    for damage in DAMAGES.values():
        file.write_text(json.dumps(damaged(values, path, damage)))  # which is YAML too
        problem = None
        try:
            report = study_report(load_study(restored))
            json.dumps(to_json(report))
            render(report, "terminal")
        except UserError as error:
            problem = str(error)
        if problem is not None and path != ("metric",):  # of another metric the message says which there are
            assert problem.startswith(f"{file}: ")
            assert problem.endswith("; restore the file, or run the study again to rebuild it")
            assert path[-1] in problem or path == ("variants", 1, "name")
        assert problem is not None or damage is not DELETED or path[-1] not in NEEDED
        facts = study_status(None, restored.parent)
        assert "other" in [study["path"].rpartition("/")[2] for study in facts["studies"]]
        assert len(facts["studies"]) + len(facts["problems"]) == 2


@pytest.mark.parametrize("content", FILES)
def test_a_manifest_whose_file_is_damaged_is_an_error_with_the_remedy(restored, content):
    (restored / "study.yaml").write_bytes(FILES[content])
    with pytest.raises(RecordError, match=r"study\.yaml: .*; restore the file, or run the study again"):
        load_study(restored)
    assert len(study_status(None, restored.parent)["problems"]) == 1


@pytest.mark.parametrize(
    "content",
    [
        *(content for name, content in FILES.items()),
        *(
            json.dumps({"state": "running", "updated": "2026-01-01T00:00:00+00:00"} | {key: value}).encode()
            for key in ("state", "updated", "pid", "host", "phase", "message", "seconds_left")
            for value in ([], "[/red]", {"a": 1})
        ),
    ],
)
def test_a_damaged_sign_of_life_is_named_and_nothing_else_changes(restored, content):
    (restored / "driver.json").write_bytes(content)
    records, report, _ = everything(restored)
    assert [row.seeds_done for row in report.rows] == [3, 3]
    assert not records.is_live
    assert all("delete it, or run the study again" in problem.message for problem in records.problems)
