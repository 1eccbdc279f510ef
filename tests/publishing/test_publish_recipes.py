"""A published study of several tokenizers has all that a reader of its runs needs."""

import shutil

import pytest

from tests.inspection.head_studies import scope_of
from tests.inspection.recipe_runs import LEARNED, LONGER, write_study
from workbench.analysis.effects import study_report
from workbench.analysis.report import render
from workbench.inspection import measuring
from workbench.inspection.views import find_view
from workbench.publishing.publish import publish
from workbench.records.index import load_study
from workbench.records.manifest import read_manifest
from workbench.records.run import RunDirectory
from workbench.training.run_text import open_tokenizer


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The study, and its copy; what it was trained on lies below the present directory."""
    place = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_CACHE", str(place / "cache"))
        patch.chdir(place)
        study = write_study(place / "results")
        copy = publish(study, place / "results", weights=1, limit=80.0).path
        shutil.rmtree(place / "text")
        shutil.rmtree(place / "cache")
        yield study, copy


def test_every_tokenizer_is_kept_and_reads_without_the_text(published):
    study, copy = published
    kept = sorted(path.name for path in study.glob("tokenizer-*.json"))
    assert len(kept) == 1
    assert sorted(path.name for path in copy.glob("tokenizer-*.json")) == kept
    run = scope_of(copy, LEARNED, seed=201).run
    tokenizer = open_tokenizer(run)
    assert tokenizer.decode(tokenizer.encode("return value")) == "return value"


def test_fingerprints_and_names_of_every_text_stay(published):
    study, copy = (read_manifest(path) for path in published)
    assert copy.evaluation[1].fingerprint == study.evaluation[1].fingerprint
    assert [one.description for one in copy.evaluation] == [one.description for one in study.evaluation]
    own = next(one for one in copy.variants if one.name == LEARNED)
    assert (
        own.data["tokenizer"]["sha256"]
        == open_tokenizer(scope_of(published[1], LEARNED, seed=201).run).spec["sha256"]
    )
    assert own.data["fingerprint"]
    assert own.data["corpus"]["path"] == "./text"  # nothing of the machine, and still its name
    assert own.budget == next(one for one in study.variants if one.name == LEARNED).budget


def test_the_copy_says_what_the_study_says(published):
    study, copy = map(load_study, published)
    assert (len(copy.runs), copy.superseded, copy.problems) == (len(study.runs), 0, [])
    assert render(study_report(copy), "csv") == render(study_report(study), "csv")
    report = (published[1] / "report.md").read_text()
    assert "Other evaluation sets" in report
    assert "bytes read" in report
    shown = load_study(published[1]).runs.iloc[0]
    entries = RunDirectory(shown["path"]).read().config["data"]["evaluation"]
    assert [one["name"] for one in entries] == ["in_domain", "prose"]


def test_views_of_the_copy_open(published, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    result = find_view("head_scores").show(scope_of(published[1], LONGER, "baseline", seed=201))
    assert any("windows of another length" in answer for answer in result.answers)


def test_what_was_measured_for_a_copy_is_not_measured_again(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    study, results = write_study(tmp_path / "results"), tmp_path / "results"
    for path in study.glob("runs/*/probes.parquet"):
        path.unlink()
    weights = len(list(study.glob("runs/*/model.safetensors")))

    bare = publish(study, results, weights=1, limit=80.0, measure=False)
    assert bare.measuring.measured == []
    assert not list(study.glob("runs/*/probes.parquet"))
    assert "Head scores" in bare.views_without
    assert f"- views: no run here was measured for {', '.join(bare.views_without)}" in (
        (bare.path / "report.md").read_text()
    )

    first = publish(study, results, weights=1, limit=80.0)
    assert 0 < len(first.measuring.measured) <= weights
    assert "Head scores" not in first.views_without
    monkeypatch.setattr(measuring, "_measure", lambda *_: pytest.fail("measured twice"))
    again = publish(study, results, weights=1, limit=80.0)
    assert again.measuring.measured == []
    assert again.views_without == first.views_without
