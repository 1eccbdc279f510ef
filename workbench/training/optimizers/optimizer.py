"""What every optimizer has in common: a torch optimizer that is built by a config of its own options.

A level derives from ``Optimizer`` and from a ``torch.optim.Optimizer``, and is built from the module that it
trains, the study's training configuration and the learning rate:

    class Signs(Optimizer, torch.optim.SGD):
        class Config(Optimizer.Config):
            momentum: float = 0.9

        def __init__(self, config, module, training, learning_rate):
            groups = parameter_groups(module.parameters(), training.weight_decay)
            super().__init__(groups, lr=learning_rate, momentum=config.momentum)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, cast

import torch
from torch import Tensor, nn

from workbench.model.parts.component import Component, ComponentConfig, Registry
from workbench.training.optimizers.replicated import ReplicatedOptimizer
from workbench.user_input import coerce, require

OPTIMIZERS = Registry("optimizer", "workbench.training.optimizers.Optimizer")


class Constants(Protocol):
    """What optimizers read of a ``TrainingConfig``."""

    @property
    def optimizer(self) -> Any:
        """Which one, as ``OPTIMIZERS.config`` reads it."""

    @property
    def weight_decay(self) -> float:
        """For matrices."""

    @property
    def betas(self) -> tuple[float, float]:
        """Adam's decay rates of the moments."""

    @property
    def epsilon(self) -> float:
        """Adam's constant in the denominator."""

    @property
    def clip(self) -> float | None:
        """The largest norm of a gradient: a trial alone clips before its optimizer steps."""

    @property
    def precision(self) -> Literal["auto", "fp32", "bf16"]:
        """What products of matrices are computed in."""

    @property
    def compile(self) -> Literal["auto", "cuda_graphs"] | bool:
        """Whether the steps of a population are compiled."""


class Optimizer(Component):
    """Mixed into a ``torch.optim.Optimizer``; called with its config, module, constants and learning rate.

    ``reads`` are the keys of ``training`` that it heeds, ``moments`` how many numbers it keeps of each
    parameter at least. ``replicated`` trains all replicas of a population at once and equals the optimizer
    alone; where it is None, which no subclass inherits, trials are trained one by one. It is ``shardable``,
    which none inherits either, where its step is right on tensors of which each device holds a part (fsdp).
    The first group's learning rate is the one that a run's metrics show.
    """

    factor = "optimizer"
    required = "__init__"
    reads: ClassVar[tuple[str, ...]] = ("weight_decay",)
    moments: ClassVar[int] = 0
    replicated: ClassVar[type[ReplicatedOptimizer] | None] = None
    shardable: ClassVar[bool] = False

    @dataclass(frozen=True, kw_only=True)
    class Config(ComponentConfig):
        """No options."""

        component: ClassVar[type["Optimizer"]]

        def __post_init__(self) -> None:
            """Check the options, and that there is something to step with."""
            super().__post_init__()
            is_torchs = issubclass(self.component, torch.optim.Optimizer)
            require(is_torchs, f"{self.name} is no torch.optim.Optimizer; derive it from one of them too")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Bind the class to its config; its rule may be another than its parent's in a population."""
        super().__init_subclass__(**kwargs)
        if "replicated" not in cls.__dict__:
            cls.replicated = None
        if "shardable" not in cls.__dict__:
            cls.shardable = False


def optimizer_config(training: Constants) -> Optimizer.Config:
    """The config of the optimizer that ``training`` names."""
    return cast(Optimizer.Config, OPTIMIZERS.config(training.optimizer))


def build_optimizer(module: nn.Module, training: Constants, learning_rate: float) -> torch.optim.Optimizer:
    """The optimizer that ``training`` names, over what is trained of ``module``."""
    return optimizer_config(training).build(module, training, learning_rate)


def parameter_groups(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: tensors of two or more dimensions with decay, all others without; no fixed ones.

    Norm weights, biases and scalars are never decayed. An empty group is left out.
    """
    trained = [tensor for tensor in parameters if tensor.requires_grad]
    matrices = [tensor for tensor in trained if tensor.ndim >= 2]
    vectors = [tensor for tensor in trained if tensor.ndim < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def gradient_of(parameter: Tensor) -> Tensor:
    """The gradient of a parameter that is known to have one."""
    assert parameter.grad is not None, "those without are left out"
    return parameter.grad


def require_fraction(value: float, key: str) -> None:
    """Raise ``UserError`` unless ``value`` is one that a running mean can decay by: from 0 to below 1."""
    require(0 <= value < 1, f"{key}: {value} is not in [0, 1); use for example 0.9")


def fractions(values: tuple[Any, ...], key: str) -> tuple[float, float]:
    """Two decay rates of running means as numbers; ``UserError`` where they are not two, or no such rates."""
    require(len(values) == 2, f"{key}: expected two numbers, got {values!r}; use for example [0.9, 0.99]")
    first, second = (coerce(value, float, key) for value in values)
    require_fraction(first, key)
    require_fraction(second, key)
    return first, second
