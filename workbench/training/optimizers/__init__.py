"""What trains a decoder: optimizers, registered as the parts of a model are; and what they share.

All modules here are imported with the first, so that an optimizer is registered because its file is here.
"""

from importlib import import_module
from pkgutil import iter_modules

from workbench.training.optimizers.optimizer import (
    OPTIMIZERS,
    Optimizer,
    build_optimizer,
    optimizer_config,
    parameter_groups,
)
from workbench.training.optimizers.replicated import ReplicatedOptimizer

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = [
    "OPTIMIZERS",
    "Optimizer",
    "ReplicatedOptimizer",
    "build_optimizer",
    "optimizer_config",
    "parameter_groups",
]
