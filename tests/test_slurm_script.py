"""``docs/ray.sbatch`` as far as a machine without Slurm can tell: what it starts where, and how it ends."""

import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "ray.sbatch"
FAKES = {
    "scontrol": 'if [ $1 = show ]; then echo node1; echo node2; else echo "scontrol $*" >> log; fi',
    # As Slurm does, it takes its own options away and starts the rest on some node: here.
    "srun": 'echo "srun $*" >> log; while [[ $1 == --* ]]; do shift; done; exec "$@"',
    "ray": 'echo "ray $*" >> log; if [ "$1" = start ]; then exec sleep 60; fi',
    "hostname": "echo node2",
    "workbench": 'echo "workbench $*" >> log; trap "exit 130" TERM; for i in $(seq 600); do '
    "[ -e done ] && exit 0; sleep 0.05; done",
}

OTHERS = "ray start --address=node1:21234 --node-name=node2"


@pytest.fixture
def job(tmp_path):
    """The script as a job of three nodes, where Slurm, Ray and the workbench only write down what they do."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, body in FAKES.items():
        file = commands / name
        file.write_text(f"#!/bin/bash\n{body}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    slurm = {
        "SLURM_JOB_ID": "1234",
        "SLURM_JOB_NODELIST": "node[1-3]",
        "SLURM_JOB_NUM_NODES": "3",
        "SLURM_CPUS_PER_TASK": "16",
        "SLURM_GPUS_ON_NODE": "4",
    }
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        ["bash", str(SCRIPT), "my study.yaml", "--gpus-per-trial", "0.5"],
        cwd=tmp_path,
        env=os.environ | slurm | {"PATH": path},
        start_new_session=True,
    )
    yield process, tmp_path
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def log(folder):
    return (folder / "log").read_text().splitlines() if (folder / "log").exists() else []


def wait_for_all(process, folder):
    """Until the driver runs, and the Ray of other nodes, which is started beside it."""
    deadline = time.monotonic() + 60
    while not all(any(line.startswith(start) for line in log(folder)) for start in ("workbench", OTHERS)):
        assert process.poll() is None, log(folder)
        assert time.monotonic() < deadline, log(folder)
        time.sleep(0.05)


def test_ray_starts_on_every_node_and_the_driver_beside_its_head(job):
    process, folder = job
    wait_for_all(process, folder)
    (folder / "done").touch()
    assert process.wait(timeout=60) == 0
    said = log(folder)
    room = "--num-cpus 16 --num-gpus 4 --block"
    assert f"ray start --head --port=21234 --node-name=node1 {room}" in said
    assert f"{OTHERS} {room}" in said
    assert any(line.startswith("srun --overlap --nodes=1 --ntasks=1 --nodelist=node1 ray") for line in said)
    assert any(line.startswith("srun --overlap --nodes=2 --ntasks=2 --exclude=node1 bash") for line in said)
    driver = "workbench run my study.yaml --gpus-per-trial 0.5 --executor ray --address node1:21234"
    assert driver in said
    assert not any(line.startswith("scontrol") for line in said)


def test_the_warning_reaches_the_driver_and_the_job_is_queued_again(job):
    process, folder = job
    wait_for_all(process, folder)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 130
    assert log(folder)[-1] == "scontrol requeue 1234"


def test_it_says_how_it_is_used():
    answer = subprocess.run(["bash", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr.split(":")[0]) == (2, "usage")
