"""``workbench steptimes``: a study's own steps measured, kept beside its manifest, shown and published."""

import json

import pytest

from tests.in_process import workbench
from tests.study.studies import make_study
from workbench.cli.steptimes import CellName
from workbench.files import read_yaml
from workbench.records.cells import BLOCK_SECONDS, BLOCKS, CELLS
from workbench.records.index import load_study
from workbench.records.step_times import read_step_times, step_digest
from workbench.training import hardware

QUICK = ("--blocks", "2", "--seconds", "0.02")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a tiny study whose step times were measured on the CPU."""
    folder = tmp_path_factory.mktemp("home")
    make_study(folder)
    answer = workbench(folder, "steptimes", "tiny.yaml", *QUICK)
    assert answer.returncode == 0, answer.stderr
    return folder


def test_the_steps_of_both_variants_are_kept_with_what_they_were_measured_on(home):
    (one,) = read_step_times(home / "results" / "tiny")
    (pair,) = one.pairs
    assert one.cell == CELLS["cpu"]
    assert (pair.variant, pair.batch_size, pair.context, len(pair.blocks)) == ("norm=layernorm", 4, 16, 2)
    assert 0 < pair.ratio < 10
    assert pair.ratio_per_token == pair.ratio
    assert one.hardware["cores"] >= 1
    assert "torch" in one.versions
    assert any("a second is the least" in doubt for doubt in one.doubts)
    # What was measured is what the manifest plans.
    records = load_study(home / "results" / "tiny")
    (variant,) = [each for each in records.manifest.variants if each.name == pair.variant]
    assert pair.step == step_digest(variant.model, {**records.manifest.training, **variant.training})
    assert not len(records.runs)


def test_measuring_again_replaces_the_cell_and_leaves_the_manifest(home):
    before = read_yaml(home / "results" / "tiny" / "study.yaml")
    answer = workbench(home, "steptimes", "tiny.yaml", "--blocks", "3", "--seconds", "0.02", "--json")
    (one,) = json.loads(answer.stdout)
    (pair,) = one["pairs"]
    assert len(pair["blocks"]) == 3
    assert pair["low"] < pair["ratio"] < pair["high"]
    assert read_yaml(home / "results" / "tiny" / "study.yaml") == before


def test_what_was_measured_is_shown_without_measuring(home):
    text = workbench(home, "steptimes", "tiny", "--show").stdout
    assert "norm=layernorm" in text
    assert "cpu, fp32, eager" in text
    answer = workbench(home, "steptimes", "tinny", "--show")
    assert (answer.returncode, len(answer.stderr.splitlines())) == (2, 1)


@pytest.mark.skipif(hardware.default_device() == "cuda", reason="there is a GPU")
def test_a_cell_on_a_gpu_needs_one(home):
    answer = workbench(home, "steptimes", "tiny.yaml", "--cell", "gpu-compiled")
    assert answer.returncode == 2
    assert "cell: cuda, bf16, compiled is measured on a GPU, and torch finds none here" in answer.stderr


def test_a_study_that_was_only_measured_is_published_with_its_step_times(home):
    answer = workbench(home, "publish", "tiny")
    assert answer.returncode == 0, answer.stderr
    copy = home / "results" / "published" / "tiny"
    assert sorted(path.name for path in copy.iterdir()) == ["report.md", "step_times.json", "study.yaml"]
    assert read_step_times(copy) == read_step_times(home / "results" / "tiny")
    report = (copy / "report.md").read_text()
    assert "no trial of this study was trained" in report
    assert "| norm=layernorm | cpu, fp32, eager |" in report


def test_the_help_of_the_command_has_the_usual_numbers_and_cells(home):
    text = " ".join(workbench(home, "steptimes", "--help").stdout.replace("│", " ").split())
    assert f"Blocks of each variant. Default: {BLOCKS}." in text
    assert f"Default: {BLOCK_SECONDS:g}." in text
    assert [cell.value for cell in CellName] == list(CELLS)
