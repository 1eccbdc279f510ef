"""Which head of one run reads like which of another, in every layer, and whether two seeds differ as much.

The floor of a layer is the median distance of matched heads between two seeds of the same variant: heads that
are no closer across variants are not the same head.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench.inspection.attention.matching import jensen_shannon, match_heads
from workbench.inspection.capture import capture
from workbench.inspection.measuring import probe_of
from workbench.inspection.subject import Subject

WINDOWS, LENGTH = 4, 64  # of text on which heads are compared: a reader waits for it


@dataclass(frozen=True)
class HeadPairs:
    """``partner[layer][head]`` of the other run (-1: none), the ``distance (L, H)`` in nats, ``floor (L,)``.

    ``floor`` is None where the variant has no second seed.
    """

    partner: list[list[int]]
    distance: np.ndarray
    floor: np.ndarray | None

    def apart(self, layer: int, head: int) -> bool:
        """Whether the pair differs more than two seeds of one variant do; False where that is unknown."""
        if self.floor is None or self.partner[layer][head] < 0:
            return False
        return bool(self.distance[layer, head] > self.floor[layer])

    def table(self) -> pd.DataFrame:
        """A row per head: ``layer, head, partner, distance, floor``."""
        rows = [
            {
                "layer": layer,
                "head": head,
                "partner": partner if partner >= 0 else None,
                "distance": self.distance[layer, head],
                "floor": None if self.floor is None else self.floor[layer],
            }
            for layer, partners in enumerate(self.partner)
            for head, partner in enumerate(partners)
        ]
        return pd.DataFrame(rows).astype({"partner": "Int64", "floor": "float64"})


def pair_heads(ours: Subject, theirs: Subject, sibling: Subject | None) -> HeadPairs:
    """Pairs in the layers that both have; ``sibling`` is another seed of our variant. Needs one tokenizer."""
    partner, distance = _matched(ours, theirs)
    floor = None if sibling is None else np.nanmedian(_matched(ours, sibling)[1], axis=1)
    return HeadPairs(partner, distance, None if floor is None else floor[: len(partner)])


@lru_cache(maxsize=16)
def _matched(ours: Subject, theirs: Subject) -> tuple[list[list[int]], np.ndarray]:
    # Learned positions end at the context; the probe has one token more.
    length = min(LENGTH, ours.decoder.config.context, theirs.decoder.config.context)
    text = probe_of(ours).text[:WINDOWS, :length]  # (B, T)
    partners, distances = [], []
    for first, second in zip(_attention(ours, text), _attention(theirs, text), strict=False):
        apart = jensen_shannon(first, second)  # (H, G)
        partners.append(match_heads(apart))
        distances.append([float(apart[i, j]) if j >= 0 else np.nan for i, j in enumerate(partners[-1])])
    return partners, np.array(distances)


def _attention(subject: Subject, text: Tensor) -> list[Tensor]:
    """``(B, H, T, T)`` of each layer."""
    with capture(subject.decoder, {"probabilities"}) as seen, torch.no_grad():
        subject.decoder(text.to(subject.decoder.device))
    return [layer.cpu() for layer in seen.stacked("probabilities")]
