"""The executors there are: a line each."""

from importlib import import_module
from typing import cast

from workbench.driver.executors.executor import MakeExecutor
from workbench.errors import UserError, suggestion

# Named, not imported: an executor may need libraries that only whoever chooses it has.
EXECUTORS = {
    "local": "workbench.driver.executors.local:LocalExecutor",
}


def find_executor(name: str) -> MakeExecutor:
    """What makes the executor ``name``. Raises ``UserError`` where there is none of that name."""
    if name not in EXECUTORS:
        raise UserError(f"executor: unknown {name!r}; {suggestion(name, EXECUTORS)}")
    module, _, attribute = EXECUTORS[name].partition(":")
    return cast(MakeExecutor, getattr(import_module(module), attribute))
