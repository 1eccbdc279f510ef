"""What the parameters start from. Every tensor is drawn from a generator seeded by its own name.

Rule for all levels: matrices are drawn; vectors named ``weight`` are 1 and those named ``bias`` are 0; any
other vector keeps the value that its constructor gave it. A component's ``initial_value`` goes before this.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.model.parts.component import INITIALIZATIONS, Component, ComponentConfig, described
from workbench.model.sizes import Sizes
from workbench.user_values import require

TABLES = ("token_embedding.weight", "positions.table")
RESIDUAL_OUTPUTS = ("attention.output.weight", "feedforward.down.weight")


class Initialization(Component):
    """Base of the levels: a class of your own overrides ``matrix``."""

    factor = "initialization"
    required = "matrix"

    @dataclass(frozen=True, kw_only=True)
    class Config(ComponentConfig):
        """No options."""

    def __init__(self, config: ComponentConfig, model: Sizes) -> None:
        self.config = config
        self.model = model

    def initial_value(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor | None:
        """The value of the decoder's parameter ``name``; None keeps what its constructor gave it."""
        if len(shape) >= 2:
            return self.matrix(name, shape, generator)
        if name.endswith("bias"):
            return torch.zeros(shape)
        return torch.ones(shape) if name.endswith("weight") else None

    def matrix(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """The value of a parameter with two dimensions or more."""
        raise NotImplementedError(f"{type(self).__name__} must define matrix(name, shape, generator)")


@dataclass(frozen=True, kw_only=True)
class _NormalConfig(Initialization.Config):
    """The standard deviation of matrices."""

    std: float = described(
        0.02, "Standard deviation of a matrix, where the level's formula scales it no further."
    )

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        require(self.std > 0, f"{self.name}.std: {self.std} is not above 0; use for example 0.02")


@INITIALIZATIONS.register("llama")
class LLaMAInitialization(Initialization):
    """Normal with one standard deviation for every matrix: ``initializer_range`` of Hugging Face's LLaMA.

    Meta has not published how it initialised LLaMA.
    """

    title = "LLaMA"
    paper = "none published; initializer_range in transformers' LlamaConfig"
    formula = "W ~ N(0, σ²)"
    colour = "blue"

    class Config(_NormalConfig):
        """The standard deviation of every matrix."""

    config: Config

    def matrix(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """``normal(0, std)``."""
        return torch.randn(shape, generator=generator) * self.config.std


@INITIALIZATIONS.register("gpt2")
class GPT2Initialization(Initialization):
    """Normal(0, 0.02); position table 0.01; projections into the residual stream ``0.02 / sqrt(2 layers)``.

    The position table's is in OpenAI's code (gpt-2/src/model.py), the projections' in the paper only
    (Radford et al. 2019, section 2.3). Gated and plain networks are scaled alike: both call theirs ``down``.
    """

    title = "GPT-2"
    paper = "Radford et al. 2019, section 2.3"
    formula = "W ~ N(0, σ²); outputs σ / sqrt(2 L); positions σ / 2"
    colour = "wine"

    class Config(_NormalConfig):
        """The standard deviation of most matrices; the position table has half of it."""

    config: Config

    def matrix(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """``normal(0, std)``, scaled by the role that ``name`` gives away."""
        return torch.randn(shape, generator=generator) * (self.config.std * self._scale(name))

    def _scale(self, name: str) -> float:
        if name.endswith(RESIDUAL_OUTPUTS):
            return 1 / math.sqrt(2 * self.model.layers)
        return 0.5 if name == "positions.table" else 1.0


@INITIALIZATIONS.register("zero_output")
class ZeroOutputInitialization(Initialization):
    """Normal, but projections into the residual stream start at 0: each block starts as the identity.

    Zhang et al. 2019 (Fixup, arXiv 1901.09321) start the last layer of each residual branch at 0; they also
    start the classification layer at 0, rescale the others, and put scalars in place of norms, which is not
    done here. ReZero (arXiv 2003.04887) multiplies each branch by a trained number that starts at 0 instead.

    Between sandwich norms the gradient of these projections is large at first, that of a norm at 0 being
    1 / sqrt(eps); in a post-norm block only the sum is left as it is, its norm still acts.
    """

    paper = "Zhang et al. 2019, arXiv 1901.09321, without its other rules"
    formula = "W ~ N(0, σ²); outputs 0"
    colour = "orange"

    class Config(_NormalConfig):
        """The standard deviation of every other matrix."""

    config: Config

    def matrix(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """``normal(0, std)``, or zeros."""
        drawn = torch.randn(shape, generator=generator) * self.config.std
        return torch.zeros(shape) if name.endswith(RESIDUAL_OUTPUTS) else drawn


@INITIALIZATIONS.register("xavier")
class XavierInitialization(Initialization):
    """Uniform within ``sqrt(6 / (fan in + fan out))``: Glorot and Bengio 2010.

    Tables are normal with ``1 / sqrt(width)``, as in tensor2tensor, the original transformer's code.
    """

    paper = "Glorot and Bengio 2010"
    formula = "W ~ U(±sqrt(6 / (in + out)))"
    colour = "green"

    def matrix(self, name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Uniform for projections, normal for tables that are looked up."""
        if name in TABLES:
            return torch.randn(shape, generator=generator) / math.sqrt(self.model.width)
        bound = math.sqrt(6 / (shape[-1] + shape[-2]))
        return (torch.rand(shape, generator=generator) * 2 - 1) * bound
