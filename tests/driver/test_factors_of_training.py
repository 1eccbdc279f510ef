"""A study whose factors are of training and of the model, from its file to its report."""

import json

import pytest

from tests import in_process
from tests.study.studies import make_study, records
from workbench.records.manifest import read_manifest

TRAINING = {"tokens": 512, "batch_size": 4, "evaluations": 2, "evaluation_tokens": 256}
ONCE = {"learning_rates": [0.02], "seeds": {"tune": 0, "confirm": 2}}


def run(folder, **changes):
    make_study(folder, **({"training": TRAINING} | ONCE | changes))
    answer = in_process.workbench(folder, "run", "tiny.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return {(found["variant"], found["seed"]): found for found in records(folder)}


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    """Weight decay and norm in all combinations, run to the end: its folder and its records."""
    folder = tmp_path_factory.mktemp("crossed")
    factors = {"weight_decay": [0.1, 0.0], "norm": ["rmsnorm", "layernorm"]}
    return folder, run(folder, design="full_factorial", factors=factors)


def test_each_run_has_its_variants_training(crossed):
    found = crossed[1]
    assert len(found) == 8
    assert all(one["state"] == "complete" for one in found.values())
    decays = {variant: one["config"]["training"]["weight_decay"] for (variant, _), one in found.items()}
    assert decays == {
        "baseline": 0.1,
        "weight_decay=0": 0.0,
        "norm=layernorm": 0.1,
        "norm=layernorm,weight_decay=0": 0.0,
    }


def test_a_level_trains_as_a_study_that_says_so_for_all(crossed, tmp_path):
    """To the last bit, and under one id; and it trains otherwise than the baseline."""
    found = crossed[1]
    factors = {"norm": ["rmsnorm", "layernorm"]}
    alone = run(tmp_path, training=TRAINING | {"weight_decay": 0}, factors=factors)
    for seed in (2001, 2002):
        level, whole = found["weight_decay=0", seed], alone["baseline", seed]
        assert level["run_id"] == whole["run_id"]
        assert level["summary"] == whole["summary"]
        assert level["provenance"]["weights_sha256"] == whole["provenance"]["weights_sha256"]
        baseline = found["baseline", seed]
        assert baseline["provenance"]["weights_sha256"] != level["provenance"]["weights_sha256"]
        assert baseline["summary"]["validation/loss"] != level["summary"]["validation/loss"]


def test_the_report_names_both_kinds_of_factors(crossed):
    folder, _ = crossed
    answer = in_process.workbench(folder, "report", "tiny", "--json")
    report = json.loads(answer.stdout)
    assert [row["change"] for row in report["rows"]] == [
        "—",
        "weight_decay: 0.1 → 0",
        "norm: rmsnorm → layernorm",
        "norm: rmsnorm → layernorm, weight_decay: 0.1 → 0",
    ]
    assert all(row["verdict"] for row in report["rows"][1:])
    main = {(*effect["factors"], *effect["levels"]) for effect in report["factorial"]["main"]}
    assert main == {("weight_decay", "0"), ("norm", "layernorm")}
    latex = in_process.workbench(folder, "report", "tiny", "--format", "latex").stdout
    assert r"weight\_decay" in latex
    csv = in_process.workbench(folder, "report", "tiny", "--format", "csv").stdout
    assert "weight_decay: 0.1 → 0" in csv


def test_the_manifest_says_what_differs_of_training(crossed):
    manifest = read_manifest(crossed[0] / "results" / "tiny")
    assert manifest.factors["weight_decay"] == ["0.1", "0"]
    assert manifest.training["weight_decay"] == 0.1
    training = {variant.name: variant.training for variant in manifest.variants}
    assert training["weight_decay=0"] == training["norm=layernorm,weight_decay=0"] == {"weight_decay": 0.0}
    assert training["baseline"] == training["norm=layernorm"] == {}


def test_larger_batches_end_at_the_same_tokens(tmp_path):
    factors = {"batch_size": [4, 8], "precision": ["fp32", "bf16"]}
    found = run(tmp_path, factors=factors, seeds={"tune": 0, "confirm": 1})
    small, large = found["baseline", 2001], found["batch_size=8", 2001]
    assert (small["progress"]["steps"], large["progress"]["steps"]) == (8, 4)
    assert small["cost"]["tokens"] == large["cost"]["tokens"] == 512
    assert found["precision=bf16", 2001]["provenance"]["precision"] == "bf16"
    report = json.loads(in_process.workbench(tmp_path, "report", "tiny", "--json").stdout)
    assert not [note for note in report["notes"] if "precisions" in note["text"]]  # it is asked about


def test_levels_with_learning_rates_of_their_own_are_tuned_alike(tmp_path):
    grids = {"rmsnorm": [0.01, 0.02], "layernorm": [0.002, 0.004]}
    seeds = {"tune": 1, "confirm": 2}
    found = run(tmp_path, learning_rates=grids, seeds=seeds, grid_growth=1)
    tried = {}
    for one in records(tmp_path):
        if one["phase"] == "tune":
            tried.setdefault(one["variant"], set()).add(one["hyperparameters"]["learning_rate"])
    assert {0.01, 0.02} < tried["baseline"]
    assert {0.002, 0.004} < tried["norm=layernorm"]
    assert len(tried["baseline"]) == len(tried["norm=layernorm"])  # both grew, each by its own ratio
    assert {one["hyperparameters"]["learning_rate"] for one in found.values()} <= set().union(*tried.values())
    manifest = read_manifest(tmp_path / "results" / "tiny")
    assert (manifest.learning_rates, manifest.rates_tried) == (grids, 2)
    report = json.loads(in_process.workbench(tmp_path, "report", "tiny", "--json").stdout)
    assert report["rows"][1]["verdict"]


def test_a_level_that_cannot_be_ends_with_code_2(tmp_path):
    make_study(tmp_path, factors={"weight_decay": [0.1, "much"]})
    answer = in_process.workbench(tmp_path, "check", "tiny.yaml")
    assert answer.returncode == 2
    assert "tiny: factors: weight_decay: input should be a valid number" in answer.stderr
    assert "Traceback" not in answer.stderr
