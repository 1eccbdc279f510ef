"""Adafactor: Adam's second moment from the means of rows and columns, and steps relative to the weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from workbench.model.parts.component import described
from workbench.training.flat_parameters import Alike
from workbench.training.optimizers.optimizer import OPTIMIZERS, Constants, Optimizer, parameter_groups
from workbench.training.optimizers.replicated import ReplicatedOptimizer, clip
from workbench.user_input import require

_EPSILON = torch.finfo(torch.float32).eps  # as torch.optim.Adafactor has it by default


def _adafactor(
    parameters: Tensor,
    gradient: Tensor,
    rows: Tensor,
    columns: Tensor,
    square: Tensor,
    *,
    matrices: list[Alike],
    others: list[Alike],
    limit: Tensor,
    relative_rate: Tensor,
    decay: Tensor,
    weight: Tensor,
    smallest_scale: float,
    threshold: float,
) -> Tensor:
    """One step in place. ``weight`` is that of the present gradient in the running means."""
    norm = clip(gradient, limit)
    row_means = rows.split([_rows(alike) for alike in matrices], dim=1)
    column_means = columns.split([_columns(alike) for alike in matrices], dim=1)
    squares = square.split([len(alike.places) for alike in others], dim=1)
    second_moments: list[tuple[Alike, Tensor]] = []  # (R, number, *shape)
    for alike, row_mean, column_mean in zip(matrices, row_means, column_means, strict=True):
        own = alike.gather(gradient)
        second_moments.append((alike, _factored(alike, own, row_mean, column_mean, weight)))
    for alike, mean in zip(others, squares, strict=True):
        mean.lerp_(gradient[:, alike.places].square(), weight)
        second_moments.append((alike, mean.unflatten(1, (-1, *alike.shape))))
    shrunk = parameters * (1 - decay)
    for alike, second_moment in second_moments:
        step = alike.gather(gradient) * second_moment.clamp(min=_EPSILON**2).rsqrt()
        clipped = (_root_mean_square(step) / threshold).clamp(min=1.0)
        scale = _root_mean_square(alike.gather(parameters)).clamp(min=smallest_scale)
        rate = relative_rate.view(-1, *[1] * (step.ndim - 1)) * scale
        alike.scatter(parameters, alike.gather(shrunk) - rate / clipped * step)
    return norm


def _factored(
    alike: Alike, gradient: Tensor, row_mean: Tensor, column_mean: Tensor, weight: Tensor
) -> Tensor:
    """The second moment ``(R, number, *shape)`` from its means over rows and columns, which are moved."""
    squared = gradient.square()
    row_mean.lerp_(squared.mean(-1).flatten(1), weight)
    column_mean.lerp_(squared.mean(-2).flatten(1), weight)
    *outer, height, width = alike.shape
    by_row = row_mean.unflatten(1, (-1, *outer, height, 1))
    by_column = column_mean.unflatten(1, (-1, *outer, 1, width))
    return by_row * by_column / by_row.mean(-2, keepdim=True).clamp(min=_EPSILON)


def _rows(alike: Alike) -> int:
    return len(alike.places) // alike.shape[-1]


def _columns(alike: Alike) -> int:
    return len(alike.places) // alike.shape[-2]


def _root_mean_square(values: Tensor) -> Tensor:
    """Of each parameter of each replica: ``(R, number, *shape)`` to ``(R, number, 1, …)``."""
    dimensions = tuple(range(2, values.ndim))
    if not dimensions:  # scalars
        return values.abs()
    return values.square().mean(dimensions, keepdim=True).sqrt()


class ReplicatedAdafactor(ReplicatedOptimizer):
    """Adafactor on the parameters of one shape of all replicas, as ``torch.optim.Adafactor`` steps."""

    rule: ClassVar[Callable[..., Tensor]] = staticmethod(_adafactor)
    compiles = False

    def sizes(self) -> dict[str, int]:
        """A mean for each row and column of the matrices, and the second moment of all else."""
        shapes = self.layout.shapes
        self._matrices = self.layout.by_shape(name for name in shapes if len(shapes[name]) > 1)
        self._others = self.layout.by_shape(name for name in shapes if len(shapes[name]) <= 1)
        return {
            "rows": sum(_rows(alike) for alike in self._matrices),
            "columns": sum(_columns(alike) for alike in self._matrices),
            "square": sum(len(alike.places) for alike in self._others),
        }

    def prepare(self) -> None:
        """Where each parameter lies."""
        super().prepare()
        device = self.flat_parameters.device
        self._matrices = [alike.to(device) for alike in self._matrices]
        self._others = [alike.to(device) for alike in self._others]

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
            matrices=self._matrices,
            others=self._others,
            limit=self.limit,
            relative_rate=relative_rate,
            decay=decay * self.decayed,
            weight=weight,
            smallest_scale=self.options.smallest_scale,
            threshold=self.options.threshold,
        )


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
        """The second moment's memory, and the size of steps."""

        beta2_decay: float = described(
            -0.8, "At step t the second moment keeps the share 1 - t^beta2_decay of what it was."
        )
        smallest_scale: float = described(
            1e-3, "What a parameter's root mean square is taken for at least: ε₂ of the paper."
        )
        threshold: float = described(
            1.0, "Root mean square beyond which a step is clipped: d of the paper, 1 or more."
        )

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
