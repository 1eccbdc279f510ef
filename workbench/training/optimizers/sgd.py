"""Stochastic gradient descent with momentum."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from workbench.model.parts.component import described
from workbench.training.optimizers.optimizer import (
    OPTIMIZERS,
    Constants,
    Optimizer,
    parameter_groups,
    require_fraction,
)
from workbench.training.optimizers.replicated import ReplicatedOptimizer, clip
from workbench.user_input import require


def _sgd(
    parameters: Tensor,
    gradient: Tensor,
    momentum: Tensor,
    *,
    limit: Tensor,
    rate: Tensor,
    decay: Tensor,
    beta: float,
    nesterov: bool,
) -> Tensor:
    norm = clip(gradient, limit)
    gradient.add_(decay * parameters)
    momentum.mul_(beta).add_(gradient)
    step = gradient + beta * momentum if nesterov else momentum
    parameters.sub_(rate * step)
    return norm


class ReplicatedSGD(ReplicatedOptimizer):
    """Momentum on the flat parameters, as ``torch.optim.SGD`` steps."""

    rule: ClassVar[Callable[..., Tensor]] = staticmethod(_sgd)

    def sizes(self) -> dict[str, int]:
        """The momentum of each parameter."""
        return {"momentum": self.layout.width}

    def numbers(self) -> list[tuple[float, ...]]:
        """Learning rate, and the share of what decays that is added to its gradient."""
        return [
            (rate, constants.weight_decay) for rate, constants in zip(self.rates, self.constants, strict=True)
        ]

    def advance(self, parameters: Tensor, gradient: Tensor, *numbers: Tensor) -> Tensor:
        """Clip and step."""
        rate, decay = numbers
        return self.update(
            parameters,
            gradient,
            self.moments["momentum"],
            limit=self.limit,
            rate=rate,
            decay=decay * self.decayed,
            beta=self.options.momentum,
            nesterov=self.options.nesterov,
        )


@OPTIMIZERS.register("sgd")
class SGD(Optimizer, torch.optim.SGD):
    """The gradient itself, with momentum. Weight decay is L2: part of the gradient."""

    title = "SGD"
    paper = "Sutskever et al. 2013, ICML (PMLR 28:1139)"
    formula = "g := ∇L + λ w; m := μ m + g; w := w - η m (nesterov: w - η (g + μ m))"
    constraints = "learning rate about 100 times AdamW's"
    colour = "orange"
    moments = 1
    replicated = ReplicatedSGD
    shardable = True

    @dataclass(frozen=True, kw_only=True)
    class Config(Optimizer.Config):
        """The momentum."""

        momentum: float = described(0.9, "How much of the last step is kept.")
        nesterov: bool = described(False, "Whether the step looks ahead along its momentum.")

        def __post_init__(self) -> None:
            """Check the options."""
            super().__post_init__()
            require_fraction(self.momentum, f"{self.name}.momentum")
            looks_ahead = not self.nesterov or self.momentum > 0
            require(looks_ahead, f"{self.name}.nesterov: needs a momentum above 0; set nesterov to false")

    def __init__(self, config: Config, module: nn.Module, training: Constants, learning_rate: float) -> None:
        self.config = config
        groups = parameter_groups(module.parameters(), training.weight_decay)
        super().__init__(
            groups, lr=learning_rate, momentum=config.momentum, nesterov=config.nesterov, fused=True
        )
