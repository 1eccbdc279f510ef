"""One run reading one text: every head's map in small, any layer's in full, and the loss of each token.

A text may be of any length: the decoder reads the window around a token, as long as its context, or more
where it was trained on little. Attention that does not fit in memory is computed again, layer by layer.
Size of what is read: Kobayashi et al. 2020 (arXiv 2004.10102), who show that the weight alone misleads: heads
park attention on tokens whose value vector is small.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.inspection.attention.head_scores import token_losses
from workbench.inspection.attention.shape import uniform
from workbench.inspection.capture import blocks_of, capture
from workbench.inspection.forward_passes import passes
from workbench.inspection.prompts import window, window_size
from workbench.inspection.subject import Subject

THUMBNAIL = 64  # pixels of a small map's side, at most
_KEPT_NUMBERS = 2**24  # of attention kept in memory per reading: 64 MiB
_READINGS = 6  # kept in memory


class Reading:
    """``start``: where in the text of ``total`` tokens its window of ``size`` at most begins.

    ``ids (W,)``, ``pieces`` (their texts), ``losses (W - 1,)``.

    ``thumbnails (L, H, S, S)``: the largest attention in each cell of a coarse grid: no diagonal is lost.
    """

    def __init__(self, subject: Subject, ids: Tensor, first: int, size: int) -> None:
        self.subject = subject
        self.total = len(ids)
        self.size = size
        self.start, self.ids = window(ids, first, size)  # (W,)
        self.pieces = subject.pieces(self.ids)
        self._layers: dict[int, Tensor] = {}
        self._read()

    def _read(self) -> None:
        tokens, small = self.ids[None], []  # (1, W)
        for part in passes(self.subject.decoder, tokens, ("probabilities",)):
            for layer in part.layers:
                attention = part.seen["probabilities", layer][0].cpu()  # (H, W, W)
                small.append(F.adaptive_max_pool2d(attention, min(THUMBNAIL, len(self.ids))))  # (H, S, S)
                if attention.numel() * self.subject.decoder.config.layers <= _KEPT_NUMBERS:
                    self._layers[layer] = attention
            if part.logits is not None:
                self.losses = token_losses(part.logits[:, :-1], tokens[:, 1:])[0]  # (W - 1,)
        self.thumbnails = torch.stack(small)  # (L, H, S, S)

    def shown(self, layer: int, head: int, show: str) -> Tensor:
        """One head's map ``(W, W)``; ``show`` is one of ``map_choices.SHOWS``."""
        attention = self.attention(layer)[head]  # (W, W)
        if show == "attention without the first token":
            return attention * (torch.arange(len(attention)) > 0)  # (W, W)
        if show == "attention x size of what is read":
            return attention * self._sizes(layer, head)  # (W, W)
        if show == "attention minus uniform":
            return attention - uniform(len(attention), self.subject.decoder.config.layer_windows[layer])
        return attention

    def attention(self, layer: int) -> Tensor:
        """Every head's map of one layer, ``(H, W, W)``."""
        if layer not in self._layers:
            with capture(self.subject.decoder, {"probabilities"}, [layer]) as seen:
                self.subject.decoder(self.ids[None])
            self._layers = {layer: seen["probabilities", layer][0].cpu()}  # (H, W, W)
        return self._layers[layer]

    def _sizes(self, layer: int, head: int) -> Tensor:
        """``(W,)``: how long the vector is that each token would write into the stream if read alone."""
        with capture(self.subject.decoder, {"values"}, [layer]) as seen:
            self.subject.decoder(self.ids[None])
        values = seen["values", layer][0, head]  # (W, d_head)
        output = blocks_of(self.subject.decoder)[layer].attention.output.weight.detach()  # (D, H * d_head)
        own = output.unflatten(1, (-1, values.shape[1]))[:, head]  # (D, d_head)
        return (values @ own.T).norm(dim=-1).cpu()  # (W,)


def read_prompt(subject: Subject, text: str, first: int = 0, size: int | None = None) -> Reading:
    """The reading of the window that holds token ``first``, kept; raises ``UserError`` for an empty text.

    ``size``: its tokens, at most and by default ``window_size``; two runs are compared on equal windows.
    """
    size = size or window_size(subject)
    return _read(subject, text, first // size * size, size)


@lru_cache(maxsize=_READINGS)
def _read(subject: Subject, text: str, first: int, size: int) -> Reading:
    return Reading(subject, subject.encode(text)[0], first, size)
