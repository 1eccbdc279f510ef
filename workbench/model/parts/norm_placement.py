"""Where the norms of a block are. Xiong et al. 2020 (arXiv 2002.04745) compare pre and post."""

from typing import ClassVar, Protocol

from torch import Tensor, nn

from workbench.model.parts.option import Option, OptionRegistry

NORM_PLACEMENTS: "OptionRegistry[NormPlacement]" = OptionRegistry("norm_placement")


class Layer(Protocol):
    """What of a block its placement puts in order; all but attention map ``(B, T, D) -> (B, T, D)``."""

    attention_norm: nn.Module
    feedforward_norm: nn.Module
    feedforward: nn.Module
    attention_output_norm: nn.Module
    feedforward_output_norm: nn.Module
    dropout: nn.Module

    @property
    def attention(self) -> nn.Module:
        """``(B, T, D)`` and more, as a block's caller gives it, ``-> (B, T, D)``."""


class NormPlacement(Option):
    """A block has a norm for attention and one for the feed-forward network, and its ``further_norms``.

    ``normalises_sums``: the norms are of the residual sums, so that parts read the stream as it is, and none
    is left to do after the last block. ``parallel``: both parts read what enters the block.
    """

    further_norms: ClassVar[tuple[str, ...]] = ()
    normalises_sums: ClassVar[bool] = False
    parallel: ClassVar[bool] = False

    def forward(self, layer: Layer, x: Tensor, *context: object) -> Tensor:
        """``(B, T, D) -> (B, T, D)``; ``context`` is what attention takes beside its input."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(layer, x, *context)")


@NORM_PLACEMENTS.register("pre")
class PreNorm(NormPlacement):
    """``x + a(norm(x))``, then ``x + f(norm(x))``, with a and f for attention and feed-forward network."""

    about = "norms before each part; GPT-2, LLaMA"
    formula = "x + a(norm x), x + f(norm x)"
    paper = "Xiong et al. 2020, arXiv 2002.04745"
    colour = "blue"

    def forward(self, layer: Layer, x: Tensor, *context: object) -> Tensor:
        """``(B, T, D) -> (B, T, D)``."""
        x = x + layer.dropout(layer.attention(layer.attention_norm(x), *context))  # (B, T, D)
        return x + layer.dropout(layer.feedforward(layer.feedforward_norm(x)))  # (B, T, D)


@NORM_PLACEMENTS.register("post")
class PostNorm(NormPlacement):
    """``norm(x + a(x))``, then ``norm(x + f(x))``."""

    about = "norms after each residual sum; the original transformer"
    formula = "norm(x + a(x)), norm(x + f(x))"
    paper = "Vaswani et al. 2017, arXiv 1706.03762"
    colour = "orange"
    normalises_sums = True

    def forward(self, layer: Layer, x: Tensor, *context: object) -> Tensor:
        """``(B, T, D) -> (B, T, D)``."""
        x = layer.attention_norm(x + layer.dropout(layer.attention(x, *context)))  # (B, T, D)
        return layer.feedforward_norm(x + layer.dropout(layer.feedforward(x)))  # (B, T, D)


@NORM_PLACEMENTS.register("sandwich")
class SandwichNorm(NormPlacement):
    """``x + norm(a(norm(x)))``, then the same with f; CogView, Gemma 2."""

    about = "norms before and after each part; Gemma 2"
    formula = "x + norm(a(norm x)), x + norm(f(norm x))"
    paper = "Ding et al. 2021, arXiv 2105.13290"
    colour = "green"
    further_norms = ("attention_output_norm", "feedforward_output_norm")

    def forward(self, layer: Layer, x: Tensor, *context: object) -> Tensor:
        """``(B, T, D) -> (B, T, D)``."""
        attended = layer.attention(layer.attention_norm(x), *context)  # (B, T, D)
        x = x + layer.dropout(layer.attention_output_norm(attended))  # (B, T, D)
        fed = layer.feedforward(layer.feedforward_norm(x))  # (B, T, D)
        return x + layer.dropout(layer.feedforward_output_norm(fed))  # (B, T, D)


@NORM_PLACEMENTS.register("parallel")
class ParallelNorm(NormPlacement):
    """``x + a(norm(x)) + f(norm(x))``, a norm for each as in GPT-NeoX, so that it has the parameters of pre.

    GPT-J and PaLM share one norm.
    """

    about = "attention and feedforward side by side; GPT-NeoX"
    formula = "x + a(norm x) + f(norm x)"
    paper = "Black et al. 2022, arXiv 2204.06745"
    colour = "vermillion"
    parallel = True

    def forward(self, layer: Layer, x: Tensor, *context: object) -> Tensor:
        """``(B, T, D) -> (B, T, D)``."""
        attended = layer.attention(layer.attention_norm(x), *context)  # (B, T, D)
        return x + layer.dropout(attended) + layer.dropout(layer.feedforward(layer.feedforward_norm(x)))
