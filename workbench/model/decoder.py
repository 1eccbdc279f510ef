"""A decoder-only transformer whose parts are chosen by its config."""

from enum import StrEnum
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.errors import UserError
from workbench.model.attention import KERNELS, CausalSelfAttention, Order
from workbench.model.block import Block
from workbench.model.cache import KeyValueCache
from workbench.model.config import ModelConfig
from workbench.model.dropout import Dropout, Rows
from workbench.model.parts.component import Component, preserved_rng
from workbench.model.parts.construction import (
    Construction,
    built_from,
    components_above,
    examine,
    redraw,
)
from workbench.seeds import generator, stable_hash

TWIN_MATRIX = "blocks.0.attention.query.weight"  # every decoder has it, and every initialization draws it


class Start(StrEnum):
    """What a parameter starts from."""

    LEVEL = "initialization"  # the config's initialisation level, by name and seed
    PART = "initial_value"  # the part's own method
    CONSTRUCTOR = "constructor"  # what its constructor set: the same for every seed
    REDRAWN = "redrawn"  # as its constructor draws, by name and seed


class Decoder(nn.Module):
    """Token embedding, blocks, final norm (none after post-norm blocks), and the head, tied or not.

    Call ``initialize(seed)`` before training. Neither it nor the constructor touches the global random state.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self._constructions: dict[str, Construction] = {}
        with preserved_rng():
            self.token_embedding = nn.Embedding(config.vocabulary, config.width)
            self.positions = config.positions.build(config)
            self.dropout = Dropout(config.dropout)
            self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
            normalised = config.placement.normalises_sums  # what leaves the last block is normalised already
            self.final_norm = nn.Identity() if normalised else config.norm.build(config.width)
            tied = config.tied_embeddings
            self.head = None if tied else nn.Linear(config.width, config.vocabulary, bias=False)

    def forward(
        self, tokens: Tensor, position_ids: Tensor | None = None, cache: KeyValueCache | None = None
    ) -> Tensor:
        """``(B, T) -> (B, T, V)``: logits of the next token. ``position_ids (T,)``: 0 to T - 1 by default.

        With a ``cache``, ``tokens`` go on from those that it holds, and so do the default positions.
        Raises ``UserError`` where a position has no entry in a table of learned positions.
        """
        return self.logits(self.features(tokens, position_ids, cache))  # (B, T, V)

    def features(
        self, tokens: Tensor, position_ids: Tensor | None = None, cache: KeyValueCache | None = None
    ) -> Tensor:
        """``(B, T) -> (B, T, D)``: what the head reads, after the final norm. Arguments as in ``forward``."""
        position_ids = self._position_ids(tokens, position_ids, cache)  # (T,)
        x = self.token_embedding(tokens)  # (B, T, D)
        embedding = self.positions.embed(position_ids)  # (T, D) or None
        x = self.dropout(x if embedding is None else x + embedding.type_as(x))  # (B, T, D)
        seen = position_ids if cache is None else cache.extend(position_ids)  # (S,)
        order = Order.of(self.positions, seen, tokens.shape[-1], set(self.config.layer_windows))
        layers = [None] * len(self.blocks) if cache is None else cache.layers
        for block, layer_cache in zip(self.blocks, layers, strict=True):
            x = block(x, order, layer_cache)  # (B, T, D)
        return self.final_norm(x)  # (B, T, D)

    def logits(self, x: Tensor) -> Tensor:
        """``(B, T, D) -> (B, T, V)``."""
        return F.linear(x, self.token_embedding.weight) if self.head is None else self.head(x)  # (B, T, V)

    @property
    def head_weight(self) -> Tensor:
        """``(V, D)``: the token table where the head is tied to it."""
        return self.token_embedding.weight if self.head is None else self.head.weight

    def _position_ids(
        self, tokens: Tensor, position_ids: Tensor | None, cache: KeyValueCache | None
    ) -> Tensor:
        length = tokens.shape[-1]
        start = 0 if cache is None else cache.next_position
        if position_ids is None:
            self._check_limit(start + length)
            return torch.arange(start, start + length, device=tokens.device)  # (T,)
        if position_ids.shape != (length,):
            shape = tuple(position_ids.shape)
            raise UserError(f"position_ids: expected shape ({length},), one per token, got {shape}")
        if self.positions.limit is not None and not torch.compiler.is_compiling():
            self._check_limit(int(position_ids.max()) + 1)
        return position_ids

    def _check_limit(self, length: int) -> None:
        limit = self.positions.limit
        if limit is not None and length > limit:
            raise UserError(
                f"positions: {self.config.positions.name} has a table of {limit} positions and is asked "
                f"for {length}; raise context to {length}, shorten the input, or use rope or alibi"
            )

    def num_parameters(self) -> int:
        """All parameters; a tied head counts once."""
        return sum(parameter.numel() for parameter in self.parameters())

    @torch.no_grad()
    def initialize(self, seed: int, *, twin: bool = False) -> None:
        """Set every parameter from ``seed`` and its own name.

        Tensors of one name and shape in two variants start bitwise equal. A component's ``initial_value``
        comes first, then, in a part that is not the workbench's own, what its constructor set on purpose,
        then the config's initialisation level.

        A null ``twin`` draws the one matrix ``TWIN_MATRIX`` under another name: it differs from the decoder
        of the same seed in nothing that it can do. Raises ``UserError`` where that matrix is not drawn.
        """
        level = self.config.initialization.build(self.config)
        redrawn: dict[str, dict[str, Tensor]] = {}
        for name, parameter in self.named_parameters():
            value, _ = self._start(name, parameter, level, seed, redrawn)
            if value is not None:
                _set(parameter, value, name)
        if twin:
            self._make_twin(seed, level)

    def _make_twin(self, seed: int, level: Component) -> None:
        """Set ``TWIN_MATRIX`` to what would be drawn for it if it had another name."""
        parameter = self.get_parameter(TWIN_MATRIX)
        value, _ = self._start(TWIN_MATRIX, parameter, level, seed, {}, stream=f"twin of {TWIN_MATRIX}")
        if value is None or torch.equal(value.to(parameter), parameter):
            raise UserError(
                f"draws: twin: {TWIN_MATRIX} starts from the same values whatever it is called, and the twin "
                "would be the same run; leave out controls, or draws, or take an initialization that draws it"
            )
        _set(parameter, value, TWIN_MATRIX)

    @torch.no_grad()
    def starts(self) -> dict[str, Start]:
        """Where ``initialize`` takes each parameter from that is in a foreign part."""
        level = self.config.initialization.build(self.config)
        named = dict(self.named_parameters())
        return {
            name: self._start(name, parameter, level, 0, {})[1]
            for name, parameter in named.items()
            if self._foreign_part(name) is not None
        }

    def _start(
        self,
        name: str,
        parameter: nn.Parameter,
        level: Component,
        seed: int,
        redrawn: dict[str, dict[str, Tensor]],
        stream: str | None = None,
    ) -> tuple[Tensor | None, Start]:
        """The parameter's first value, None to leave it as constructed, and where it is from.

        It is drawn under its own name, or the name ``stream``.
        """
        draw = generator(seed, "init", stream or name)
        shape = tuple(parameter.shape)
        owners = list(components_above(self, name))
        if owners:
            owner, _, own_name = owners[-1]
            value = owner.initial_value(own_name, shape, draw)
            if value is not None:
                return value, Start.PART
        foreign = self._foreign_part(name)
        if foreign is None:
            return level.initial_value(name, shape, draw), Start.LEVEL
        part, path, own_name = foreign
        found = self._construction(part)
        if own_name in found.constants:
            return found.constants[own_name], Start.CONSTRUCTOR
        value = level.initial_value(name, shape, draw)
        if value is not None:
            return value, Start.LEVEL
        if own_name in found.blank:
            raise UserError(f"{part.name}: its constructor leaves {own_name} uninitialised; give it a value")
        if path not in redrawn:
            redrawn[path] = redraw(part, stable_hash(seed, "init", path))
        return redrawn[path].get(own_name), Start.REDRAWN

    def _foreign_part(self, name: str) -> tuple[Component, str, str] | None:
        """The outermost foreign part that holds the parameter, its path, and the name in it."""
        if not self.config.foreign_parts:
            return None
        owners = components_above(self, name)
        return next((found for found in owners if found[0].foreign and found[0].origin), None)

    def _construction(self, part: Component) -> Construction:
        """Found out once for all parts that are built alike: the norms of all layers are."""
        key = repr((type(part), *built_from(part)))
        if key not in self._constructions:
            self._constructions[key] = examine(part)
        return self._constructions[key]

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.token_embedding.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The parameters' type."""
        return self.token_embedding.weight.dtype

    @property
    def attention_kernel(self) -> str:
        """``fused``, ``explicit``, ``folded`` or ``flash``; soft-capped scores are always explicit."""
        return self._attentions()[0].kernel

    @attention_kernel.setter
    def attention_kernel(self, kernel: str) -> None:
        if kernel not in KERNELS:
            raise UserError(f"attention_kernel: unknown {kernel!r}; use one of {', '.join(KERNELS)}")
        capped = self.config.attention_softcap is not None
        for attention in self._attentions():
            attention.kernel = "explicit" if capped else kernel

    def _attentions(self) -> list[CausalSelfAttention]:
        """Each layer's; a ``ModuleList`` does not say of what it is one."""
        return [cast(Block, block).attention for block in self.blocks]

    @property
    def dropout_generator(self) -> torch.Generator | tuple[torch.Generator, ...] | None:
        """What dropout draws its masks from; setting it hands it to every dropout in the decoder."""
        return self.dropout.generator

    @dropout_generator.setter
    def dropout_generator(self, value: torch.Generator | tuple[torch.Generator, ...] | None) -> None:
        for module in self.modules():
            if isinstance(module, Dropout):
                module.generator = value

    def take_rows(self, rows: Rows | None) -> None:
        """Say which rows of a step's batch come next, for dropout; None: whole batches."""
        for module in self.modules():
            if isinstance(module, Dropout):
                module.rows = rows

    def checkpoint_activations(self) -> None:
        """From now on training keeps only the inputs of blocks, and computes the rest of them again."""
        for block in cast(list[Block], self.blocks):
            block.recomputed = True
            block.draws_globally = bool(self.config.foreign_parts)


def skeleton(config: ModelConfig) -> Decoder:
    """A decoder for its names and shapes: on the meta device, unless a part's constructor needs values."""
    try:
        with torch.device("meta"):
            return Decoder(config)
    except (NotImplementedError, RuntimeError, TypeError):
        if not config.foreign_parts:
            raise
        return Decoder(config)


def _set(parameter: nn.Parameter, value: Tensor, name: str) -> None:
    if tuple(value.shape) != tuple(parameter.shape):
        expected = tuple(parameter.shape)
        raise UserError(f"{name}: initial_value gave shape {tuple(value.shape)}, it must give {expected}")
    parameter.copy_(value)
