"""Cutting windows out of a split: on the host from the memory-mapped file, on a GPU from its own memory."""

import numpy as np
import torch
from torch import Tensor

_RESIDENT_BYTES = 4 * 2**30  # a larger split stays on the host


class Windows:
    """Cuts windows of ``context + 1`` of ``tokens`` ``(N,)`` into inputs and targets."""

    def __init__(self, tokens: np.ndarray, context: int, resident: Tensor | None = None) -> None:
        self._tokens = tokens
        self._context = context
        self._resident = resident

    def on(self, device: str) -> "Windows":
        """The same, cut on ``device``: a GPU holds the whole split, so that no step waits for the host."""
        if device == "cpu" or 4 * len(self._tokens) > _RESIDENT_BYTES:
            return self
        return self.resident(device)

    def resident(self, device: str) -> "Windows":
        """The same, with the whole split as 32-bit integers in the memory of ``device``."""
        tokens = torch.from_numpy(self._tokens.astype(np.int32)).to(device)  # (N,)
        return Windows(self._tokens, self._context, tokens)

    def __call__(self, starts: np.ndarray) -> tuple[Tensor, Tensor]:
        """Inputs and targets of the windows that begin at ``starts (B,)``: both ``(B, T)`` int64."""
        if self._resident is None:
            windows = self._from_host(starts)
        else:
            windows = self._from_device(self._resident, starts)
        return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()

    def _from_host(self, starts: np.ndarray) -> Tensor:
        places = starts[:, None] + np.arange(self._context + 1)  # (B, T + 1)
        return torch.from_numpy(np.asarray(self._tokens)[places].astype(np.int64))

    def _from_device(self, tokens: Tensor, starts: np.ndarray) -> Tensor:
        device = tokens.device
        first = torch.from_numpy(starts).to(device, non_blocking=True)  # (B,)
        places = first[:, None] + torch.arange(self._context + 1, device=device)  # (B, T + 1)
        return tokens[places].long()
