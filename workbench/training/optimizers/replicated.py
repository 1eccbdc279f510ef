"""An optimizer for R models at once: what the levels' replicated forms have in common.

torch's optimizers take one learning rate for a tensor; here the tensor holds R replicas, each with its own.
"""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from workbench.training.compilation import compiled
from workbench.training.flat_parameters import FlatLayout


def per_replica(values: list[float]) -> Tensor:
    """A number of each replica: ``(R, 1)``."""
    return torch.tensor(values)[:, None]


def clip(gradient: Tensor, limit: Tensor) -> Tensor:
    """Clip each row of ``gradient (R, P)`` in place; returns the norms before ``(R, 1)``."""
    norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)  # (R, 1)
    gradient.mul_((limit / (norm + 1e-6)).clamp(max=1.0))
    return norm


class ReplicatedOptimizer(torch.optim.Optimizer):
    """Trains the flat parameters ``(R, P)`` of R replicas, each clipped by the norm of its own gradient.

    ``options`` is the config of the optimizer, ``constants`` the replicas' training configurations, ``rate``
    gives their learning rates at a step. ``rates`` and ``norms (R,)`` are those of the last step: learning
    rates, and the gradients' norms before clipping. ``moments`` is what it keeps of each replica, ``(R, n)``
    by name; checkpoints hold it under these names.

    A subclass says how large its moments are (``sizes``) and which numbers a step needs of each replica
    (``numbers``), and takes the step (``advance``) by its ``rule``, which is compiled where asked.
    """

    rule: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        flat_parameters: nn.Parameter,
        layout: FlatLayout,
        options: Any,
        constants: list[Any],
        rate: Callable[[int], list[float]],
        *,
        first_step: int = 0,
    ) -> None:
        super().__init__([flat_parameters], {})
        self.layout = layout
        self.options = options
        self.constants = constants
        self.count = first_step
        self.rates: list[float] = []
        self.norms = torch.full((len(constants),), math.nan)
        self._rate = rate
        self.update = compiled(type(self).rule, constants[0])
        self.moments = {
            name: flat_parameters.new_zeros(len(constants), size) for name, size in self.sizes().items()
        }
        self.prepare()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; ``closure`` computes the gradients."""
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        parameters = self.flat_parameters
        assert parameters.grad is not None, "a step comes after a backward pass"
        self.rates = self._rate(self.count)
        numbers = torch.tensor(self.numbers()).T[:, :, None]  # (n, R, 1)
        numbers = numbers.to(parameters.device, non_blocking=True)
        norms = self.advance(parameters, parameters.grad, *numbers.unbind())  # (R, 1)
        self.norms = norms.squeeze(1)
        self.count += 1
        return loss

    @property
    def flat_parameters(self) -> nn.Parameter:
        """The one parameter ``(R, P)``."""
        return self.param_groups[0]["params"][0]

    def keep(self, indices: list[int]) -> None:
        """Go on with the moments and constants of these replicas only."""
        self.moments = {name: moment[indices] for name, moment in self.moments.items()}
        self.constants = [self.constants[index] for index in indices]
        self.prepare()

    def prepare(self) -> None:
        """Bring what does not change from step to step to the device of the parameters."""
        limits = [constants.clip or math.inf for constants in self.constants]
        self.limit = self.placed(per_replica(limits))
        self.decayed = self.placed(self.layout.decayed())  # (P,)

    def placed(self, tensor: Tensor) -> Tensor:
        """``tensor`` on the device of the parameters."""
        return tensor.to(self.flat_parameters.device)

    def sizes(self) -> dict[str, int]:
        """How many numbers each moment has for a replica."""
        raise NotImplementedError(f"{type(self).__name__} must define sizes()")

    def numbers(self) -> list[tuple[float, ...]]:
        """What the step after ``count`` needs of each replica, whose ``rates`` are known."""
        raise NotImplementedError(f"{type(self).__name__} must define numbers()")

    def advance(self, parameters: Tensor, gradient: Tensor, *numbers: Tensor) -> Tensor:
        """Clip and step in place on ``(R, P)``; numbers are ``(R, 1)``, and so are the norms returned."""
        raise NotImplementedError(f"{type(self).__name__} must define advance(parameters, gradient, ...)")
