"""Muon: the matrices of the blocks move by an orthogonal matrix, all else by AdamW.

``torch.optim.Muon`` rounds to bf16 on every device and takes one matrix at a time; here the products have
the precision that is trained in, and matrices of one shape are one batch.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from workbench.training.flat_parameters import FlatLayout
from workbench.training.optimizers.adam import ReplicatedAdamW, adam_numbers, adam_step
from workbench.training.optimizers.optimizer import (
    OPTIMIZERS,
    Constants,
    Optimizer,
    gradient_of,
    parameter_groups,
    require_fraction,
)
from workbench.training.optimizers.replicated import clip
from workbench.user_values import require

_MOST_ITERATIONS = 99
_SMALLEST_NORM = 1e-7
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # Jordan's: singular values come to 0.7 to 1.2 in five iterations

Shape = tuple[int, int]


def is_hidden_matrix(name: str, parameter_shape: torch.Size) -> bool:
    """Whether Muon trains it: a matrix of a block, no embedding, table of positions or head."""
    return name.startswith("blocks.") and len(parameter_shape) == 2


def orthogonal(matrices: Tensor, iterations: int, dtype: torch.dtype) -> Tensor:
    """Nearly ``U Vᵀ`` of each of ``matrices (..., m, n) = U S Vᵀ``, by Newton-Schulz iterations."""
    x = matrices.to(dtype)
    is_tall = x.shape[-2] > x.shape[-1]
    if is_tall:  # the products below are then of the smaller size
        x = x.mT
    # By its Frobenius norm, so that no singular value is above 1.
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=_SMALLEST_NORM)
    a, b, c = _COEFFICIENTS
    for _ in range(iterations):
        gram = x @ x.mT  # (..., m, m)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if is_tall else x).to(matrices.dtype)


def _scale(shape: Shape, rule: str) -> float:
    rows, columns = shape
    if rule == "jordan":
        return math.sqrt(max(1.0, rows / columns))
    return 0.2 * math.sqrt(max(rows, columns))


def _dtype(training: Constants) -> torch.dtype:
    return torch.bfloat16 if training.precision == "bf16" else torch.float32


def _muon(
    parameters: Tensor,
    gradient: Tensor,
    momentum: Tensor,
    mean: Tensor,
    square: Tensor,
    *,
    limit: Tensor,
    hidden: Tensor,
    shapes: list[tuple[int, Shape]],
    others: Tensor,
    beta: float,
    nesterov: bool,
    iterations: int,
    scale: str,
    dtype: torch.dtype,
    rate: Tensor,
    decay: Tensor,
    betas: tuple[Tensor, Tensor],
    epsilon: Tensor,
    step_size: Tensor,
    correction: Tensor,
) -> Tensor:
    """One step in place; ``hidden`` and ``others`` are the places ``(n,)`` of what Muon and AdamW train.

    Matrices of one shape lie side by side in ``hidden``: ``shapes`` says how many of each.
    """
    norm = clip(gradient, limit)
    parameters.mul_(1 - decay)

    inner = gradient[:, hidden]  # (R, H)
    momentum.lerp_(inner, 1 - beta)
    inner = inner.lerp(momentum, beta) if nesterov else momentum
    sizes = [number * math.prod(shape) for number, shape in shapes]
    directions = []
    for (number, shape), part in zip(shapes, inner.split(sizes, dim=1), strict=True):
        matrices = part.reshape(-1, number, *shape)  # (R, number, rows, columns)
        directions.append(_scale(shape, scale) * orthogonal(matrices, iterations, dtype).flatten(1))
    parameters.index_add_(1, hidden, -rate * torch.cat(directions, dim=1))

    outer = parameters[:, others]  # (R, O)
    adam_step(
        outer,
        gradient[:, others],
        mean,
        square,
        betas=betas,
        epsilon=epsilon,
        step_size=step_size,
        correction=correction,
    )
    parameters.index_copy_(1, others, outer)
    return norm


class ReplicatedMuon(ReplicatedAdamW):
    """Muon on the flat parameters, with the matrices of all replicas and layers in one batch per shape."""

    rule: ClassVar[Callable[..., Tensor]] = staticmethod(_muon)

    def sizes(self) -> dict[str, int]:
        """The momentum of Muon's matrices, and both moments of what AdamW trains."""
        self._divide(self.layout)
        others = len(self._others)
        return {"momentum": len(self._hidden), "mean": others, "square": others}

    def _divide(self, layout: FlatLayout) -> None:
        """Find what Muon trains and what AdamW does."""
        by_shape: dict[Shape, list[str]] = {}
        for name, shape in layout.shapes.items():
            if is_hidden_matrix(name, shape) and layout.is_trained(name):
                rows, columns = shape
                by_shape.setdefault((rows, columns), []).append(name)
        names = [name for alike in by_shape.values() for name in alike]
        self._shapes = [(len(alike), shape) for shape, alike in by_shape.items()]
        self._hidden = layout.places(names)
        self._others = layout.places(name for name in layout.shapes if name not in names)

    def prepare(self) -> None:
        """Where a step of AdamW has another learning rate, its decay has too."""
        super().prepare()
        self._hidden = self.placed(self._hidden)
        self._others = self.placed(self._others)
        self.decayed[self._others] *= self.options.adamw_rate

    def numbers(self) -> list[tuple[float, ...]]:
        """Step size and correction of AdamW, shrinking by weight decay, and the learning rate."""
        found: list[tuple[float, ...]] = []
        for rate, constants in zip(self.rates, self.constants, strict=True):
            adamw = adam_numbers(rate * self.options.adamw_rate, constants, self.count + 1)
            found.append((*adamw, rate * constants.weight_decay, rate))
        return found

    def advance(self, parameters: Tensor, gradient: Tensor, *numbers: Tensor) -> Tensor:
        """Clip and step."""
        step_size, correction, decay, rate = numbers
        return self.update(
            parameters,
            gradient,
            self.moments["momentum"],
            self.moments["mean"],
            self.moments["square"],
            limit=self.limit,
            hidden=self._hidden,
            shapes=self._shapes,
            others=self._others,
            beta=self.options.momentum,
            nesterov=self.options.nesterov,
            iterations=self.options.iterations,
            scale=self.options.scale,
            dtype=_dtype(self.constants[0]),
            rate=rate,
            decay=decay * self.decayed,
            betas=self.betas,
            epsilon=self.epsilon,
            step_size=step_size,
            correction=correction,
        )


@OPTIMIZERS.register("muon")
class Muon(Optimizer, torch.optim.Optimizer):
    """The momentum of a matrix with its singular values set near 1, for the matrices of the blocks.

    Embeddings, positions, head and vectors are trained by AdamW with the betas and epsilon of ``training``,
    at ``adamw_rate`` times the learning rate. Weight decay is decoupled in both.

    An orthogonal matrix is scaled by a rule. ``moonshot`` (Liu et al. 2025): 0.2 √max(rows, columns), so that
    the step's root mean square is AdamW's, and one learning rate and weight decay suit both. ``jordan``:
    √max(1, rows / columns), with a rate of about 0.02 and an ``adamw_rate`` of about 0.015.
    """

    title = "Muon"
    paper = "Jordan et al. 2024, kellerjordan.github.io/posts/muon; Liu et al. 2025, arXiv 2502.16982"
    formula = "m := μ m + (1 - μ) g; W := W - η (s NS(μ m + (1 - μ) g) + λ W), NS(U S Vᵀ) ≈ U Vᵀ"
    constraints = "s = 0.2 √max(rows, columns), for rates as AdamW's; scale jordan: √max(1, rows / columns)"
    colour = "vermillion"
    reads = ("weight_decay", "betas", "epsilon")
    moments = 1
    replicated = ReplicatedMuon

    @dataclass(frozen=True, kw_only=True)
    class Config(Optimizer.Config):
        """``momentum`` and ``nesterov`` as in SGD, ``iterations`` of Newton and Schulz.

        ``scale`` is the rule by which a step is scaled, ``adamw_rate`` AdamW's learning rate over Muon's.
        """

        momentum: float = 0.95
        nesterov: bool = True
        iterations: int = 5
        scale: Literal["moonshot", "jordan"] = "moonshot"
        adamw_rate: float = 1.0

        def __post_init__(self) -> None:
            """Check the options."""
            super().__post_init__()
            require_fraction(self.momentum, f"{self.name}.momentum")
            in_range = 1 <= self.iterations <= _MOST_ITERATIONS
            key = f"{self.name}.iterations"
            require(in_range, f"{key}: {self.iterations} is not from 1 to {_MOST_ITERATIONS}; use 5")
            key = f"{self.name}.adamw_rate"
            require(self.adamw_rate > 0, f"{key}: {self.adamw_rate} is not above 0; use for example 1")

    config: Config

    def __init__(self, config: Config, module: nn.Module, training: Constants, learning_rate: float) -> None:
        self.config = config
        self._dtype = _dtype(training)
        trained = {name: one for name, one in module.named_parameters() if one.requires_grad}
        hidden = {name for name, one in trained.items() if is_hidden_matrix(name, one.shape)}
        others = [one for name, one in trained.items() if name not in hidden]
        rate = config.adamw_rate * learning_rate
        groups = parameter_groups(others, training.weight_decay)
        self._adamw = torch.optim.AdamW(
            groups, lr=rate, betas=training.betas, eps=training.epsilon, fused=True
        )
        matrices = {
            "params": [trained[name] for name in trained if name in hidden],
            "lr": learning_rate,
            "weight_decay": training.weight_decay,
        }
        super().__init__([matrices, *self._adamw.param_groups], {})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step; ``closure`` computes the gradients."""
        with torch.enable_grad():
            loss = closure() if closure is not None else None
        matrices, *others = self.param_groups
        self._step_matrices(matrices)
        # To whoever schedules and saves it this is one optimizer: groups and state are shared, which a resume
        # would undo.
        self._adamw.param_groups = others
        self._adamw.state = self.state
        self._adamw.step()
        return loss

    def _step_matrices(self, group: dict[str, Any]) -> None:
        options = self.config
        by_shape: dict[torch.Size, list[Tensor]] = {}
        for parameter in group["params"]:
            if parameter.grad is not None:
                by_shape.setdefault(parameter.shape, []).append(parameter)
        for (rows, columns), parameters in by_shape.items():
            gradients = [gradient_of(parameter) for parameter in parameters]
            momenta = [self._momentum(parameter) for parameter in parameters]
            torch._foreach_lerp_(momenta, gradients, 1 - options.momentum)
            steps = torch.stack(momenta)  # (n, rows, columns)
            if options.nesterov:
                steps = torch.stack(gradients).lerp(steps, options.momentum)
            directions = orthogonal(steps, options.iterations, self._dtype)
            scale = _scale((rows, columns), options.scale)
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(parameters, directions.unbind(), alpha=-group["lr"] * scale)

    def _momentum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        return state["momentum"]
