"""The code of a user's own part: in a run's identity, kept with the results, and told when it changes."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from tests import in_process
from tests.driver.test_populations import plan_of
from tests.study.studies import REPOSITORY, make_study
from workbench.driver.populations import measured_size
from workbench.errors import UserError
from workbench.files import read_json, read_yaml
from workbench.model import ModelConfig
from workbench.model.parts.foreign_sources import find_source, kept_class
from workbench.records.find import find_run
from workbench.records.index import load_study
from workbench.records.run import RunDirectory, config_hash, run_id
from workbench.study.kept_parts import keep_parts
from workbench.study.schema import parse_study
from workbench.study.start_from_run import open_start
from workbench.training.trained_decoder import load_decoder, model_of

PART = """
import torch
from torch import nn
from workbench.model.parts.norms import RMSNorm
from my_helpers import FACTOR


class Scaled(RMSNorm):
    class Config(RMSNorm.Config):
        power: int = 1

    def __init__(self, config, width):
        super().__init__(config, width)
        self.weight = nn.Parameter(torch.zeros(width))
        self.register_buffer("scale", torch.full((width,), FACTOR ** config.power))

    def forward(self, x):
        return self._normalised(x).type_as(x) * (1 + self.weight) * self.scale


class Noisy(RMSNorm):
    def forward(self, x):
        return super().forward(x) + (0.1 * torch.randn_like(x) if self.training else 0)
"""
NAMES = ("my_parts", "my_helpers")
SCALED, NOISY = "norm=my_parts:Scaled", "norm=my_parts:Noisy"


def workbench(folder: Path, *arguments: str):
    """A command as a new process would find the user's modules: not imported yet."""
    forget()
    try:
        return in_process.workbench(folder, *arguments)
    finally:
        forget()


def forget():
    for name in NAMES:
        sys.modules.pop(name, None)


def write_parts(folder: Path, factor: float = 1.5) -> None:
    (folder / "my_parts.py").write_text(PART)
    (folder / "my_helpers.py").write_text(f"import json\nFACTOR = {factor}\n")


def study_of(folder: Path, confirm: int = 2) -> Path:
    return make_study(
        folder,
        factors={"norm": ["rmsnorm", "my_parts:Scaled", "my_parts:Noisy"]},
        data={"corpus": {"path": str(folder / "text")}, "tokenizer": "bytes"},
        learning_rates=[0.01],
        seeds={"tune": 0, "confirm": confirm},
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A study with two own parts in a file beside it, run in populations of two; what it printed."""
    folder = tmp_path_factory.mktemp("own")
    write_parts(folder)
    study_of(folder)
    answer = workbench(folder, "run", "tiny.yaml", "--population", "2")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder, answer.stdout


@pytest.fixture
def elsewhere(trained, tmp_path):
    """The results alone, in another place, where the part's file is not."""
    shutil.copytree(trained[0] / "results", tmp_path / "results")
    forget()
    yield tmp_path
    forget()


def run_of(folder, variant, seed=2001):
    return find_run(folder / "results", f"tiny/{variant}/{seed}")


def test_a_part_that_no_population_can_have_is_trained_one_by_one(trained):
    folder, output = trained
    runs = load_study(folder / "results/tiny").runs
    assert len(runs) == 6
    assert set(runs["state"]) == {"complete"}
    together = runs["provenance"].map(lambda item: item.get("population"))
    assert together[runs["variant"] == NOISY].isna().all()
    assert (together[runs["variant"] == SCALED] == 2).all()
    assert output.count("my_parts:Noisy cannot be trained in a population") == 1
    assert f"the trials of {NOISY} are trained one by one" in " ".join(output.split())


def test_the_code_is_kept_with_its_digest_and_its_place(trained):
    folder, _ = trained
    digest = run_of(folder, SCALED).read().config["model"]["norm"]["source"]
    kept = folder / "results/tiny/parts" / digest
    assert {path.name for path in kept.iterdir()} == {"my_parts.py", "my_helpers.py", "part.json"}
    assert (kept / "my_parts.py").read_text() == PART
    index = read_json(kept / "part.json")
    assert index["from"] == str(folder)
    assert index["classes"] == {name: name for name in ("my_parts:Scaled", "my_parts:Noisy")}
    labels = read_yaml(folder / "results/tiny/study.yaml")["variants"][1]["change"]
    assert labels == {"norm": ["rmsnorm", "my_parts:Scaled"]}


def test_a_run_is_opened_where_its_part_cannot_be_imported(elsewhere):
    run = run_of(elsewhere, SCALED)
    told = run.read().summary["validation/loss"]
    answer = workbench(elsewhere, "evaluate", f"tiny/{SCALED}/2001")
    assert answer.returncode == 0, answer.stderr
    entry = json.loads((run.path / "evaluations.json").read_text())[-1]
    assert entry["validation/loss"] == pytest.approx(told, rel=1e-5)
    answer = workbench(elsewhere, "generate", f"tiny/{SCALED}/2001", "alpha", "--tokens", "3")
    assert answer.returncode == 0, answer.stderr
    answer = workbench(elsewhere, "inspect", f"tiny/{SCALED}/2001", "--view", "prompt_attention")
    assert answer.returncode == 0, answer.stderr
    assert not set(NAMES) & set(sys.modules)
    assert not list((elsewhere / "results").rglob("__pycache__"))


def test_a_study_starts_from_such_a_run_and_keeps_its_code(elsewhere):
    second = {
        "question": "and then?",
        "start": f"tiny/{SCALED}/2001",
        "factors": {"norm": ["my_parts:Scaled", "layernorm"]},
        "training": {"tokens": 640, "batch_size": 4, "evaluations": 1, "evaluation_tokens": 512},
        "learning_rates": [0.003],
        "seeds": {"tune": 0, "confirm": 1},
        "margin": 0.05,
    }
    (elsewhere / "second.yaml").write_text(yaml.safe_dump(second))
    answer = workbench(elsewhere, "run", "second.yaml", "--set", "design=one_at_a_time")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    runs = load_study(elsewhere / "results/second").runs
    assert set(runs["state"]) == {"complete"}
    shutil.rmtree(elsewhere / "results/tiny")
    baseline = RunDirectory(runs[runs["variant"] == "baseline"]["path"].iloc[0])
    assert load_decoder(baseline).get_buffer("final_norm.scale")[0] == 1.5


def test_a_start_counts_parameters_not_buffers(elsewhere):
    own = {
        "start": f"tiny/{SCALED}/2001",
        "question": "?",
        "margin": 1.0,
        "name": "x",
        "learning_rates": [0.1],
    }
    study = parse_study(
        own | {"training": {"tokens": 64, "batch_size": 1}, "factors": {"bias": [False, True]}}, "x"
    )
    start = open_start(study, elsewhere / "results")
    transfer = start.transfer(start.model)
    assert transfer.kept == start.model.num_parameters()
    assert transfer.fresh == 0
    assert transfer.unused_names == []


def test_edited_code_supersedes_the_earlier_runs_and_says_so(elsewhere):
    write_parts(elsewhere, factor=3.0)  # in the file that the part's own imports
    study_of(elsewhere, confirm=1)
    before = {path.name for path in (elsewhere / "results/tiny/runs").iterdir()}
    answer = workbench(
        elsewhere,
        "run",
        "tiny.yaml",
        "--set",
        "seeds.confirm=1",
        "--set",
        f"data.corpus.path={elsewhere}/text",
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "note: the code of my_parts:Scaled differs" in answer.stdout
    study = load_study(elsewhere / "results/tiny")
    assert study.superseded == 6
    assert not set(study.runs["run_id"]) & before
    (amendment,) = study.manifest.amendments
    assert amendment.keys[:2] == ["the code of my_parts:Scaled", "the code of my_parts:Noisy"]
    report = " ".join(workbench(elsewhere, "report", "tiny", "--json").stdout.split())
    assert "the code of my_parts:Scaled" in report
    assert "6 runs of an earlier version of this study left out" in report
    old = [RunDirectory(elsewhere / "results/tiny/runs" / name) for name in before]
    scaled = {run.read().seed: run for run in old if run.read().variant == SCALED}
    assert load_decoder(scaled[2001]).get_buffer("final_norm.scale")[0] == 1.5
    (new,) = study.runs[study.runs["variant"] == SCALED]["path"]
    assert load_decoder(RunDirectory(new)).get_buffer("final_norm.scale")[0] == 3.0


def test_a_copy_that_was_changed_is_refused(elsewhere):
    run = run_of(elsewhere, SCALED)
    source = run.read().config["model"]["norm"]["source"]
    (run.parts / source / "my_helpers.py").write_text("FACTOR = 9.0\n")
    with pytest.raises(UserError, match=r"is not the code of my_parts:Scaled that its runs were made with"):
        model_of(run, run.read())


@pytest.mark.parametrize("damage", ["emptied", "gone", "index"])
def test_a_damaged_copy_is_made_anew_when_its_study_is_run(elsewhere, damage):
    run = run_of(elsewhere, SCALED)
    kept = run.parts / run.read().config["model"]["norm"]["source"]
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    if damage == "index":
        (kept / "part.json").write_text("{")
    elif damage == "gone":
        (kept / "my_helpers.py").unlink()
    else:
        (kept / "my_helpers.py").write_bytes(b"")
    write_parts(elsewhere)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(elsewhere)
        forget()
        keep_parts([ModelConfig.from_dict(run.read().config["model"])], elsewhere / "results/tiny")
    after = {path.name: path.read_bytes() for path in kept.iterdir()}
    assert {name: after[name] for name in before if name.endswith(".py")} == {
        name: content for name, content in before.items() if name.endswith(".py")
    }
    assert json.loads(after["part.json"])["classes"]


def test_code_that_is_nowhere_any_more_is_refused_with_the_remedy(elsewhere):
    run = run_of(elsewhere, SCALED)
    shutil.rmtree(run.parts)
    with pytest.raises(UserError, match=r"the code of my_parts:Scaled .* put its file back as it was"):
        load_decoder(run)
    record = run.read()
    del record.config["model"]["norm"]["source"]
    run.write(record)  # as earlier versions wrote it: then the file decides
    with pytest.raises(UserError, match=r"importing 'my_parts'"):
        load_decoder(run)
    write_parts(elsewhere)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(elsewhere)
        assert load_decoder(run).get_buffer("final_norm.scale")[0] == 1.5


@pytest.mark.parametrize("digest", ["../../../x", "", "0" * 12, "ABCDEFABCDEF"])
def test_only_a_digest_leads_to_kept_code(elsewhere, digest):
    assert kept_class(elsewhere / "results/tiny/parts", "my_parts:Scaled", digest) is None


def test_a_published_study_has_its_code(elsewhere):
    answer = workbench(elsewhere, "publish", "tiny", "--weights", "1")
    assert answer.returncode == 0, answer.stderr
    copy = elsewhere / "results/published/tiny"
    index = next(copy.glob("parts/*/part.json"))
    assert not Path(read_json(index)["from"]).is_absolute()
    shutil.rmtree(elsewhere / "results/tiny")
    run = run_of(elsewhere, SCALED)
    assert run.path.is_relative_to(copy)
    assert load_decoder(run).get_buffer("final_norm.scale")[0] == 1.5


def test_check_says_what_is_kept_and_what_is_drawn(trained):
    folder, _ = trained
    facts = json.loads(workbench(folder, "check", "tiny.yaml", "--json").stdout)
    (own,) = [item["own_parts"] for item in facts["variants"] if item["name"] == SCALED]
    assert own["names"] == ["my_parts:Scaled"]
    norms = ["blocks.*.attention_norm.weight", "blocks.*.feedforward_norm.weight", "final_norm.weight"]
    assert own["starts"] == {"constructor": norms}
    shown = " ".join(workbench(folder, "check", "tiny.yaml").stdout.split())
    assert f"own part: {SCALED} (my_parts:Scaled): kept as the constructor sets them: blocks.*." in shown
    assert "own_parts" not in facts["variants"][0]


def test_a_measured_size_that_fails_is_one_and_is_told(trained):
    folder, _ = trained
    (folder / "other").mkdir(exist_ok=True)
    part = "own_parts:Branching"
    plan = plan_of(
        make_study(folder / "other", factors={"norm": ["rmsnorm", part, "faulty_parts:CrashingNorm"]})
    )
    notes = []
    size = measured_size(plan, notes.append)
    found = {record.variant: size(record) for record in plan.tune(plan.grids())}
    assert found[f"norm={part}"] == found["norm=faulty_parts:CrashingNorm"] == 1
    assert len(notes) == 2
    assert notes[0].startswith(f"{part} cannot be trained in a population (RuntimeError: vmap")
    assert "the norm broke" in notes[1]


def test_a_digest_is_of_the_users_files_alone(tmp_path, monkeypatch):
    package = tmp_path / "of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text("import numpy\nfrom workbench.model import Norm\n")
    (package / "norms.py").write_bytes(
        b"import random, torch\r\nfrom .base import Norm\r\ndef later():\r\n    import beside\r\n"
    )
    (tmp_path / "beside.py").write_text("import of_mine.norms\n")
    (tmp_path / "unused.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    source = find_source("of_mine.norms")
    assert set(source.files) == {"of_mine/__init__.py", "of_mine/base.py", "of_mine/norms.py", "beside.py"}
    assert source.root == tmp_path
    assert "of_mine" not in sys.modules
    content = (package / "norms.py").read_bytes()
    (package / "norms.py").write_bytes(content.replace(b"\r\n", b"\n"))  # as git may do
    assert find_source("of_mine.norms").digest == source.digest
    (tmp_path / "beside.py").write_text("import of_mine.norms  # edited\n")
    assert find_source("of_mine.norms").digest != source.digest
    assert find_source("no_such_module_anywhere") is None
    assert find_source("sys") is None


PUBLISHED = sorted((REPOSITORY / "results/published").glob("*/study.yaml"))


@pytest.mark.parametrize("manifest", PUBLISHED, ids=lambda path: path.parent.name)
def test_what_published_runs_are_known_by_is_as_it_was(manifest):
    values = read_yaml(manifest)
    rungs = (values.get("gain") or {}).get("rungs", [])  # the baseline at other budgets
    planned = {variant["name"]: variant for variant in [*values["variants"], *rungs]}
    for path in list((manifest.parent / "runs").glob("*/run.json"))[:20]:
        record = RunDirectory(path.parent).read()
        model = ModelConfig.from_dict(record.config["model"]).to_dict()
        assert model == record.config["model"]
        config = record.config | {"model": model}
        if record.point is None:
            assert config_hash(config) == planned[record.variant]["config_hash"]
        else:  # a search plans no variant but the baseline
            assert run_id(config, record.phase, record.hyperparameters, record.seed) == record.run_id
