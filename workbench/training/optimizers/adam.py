"""Adam and AdamW: gradients over the root of their mean square, both as running means."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from workbench.training.optimizers.optimizer import OPTIMIZERS, Constants, Optimizer, parameter_groups
from workbench.training.optimizers.replicated import ReplicatedOptimizer, clip, per_replica


def adam_step(
    parameters: Tensor,
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    *,
    betas: tuple[Tensor, Tensor],
    epsilon: Tensor,
    step_size: Tensor,
    correction: Tensor,
) -> None:
    """Move the moments and the parameters, all ``(R, P)``, in place; the numbers are ``(R, 1)``."""
    mean.lerp_(gradient, 1 - betas[0])
    square.mul_(betas[1]).add_((1 - betas[1]) * gradient.square())
    parameters.sub_(step_size * mean / (square.sqrt() / correction + epsilon))


def _adamw(
    parameters: Tensor,
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    *,
    limit: Tensor,
    betas: tuple[Tensor, Tensor],
    epsilon: Tensor,
    step_size: Tensor,
    decay: Tensor,
    correction: Tensor,
) -> Tensor:
    norm = clip(gradient, limit)
    parameters.mul_(1 - decay)
    adam_step(
        parameters,
        gradient,
        mean,
        square,
        betas=betas,
        epsilon=epsilon,
        step_size=step_size,
        correction=correction,
    )
    return norm


def _adam(
    parameters: Tensor,
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    *,
    limit: Tensor,
    betas: tuple[Tensor, Tensor],
    epsilon: Tensor,
    step_size: Tensor,
    decay: Tensor,
    correction: Tensor,
) -> Tensor:
    norm = clip(gradient, limit)
    gradient.add_(decay * parameters)
    adam_step(
        parameters,
        gradient,
        mean,
        square,
        betas=betas,
        epsilon=epsilon,
        step_size=step_size,
        correction=correction,
    )
    return norm


def adam_numbers(rate: float, constants: Constants, count: int) -> tuple[float, float]:
    """Step size and square root of the second moment's correction: what undoes the start at zero.

    Dividing the rate by the mean's correction is the same as dividing the mean by it.
    """
    step_size = rate / (1 - constants.betas[0] ** count)
    return step_size, (1 - constants.betas[1] ** count) ** 0.5


class ReplicatedAdamW(ReplicatedOptimizer):
    """AdamW on the flat parameters, as ``torch.optim.AdamW`` steps."""

    rule: ClassVar[Callable[..., Tensor]] = staticmethod(_adamw)

    def sizes(self) -> dict[str, int]:
        """Both moments of each parameter."""
        return {"mean": self.layout.width, "square": self.layout.width}

    def prepare(self) -> None:
        """Betas and epsilon too may be each replica's own."""
        super().prepare()
        self.betas = (
            self.placed(per_replica([constants.betas[0] for constants in self.constants])),
            self.placed(per_replica([constants.betas[1] for constants in self.constants])),
        )
        self.epsilon = self.placed(per_replica([constants.epsilon for constants in self.constants]))

    def numbers(self) -> list[tuple[float, ...]]:
        """Step size, correction, and by how much a step shrinks what decays."""
        return [
            (*adam_numbers(rate, constants, self.count + 1), rate * constants.weight_decay)
            for rate, constants in zip(self.rates, self.constants, strict=True)
        ]

    def advance(self, parameters: Tensor, gradient: Tensor, *numbers: Tensor) -> Tensor:
        """Clip and step."""
        step_size, correction, decay = numbers
        return self.update(
            parameters,
            gradient,
            self.moments["mean"],
            self.moments["square"],
            limit=self.limit,
            betas=self.betas,
            epsilon=self.epsilon,
            step_size=step_size,
            decay=decay * self.decayed,
            correction=correction,
        )


class ReplicatedAdam(ReplicatedAdamW):
    """Adam on the flat parameters, as ``torch.optim.Adam`` steps."""

    rule: ClassVar[Callable[..., Tensor]] = staticmethod(_adam)

    def numbers(self) -> list[tuple[float, ...]]:
        """Step size, correction, and the share of what decays that is added to its gradient."""
        return [
            (*adam_numbers(rate, constants, self.count + 1), constants.weight_decay)
            for rate, constants in zip(self.rates, self.constants, strict=True)
        ]


class _OfMoments(Optimizer):
    """What Adam and AdamW share: the keys that they heed, what they keep, and how torch's class is built."""

    reads = ("weight_decay", "betas", "epsilon")
    moments = 2

    def __init__(
        self, config: Optimizer.Config, module: nn.Module, training: Constants, learning_rate: float
    ) -> None:
        self.config = config
        groups = parameter_groups(module.parameters(), training.weight_decay)
        options = {"lr": learning_rate, "betas": training.betas, "eps": training.epsilon, "fused": True}
        super().__init__(groups, **options)  # type: ignore[call-arg]  # torch's class, which comes after this


@OPTIMIZERS.register("adamw")
class AdamW(_OfMoments, torch.optim.AdamW):
    """Adam whose weight decay is decoupled: it shrinks matrices by themselves, apart from the gradient.

    Betas, epsilon and weight decay are the keys of ``training``. torch's fused kernel steps.
    """

    title = "AdamW"
    paper = "Loshchilov and Hutter 2017, arXiv 1711.05101"
    formula = "w := w - η (m / (√v + ε) + λ w), m and v corrected for their start at 0"
    colour = "blue"
    replicated = ReplicatedAdamW
    shardable = True


@OPTIMIZERS.register("adam")
class Adam(_OfMoments, torch.optim.Adam):
    """Adam with L2 regularisation: weight decay is part of the gradient, and so is divided as that is.

    Betas, epsilon and weight decay are the keys of ``training``; the same number decays less than in AdamW
    where gradients are large.
    """

    title = "Adam"
    paper = "Kingma and Ba 2014, arXiv 1412.6980"
    formula = "g := ∇L + λ w; w := w - η m / (√v + ε), m and v corrected for their start at 0"
    colour = "sky"
    replicated = ReplicatedAdam
    shardable = True
