"""Adafactor: Adam's second moment from the means of rows and columns, and steps relative to the weights."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from workbench.training.flat_parameters import FlatLayout
from workbench.training.optimizers.optimizer import OPTIMIZERS, Constants, Optimizer, parameter_groups
from workbench.training.optimizers.replicated import ReplicatedOptimizer, clip
from workbench.user_values import require

_EPSILON = torch.finfo(torch.float32).eps  # as torch.optim.Adafactor has it by default


@dataclass(frozen=True)
class Factors:
    """Shapes by name: the means over rows and columns of matrices, and the whole of what is no matrix."""

    rows: dict[str, tuple[int, ...]]
    columns: dict[str, tuple[int, ...]]
    others: dict[str, tuple[int, ...]]


def _adafactor(
    parameters: Tensor,
    gradient: Tensor,
    rows: Tensor,
    columns: Tensor,
    square: Tensor,
    *,
    layout: FlatLayout,
    factors: Factors,
    limit: Tensor,
    relative_rate: Tensor,
    decay: Tensor,
    weight: Tensor,
    smallest_scale: float,
    threshold: float,
) -> Tensor:
    """One step in place. ``weight`` is that of the present gradient in the running means."""
    norm = clip(gradient, limit)
    gradients = layout.unflatten(gradient)
    decays = layout.unflatten(decay)
    row_means = _views(rows, factors.rows)
    column_means = _views(columns, factors.columns)
    squares = _views(square, factors.others)
    for name, parameter in layout.unflatten(parameters).items():  # (R, *shape)
        own = gradients[name]
        one = (-1, *[1] * (own.ndim - 1))  # a number of each replica
        share = weight.view(one)
        if name in squares:
            squares[name].lerp_(own.square(), share)
            estimate = squares[name]
        else:
            row_means[name].lerp_(own.square().mean(-1, keepdim=True), share)
            column_means[name].lerp_(own.square().mean(-2, keepdim=True), share)
            mean = row_means[name].mean(-2, keepdim=True).clamp(min=_EPSILON)
            estimate = row_means[name] * column_means[name] / mean
        step = own * estimate.clamp(min=_EPSILON**2).rsqrt()
        clipped = (_root_mean_square(step) / threshold).clamp(min=1.0)
        rate = relative_rate.view(one) * _root_mean_square(parameter).clamp(min=smallest_scale)
        parameter.mul_(1 - decays[name])
        parameter.sub_(rate / clipped * step)
    return norm


def _root_mean_square(values: Tensor) -> Tensor:
    """Of each replica's: ``(R, 1, …)``."""
    dimensions = tuple(range(1, values.ndim))
    if not dimensions:  # a scalar
        return values.abs()
    return values.square().mean(dimensions, keepdim=True).sqrt()


class ReplicatedAdafactor(ReplicatedOptimizer):
    """Adafactor on each parameter of all replicas, as ``torch.optim.Adafactor`` steps."""

    rule: ClassVar[Callable[..., Tensor]] = staticmethod(_adafactor)

    def sizes(self) -> dict[str, int]:
        """A mean for each row and column of the matrices, and the second moment of all else."""
        shapes = {name: tuple(shape) for name, shape in self.layout.shapes.items()}
        matrices = {name: shape for name, shape in shapes.items() if len(shape) > 1}
        self._factors = Factors(
            {name: (*shape[:-1], 1) for name, shape in matrices.items()},
            {name: (*shape[:-2], 1, shape[-1]) for name, shape in matrices.items()},
            {name: shape for name, shape in shapes.items() if name not in matrices},
        )
        named = {
            "rows": self._factors.rows,
            "columns": self._factors.columns,
            "square": self._factors.others,
        }
        return {key: sum(map(math.prod, shapes.values())) for key, shapes in named.items()}

    def numbers(self) -> list[tuple[float, ...]]:
        """Relative learning rate, shrinking by weight decay, and the weight of the present gradient."""
        count = self.count + 1
        return [
            (
                min(rate, 1 / count**0.5),
                rate * constants.weight_decay,
                count**self.options.beta2_decay,
            )
            for rate, constants in zip(self.rates, self.constants, strict=True)
        ]

    def advance(self, parameters: Tensor, gradient: Tensor, *numbers: Tensor) -> Tensor:
        """Clip and step."""
        relative_rate, decay, weight = numbers
        return self.update(
            parameters,
            gradient,
            self.moments["rows"],
            self.moments["columns"],
            self.moments["square"],
            layout=self.layout,
            factors=self._factors,
            limit=self.limit,
            relative_rate=relative_rate,
            decay=decay * self.decayed,
            weight=weight,
            smallest_scale=self.options.smallest_scale,
            threshold=self.options.threshold,
        )


def _views(moment: Tensor, shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Parts of ``moment (R, n)`` by name, each ``(R, *shape)``."""
    parts = moment.split([math.prod(shape) for shape in shapes.values()], dim=1)
    return {name: part.view(-1, *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


@OPTIMIZERS.register("adafactor")
class Adafactor(Optimizer, torch.optim.Adafactor):
    """As Adam without momentum; of a matrix it keeps one number for each row and each column.

    The learning rate is relative to the root mean square of a parameter, and at most 1/√t. Weight decay is
    decoupled, and in proportion to the learning rate.
    """

    title = "Adafactor"
    paper = "Shazeer and Stern 2018, arXiv 1804.04235"
    formula = "w := w - max(ε₂, RMS(w)) min(η, 1/√t) u / max(1, RMS(u)/d) - η λ w, u = g / √(r c / mean(r))"
    constraints = "learning rate is relative to RMS(w): 0.01 in the paper"
    colour = "purple"
    replicated = ReplicatedAdafactor

    @dataclass(frozen=True, kw_only=True)
    class Config(Optimizer.Config):
        """``beta2_decay``: at step t the second moment keeps 1 - t^beta2_decay of what it was.

        ``smallest_scale`` (ε₂) is what a parameter's root mean square is taken for at least, and
        ``threshold`` (d) the root mean square above which a step is clipped.
        """

        beta2_decay: float = -0.8
        smallest_scale: float = 1e-3
        threshold: float = 1.0

        def __post_init__(self) -> None:
            """Check the options."""
            super().__post_init__()
            key = f"{self.name}.beta2_decay"
            require(-1 <= self.beta2_decay < 0, f"{key}: {self.beta2_decay} is not in [-1, 0); use -0.8")
            key = f"{self.name}.smallest_scale"
            require(self.smallest_scale > 0, f"{key}: {self.smallest_scale} is not above 0; use 1e-3")
            key = f"{self.name}.threshold"
            require(self.threshold >= 1, f"{key}: {self.threshold} is below 1; use 1 or more")

    def __init__(self, config: Config, module: nn.Module, training: Constants, learning_rate: float) -> None:
        self.config = config
        groups = parameter_groups(module.parameters(), training.weight_decay)
        super().__init__(
            groups,
            lr=learning_rate,
            beta2_decay=config.beta2_decay,
            eps=(None, config.smallest_scale),
            d=config.threshold,
        )
