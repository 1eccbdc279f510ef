"""Parts as a user may write them, given to models and studies by import path."""

import random

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.model import FeedForward, Norm, Positions
from workbench.model.parts.feedforward import SwiGLU
from workbench.model.parts.norms import LayerNorm, RMSNorm
from workbench.model.parts.positions import Learned


class ZeroCentred(RMSNorm):
    """``1 + weight``, with a weight that starts at 0."""

    def __init__(self, config, width):
        super().__init__(config, width)
        self.weight = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return self._normalised(x).type_as(x) * (1 + self.weight)


class Mixed(Norm):
    """An identity matrix, a fixed random projection, a scalar, and a random vector of no usual name."""

    def __init__(self, config, width):
        super().__init__(config, width)
        self.turn = nn.Parameter(torch.eye(width))
        self.fixed = nn.Parameter(torch.randn(width, width), requires_grad=False)
        self.gain = nn.Parameter(torch.tensor(1.5))
        self.phase = nn.Parameter(torch.rand(width))

    def forward(self, x: Tensor) -> Tensor:
        x = F.rms_norm(x, (self.width,)) @ self.turn + 0.01 * x @ self.fixed
        return self.gain * x + self.phase


class Blank(Norm):
    """A matrix that is left as memory was, and a vector of no usual name."""

    def __init__(self, config, width):
        super().__init__(config, width)
        self.matrix = nn.Parameter(torch.empty(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix


class BlankVector(Norm):
    def __init__(self, config, width):
        super().__init__(config, width)
        self.scale = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class Around(FeedForward):
    """A level of the workbench inside, and a norm of torch's."""

    def __init__(self, config, width, hidden, bias):
        super().__init__(config, width, hidden, bias)
        self.inner = SwiGLU.Config().build(width, hidden, bias)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.inner(x))


class HeirOfLearned(Learned):
    """Nothing of its own."""


class Wider(SwiGLU):
    """A fourth matrix, of which the inherited formula knows nothing."""

    def __init__(self, config, width, hidden, bias):
        super().__init__(config, width, hidden, bias)
        self.extra = nn.Linear(width, hidden, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x) * self.extra(x))


class WrongFormula(RMSNorm):
    class Config(RMSNorm.Config):
        def num_parameters(self, width):
            return 2 * width


class Experts(FeedForward):
    """Each token goes through one of four matrices: fewer multiplications than parameters."""

    class Config(FeedForward.Config):
        told: float = 1.0

        def matmul_parameters(self, width, hidden, bias):
            return int(self.told * (width * hidden + hidden * width + 4 * width))

    def __init__(self, config, width, hidden, bias):
        super().__init__(config, width, hidden, bias)
        self.router = nn.Linear(width, 4, bias=False)
        self.up = nn.Parameter(torch.randn(4, width, hidden))
        self.down = nn.Parameter(torch.randn(4, hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        chosen = self.router(x).argmax(-1)  # (B, T)
        hidden = torch.einsum("btd,btdh->bth", x, self.up[chosen])
        return torch.einsum("bth,bthd->btd", hidden.relu(), self.down[chosen])


class Buffered(RMSNorm):
    """A persistent buffer and one that is rebuilt."""

    def __init__(self, config, width):
        super().__init__(config, width)
        self.register_buffer("scale", torch.linspace(0.5, 1.5, width))
        self.register_buffer("sign", torch.ones(width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.scale * self.sign


class Running(RMSNorm):
    """Statistics that training changes."""

    def __init__(self, config, width):
        super().__init__(config, width)
        self.register_buffer("mean", torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                self.mean.lerp_(x.mean(dim=(0, 1)), 0.1)
        return super().forward(x - self.mean)


class Forgetful(RMSNorm):
    """Counts its steps in a buffer that weights do not hold."""

    def __init__(self, config, width):
        super().__init__(config, width)
        self.register_buffer("steps", torch.zeros(()), persistent=False)

    def forward(self, x):
        if self.training:
            self.steps += 1
        return super().forward(x)


class Counting(RMSNorm):
    """Counts its calls in a buffer, for all replicas alike."""

    def __init__(self, config, width):
        super().__init__(config, width)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x)


class Branching(RMSNorm):
    """Control flow that depends on values."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (2 if x.abs().max().item() > 1e9 else 1)


class Selecting(RMSNorm):
    """A shape that depends on values."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 0 * x.flatten()[x.flatten().nonzero()].sum()


class Drawing(RMSNorm):
    """Draws from Python's generator and NumPy's while it trains."""

    def forward(self, x):
        noise = random.random() + np.random.rand() if self.training else 1.0
        return super().forward(x) * (1 + 0.1 * noise)


class Exhausted(RMSNorm):
    """Asks an iterator for more than it has."""

    def forward(self, x):
        return super().forward(x) * next(iter(()))


class Unseeded(RMSNorm):
    """Draws a parameter from a source that no seed reaches."""

    def __init__(self, config, width):
        super().__init__(config, width)
        drawn = np.random.default_rng().standard_normal(width)
        self.gain = nn.Parameter(torch.tensor(drawn, dtype=torch.float32))


class Lazy(RMSNorm):
    """Has a parameter that gets its size when it is called."""

    def __init__(self, config, width):
        super().__init__(config, width)
        self.mix = nn.LazyLinear(width)


class Noisy(RMSNorm):
    """Draws from the global generator."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + (0.1 * torch.randn_like(x) if self.training else 0)


class Hidden(RMSNorm):
    """Holds its weight where no replica's can take its place."""

    def __init__(self, config, width):
        super().__init__(config, width)
        self.scale = lambda x, weight=self.weight: x * weight

    def forward(self, x: Tensor) -> Tensor:
        return self.scale(self._normalised(x).type_as(x))


class NeedsValues(LayerNorm):
    """A constructor that looks at a value."""

    def __init__(self, config, width):
        super().__init__(config, width)
        if self.weight.sum().item() < 0:
            raise ValueError("no weights")


class Recency(Positions):
    """A learned bias: the gradient flows through the attention's mask."""

    relative = True

    def __init__(self, config, model):
        super().__init__(config, model)
        self.decay = nn.Parameter(torch.ones(model.heads, 1, 1))

    def bias(self, query_ids: Tensor, key_ids: Tensor) -> Tensor:
        return -self.decay * (query_ids[:, None] - key_ids).abs().sqrt()
