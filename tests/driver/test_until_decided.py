"""A study that takes as many seeds as it needs: blocks from look to look, resumed, and reported."""

import json

import pytest

from tests import in_process
from tests.study.studies import make_study, records

FACTORS = {"factors": {"norm": ["rmsnorm", "layernorm"], "feedforward": ["swiglu", "relu"]}}
SEEDS = {"pilot": 2, "tune": 0, "confirm": "until_decided", "at_least": 2, "at_most": 4}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A study with a margin that one comparison meets at once, run to its end; and what was printed."""
    folder = tmp_path_factory.mktemp("looks")
    margin = {"default": 100.0, "feedforward": 1e-9}
    make_study(folder, **FACTORS, seeds=SEEDS, learning_rates=[0.01], margin=margin)
    answer = in_process.workbench(folder, "run", "tiny.yaml", "--workers", "1")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder, answer.stdout


def test_only_what_is_undecided_goes_on(ran):
    """Within ±100 any difference is equivalent at the first look."""
    seeds = {}
    for run in records(ran[0]):
        seeds.setdefault(run["variant"], set()).add(run["seed"])
    assert seeds["norm=layernorm"] == {2001, 2002}
    assert seeds["feedforward=relu"] in ({2001, 2002}, {2001, 2002, 2003, 2004})
    assert seeds["baseline"] == seeds["feedforward=relu"]


def test_there_is_no_pilot_any_more_and_a_file_that_asks_for_one_is_told_so(ran):
    assert ran[1].count("note: seeds.pilot: has no effect any more") == 1
    assert {run["phase"] for run in records(ran[0])} == {"confirm"}


def test_each_look_says_what_is_decided(ran):
    assert "look: norm=layernorm: equivalent after 2 pairs" in ran[1]
    assert "look: feedforward=relu: " in ran[1]


def test_the_manifest_names_the_looks(ran):
    answer = in_process.workbench(ran[0], "report", "tiny", "--json")
    assert answer.returncode == 0, answer.stderr
    rows = {row["variant"]: row for row in json.loads(answer.stdout)["rows"]}
    assert (rows["norm=layernorm"]["look"], rows["norm=layernorm"]["looks"]) == (1, 2)
    assert rows["norm=layernorm"]["verdict"] == "equivalent"


def test_a_study_that_is_done_trains_nothing_more(ran):
    before = len(records(ran[0]))
    answer = in_process.workbench(ran[0], "run", "tiny.yaml", "--workers", "1")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert len(records(ran[0])) == before


def test_a_study_that_lost_its_later_seeds_goes_on_with_its_block(ran, tmp_path):
    """Records are all that what is due follows from."""
    folder, _ = ran
    whole = {run["run_id"] for run in records(folder)}
    dropped = [run for run in records(folder) if run["seed"] == 2002]
    for run in dropped:
        path = folder / "results" / "tiny" / "runs" / run["run_id"]
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    answer = in_process.workbench(folder, "run", "tiny.yaml", "--workers", "1")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert {run["run_id"] for run in records(folder)} == whole


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        (
            {"confirm": 8, "at_most": 16},
            "at_most belongs to 'confirm: until_decided'; remove it, or write that",
        ),
        ({"confirm": "until_decided", "at_least": 9, "at_most": 8}, "at_most is 8, fewer than at_least, 9"),
        (
            {"confirm": "until_decided", "at_least": 1},
            "seeds.at_least: input should be greater than or equal to 2",
        ),
        ({"confirm": "undecided"}, "seeds.confirm: give a count from 0 to 1,000, or a list of seeds"),
    ],
)
def test_what_cannot_be_names_its_key(tmp_path, seeds, message):
    make_study(tmp_path, seeds=seeds)
    answer = in_process.workbench(tmp_path, "check", "tiny.yaml")
    assert answer.returncode == 2
    assert message in " ".join(answer.stderr.split())
