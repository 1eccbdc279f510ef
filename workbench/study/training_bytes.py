"""How many bytes a training step of a recipe holds at its peak, by what PyTorch itself keeps.

Counted are the parameters, their gradients and the optimizer's moments, 4 bytes a number each, and what the
forward pass and the loss save for the backward pass (every storage once, without the parameters), all as if
they were there together. What is saved is measured on a CPU with ``saved_tensors_hooks``, in the study's
arithmetic and with fused attention, on one sequence and on two: it grows by as much with each. Not counted
are the gradients of activations, which come and go, and what libraries and allocators take beside tensors.
"""

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.model.decoder import Decoder
from workbench.model.loss import next_token_loss
from workbench.seeds import generator
from workbench.study.recipe import Recipe
from workbench.training.optimizers import optimizer_config

_BYTES = 4  # of a parameter, a gradient, a moment


@dataclass(frozen=True)
class TrainingBytes:
    """``model``: parameters, gradients, moments; ``shared``, ``each``: saved for all, for each sequence."""

    model: int
    shared: int
    each: int

    def at(self, batch_size: int) -> int:
        """Bytes of a step of ``batch_size`` sequences."""
        return self.model + self.shared + batch_size * self.each

    def batch_size(self, total: int) -> int:
        """The batch size that comes nearest to ``total`` bytes, at least 1."""
        return max(1, round((total - self.model - self.shared) / self.each))


def training_bytes(recipe: Recipe) -> TrainingBytes:
    """The bytes of a step of ``recipe``, whose training is resolved."""
    decoder = Decoder(recipe.model)
    one, two = (_saved_bytes(decoder, recipe, sequences) for sequences in (1, 2))
    moments = optimizer_config(recipe.training).component.moments
    parameters = sum(parameter.numel() for parameter in decoder.parameters())
    each = two - one
    return TrainingBytes(model=_BYTES * parameters * (2 + moments), shared=one - each, each=each)


def _saved_bytes(decoder: Decoder, recipe: Recipe, sequences: int) -> int:
    """What the forward pass and the loss of so many sequences save for the backward pass."""
    decoder.dropout_generator = generator("training bytes")
    own = {parameter.untyped_storage().data_ptr() for parameter in decoder.parameters()}
    kept: dict[int, tuple[int, Tensor]] = {}  # with the tensor, so that no other takes its place in memory

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    tokens = torch.zeros(sequences, recipe.model.context, dtype=torch.long)  # (B, T)
    is_bf16 = recipe.training.precision == "bf16"
    arithmetic = torch.autocast("cpu", dtype=torch.bfloat16) if is_bf16 else nullcontext()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), arithmetic:
        next_token_loss(decoder, tokens, tokens)
    return sum(size for size, _ in kept.values())
