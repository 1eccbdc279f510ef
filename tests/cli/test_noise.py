"""``workbench noise`` from end to end: trained, resumed, published and read back; and simulated."""

import json
import shutil

import pytest

from tests.in_process import workbench
from tests.study.studies import make_study
from workbench.analysis.calibrating.calibration import read_calibration
from workbench.files import read_yaml
from workbench.records.index import load_study

FEW = ("--studies", "100")
FILES = {"calibration.json", "calibration.md", "calibration.parquet", "calibration.svg", "study.yaml"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A tiny study's calibration of eight seeds, trained and published; and what the command printed."""
    folder = tmp_path_factory.mktemp("noise")
    make_study(folder, training={"tokens": 640, "batch_size": 4, "evaluations": 2, "evaluation_tokens": 256})
    first = workbench(folder, "noise", "tiny.yaml", "--seeds", "8", *FEW, "--workers", "1")
    assert first.returncode == 0, first.stderr
    published = workbench(folder, "publish", "noise-tiny")
    assert published.returncode == 0, published.stderr
    return folder, first, published


def test_it_trains_baseline_and_twin_and_says_what_came_of_it(ran):
    folder, first, _ = ran
    assert "note: noise-tiny.yaml: written" in first.stderr
    assert "noise-tiny: how often the workbench errs" in first.stdout
    records = load_study(folder / "results" / "noise-tiny")
    assert records.manifest.calibration
    assert records.runs.groupby("variant").size().to_dict() == {"baseline": 8, "null-twin": 8}
    assert set(records.runs["learning_rate"]) == {0.01}
    found = read_calibration(records.path)
    assert (found.pool.seeds, found.studies, len(found.noise)) == (8, 100, 2)
    assert found.pool.sd > 0  # the twin draws something else
    assert {path.name for path in records.path.iterdir()} >= FILES


def test_what_is_trained_is_not_trained_again(ran, tmp_path):
    shutil.copytree(ran[0], tmp_path, dirs_exist_ok=True)
    (lost, *kept) = sorted((tmp_path / "results" / "noise-tiny" / "runs").iterdir())
    shutil.rmtree(lost)
    before = {path.name: (path / "run.json").stat().st_mtime_ns for path in kept}
    again = workbench(tmp_path, "noise", "tiny.yaml", *FEW, "--json", "--workers", "1")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == json.loads(
        (tmp_path / "results" / "noise-tiny" / "calibration.json").read_text()
    )
    assert lost.exists()
    assert before == {path.name: (path / "run.json").stat().st_mtime_ns for path in kept}


def test_what_is_published_is_one_table_and_no_run(ran):
    folder, _, published = ran
    copy = folder / "results" / "published" / "noise-tiny"
    assert {path.name for path in copy.iterdir()} == FILES
    assert "16 runs, 0 with weights" in published.stdout
    assert "calibration.md" in published.stdout
    assert read_yaml(copy / "study.yaml")["calibration"] is True
    assert read_calibration(copy) == read_calibration(folder / "results" / "noise-tiny")
    assert str(folder) not in (copy / "study.yaml").read_text()


def test_a_published_copy_is_evaluated_to_the_same_result_and_not_written(ran):
    folder = ran[0]
    copy = folder / "results" / "published" / "noise-tiny"
    before = {path.name: path.stat().st_mtime_ns for path in copy.iterdir()}
    answer = workbench(folder, "noise", "published/noise-tiny", *FEW, "--json")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == (folder / "results" / "noise-tiny" / "calibration.json").read_text()
    assert before == {path.name: path.stat().st_mtime_ns for path in copy.iterdir()}
    report = workbench(folder, "report", "published/noise-tiny", "--json")
    rows = {row["variant"]: row for row in json.loads(report.stdout)["rows"]}
    assert rows["null-twin"]["pairs"] == 8


def test_an_outdated_result_is_not_published(ran, tmp_path):
    shutil.copytree(ran[0], tmp_path, dirs_exist_ok=True)
    path = tmp_path / "results" / "noise-tiny" / "calibration.json"
    path.write_text(path.read_text().replace(f'"{read_calibration(path.parent).manifest}"', '"another"'))
    answer = workbench(tmp_path, "publish", "noise-tiny")
    assert answer.returncode == 2
    assert "was made of an earlier version of this study; give 'workbench noise noise-tiny'" in answer.stderr


def test_check_says_what_a_calibration_costs(ran):
    answer = workbench(ran[0], "check", "noise-tiny.yaml", "--json")
    assert answer.returncode == 0, answer.stderr
    facts = json.loads(answer.stdout)
    assert [one["name"] for one in facts["variants"]] == ["baseline", "null-twin"]
    assert facts["trials"]["confirm"] == 16


def test_simulated_noise_needs_no_study_and_is_written_where_it_is_asked_for(tmp_path):
    answer = workbench(tmp_path, "noise", "--simulate", *FEW, "--out", "there", "--format", "md")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("## How often the workbench errs")
    written = json.loads((tmp_path / "there" / "noise-simulated.json").read_text())
    assert [shape["shape"].split(" ")[0] for shape in written["shapes"]] == [
        "normal",
        "heavy",
        "skewed",
        "outliers",
        "unequal",
    ]
    assert (tmp_path / "there" / "noise-simulated.md").read_text().strip() == answer.stdout.strip()
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--simulate", "tiny"), "--simulate: trains nothing; leave out STUDY"),
        (("nowhere",), "nowhere: is no study file"),
        (("--seeds", "4"), "4 is not from 8 to 1,000"),
        (("--studies", "10"), "10 is not from 100"),
    ],
)
def test_a_mistake_is_one_line_with_the_remedy(tmp_path, arguments, says):
    answer = workbench(tmp_path, "noise", *arguments)
    assert answer.returncode == 2
    assert says in " ".join(answer.stderr.replace("│", " ").split())
    assert "Traceback" not in answer.stderr
