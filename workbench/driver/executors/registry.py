"""The executors there are: a line each."""

from importlib import import_module
from typing import Any

from workbench.driver.executors.machines import Asked, Machines, ThisMachine
from workbench.errors import UserError, suggestion

# Named, not imported: an executor may need libraries that only whoever chooses it has.
EXECUTORS = {  # on the driver's own machine: what makes one (``executor.MakeExecutor``)
    "local": "workbench.driver.executors.local:LocalExecutor",
}
CLUSTERS = {  # on others: what makes their ``Machines`` of what is ``Asked``
    "ray": "workbench.driver.executors.ray_cluster:RayCluster",
}


def find_machines(name: str, asked: Asked) -> Machines:
    """The machines of the executor ``name``. Raises ``UserError`` where there is none of that name."""
    known = EXECUTORS | CLUSTERS
    if name not in known:
        raise UserError(f"executor: unknown {name!r}; {suggestion(name, known)}")
    module, _, attribute = known[name].partition(":")
    found: Any = getattr(import_module(module), attribute)
    machines: Machines = found(asked) if name in CLUSTERS else ThisMachine(found, asked)
    return machines
