"""What the workbench is measured against: a LLaMA decoder and its training loop in plain PyTorch.

Written as by hand for one purpose, without anything of the workbench. The model is Meta's (arXiv 2302.13971,
github.com/meta-llama/llama), with rotary halves instead of neighbours; the loop is that of nanoGPT's train.py
(github.com/karpathy/nanoGPT): random windows, autocast, clipping, fused AdamW, cosine, a look at the loss
once in a while.
"""

import math
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class PlainConfig:
    """Sizes of a decoder."""

    vocabulary: int
    context: int
    width: int
    layers: int
    heads: int
    hidden: int
    tied: bool = False


class PlainNorm(nn.Module):
    """RMSNorm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, T, D) -> (B, T, D)``."""
        return F.rms_norm(x, (x.shape[-1],), self.weight, 1e-5)  # (B, T, D)


class PlainAttention(nn.Module):
    """Causal attention with rotary positions."""

    def __init__(self, config: PlainConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query = nn.Linear(config.width, config.width, bias=False)
        self.key = nn.Linear(config.width, config.width, bias=False)
        self.value = nn.Linear(config.width, config.width, bias=False)
        self.output = nn.Linear(config.width, config.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """``(B, T, D) -> (B, T, D)``."""
        query, key, value = (
            linear(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, H, T, d_head)
            for linear in (self.query, self.key, self.value)
        )
        query, key = rotate(query, cos, sin), rotate(key, cos, sin)  # (B, H, T, d_head)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)  # (B, H, T, d_head)
        return self.output(mixed.transpose(1, 2).flatten(2))  # (B, T, D)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions: ``(B, H, T, d_head)`` with cosines and sines ``(T, d_head / 2)``."""
    first, second = x.chunk(2, dim=-1)  # (B, H, T, d_head / 2)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1).type_as(x)


class PlainBlock(nn.Module):
    """Attention and SwiGLU, each after a norm and with a residual connection."""

    def __init__(self, config: PlainConfig) -> None:
        super().__init__()
        self.attention_norm = PlainNorm(config.width)
        self.attention = PlainAttention(config)
        self.feedforward_norm = PlainNorm(config.width)
        self.gate = nn.Linear(config.width, config.hidden, bias=False)
        self.up = nn.Linear(config.width, config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """``(B, T, D) -> (B, T, D)``."""
        x = x + self.attention(self.attention_norm(x), cos, sin)  # (B, T, D)
        inner = self.feedforward_norm(x)  # (B, T, D)
        return x + self.down(F.silu(self.gate(inner)) * self.up(inner))  # (B, T, D)


class PlainDecoder(nn.Module):
    """Token embedding, blocks, norm, head."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: PlainConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.blocks = nn.ModuleList(PlainBlock(config) for _ in range(config.layers))
        self.norm = PlainNorm(config.width)
        self.head = nn.Linear(config.width, config.vocabulary, bias=False)
        self.apply(_initialize)
        if config.tied:
            self.head.weight = self.embedding.weight
        half = config.width // config.heads // 2
        frequencies = 10_000.0 ** -(torch.arange(half) / half)  # (d_head / 2,)
        angles = torch.arange(config.context)[:, None] * frequencies  # (T, d_head / 2)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B, T) -> (B, T, V)``."""
        x, length = self.embedding(tokens), tokens.shape[1]  # (B, T, D)
        for block in self.blocks:
            x = block(x, self.cos[:length], self.sin[:length])  # (B, T, D)
        return self.head(self.norm(x))  # (B, T, V)


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


class PlainLoop:
    """Trains a ``PlainDecoder`` on random windows of ``tokens (N,)``, kept on ``device``, "cpu" or "cuda"."""

    def __init__(
        self,
        config: PlainConfig,
        tokens: np.ndarray,
        *,
        batch_size: int,
        device: str,
        bf16: bool,
        compiled: bool,
        steps: int,
        learning_rate: float = 1e-3,
    ) -> None:
        self.model = PlainDecoder(config).to(device)
        self.forward = torch.compile(self.model) if compiled else self.model
        self.optimizer = torch.optim.AdamW(self._groups(), lr=learning_rate, betas=(0.9, 0.95), fused=True)
        self.autocast = torch.autocast(device, dtype=torch.bfloat16) if bf16 else nullcontext()
        self.tokens = torch.from_numpy(tokens.astype(np.int64)).to(device)  # (N,)
        self.window = torch.arange(config.context + 1, device=device)  # (T + 1,)
        self.random = torch.Generator(device).manual_seed(0)
        self.batch_size = batch_size
        self.steps = steps
        self.learning_rate = learning_rate
        self.taken = 0

    def _groups(self) -> list[dict]:
        matrices = [p for p in self.model.parameters() if p.ndim >= 2]
        vectors = [p for p in self.model.parameters() if p.ndim < 2]
        return [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]

    def run(self, steps: int) -> float:
        """Train ``steps`` steps; returns the last loss, the only one that is waited for."""
        for _ in range(steps):
            loss = self.step(*self.batch())
        return loss.item()

    def batch(self) -> tuple[Tensor, Tensor]:
        """Inputs and targets, both ``(B, T)``."""
        last = len(self.tokens) - len(self.window) + 1
        device = self.tokens.device
        starts = torch.randint(last, (self.batch_size, 1), generator=self.random, device=device)  # (B, 1)
        windows = self.tokens[starts + self.window]  # (B, T + 1)
        return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()

    def step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """One optimizer step; returns the loss without waiting for it."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * self._rate()
        with self.autocast:
            logits = self.forward(inputs)  # (B, T, V)
            loss = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.taken += 1
        return loss.detach()

    def _rate(self) -> float:
        """Linear warm-up over a tenth of the steps, then a cosine to a tenth of the peak."""
        warmup = round(0.1 * self.steps)
        if self.taken < warmup:
            return (self.taken + 1) / warmup
        part = min(1.0, (self.taken - warmup) / max(1, self.steps - warmup))
        return 0.1 + 0.45 * (1 + math.cos(math.pi * part))
