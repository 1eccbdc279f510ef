"""Runs of one study with tokenizers, corpora and contexts of their own, judged on the same texts."""

import json
import math
import os

import pytest

from workbench.data.batches import prepare
from workbench.data.cache import cache_directory
from workbench.data.evaluation_text import evaluation_text
from workbench.errors import UserError
from workbench.inspection.measuring import complete_tables, lacking, on_other_text
from workbench.inspection.scope import Scope
from workbench.inspection.views import find_view
from workbench.model.config import ModelConfig
from workbench.model.presets import preset
from workbench.records.manifest import Manifest, ManifestVariant, PlannedSeeds
from workbench.records.probes import read_probes
from workbench.records.run import RunDirectory, RunRecord, State, config_hash
from workbench.trained.evaluate import EVALUATIONS, evaluate_run, render_evaluation
from workbench.trained.generate import generate_text
from workbench.training.config import TrainingConfig
from workbench.training.run import Watcher
from workbench.training.run_text import keep_tokenizer, open_corpus, open_tokenizer, study_corpus
from workbench.training.trial import run_trial

VARIANTS = {  # corpus, tokenizer, context
    "bytes": ("own", "bytes", 16),
    "bpe-280": ("own", {"bpe": 280}, 16),
    "bpe-300": ("own", {"bpe": 300}, 32),
    "other corpus": ("prose", {"bpe": 280}, 16),
}


def entry(name, folder, **more):
    text = evaluation_text({"path": folder} | more, 700, cache_directory())
    return {"name": name, "corpus": text.corpus, "max_bytes": 700, "fingerprint": text.fingerprint}


def record_of(variant, corpus, context, evaluation):
    model = preset("llama", vocabulary=corpus.vocabulary, context=context, layers=1, width=16, heads=2)
    training = TrainingConfig(tokens=40 * context, batch_size=2, evaluations=2, evaluation_tokens=700)
    data = {
        "corpus": corpus.describe()["corpus"],
        "tokenizer": corpus.tokenizer.spec,
        "fingerprint": corpus.fingerprint,
        "evaluation": evaluation,
    }
    return RunRecord(
        run_id=variant.replace(" ", "-"),
        study="mixed",
        variant=variant,
        phase="confirm",
        seed=1,
        hyperparameters={"learning_rate": 0.01},
        config={
            "model": model.to_dict(),
            "data": data,
            "training": training.resolve("cpu").model_dump(mode="json") | {"device": "cpu"},
        },
    )


def manifest_of(records):
    variants = []
    for record in records:
        model = ModelConfig.from_dict(record.config["model"])
        variants.append(
            ManifestVariant(
                name=record.variant,
                levels={"tokenizer": record.variant},
                parameters=model.num_parameters(),
                flops_per_token=model.flops_per_token(),
                config_hash=config_hash(record.config),
                model=record.config["model"],
            )
        )
    return Manifest(
        name="mixed",
        question="",
        design="one_at_a_time",
        match="none",
        metric="validation/bits_per_byte",
        margin=0.01,
        factors={"tokenizer": list(VARIANTS)},
        baseline=variants[0].name,
        variants=variants,
        learning_rates=[0.01],
        seeds=PlannedSeeds(confirm=[1]),
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study's directory; its sources lie beside it, and their paths are relative to where it was run."""
    root = tmp_path_factory.mktemp("mixed")
    for name, content in {"own": "def f_{0}(x):\n    return {1}\n", "prose": "Été {0}, jour {1}.\n"}.items():
        (root / name).mkdir()
        for index in range(12):
            text = "".join(content.format(index, number) for number in range(40))
            (root / name / f"{index}.txt").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_CACHE", str(root / "cache"))
        patch.chdir(root)
        folder = root / "results" / "mixed"
        evaluation = [entry("in_domain", "own"), entry("prose", "prose", validation_fraction=1)]
        records = []
        for variant, (source, tokenizer, context) in VARIANTS.items():
            corpus = prepare({"path": source}, tokenizer, cache_directory())
            keep_tokenizer(corpus.tokenizer, folder)
            records.append(record_of(variant, corpus, context, evaluation))
            RunDirectory(folder / "runs" / records[-1].run_id).write(records[-1])
        manifest_of(records).write(folder)
        for path in (folder / "runs").iterdir():
            run_trial(RunDirectory(path), lambda data: study_corpus(folder, data), Watcher())
    return folder


@pytest.fixture
def runs(study, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(study.parent.parent / "cache"))
    return {path.name: RunDirectory(path) for path in sorted((study / "runs").iterdir())}


def test_runs_of_several_tokenizers_are_judged_on_the_same_bytes(study, runs):
    assert len(list(study.glob("tokenizer-*.json"))) == 3
    scored = {}
    for name, run in runs.items():
        found = evaluate_run(run)
        record = run.read()
        assert record.state is State.COMPLETE, record.error
        for metric in ("validation/loss", "validation/bits_per_byte", "prose/bits_per_byte"):
            assert found[metric] == record.summary[metric]
        assert found["context"] == record.config["model"]["context"]
        assert not found["text_changed"]
        assert found["notes"] == []
        scored[name] = [(one["name"], one["bytes"], one["fingerprint"]) for one in found["evaluation"]]
        bits = found["validation/loss"] * found["tokens"] / math.log(2) / scored[name][0][1]
        assert found["validation/bits_per_byte"] == pytest.approx(bits)
    assert all(sets == scored["bytes"] for sets in scored.values())
    assert len({evaluate_run(run)["tokens"] for run in runs.values()}) == 4


def test_every_run_has_its_own_text_and_tokenizer(runs):
    for name, run in runs.items():
        source, tokenizer, _ = VARIANTS[name.replace("-corpus", " corpus")]
        assert open_corpus(run).describe()["corpus"]["path"].endswith(source)
        spec = open_tokenizer(run).spec
        assert (spec if isinstance(spec, str) else {"bpe": spec["bpe"]}) == tokenizer
        assert "".join(generate_text(run, "def", tokens=3, temperature=0, top_k=None, top_p=None, seed=0))
    assert on_other_text(list(runs.values())) == []


def test_tables_of_runs_with_other_texts_are_of_probes_of_their_own(runs):
    assert complete_tables(list(runs.values())).unmeasured == []
    assert not any(lacking(run) for run in runs.values())
    hashes = {name: set(read_probes(run.path)["probe_hash"]) for name, run in runs.items()}
    assert all(len(found) == 1 for found in hashes.values())
    assert len(set.union(*hashes.values())) == 4


def test_views_leave_out_what_was_measured_on_other_tokens(runs):
    complete_tables(list(runs.values()))
    result = find_view("head_scores").show(Scope(runs["bytes"], runs["bpe-280"]))
    [left_out] = [answer for answer in result.answers if answer.startswith("bpe-280 is left out")]
    assert left_out.endswith("measured in other tokens; compare runs of one corpus, tokenizer and context.")
    result = find_view("head_ablation").show(Scope(runs["bytes"], runs["bpe-280"]), {"tokens": "32"})
    assert sum("the strongest induction head" in answer for answer in result.answers) == 2


def test_evaluate_can_read_fewer_bytes_another_context_or_another_corpus(runs):
    run = runs["bpe-280"]
    few = evaluate_run(run, tokens=300)
    assert all(250 < one["bytes"] <= 300 for one in few["evaluation"])
    assert not few["text_changed"]  # a smaller text is what was asked for
    long = evaluate_run(run, context=8, batch_size=3)
    assert long["evaluation"] == evaluate_run(run)["evaluation"]
    other = evaluate_run(run, corpus={"path": str(run.path.parents[3] / "prose")}, tokens=64)
    assert "evaluation" not in other
    assert other["tokens"] == 64


def test_the_words_of_an_evaluation_name_each_set(runs):
    found = evaluate_run(runs["bytes"])
    lines = render_evaluation(found).splitlines()
    first, second = found["evaluation"]
    assert lines[0].startswith("validation/loss ")
    assert lines[2] == f"on {first['tokens']} tokens of {first['description']}, context 16"
    assert lines[3].split()[0] == "prose/bits_per_byte"
    assert lines[4] == f"on {second['tokens']} tokens of {second['description']}"
    kept = json.loads((runs["bytes"].path / EVALUATIONS).read_text())
    assert [one["name"] for one in kept[-1]["evaluation"]] == ["in_domain", "prose"]


def test_a_text_that_changed_is_evaluated_and_said(study, runs):
    new = study.parent.parent / "prose" / "new.txt"
    new.write_text("Something else.\n" * 30)
    try:
        found = evaluate_run(runs["bytes"])
    finally:
        new.unlink()
        os.utime(new.parent)
    assert found["text_changed"]
    assert [one["text_changed"] for one in found["evaluation"]] == [False, True]
    [note] = found["notes"]
    assert note.startswith("data.evaluation.prose: the text is another one than the run was")
    assert found["validation/loss"] == runs["bytes"].read().summary["validation/loss"]


def test_a_worker_keeps_the_corpora_of_a_study_apart(study, runs, monkeypatch):
    monkeypatch.chdir(study.parent.parent)
    for _ in range(2):
        for run in runs.values():
            data = run.read().config["data"]
            corpus = study_corpus(study, data)
            assert corpus.fingerprint == data["fingerprint"]
            assert corpus.tokenizer.spec == data["tokenizer"]
    with pytest.raises(UserError, match=r"data\.corpus: the text changed"):
        study_corpus(study, data | {"fingerprint": "another"})
