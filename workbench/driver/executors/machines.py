"""The machines that an executor has: what a study is planned for, and where its slots are."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from workbench.driver.executors.executor import Executor, MakeExecutor
from workbench.errors import UserError
from workbench.records.run import RunRecord
from workbench.training.hardware import default_device, default_slots

Measure = Callable[[RunRecord, int], int]  # how many runs like this one, of so many, train in one program


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked of a cluster; None where nothing was said.

    ``gpus_per_trial`` is the part of a GPU, or the number of GPUs, that a slot owns, and ``cpus_per_trial``
    the number of cores.
    """

    address: str | None = None
    gpus_per_trial: float | None = None
    cpus_per_trial: int | None = None


NOTHING = Asked()


class Machines(Protocol):
    """Where an executor trains; the driver's own machine may have another device, or none of it."""

    @property
    def elsewhere(self) -> bool:
        """Whether they are others than the driver's own machine."""

    @property
    def device(self) -> str:
        """What its slots train on, "cpu" or "cuda": a part of what every run is."""

    @property
    def measure(self) -> Measure | None:
        """Measures on a slot how many runs train in one program; None where the driver itself can."""

    def require(self, devices: int) -> None:
        """Raise ``UserError`` where no trial can have so many; asked before a study is laid out."""

    def executor(
        self, slots: int | None, *, threads: int, devices: int, logs: Path, import_paths: list[Path]
    ) -> Executor:
        """An executor of at most ``slots`` slots; None: of as many as there is room for.

        ``logs`` is the study's folder; more in ``MakeExecutor``. Raises ``UserError`` where a machine
        cannot train the study.
        """

    def close(self) -> None:
        """Let go of the machines, when no executor of them is used any more."""


class ThisMachine:
    """The driver's own machine, with its GPUs, or its cores where it has none."""

    elsewhere = False
    measure = None

    def __init__(self, make: MakeExecutor, asked: Asked) -> None:
        self._make = make
        for name, value in vars(asked).items():
            if value is not None:
                option = f"--{name.replace('_', '-')}"
                raise UserError(f"{option}: says what is asked of a cluster; give --executor ray with it")

    @property
    def device(self) -> str:
        """ "cuda" where a GPU is usable, else "cpu"."""
        return default_device()

    def require(self, devices: int) -> None:
        """Refuse more ``devices`` than there are."""
        default_slots(self.device, devices)

    def executor(
        self, slots: int | None, *, threads: int, devices: int, logs: Path, import_paths: list[Path]
    ) -> Executor:
        """As many slots as there are GPUs, or cores, where ``slots`` is None; fewer of several each."""
        device = self.device
        return self._make(
            slots or default_slots(device, devices),
            device=device,
            threads=threads,
            devices=devices,
            logs=logs,
            import_paths=import_paths,
        )

    def close(self) -> None:
        """Nothing is held."""
