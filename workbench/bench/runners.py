"""Running a study's own driver without a reader: nothing is shown."""

import io
from collections.abc import Iterator
from pathlib import Path

from workbench.driver.display import Display
from workbench.driver.events import Event, Task
from workbench.driver.executors.executor import Executor
from workbench.driver.heartbeat import Heartbeat
from workbench.driver.runner import Runner
from workbench.study.plan import Plan
from workbench.terminal import Terminal


def run_study(plan: Plan, directory: Path, executor: Executor) -> None:
    """Bring the study in ``directory`` to its end."""
    display = Display(Terminal(file=io.StringIO()), workers=1)
    Runner(plan, directory, executor, display=display, heartbeat=Heartbeat(directory, 1)).run()


class NoWorkers:
    """An executor for a study that is finished; to hand it a trial is a fault."""

    def free_slots(self) -> list[int]:
        """None."""
        return []

    def submit(self, slot: int, task: Task) -> None:
        """There is no slot."""
        raise RuntimeError("a finished study handed out a trial")

    def next_event(self, timeout: float) -> Event | None:
        """Waited for only while a trial is missing, which would be for ever."""
        raise RuntimeError("a finished study waits for a trial")

    def waits(self) -> list[str]:
        """Nothing runs."""
        return []

    def stop(self) -> Iterator[Event | None]:
        """Nothing runs."""
        return iter(())

    def kill(self) -> None:
        """Nothing runs."""
