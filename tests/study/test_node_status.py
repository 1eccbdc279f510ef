"""``workbench status STUDY --by node``: every trial is counted on every machine that took it up."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from tests import in_process
from workbench.files import write_json, write_yaml
from workbench.records.run import RunRecord, State, write_record
from workbench.study.node_status import nodes_of, render_nodes


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "results" / "mine"
    manifest = {"name": "mine", "variants": [], "baseline": "baseline", "metric": "validation/loss"}
    write_yaml(folder / "study.yaml", manifest)
    run(folder, 1, State.COMPLETE, [("a", 0)], seconds=10.0)
    run(folder, 2, State.COMPLETE, [("a", 0), ("b", 30)], seconds=40.0)
    run(folder, 3, State.DIVERGED, [("b", 0), ("b", 60), ("a", 20)], seconds=10.0)  # a checkpoint was damaged
    run(folder, 4, State.RUNNING, [("a", 0), ("b", 50)])
    run(folder, 5, State.QUEUED, [])
    run(folder, 7, State.FAILED, [("b", 0)])
    run(folder, 6, State.COMPLETE, [], seconds=99.0)  # of an earlier version
    return folder


def run(folder, seed, state, places, seconds=None):
    record = RunRecord(
        run_id=f"run{seed}",
        study="mine",
        variant="baseline",
        phase="confirm",
        seed=seed,
        hyperparameters={"learning_rate": 0.01},
        config={},
        state=state,
        cost={} if seconds is None else {"seconds": seconds},
        progress={"step": 100, "steps": 100},
        provenance={"machines": [{"name": name, "step": step} for name, step in places]} if places else {},
    )
    write_record(folder, record)


def columns(study, *names):
    nodes = nodes_of("mine", study.parent)["nodes"]
    return {node["node"]: tuple(node[name] for name in names) for node in nodes}


def test_what_each_took_up_ended_and_lost(study):
    found = columns(study, "trials", "running", "done", "interrupted")
    assert found == {"a": (4, 0, 2, 2), "b": (5, 0, 2, 3)}
    assert nodes_of("mine", study.parent)["unnamed"] == 1


def test_a_trial_runs_where_it_was_taken_up_last_while_its_driver_lives(study):
    write_json(study / "driver.json", {"state": "running", "updated": datetime.now(UTC).isoformat()})
    assert columns(study, "running", "interrupted") == {"a": (0, 2), "b": (1, 2)}


def test_seconds_are_shared_by_the_steps_that_each_made(study):
    (a,), (b,) = columns(study, "seconds").values()
    # 30 of 100 steps of 40 s; and of the third, whose steps 20 to 100 were made again by a.
    assert a == pytest.approx(10 + 12 + 10 * 80 / 140)
    assert b == pytest.approx(28 + 10 * 60 / 140)


def test_it_is_printed_and_is_of_one_study(study):
    output = io.StringIO()
    Console(file=output, width=100).print(render_nodes(nodes_of("mine", study.parent)))
    assert "interrupted" in output.getvalue()
    assert "1 more runs do not say where they were trained" in output.getvalue()
    answer = in_process.workbench(study.parents[1], "status", "mine", "--by", "node", "--json")
    assert '"node": "a"' in answer.stdout
    answer = in_process.workbench(study.parents[1], "status", "--by", "node")
    assert answer.returncode == 2
    assert "--by: is of one study; name it: workbench status STUDY --by node" in answer.stderr
