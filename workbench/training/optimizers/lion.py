"""Lion: the sign of a mixture of gradient and momentum. torch has no such optimizer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from workbench.model.parts.component import described
from workbench.training.optimizers.optimizer import (
    OPTIMIZERS,
    Constants,
    Optimizer,
    fractions,
    gradient_of,
    parameter_groups,
)
from workbench.training.optimizers.replicated import ReplicatedOptimizer, clip


def _lion(
    parameters: Tensor,
    gradient: Tensor,
    mean: Tensor,
    *,
    limit: Tensor,
    rate: Tensor,
    decay: Tensor,
    betas: tuple[float, float],
) -> Tensor:
    norm = clip(gradient, limit)
    direction = mean.lerp(gradient, 1 - betas[0]).sign()
    parameters.mul_(1 - decay)
    parameters.sub_(rate * direction)
    mean.lerp_(gradient, 1 - betas[1])
    return norm


class ReplicatedLion(ReplicatedOptimizer):
    """Lion on the flat parameters."""

    rule: ClassVar[Callable[..., Tensor]] = staticmethod(_lion)

    def sizes(self) -> dict[str, int]:
        """The momentum of each parameter."""
        return {"mean": self.layout.width}

    def numbers(self) -> list[tuple[float, ...]]:
        """Learning rate, and by how much a step shrinks what decays."""
        return [
            (rate, rate * constants.weight_decay)
            for rate, constants in zip(self.rates, self.constants, strict=True)
        ]

    def advance(self, parameters: Tensor, gradient: Tensor, *numbers: Tensor) -> Tensor:
        """Clip and step."""
        rate, decay = numbers
        return self.update(
            parameters,
            gradient,
            self.moments["mean"],
            limit=self.limit,
            rate=rate,
            decay=decay * self.decayed,
            betas=self.options.betas,
        )


@OPTIMIZERS.register("lion")
class Lion(Optimizer, torch.optim.Optimizer):
    """Every parameter moves by the learning rate, up or down; one moment in place of Adam's two.

    A sign is larger than Adam's step, so that the paper takes a learning rate 3 to 10 times smaller than
    AdamW's, and a weight decay as many times larger, which keeps the product of both.
    """

    title = "Lion"
    paper = "Chen et al. 2023, arXiv 2302.06675"
    formula = "w := w - η (sign(β₁ m + (1 - β₁) g) + λ w), m := β₂ m + (1 - β₂) g"
    constraints = "learning rate 3 to 10 times below AdamW's, weight decay as many times above"
    colour = "green"
    moments = 1
    replicated = ReplicatedLion
    shardable = True

    @dataclass(frozen=True, kw_only=True)
    class Config(Optimizer.Config):
        """The momentum."""

        betas: tuple[float, float] = described(
            (0.9, 0.99), "The momentum's share of a step, and how much of the momentum is kept after it."
        )

        def __post_init__(self) -> None:
            """Check the options."""
            super().__post_init__()
            object.__setattr__(self, "betas", fractions(self.betas, f"{self.name}.betas"))

    config: Config

    def __init__(self, config: Config, module: nn.Module, training: Constants, learning_rate: float) -> None:
        self.config = config
        groups = parameter_groups(module.parameters(), training.weight_decay)
        super().__init__(groups, {"lr": learning_rate})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step; ``closure`` computes the gradients."""
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not parameters:
                continue
            gradients = [gradient_of(parameter) for parameter in parameters]
            means = [self._mean(parameter) for parameter in parameters]
            directions = torch._foreach_lerp(means, gradients, 1 - self.config.betas[0])
            torch._foreach_sign_(directions)
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(parameters, directions, alpha=-group["lr"])
            torch._foreach_lerp_(means, gradients, 1 - self.config.betas[1])
        return loss

    def _mean(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "mean" not in state:
            state["mean"] = torch.zeros_like(parameter)
        return state["mean"]
