"""One trial on several devices: its processes, as each of them sees the others."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import psutil
import torch
from lightning.pytorch.plugins.environments import LightningEnvironment
from torch import Tensor, distributed

# Nobody is given up by the clock here: rank 0 may measure or save for long. Who dies is noticed by its parent
# (``leader``), and a trial that stands still by the driver's watch.
PATIENCE = timedelta(days=1)
HOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process is ``rank`` of ``count``. What it asks of the others all must ask at the same point."""

    rank: int = 0
    count: int = 1
    control: distributed.ProcessGroup | None = None  # for tensors on the CPU; None: there are no others

    def agreed(self, answer: bool) -> bool:
        """Rank 0's answer, on all."""
        if self.control is None:
            return answer
        said = torch.tensor([answer], dtype=torch.uint8)
        distributed.broadcast(said, src=0, group=self.control)
        return bool(said.item())

    def total(self, value: Tensor) -> float:
        """The sum over all ranks of a number ``()``, in fp64; waits for the device."""
        own = value.detach().double().cpu()
        if self.control is not None:
            distributed.all_reduce(own, group=self.control)
        return float(own)


ALONE = Ranks()


class LocalRanks(LightningEnvironment):
    """The processes of one machine, which this package has started and joined: Lightning starts none."""

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self._ranks = ranks

    @property
    def creates_processes_externally(self) -> bool:
        """True: they are there."""
        return True

    def local_rank(self) -> int:
        """This process's number."""
        return self._ranks.rank

    def node_rank(self) -> int:
        """There is one machine."""
        return 0


@contextmanager
def joined(store: distributed.Store, rank: int, count: int, device: str) -> Iterator[Ranks]:
    """All ranks that meet at ``store``, inside the block; waits until all are there.

    They talk by NCCL where ``device`` is ``cuda``, else by gloo.
    """
    if "GLOO_SOCKET_IFNAME" not in os.environ:  # else it takes what the host's name stands for, if anything
        os.environ["GLOO_SOCKET_IFNAME"] = _loopback()
    on_gpu = device == "cuda"
    if on_gpu:
        torch.cuda.set_device(rank)  # what "cuda" means from now on: text is put there, too
    distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        store=store,
        rank=rank,
        world_size=count,
        timeout=PATIENCE,
        device_id=torch.device("cuda", rank) if on_gpu else None,
    )
    try:
        control = distributed.new_group(backend="gloo", timeout=PATIENCE)
        yield Ranks(rank=rank, count=count, control=control)
    except BaseException:
        abort()  # what a device still waits for would keep it from being given back
        raise
    finally:
        distributed.destroy_process_group()


def abort() -> None:
    """End what this process waits for on a device, where another rank will never send it."""
    world = distributed.group.WORLD
    if world is not None and distributed.get_backend() == "nccl":
        world.abort()


def _loopback() -> str:
    """The name of the interface that leads to this machine alone: ``lo`` on Linux, ``lo0`` on a Mac."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(address.family == socket.AF_INET and address.address == HOST for address in addresses):
            return name
    return "lo"
