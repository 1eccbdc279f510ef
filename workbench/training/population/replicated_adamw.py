"""AdamW (arXiv 1711.05101) for R models at once, each with a learning rate and constants of its own.

The update is that of ``torch.optim.AdamW``; torch's own takes one number per tensor, not one per replica.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from workbench.training.compilation import compiled
from workbench.training.config import TrainingConfig


def _per_replica(values: list[float]) -> Tensor:
    return torch.tensor(values)[:, None]  # (R, 1)


def _update(
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
    """Clip, then one step of AdamW, in place on ``(R, P)``; returns the norms before clipping ``(R, 1)``."""
    norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)  # (R, 1)
    gradient.mul_((limit / (norm + 1e-6)).clamp(max=1.0))
    mean.lerp_(gradient, 1 - betas[0])
    square.mul_(betas[1]).add_((1 - betas[1]) * gradient.square())
    parameters.mul_(1 - decay)
    parameters.sub_(step_size * mean / (square.sqrt() / correction + epsilon))
    return norm


class ReplicatedAdamW(torch.optim.Optimizer):
    """AdamW on the flat parameters ``(R, P)`` of R replicas, each clipped by the norm of its own gradient.

    ``rate`` gives their learning rates at a step. ``decayed (P,)`` marks what weight decay
    reaches. ``rates`` and ``norms (R,)`` are those of the last step: learning rates, and the gradients' norms
    before clipping.
    """

    def __init__(
        self,
        flat_parameters: nn.Parameter,
        decayed: Tensor,
        constants: list[TrainingConfig],
        rate: Callable[[int], list[float]],
        *,
        first_step: int = 0,
    ) -> None:
        super().__init__([flat_parameters], {})
        self._decayed = decayed
        self._constants = constants
        self._rate = rate
        self.count = first_step
        self._update = compiled(_update, constants[0])
        self.mean = torch.zeros_like(flat_parameters)  # (R, P)
        self.square = torch.zeros_like(flat_parameters)  # (R, P)
        self.rates: list[float] = []
        self.norms = torch.full((len(constants),), math.nan)
        self._prepare()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; ``closure`` computes the gradients."""
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        parameters = self.flat_parameters
        assert parameters.grad is not None, "a step comes after a backward pass"
        self.rates = self._rate(self.count)
        scalars = self._scalars().to(parameters.device, non_blocking=True)  # (3, R, 1)
        step_size, shrink, correction = scalars.unbind()
        norms = self._update(
            parameters,
            parameters.grad,
            self.mean,
            self.square,
            limit=self._limit,
            betas=self._betas,
            epsilon=self._epsilon,
            step_size=step_size,
            decay=shrink * self._decayed,
            correction=correction,
        )
        self.norms = norms.squeeze(1)
        self.count += 1
        return loss

    @property
    def flat_parameters(self) -> nn.Parameter:
        """The one parameter ``(R, P)``."""
        return self.param_groups[0]["params"][0]

    def keep(self, indices: list[int]) -> None:
        """Go on with the moments and constants of these replicas only."""
        self.mean = self.mean[indices]
        self.square = self.square[indices]
        self._constants = [self._constants[index] for index in indices]
        self._prepare()

    def _prepare(self) -> None:
        device = self.flat_parameters.device
        limits = [constants.clip or float("inf") for constants in self._constants]
        self._limit = _per_replica(limits).to(device)
        self._betas = (
            _per_replica([constants.betas[0] for constants in self._constants]).to(device),
            _per_replica([constants.betas[1] for constants in self._constants]).to(device),
        )
        self._epsilon = _per_replica([constants.epsilon for constants in self._constants]).to(device)
        self._decayed = self._decayed.to(device)

    def _scalars(self) -> Tensor:
        """Step size, shrinking by weight decay and square root of the second moment's correction."""
        count = self.count + 1
        columns = [
            (
                rate / (1 - constants.betas[0] ** count),
                rate * constants.weight_decay,
                (1 - constants.betas[1] ** count) ** 0.5,
            )
            for rate, constants in zip(self.rates, self._constants, strict=True)
        ]
        return torch.tensor(columns).T[:, :, None]  # (3, R, 1)
