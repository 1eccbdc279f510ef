"""Studies on a real Ray cluster of two nodes on this machine: whatever befalls it, the table stays the same.

Its nodes have a core each, and GPUs that are made up. Starting it takes a few seconds, and on a machine under
load many more: all tests share one.
"""

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from faulty_parts import PATIENCE

from tests import in_process
from tests.driver.test_end_to_end import SLOW, checkpointed, table
from tests.study import studies
from workbench.driver.executors.ray_cluster import RayExecutor, _call
from workbench.errors import UserError
from workbench.study.node_status import nodes_of

pytestmark = pytest.mark.slow

_HEALTH = {  # of a node: a dead one is noticed within seconds
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 6,
    "health_check_timeout_ms": 3000,
}
_PATIENCE_SECONDS = 240.0


def patient(get_node):
    """Ray gives a node half a minute to start, which is little on a loaded machine."""

    def wait(*arguments, **options):
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return get_node(*arguments, **options)
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    return wait


@contextmanager
def nodes_environment():
    """What a node is started in: what it imports is what the driver tells it, and its trials take a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONPATH", raising=False)
        patch.setenv(PATIENCE, "0.03")
        yield


@pytest.fixture(scope="module")
def cluster():
    """Two nodes, ``first`` and ``second``."""
    import ray
    from ray._private import services
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services, "get_node", patient(services.get_node))
        head = {"num_cpus": 1, "node_name": "first", "include_dashboard": False, "_system_config": _HEALTH}
        with nodes_environment():
            made = Cluster(initialize_head=True, head_node_args=head)
        try:
            made.second = add_node(made, "second")
            yield made
        finally:
            if ray.is_initialized():
                ray.shutdown()
            made.shutdown()


def add_node(cluster, name, **resources):
    with nodes_environment():
        return cluster.add_node(**{"num_cpus": 1} | resources, node_name=name)


def on(cluster):
    return ("--executor", "ray", "--address", cluster.address)


# Its trials take ten seconds on a node, most of which they sleep.
TRAINING = {"tokens": 6400, "batch_size": 4, "evaluations": 10, "evaluation_tokens": 256}
STORMY = SLOW | {"training": TRAINING, "seeds": {"tune": 1, "confirm": 2}}
CUT = {  # the published study, cut to what takes an instant
    "size": "{layers: 1, width: 16, heads: 2}",
    "context": "16",
    "data": "{corpus: {path: text}, tokenizer: bytes}",
    "training": "{tokens: 2560, batch_size: 4, evaluations: 4, evaluation_tokens: 512, probes: 0}",
    "seeds": "{pilot: 0, tune: 0, confirm: until_decided, at_least: 2, at_most: 2}",
    "learning_rates": "[0.01]",
    # A part of the user's own: nodes cannot import its file, and have what the study keeps of it.
    "factors": "{norm: [rmsnorm, 'faulty_parts:ScaledNorm'], feedforward: [swiglu, relu]}",
    "margin": "0.02",
}
QUICK = [argument for key, value in CUT.items() for argument in ("--set", f"{key}={value}")]


def quickstart(folder, *where):
    """The study in ``folder``, which is not the present one, through ``where``; its rows."""
    folder.mkdir()
    studies.make_study(folder)
    file = Path("ablations/quickstart.yaml").resolve()
    (folder / "tiny.yaml").write_text(file.read_text())
    answer = in_process.workbench(folder, "run", "tiny.yaml", *QUICK, *where)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return table(folder)


def test_the_quickstart_on_two_nodes_is_the_local_one(cluster, tmp_path):
    local = quickstart(tmp_path / "local")
    assert quickstart(tmp_path / "ray", *on(cluster)) == local
    assert studies.outcomes(tmp_path / "ray") == studies.outcomes(tmp_path / "local")
    nodes = nodes_of("tiny", tmp_path / "ray" / "results")["nodes"]
    assert [node["node"] for node in nodes] == ["first", "second"]
    assert all(node["done"] == node["trials"] > 0 for node in nodes)
    assert sum(node["done"] for node in nodes) == len(studies.records(tmp_path / "ray"))


def workers(folder):
    """The processes that train what lies in ``folder``."""
    found = []
    for process in psutil.process_iter():
        try:
            if "workbench.driver.worker" in process.cmdline() and process.cwd() == str(folder):
                found.append(process)
        except psutil.Error:  # it has just ended, or is not ours
            continue
    return found


def require_nobody_left(folder):
    assert psutil.wait_procs(workers(folder), timeout=60)[1] == []


def trained_on(folder, node):
    """Whether a trial has come to a checkpoint there."""

    def look():
        return any(
            run["provenance"].get("machines", [{}])[-1].get("name") == node
            and run["state"] == "running"
            and run["progress"].get("step", 0) > run["provenance"]["machines"][-1]["step"]
            for run in studies.records(folder)
        )

    return look


def test_a_lost_node_a_killed_driver_and_ctrl_c_change_nothing(cluster, tmp_path):
    calm = tmp_path / "calm"
    calm.mkdir()
    studies.make_study(calm, **STORMY)
    answer = in_process.workbench(calm, "run", "tiny.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr

    folder = tmp_path / "stormy"
    folder.mkdir()
    studies.make_study(folder, **STORMY)
    # A node dies without a word, and another joins.
    # Started anew: Ray, which this process may have been connected to, does not outlive a fork.
    driver = studies.start(folder, "run", "tiny.yaml", *on(cluster), start=subprocess.Popen)
    studies.wait_for(checkpointed(folder, "tune", 2), driver, _PATIENCE_SECONDS)
    cluster.remove_node(cluster.second, allow_graceful=False)
    cluster.second = add_node(cluster, "third")
    studies.wait_for(trained_on(folder, "third"), driver, _PATIENCE_SECONDS)
    # Its driver dies without a word: whoever trained for it ends, and the next one goes on.
    os.kill(driver.pid, signal.SIGKILL)
    said = driver.communicate()[0]
    assert "node second was lost (it does not answer); it goes on elsewhere" in said
    assert "raylet" not in said  # Ray's own lines are none of the study's
    require_nobody_left(folder)
    attempts = sum(run["attempts"] for run in studies.records(folder))
    again = ("run", "tiny.yaml", "--workers", "1", *on(cluster))
    driver = studies.start(folder, *again, start=subprocess.Popen)
    studies.wait_for(
        lambda: sum(run["attempts"] for run in studies.records(folder)) > attempts, driver, _PATIENCE_SECONDS
    )
    # It is asked to stop, by the signal that Ray would have for itself: trials save, and no process is left.
    driver.send_signal(signal.SIGTERM)
    said = driver.communicate(timeout=_PATIENCE_SECONDS)[0]
    assert driver.returncode == 130, said
    assert "stopped; the same command goes on where this one stopped" in said
    require_nobody_left(folder)
    # The folder is all that there is: what is left is trained by an executor of another kind.
    answer = in_process.workbench(folder, "run", "tiny.yaml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert table(folder) == table(calm)
    assert studies.outcomes(folder) == studies.outcomes(calm)
    assert len(studies.records(folder)) == len(studies.records(calm))  # none is lost, none was run twice
    by_node = {node["node"]: node for node in nodes_of("tiny", folder / "results")["nodes"]}
    assert {"first", "second", "third"} <= by_node.keys()
    assert by_node["second"]["interrupted"] == 1


def test_slots_share_a_gpu_that_ray_chose(cluster, tmp_path):
    import ray

    node = add_node(cluster, "gpus", num_cpus=4, num_gpus=1)
    given = {"gpus": 0.5, "cpus": 1, "threads": 1, "import_paths": [tmp_path], "study": tmp_path}
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    try:
        (tmp_path / "study.yaml").write_text("name: tiny\nvariants: []\nbaseline: b\nmetric: m\n")
        executor = RayExecutor(None, device="cpu", **given)
        slots = [executor._slots[index] for index in executor.free_slots()]
        assert [slot.node.name for slot in slots] == ["gpus", "gpus"]  # others have none
        seen = ray.get([_call(slot.actor, "environment") for slot in slots])
        assert [variables["CUDA_VISIBLE_DEVICES"] for variables in seen] == ["0", "0"]
        executor.kill()
        with pytest.raises(
            UserError, match=r"node gpus .*: --gpus-per-trial: Ray counts a GPU there that torch"
        ):
            RayExecutor(None, device="cuda", **given)
    finally:
        ray.shutdown()
        cluster.remove_node(node)
