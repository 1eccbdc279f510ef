"""The driver's side of a Ray cluster, on one that is made up: which slots there are, and who is lost how."""

import time
from types import SimpleNamespace

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError

from workbench.driver import watch
from workbench.driver.events import Alive, Ended, Lost, Progress, Task
from workbench.driver.executors import ray_cluster
from workbench.driver.executors.machines import Asked
from workbench.driver.executors.ray_cluster import RayCluster, RayExecutor
from workbench.driver.executors.ray_slot import Heard
from workbench.errors import StudyStopped, UserError
from workbench.records.run import State


class Node:
    """A node of the cluster; its slots do what ``script`` has for each of their calls of ``hear``."""

    def __init__(self, name, cpus=1, gpus=0, *, problem=""):
        self.name, self.alive, self.problem = name, True, problem
        self.resources = {"CPU": float(cpus), "GPU": float(gpus)}
        self.id = name.encode().hex().ljust(56, "0")
        self.script = []

    @property
    def facts(self):
        return {
            "NodeID": self.id,
            "Alive": self.alive,
            "NodeName": self.name,
            "NodeManagerAddress": "10.0.0.1",
            "NodeManagerHostname": "host",
            "Resources": self.resources,
        }


class Actor:
    """An actor: a call's reference is what it returns, or raises; ``None``: it never comes."""

    def __init__(self, node, options):
        self.node, self.options, self.killed, self.heard = node, options, False, []
        self.begin = SimpleNamespace(remote=self._begin)
        self.call = SimpleNamespace(remote=self._call)

    def _begin(self, paths, setting):
        self.setting = setting
        return Reference(self.node.problem if self.node.alive else None)

    def _call(self, name, *arguments):
        self.heard.append((name, arguments))
        if name == "hear":
            return Reference(self.node.script.pop(0) if self.node.script else None)
        return Reference("done")


class Reference:
    def __init__(self, value):
        self.value = value


class FakeRay:
    """As much of Ray as the executor calls."""

    def __init__(self, *nodes):
        self.all, self.actors = list(nodes), []

    def is_initialized(self):
        return True

    def nodes(self):
        return [node.facts for node in self.all]

    def remote(self, cls):
        def options(**given):
            def make():
                node = next(one for one in self.all if one.id == given["scheduling_strategy"].node_id)
                self.actors.append(Actor(node, given))
                return self.actors[-1]

            return SimpleNamespace(remote=make)

        return SimpleNamespace(options=options)

    def wait(self, references, num_returns=1, timeout=None):
        there = [one for one in references if one.value is not None]
        if not there and timeout:
            time.sleep(min(timeout, 0.05))
        return there[:num_returns], []

    def get(self, reference):
        if isinstance(reference.value, Exception):
            raise reference.value
        return reference.value

    def kill(self, actor, no_restart):
        assert no_restart
        actor.killed = True


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Makes an executor on these nodes, in the study's folder ``tmp_path``."""

    def make(*nodes, slots=None, gpus=0.0, cpus=1):
        fake = FakeRay(*nodes)
        monkeypatch.setattr(ray_cluster, "ray", fake)
        monkeypatch.setattr(ray_cluster, "_LOOKING_SECONDS", 0.0)
        monkeypatch.setattr(ray_cluster, "_OTHERS_SECONDS", 0.1)
        given = {"device": "cpu", "threads": 1, "study": tmp_path, "import_paths": [tmp_path]}
        return RayExecutor(slots, gpus=gpus, cpus=cpus, **given), fake

    return make


TASK = Task(runs=["runs/one", "runs/two"])


def heard(*events, **more):
    return Heard(events=list(events), waits=[], **more)


def next_event(executor):
    event = executor.next_event(timeout=0.1)
    assert event is not None
    return event


def test_a_slot_is_where_there_is_room_for_it_and_work_is_spread(cluster):
    executor, fake = cluster(Node("a", cpus=4), Node("b", cpus=2), slots=3)
    assert executor.free_slots() == [0, 1, 2]
    assert [actor.node.name for actor in fake.actors] == ["a", "b", "a"]
    assert [actor.setting["number"] for actor in fake.actors] == [0, 1, 2]
    options = fake.actors[0].options
    assert (options["max_restarts"], options["max_task_retries"]) == (0, 0)
    assert "lifetime" not in options  # a detached actor would outlive its driver


@pytest.mark.parametrize(
    ("gpus", "cpus", "slots"), [(0.5, 1, 4), (0.4, 1, 4), (1.0, 1, 2), (2.0, 1, 1), (0.25, 3, 2), (0.0, 1, 8)]
)
def test_a_part_of_a_gpu_is_never_of_two(cluster, gpus, cpus, slots):
    executor, fake = cluster(Node("a", cpus=8, gpus=2), gpus=gpus, cpus=cpus)
    assert len(executor.free_slots()) == slots
    assert {actor.options["num_gpus"] for actor in fake.actors} == {gpus}


def test_a_cluster_without_room_is_refused_with_what_it_has(cluster):
    with pytest.raises(UserError, match=r"no node .* \(each needs 1 GPU, 2 CPU\); it has 1 node: a with"):
        cluster(Node("a"), gpus=1.0, cpus=2)


def test_a_node_that_cannot_train_the_study_is_one_error_before_any_trial(cluster, tmp_path):
    bad = Node("b", problem=f"--out: it does not see {tmp_path}; give --out a folder that all nodes share")
    with pytest.raises(UserError, match=r"^node b cannot be used: --out: it does not see .* ray stop$"):
        cluster(Node("a"), bad)
    assert list(tmp_path.iterdir()) == []  # the mark by which nodes know the folder is gone


def test_one_that_joins_later_is_used_or_told_of(cluster):
    executor, fake = cluster(Node("a"))
    fake.all += [Node("late"), Node("odd", problem="torch: is 1.0 there")]
    executor.free_slots()
    assert executor.next_event(timeout=0.2) is None
    assert executor.free_slots() == [0, 1]
    assert executor.waits() == ["node odd cannot be used: torch: is 1.0 there"]
    assert [actor.node.name for actor in fake.actors] == ["a", "late", "odd"]
    asked = [actor.setting["commit"] is None for actor in fake.actors]
    assert asked[1:] == [True, True]  # whoever shares a checkout with the driver may find it moved on


def test_what_a_worker_says_comes_in_its_order_until_its_runs_have_ended(cluster):
    node = Node("a")
    executor, fake = cluster(node)
    step = Progress(run_id="one", step=1, steps=2, loss=1.0)
    ended = [Ended(run_id=name, state=State.COMPLETE) for name in ("one", "two")]
    node.script = [heard(step), heard(), heard(*ended)]
    executor.submit(0, TASK)
    assert executor.free_slots() == []
    assert [next_event(executor) for _ in range(3)] == [step, *ended]
    assert executor.free_slots() == [0]
    hears = [arguments for name, arguments in fake.actors[0].heard if name == "hear"]
    assert [len(arguments) for arguments in hears] == [2, 1, 1]  # the task, then listening alone
    assert all(run.is_absolute() for run in hears[0][1].runs)  # a node has another present directory


def test_a_lost_node_is_told_by_its_name_and_another_is_used(cluster):
    node, other = Node("a"), Node("b")
    executor, fake = cluster(node, other, slots=1)
    node.script = [ActorUnavailableError("Socket closed", None)]
    executor.submit(0, TASK)
    node.alive = False
    lost = next_event(executor)
    assert (lost.run_ids, lost.machine, lost.given_up) == (["one", "two"], "a", "it does not answer")
    assert fake.actors[0].killed  # should it live on behind a broken network
    executor.free_slots()
    executor.next_event(timeout=0.1)
    assert executor.free_slots() == [1]
    assert fake.actors[1].node is other


@pytest.mark.parametrize("error", [ActorDiedError(), RayError("the node's memory monitor ended it")])
def test_a_process_that_ends_on_a_node_that_lives_is_no_lost_machine(cluster, error):
    node = Node("a")
    executor, _ = cluster(node)
    node.script = [error]
    executor.submit(0, TASK)
    lost = next_event(executor)
    assert (lost.run_ids, lost.machine) == (["one", "two"], "")
    assert lost.given_up.endswith("; node a")


def test_an_actor_that_falls_silent_is_given_up_with_its_machine(cluster, monkeypatch):
    monkeypatch.setattr(watch, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(watch, "_TOLD_SILENT_SECONDS", 0.05)
    executor, fake = cluster(Node("a"))
    executor.submit(0, TASK)
    assert executor.next_event(timeout=0.1) is None
    assert executor.waits() == ["node a: no sign of life for 0 s"]
    lost = executor.next_event(timeout=2.0)
    assert (lost.machine, lost.given_up) == ("a", "no sign of life for 0 s")
    assert fake.actors[0].killed


def test_an_actor_that_answers_is_not_given_up_however_long_its_trial_takes(cluster, monkeypatch):
    monkeypatch.setattr(watch, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(watch, "STILL_SECONDS", 0.2)
    node = Node("a")
    executor, _ = cluster(node)
    node.script = [heard(Alive(done=3)), *[heard() for _ in range(8)]]
    executor.submit(0, TASK)
    assert isinstance(next_event(executor), Alive)
    for _ in range(8):
        assert executor.next_event(timeout=0.02) is None


def test_what_waits_on_a_node_is_told_with_its_name(cluster):
    node = Node("a")
    executor, _ = cluster(node)
    node.script = [Heard(events=[], waits=["worker 0: no sign of life for 42 s"])]
    executor.submit(0, TASK)
    executor.next_event(timeout=0.05)
    assert executor.waits() == ["worker 0: no sign of life for 42 s (on a)"]


def test_without_a_node_the_driver_waits_and_says_so(cluster):
    node = Node("a")
    executor, fake = cluster(node)
    node.script = [ActorUnavailableError("Socket closed", None)]
    executor.submit(0, TASK)
    node.alive = False
    assert isinstance(next_event(executor), Lost)
    assert executor.free_slots() == []
    assert executor.waits() == ["no node has room for a trial (each needs 1 CPU)"]
    fake.all.append(Node("b"))
    executor.free_slots()
    executor.next_event(timeout=0.05)
    assert executor.free_slots() == [1]


def test_an_idle_slot_goes_with_its_node(cluster):
    node, other = Node("a"), Node("b")
    executor, fake = cluster(node, other, slots=1)
    node.alive = False
    assert executor.free_slots() == []
    executor.next_event(timeout=0.02)
    assert executor.free_slots() == [1]
    assert [actor.killed for actor in fake.actors] == [True, False]


def test_a_node_that_cannot_be_used_is_told_of_while_it_is_there(cluster):
    executor, fake = cluster(Node("a"))
    odd = Node("odd", problem="torch: is 1.0 there")
    fake.all.append(odd)
    executor.free_slots()
    executor.next_event(timeout=0.05)
    assert executor.waits() == ["node odd cannot be used: torch: is 1.0 there"]
    odd.alive = False
    executor.free_slots()
    assert executor.waits() == []


def test_a_cluster_that_lost_its_head_stops_the_study(cluster, monkeypatch):
    executor, fake = cluster(Node("a"))

    def nodes():
        raise RayError("Failed to connect to GCS.")

    monkeypatch.setattr(fake, "nodes", nodes)
    with pytest.raises(StudyStopped, match=r"the cluster's head does not answer \(Failed to connect"):
        executor.free_slots()


def test_a_node_where_no_slot_can_begin_is_not_tried_for_ever(cluster):
    executor, fake = cluster(Node("a"))
    node = Node("b", problem=ActorDiedError())
    fake.all.append(node)
    for _ in range(10):
        executor.free_slots()
        executor.next_event(timeout=0.02)
    assert len(fake.actors) == 4
    (told,) = executor.waits()
    assert told.startswith("node b cannot be used: no slot could begin there")


def test_stopping_asks_all_and_hears_them_to_their_end(cluster, tmp_path):
    node, idle = Node("a"), Node("b")
    executor, fake = cluster(node, idle)
    executor.submit(0, TASK)
    assert executor.next_event(timeout=0.02) is None
    ended = Ended(run_id="one", state=State.RUNNING)
    fake.actors[0].node.script = []
    executor._slots[0].hearing.value = heard(ended, stopped=True)
    idle.script = [heard(stopped=True)]
    assert [event for event in executor.stop() if event] == [ended]
    assert [["stop" in [name for name, _ in actor.heard], actor.killed] for actor in fake.actors] == [
        [True, True]
    ] * 2
    assert list(tmp_path.iterdir()) == []


def test_a_size_is_measured_on_a_slot_without_work(cluster, tmp_path):
    executor, fake = cluster(Node("a"), Node("b"))
    answers = iter([ActorDiedError(), {"size": 8}, {"error": "CUDA error"}])
    fake.get = lambda reference: raised(next(answers))
    record = SimpleNamespace(run_id="one")
    assert executor.measure(record, 64) == 8  # the first slot died, and the other was asked instead
    with pytest.raises(RuntimeError, match="CUDA error"):
        executor.measure(record, 64)
    assert fake.actors[1].heard == [("measure", (tmp_path / "runs" / "one", 64))] * 2


def raised(answer):
    if isinstance(answer, Exception):
        raise answer
    return answer


@pytest.mark.parametrize(
    ("asked", "gpus", "device"),
    [(None, 0, "cpu"), (None, 2, "cuda"), (0.0, 2, "cpu"), (0.5, 2, "cuda"), (1.0, 0, "cuda")],
)
def test_the_device_is_the_clusters_not_the_drivers(monkeypatch, asked, gpus, device):
    monkeypatch.setattr(ray_cluster, "ray", FakeRay(Node("head"), Node("a", gpus=gpus)))
    assert RayCluster(Asked(gpus_per_trial=asked)).device == device


@pytest.mark.parametrize(("asked", "gpus", "cpus"), [(None, 2, 6), (2.0, 2, 6), (0.0, 0, 6)])
def test_a_trial_on_several_devices_has_as_many_of_a_node(monkeypatch, tmp_path, asked, gpus, cpus):
    fake = FakeRay(Node("a", cpus=12, gpus=4))
    monkeypatch.setattr(ray_cluster, "ray", fake)
    given = {"threads": 3, "devices": 2, "logs": tmp_path, "import_paths": [tmp_path]}
    RayCluster(Asked(gpus_per_trial=asked)).executor(None, **given)
    assert {(one.options["num_gpus"], one.options["num_cpus"]) for one in fake.actors} == {(gpus, cpus)}
    assert len(fake.actors) == 2


def test_a_share_that_is_not_a_trials_devices_is_refused(monkeypatch):
    monkeypatch.setattr(ray_cluster, "ray", FakeRay(Node("a", gpus=4)))
    cluster = RayCluster(Asked(gpus_per_trial=0.5))
    with pytest.raises(UserError, match=r"--gpus-per-trial: 0\.5, .*devices: 2; leave it out, or give 2"):
        cluster.require(2)
    cluster.require(1)


def test_a_share_of_a_gpu_is_a_part_or_whole_ones():
    with pytest.raises(UserError, match=r"--gpus-per-trial: 1\.5 is neither a part of a GPU nor a number"):
        RayCluster(Asked(gpus_per_trial=1.5))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nowhere:port"])
def test_an_address_where_nobody_listens_is_refused_at_once(address):
    with pytest.raises(UserError, match=rf"--address: {address}: nobody answers there \(.*\); give what "):
        RayCluster(Asked(address=address))
