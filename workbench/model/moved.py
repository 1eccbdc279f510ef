"""Import paths from before ``parts`` had a folder of its own, for parts that users derived from them."""

import sys
from importlib import import_module

NAMES = (
    "component",
    "feedforward",
    "initialization",
    "norms",
    "positions",
    "relative_bias",
    "rope_scaling",
    "rotary",
)


def keep_old_paths() -> None:
    """``workbench.model.norms`` is ``workbench.model.parts.norms``, until the release after this one."""
    package = sys.modules["workbench.model"]
    moved = {name: f"workbench.model.parts.{name}" for name in NAMES}
    for old, path in (moved | {"options": "workbench.user_values"}).items():
        module = import_module(path)
        sys.modules[f"workbench.model.{old}"] = module
        setattr(package, old, module)
