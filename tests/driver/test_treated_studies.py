"""A study of treatments from end to end: each arm trains on its own text, in the order that arms share."""

import io
import json
import random

import yaml
from rich.console import Console

from tests.data.treatments.pools import prose
from tests.in_process import workbench
from workbench.records.manifest import read_manifest
from workbench.study.check import render_check
from workbench.study.kept_reports import read_reports, study_texts

STUDY = {
    "question": "do short documents matter?",
    "context": 32,
    "size": {"layers": 1, "width": 32, "heads": 2},
    "training": {"tokens": 2_560, "batch_size": 4, "evaluations": 1, "evaluation_tokens": 256},
    "factors": {"treatment": ["as_is", {"name": "gopher", "fewest_words": 30}]},
    "data": {"corpus": {"path": "pool"}},
    "learning_rates": [0.01],
    "seeds": {"pilot": 0, "tune": 0, "confirm": 1},
    "margin": 0.1,
    "budget": "pool",
}


def drawn(facts):
    console = Console(width=160, file=io.StringIO())
    console.print(render_check(facts))
    return console.file.getvalue()


def test_each_arm_is_trained_and_the_manifest_says_what_its_treatment_did(tmp_path):
    (tmp_path / "pool").mkdir()
    draw = random.Random(2)
    for number in range(40):
        (tmp_path / "pool" / f"{number}.txt").write_text(prose(draw, 20 if number % 2 else 60))
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    checked = json.loads(workbench(tmp_path, "check", "study.yaml", "--json").stdout)
    shown = drawn(checked)
    assert all(text in shown for text in ("unique", "epochs", "as many passes over its own text per trial"))
    done = workbench(tmp_path, "run", "study.yaml")
    assert done.returncode == 0, done.stderr
    manifest = yaml.safe_load((tmp_path / "results/study/study.yaml").read_text())
    [stage] = manifest["variants"][1]["data"]["stages"]
    assert stage["rules"]["few_words"]["dropped"] == stage["documents"] - stage["documents_left"] > 5
    runs = [json.loads(path.read_text()) for path in (tmp_path / "results/study/runs").glob("*/run.json")]
    assert [run["state"] for run in runs] == ["complete", "complete"]
    assert [run["config"]["data"]["order"] for run in runs] == ["documents", "documents"]
    assert len({run["config"]["data"]["fingerprint"] for run in runs}) == 2
    # Each has trained on what its treatment left, as often as the other; the report counts both.
    report = json.loads(workbench(tmp_path, "report", "study", "--json").stdout)
    rows = {row["variant"]: row for row in report["rows"]}
    cost = {run["variant"]: run["cost"]["tokens"] for run in runs}
    for variant in manifest["variants"]:
        row, text = rows[variant["name"]], variant.get("data", manifest["data"])
        assert row["tokens"] == cost[variant["name"]]
        assert row["unique_tokens"] == text["train_tokens"]
        assert row["epochs"] == row["tokens"] / row["unique_tokens"]
        planned = next(one for one in checked["variants"] if one["name"] == variant["name"])
        assert (planned["unique_tokens"], planned["epochs"]) == (row["unique_tokens"], row["epochs"])
        assert abs(row["budget_mismatch"]) < 0.05
    assert 0.7 < cost["treatment=gopher(fewest_words=30)"] / cost["baseline"] < 0.85
    study = tmp_path / "results/study"
    (tmp_path / "pool").rename(tmp_path / "gone")
    plain, treated = study_texts(read_manifest(study), read_reports(study))  # which need no text and no cache
    assert (plain.variants, treated.variants) == (("baseline",), (manifest["variants"][1]["name"],))
    assert plain.report.stages == []
    assert [one.rule for one in treated.report.examples[0].dropped] == ["few_words"] * stage["rules"][
        "few_words"
    ]["dropped"]
