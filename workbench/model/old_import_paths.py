"""Import paths from before ``parts`` had a folder of its own, for parts that users derived from them.

They work throughout 0.1; release 0.2 drops them, and this file.
"""

import sys
from importlib import import_module

NAMES = (
    "component",
    "construction",
    "counts",
    "feedforward",
    "initialization",
    "norms",
    "positions",
    "relative_bias",
    "rope_scaling",
    "rotary",
    "rotary_base",
)


def keep_old_paths() -> None:
    """Make ``workbench.model.norms`` another name of the module ``workbench.model.parts.norms``."""
    package = sys.modules["workbench.model"]
    moved = {name: f"workbench.model.parts.{name}" for name in NAMES}
    others = {"options": "workbench.user_input", "sources": "workbench.model.parts.foreign_sources"}
    for old, path in (moved | others).items():
        module = import_module(path)
        sys.modules[f"workbench.model.{old}"] = module
        setattr(package, old, module)
