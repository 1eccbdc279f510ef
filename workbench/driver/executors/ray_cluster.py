"""Running trials on the machines of a Ray cluster: an actor for each slot, which keeps a worker on its node.

The driver stays the only one who decides. Ray places the actors, says by ``CUDA_VISIBLE_DEVICES`` which GPUs
(or which part of one) are theirs, and notices when a node is gone; it starts nothing again
(``max_restarts=0``). An actor lives no longer than its driver, and a worker no longer than its actor. All
else goes through the study's folder, which all nodes see under the same path.

Slots are where there is room for them: nodes are looked at every few seconds, so that one that joins is used,
and one that is gone has none.
"""

import logging
import os
import secrets
import signal
import site
import socket
import sys
import sysconfig
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import workbench
from workbench.driver.events import Ended, Event, Fault, Lost, Task, TooLarge, Unpopulatable
from workbench.driver.executors.machines import Asked
from workbench.driver.sizing import size_said
from workbench.driver.watch import Watch
from workbench.errors import StudyStopped, UserError
from workbench.numbers import plural
from workbench.records.provenance import git_state, versions
from workbench.records.run import RunRecord

try:
    import ray
    import ray._private.worker as ray_worker
    from ray.exceptions import ActorDiedError, RayActorError, RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError:
    raise UserError("--executor ray: Ray is not installed here; pip install -e '.[ray]'") from None

if TYPE_CHECKING:
    from workbench.driver.executors.ray_slot import Heard

LOCAL = "local"  # the address of a Ray of this machine alone, which ends with the driver
_HEARING_SECONDS = 5.0  # an actor answers so often, whatever its worker says
_LOOKING_SECONDS = 2.0  # between two looks at the nodes
_BEGINNING_SECONDS = 120.0  # until the first slot is there
_OTHERS_SECONDS = 15.0  # after the first, for those that begin with it
_STOP_SECONDS = 660.0  # a little more than a worker has (``local``)
_ENDING_SECONDS = 10.0
_STARTS = 3  # a node on which as many slots in a row could not begin is not used
_CONNECTING_SECONDS = 15.0


@dataclass(frozen=True)
class _Node:
    id: str
    name: str
    resources: dict[str, float]

    @classmethod
    def of(cls, facts: dict[str, Any]) -> "_Node":
        """What ``ray.nodes()`` says of it; a name that nobody gave is its host's."""
        given, address = facts["NodeName"], facts["NodeManagerAddress"]
        name = facts["NodeManagerHostname"] if given == address else given
        return cls(facts["NodeID"], str(name), facts["Resources"])


@dataclass(kw_only=True)
class _Slot:
    index: int
    node: _Node
    actor: Any
    beginning: Any  # what its actor will say of its node: a reference, None once it has been said
    hearing: Any = None  # what its actor will have heard: a reference, None while it is idle
    runs: set[str] = field(default_factory=set)
    waits: list[str] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)
    stopped: bool = False


class RayCluster:
    """A cluster that is there: connected to, and asked for its device."""

    elsewhere = True

    def __init__(self, asked: Asked) -> None:
        _require_sound(asked)
        self._asked = asked
        self._executor: RayExecutor | None = None
        self._connected = not ray.is_initialized()  # else whoever did has it
        if self._connected:
            _connect(asked.address or "auto")
        if asked.gpus_per_trial is not None:
            self._gpus = asked.gpus_per_trial
        else:
            self._gpus = 1.0 if any(node.resources.get("GPU") for node in _nodes()) else 0.0

    @property
    def device(self) -> str:
        """ "cuda" where a trial has a share of a GPU: asked for, or because the cluster has GPUs."""
        return "cuda" if self._gpus else "cpu"

    def measure(self, record: RunRecord, most: int) -> int:
        """Ask a slot without work how many runs like this one train in one program."""
        assert self._executor is not None, "nothing is measured before the study is laid out"
        return self._executor.measure(record, most)

    def require(self, devices: int) -> None:
        """Refuse a part of a GPU, or another number of them, for a trial on ``devices`` of them."""
        asked = self._asked.gpus_per_trial
        if asked and devices > 1 and asked != devices:
            raise UserError(
                f"--gpus-per-trial: {asked:g}, where a trial has training.devices: {devices}; leave it out, "
                f"or give {devices}"
            )

    def executor(
        self, slots: int | None, *, threads: int, devices: int, logs: Path, import_paths: list[Path]
    ) -> "RayExecutor":
        """At most ``slots`` slots; where it is None, as many as the nodes have room for.

        Raises ``UserError`` where a node cannot train the study, or none has room for a trial.
        """
        asked = self._asked.gpus_per_trial
        self._executor = RayExecutor(
            slots,
            device=self.device,
            gpus=self._gpus * (devices if asked is None else 1),
            cpus=self._asked.cpus_per_trial or threads * devices,
            threads=threads,
            study=logs.resolve(),
            import_paths=import_paths,
        )
        return self._executor

    def close(self) -> None:
        """Leave the cluster."""
        if self._connected:
            ray.shutdown()


class RayExecutor:
    """Slots on the nodes of the cluster that this process is connected to.

    A slot owns ``gpus`` GPUs (a part of one, or whole ones) and ``cpus`` cores of its node.
    """

    def __init__(
        self,
        slots: int | None,
        *,
        device: str,
        gpus: float,
        cpus: int,
        threads: int,
        study: Path,
        import_paths: list[Path],
    ) -> None:
        self._most = slots
        self._gpus = gpus
        self._cpus = cpus
        self._study = study
        self._mark = _put_mark(study)
        self._paths = _code_paths(import_paths)
        self._setting = {
            "study": study,
            "mark": self._mark.name,
            "device": device,
            "threads": threads,
            "directory": Path.cwd(),
            "import_paths": self._paths,
            "cache": _shown_to_all(os.environ.get("WORKBENCH_CACHE")),
            "versions": versions(),
            "commit": git_state()["git_commit"],
        }
        self._slots: dict[int, _Slot] = {}
        self._begun = 0
        self._events: deque[Event] = deque()
        self._refused: dict[str, str] = {}  # by the node's id: why it is not used
        self._failures: dict[str, int] = {}
        self._looked = 0.0
        self._stopping = False
        try:
            self._begin()
        except BaseException:
            self.kill()
            raise
        # A checkout that all share may move on meanwhile: a report tells of runs from several commits.
        self._setting["commit"] = None

    def free_slots(self) -> list[int]:
        """Slots that are ready and have no trial."""
        if not self._stopping:
            self._look_at_nodes()
        return [slot.index for slot in self._slots.values() if slot.beginning is None and not slot.runs]

    def submit(self, slot: int, task: Task) -> None:
        """Have the slot's actor hand the task to its worker."""
        chosen = self._slots[slot]
        chosen.runs = {run.name for run in task.runs}
        chosen.watch.handed()
        task = task.model_copy(update={"runs": [run.resolve() for run in task.runs]})
        chosen.hearing = _call(chosen.actor, "hear", _HEARING_SECONDS, task)

    def next_event(self, timeout: float) -> Event | None:
        """The next report of a worker, or what became of an actor or its node."""
        deadline = time.monotonic() + timeout
        while not self._events and (left := deadline - time.monotonic()) > 0:
            self._hear(left)
        return self._events.popleft() if self._events else None

    def waits(self) -> list[str]:
        """What takes longer than it should, a line each; and nodes that cannot be used."""
        lines = []
        for slot in self._slots.values():
            words = slot.watch.words()
            if slot.runs and words:
                lines.append(f"node {slot.node.name}: {words}")
            lines += [f"{text} (on {slot.node.name})" for text in slot.waits if slot.runs]
        if not any(slot.beginning is None for slot in self._slots.values()):
            lines.append(f"no node has room for a trial ({self._needs()})")
        return lines + list(self._refused.values())

    def measure(self, record: RunRecord, most: int) -> int:
        """How many runs like this one, at most ``most``, a slot trains in one program.

        Waits for a slot without work: its GPU is not another trial's meanwhile. Raises ``NotVmappable``, or
        ``RuntimeError`` with what went wrong there.
        """
        run = self._study / "runs" / record.run_id
        while True:
            while not (free := self.free_slots()):
                self._hear(1.0)
            slot = self._slots[free[0]]
            try:
                return size_said(ray.get(_call(slot.actor, "measure", run, most)))
            except RayActorError as error:  # another slot will say
                self._ended(slot, error)
            except RayError as error:
                raise RuntimeError(_first_line(error)) from None

    def stop(self) -> Iterator[Event | None]:
        """Ask every trial to save and stop; kill what has not stopped after some ten minutes."""
        self._stopping = True
        for slot in list(self._slots.values()):
            if slot.beginning is not None:
                self._drop(slot)
                continue
            _call(slot.actor, "stop")
            if slot.hearing is None:
                slot.hearing = _call(slot.actor, "hear", _HEARING_SECONDS)
        deadline = time.monotonic() + _STOP_SECONDS
        while self._events or self._slots:
            if time.monotonic() > deadline:
                break
            yield self.next_event(timeout=1.0)
        self.kill()

    def kill(self) -> None:
        """End every worker and every actor now."""
        endings = [_call(slot.actor, "end") for slot in self._slots.values() if slot.beginning is None]
        if endings:
            with suppress(RayError):
                ray.wait(endings, num_returns=len(endings), timeout=_ENDING_SECONDS)
        for slot in list(self._slots.values()):
            self._drop(slot)
        self._mark.unlink(missing_ok=True)

    def _begin(self) -> None:
        """Wait for the first slots; ``UserError`` where a node cannot be used, or none has room."""
        if not any(self._room(node) for node in _nodes()):
            raise UserError(
                f"--executor ray: no node of the cluster has room for a trial ({self._needs()}); it has "
                f"{_shown_nodes()}. Give smaller --gpus-per-trial or --cpus-per-trial (left out: as many "
                f"cores as training.threads)"
            )
        began = time.monotonic()
        ready: float | None = None
        while True:
            self._look_at_nodes()
            self._hear(1.0)
            if self._refused:
                raise UserError(
                    f"{'; '.join(self._refused.values())}. Or take the node out of the cluster: ray stop"
                )
            waited = time.monotonic() - began
            beginning = [slot for slot in self._slots.values() if slot.beginning is not None]
            if len(beginning) < len(self._slots):
                ready = waited if ready is None else ready
                if not beginning or waited - ready > _OTHERS_SECONDS:
                    return
            elif waited > _BEGINNING_SECONDS:
                raise UserError(
                    f"--executor ray: no slot could begin within {_BEGINNING_SECONDS:.0f} s "
                    f"({self._needs()}); others may have the cluster's room: look with 'ray status', and run "
                    f"the command again"
                )

    def _needs(self) -> str:
        gpus = f"{self._gpus:g} GPU, " if self._gpus else ""
        return f"each needs {gpus}{self._cpus} CPU"

    def _room(self, node: _Node) -> int:
        """How many slots the node has in all; a part of a GPU is never of two."""
        room = int(node.resources.get("CPU", 0) // self._cpus)
        if self._gpus:
            gpus = int(node.resources.get("GPU", 0))
            each = int(1 / self._gpus + 1e-9) * gpus if self._gpus < 1 else int(gpus // self._gpus)
            room = min(room, each)
        return room

    def _look_at_nodes(self) -> None:
        """Begin slots where there is room for them, in turn on each node, up to as many as were asked for."""
        if time.monotonic() - self._looked < _LOOKING_SECONDS:
            return
        self._looked = time.monotonic()
        nodes = {node.id: node for node in _nodes()}
        self._refused = {name: why for name, why in self._refused.items() if name in nodes}
        for slot in list(self._slots.values()):
            if slot.node.id not in nodes and slot.beginning is None and slot.hearing is None:
                self._drop(slot)  # of one at work its actor's end is heard
        places = [node for node in nodes.values() if node.id not in self._refused]
        taken = [slot.node.id for slot in self._slots.values()]
        left = {node.id: self._room(node) - taken.count(node.id) for node in places}
        while self._most is None or len(self._slots) < self._most:
            places = [node for node in places if left[node.id] > 0]
            if not places:
                return
            # Whoever has the fewest slots so far: work is spread over all nodes.
            node = min(places, key=lambda node: sum(slot.node.id == node.id for slot in self._slots.values()))
            left[node.id] -= 1
            self._begin_slot(node)

    def _begin_slot(self, node: _Node) -> None:
        actor: Any = (
            ray.remote(_actor_class())
            .options(
                num_cpus=self._cpus,
                num_gpus=self._gpus,
                max_restarts=0,
                max_task_retries=0,
                max_concurrency=4,  # it is asked to stop, or to end, while it listens
                scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
            )
            .remote()
        )
        index = self._begun
        self._begun += 1
        paths = [str(path) for path in self._paths]
        setting = self._setting | {"number": index, "node": node.name}
        beginning = actor.begin.remote(paths, setting)
        self._slots[index] = _Slot(index=index, node=node, actor=actor, beginning=beginning)

    def _hear(self, seconds: float) -> None:
        """Take in what actors say within so many seconds; give up those that say nothing for too long."""
        asked = {}
        for slot in self._slots.values():
            if (reference := slot.beginning or slot.hearing) is not None:
                asked[reference] = slot
        began = time.monotonic()
        if asked:
            said, _ = ray.wait(list(asked), timeout=seconds)
            more, _ = ray.wait(list(asked), num_returns=len(asked), timeout=0)
            for reference in {*said, *more}:
                self._take_in(asked[reference], reference)
        else:
            time.sleep(seconds)
        # No more than was asked for: the driver itself may have been stopped meanwhile.
        self._look_after(min(time.monotonic() - began, seconds))

    def _take_in(self, slot: _Slot, reference: Any) -> None:
        try:
            said = ray.get(reference)
        except RayActorError as error:
            self._ended(slot, error)
        except RayError as error:  # raised in the actor: its node's disk is full perhaps
            self._given_up(slot, _first_line(error))
        else:
            slot.watch.answered()
            if slot.beginning is not None:
                self._begun_or_refused(slot, said)
            else:
                self._note(slot, said)

    def _begun_or_refused(self, slot: _Slot, problem: str) -> None:
        slot.beginning = None
        self._failures.pop(slot.node.id, None)
        if problem:
            self._refuse(slot.node, problem)
            self._drop(slot)

    def _refuse(self, node: _Node, problem: str) -> None:
        self._refused[node.id] = f"node {node.name} cannot be used: {problem}"

    def _note(self, slot: _Slot, heard: "Heard") -> None:
        """Keep the slot's books, as the slot on its node does."""
        for event in heard.events:
            match event:
                case Ended():
                    slot.runs.discard(event.run_id)
                case Lost() | Fault() | TooLarge() | Unpopulatable():
                    slot.runs = set()
            self._events.append(event)
        slot.waits = heard.waits
        slot.hearing = None
        if heard.stopped:
            self._drop(slot)
        elif slot.runs or self._stopping:
            slot.hearing = _call(slot.actor, "hear", _HEARING_SECONDS)

    def _ended(self, slot: _Slot, error: RayActorError) -> None:
        """The actor is gone, alone or with its node.

        That it died alone its node tells at once, and only a node that lives can; a node that is gone is
        first noticed by an actor that cannot be reached.
        """
        node = slot.node
        alone = isinstance(error, ActorDiedError) and node.id in {alive.id for alive in _nodes()}
        if alone:
            self._given_up(slot, "its process on the node ended, perhaps for want of memory")
        else:
            self._report_lost(slot, "it does not answer", machine=node.name)
            self._drop(slot)

    def _given_up(self, slot: _Slot, reason: str) -> None:
        """A slot is lost on a node that lives; where none can so much as begin, the node is not used."""
        node = slot.node
        if slot.beginning is not None:
            self._failures[node.id] = self._failures.get(node.id, 0) + 1
            if self._failures[node.id] >= _STARTS:
                self._refuse(node, f"no slot could begin there ({reason})")
        self._report_lost(slot, reason)
        self._drop(slot)

    def _look_after(self, seconds: float) -> None:
        for slot in list(self._slots.values()):
            if slot.beginning is not None or slot.hearing is None:
                continue  # it waits for room, or nobody waits for it
            slot.watch.listened(seconds)
            if reason := slot.watch.reason():
                self._report_lost(slot, reason, machine=slot.node.name)
                self._drop(slot)

    def _report_lost(self, slot: _Slot, reason: str, machine: str = "") -> None:
        if slot.runs:
            reason = reason if machine else f"{reason}; node {slot.node.name}"
            lost = sorted(slot.runs)
            status = -signal.SIGKILL
            self._events.append(Lost(run_ids=lost, status=status, given_up=reason, machine=machine))

    def _drop(self, slot: _Slot) -> None:
        """Have Ray end the actor, wherever it is; its room is free for another."""
        with suppress(RayError):
            ray.kill(slot.actor, no_restart=True)
        self._slots.pop(slot.index, None)


def _require_sound(asked: Asked) -> None:
    gpus = asked.gpus_per_trial
    if gpus is not None and gpus > 1 and gpus != int(gpus):
        raise UserError(
            f"--gpus-per-trial: {gpus:g} is neither a part of a GPU nor a number of them; give for example "
            f"0.5, 1 or 2"
        )


def _connect(address: str) -> None:
    """Connect to the cluster; raises ``UserError`` with the remedy where that fails."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        _require_listener(address, host, port)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a Ray of our own reports to nobody
    # Ray takes these for itself, and would end the driver without a word to its workers.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, ImportError) as error:
        raise UserError(
            f"--address: {address}: {_first_line(error)} Start a cluster with 'ray start --head' here and "
            f"'ray start --address=HOST:6379' on other machines (docs/cluster.md), or give --address {LOCAL}"
        ) from None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    # Of a lost node it would print its raylet's last state, a screen full, among the study's own lines. There
    # is no public switch for that; the driver says itself what was lost.
    ray_worker._worker_logs_enabled = False


def _require_listener(address: str, host: str, port: str) -> None:
    """Ray itself tries for minutes where nobody listens."""
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECTING_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(
            f"--address: {address}: nobody answers there ({error}); give what 'ray start --head' printed, "
            f"HOST:PORT, or auto on a machine of the cluster"
        ) from None


def _nodes() -> list[_Node]:
    """The nodes that are alive, in the order of their names; two of one name are told apart.

    Raises ``StudyStopped`` where the cluster has lost its head.
    """
    try:
        nodes = [_Node.of(facts) for facts in ray.nodes() if facts["Alive"]]
    except RayError as error:
        raise StudyStopped(
            f"--executor ray: the cluster's head does not answer ({_first_line(error)}); start it again, and "
            f"run the same command"
        ) from None
    names = [node.name for node in nodes]
    apart = [
        _Node(node.id, f"{node.name} ({node.id[:6]})", node.resources) if names.count(node.name) > 1 else node
        for node in nodes
    ]
    return sorted(apart, key=lambda node: (node.name, node.id))


def _shown_nodes() -> str:
    shown = [
        f"{node.name} with {node.resources.get('GPU', 0):g} GPU and {node.resources.get('CPU', 0):g} CPU"
        for node in _nodes()
    ]
    return f"{plural(len(shown), 'node')}: {', '.join(shown)}" if shown else "no node"


def _put_mark(study: Path) -> Path:
    """A file that nobody had before: a node that sees it sees this folder, not another of its path."""
    mark = study / f".mark.{secrets.token_hex(6)}.tmp"  # swept, as all such files, where the driver is killed
    mark.touch()
    return mark


def _code_paths(import_paths: list[Path]) -> list[Path]:
    """Where nodes that have these folders too import the workbench, and the user's parts, from."""
    paths = [path.resolve() for path in import_paths]
    root = Path(workbench.__file__).resolve().parents[1]
    installed = {*site.getsitepackages(), site.getusersitepackages(), *sysconfig.get_paths().values()}
    if str(root) not in installed:
        paths.append(root)
    paths += [Path(path).resolve() for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return list(dict.fromkeys(paths))


def _shown_to_all(cache: str | None) -> str | None:
    return str(Path(cache).resolve()) if cache else None


def _actor_class() -> type:
    """A class that travels by value: a node that has no workbench, or another, is to say so itself."""

    class WorkbenchSlot:
        def begin(self, paths: list[str], setting: dict[str, Any]) -> str:
            sys.path[:0] = [path for path in paths if path not in sys.path and os.path.isdir(path)]
            try:
                from workbench.driver.executors.ray_slot import Setting, Slot
            except ImportError as error:
                return (
                    f"{sys.executable} there cannot import the workbench ({error}); install it on all nodes, "
                    f"or have them share one environment"
                )
            try:
                self.slot = Slot(Setting(**setting))
            except TypeError as error:
                return f"it has another version of the workbench ({error}); install the same on all nodes"
            return self.slot.problem()

        def call(self, name: str, *arguments: Any) -> Any:
            return getattr(self.slot, name)(*arguments)

    return WorkbenchSlot


def _call(actor: Any, name: str, *arguments: Any) -> Any:
    """Begin a call of the slot's method; a reference to what it will return."""
    return actor.call.remote(name, *arguments)


def _first_line(error: BaseException) -> str:
    """What an error of Ray says; the cause, where it was raised in an actor."""
    cause = getattr(error, "cause", None)
    if cause is not None:
        return f"{type(cause).__name__}: {cause}".splitlines()[0]
    return (str(error).splitlines() or [type(error).__name__])[0]
