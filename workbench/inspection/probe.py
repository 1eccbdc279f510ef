"""What is shown to a decoder to measure it: the same text and random tokens for every run of a study.

Neither depends on the run or its seed. The hash covers all of it, and the version of the measures.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from workbench.data.batches import TokenizedCorpus
from workbench.seeds import generator

VERSION = 1  # raise it when a measure begins to give other values for the same text
BEYOND = 8  # times the training context: how far extrapolation is looked at
LONGEST = (
    256  # tokens of a window of text: attention of longer ones costs minutes on a CPU and says little more
)
WINDOWS = 512  # of text; measures of attention take the first few
LONG_TOKENS = 2**16  # of all long windows together


@dataclass(frozen=True, kw_only=True)
class Probe:
    """``text (N, T + 1)``: validation windows with the last token's target; T is the context, at most 256.

    ``long (M, 8 L + 1)``: windows of up to eight contexts L, or as long as the validation split allows.
    ``vocabulary``: ids for random tokens are 0 to ``vocabulary - 2``, the last one ends documents.
    """

    text: Tensor
    long: Tensor
    context: int
    vocabulary: int

    @property
    def length(self) -> int:
        """Tokens of a window of ``text`` that are read; each has the next one as its target."""
        return self.text.shape[1] - 1

    @cached_property
    def hash(self) -> str:
        """Twelve hexadecimal digits: equal for equal probes, measured by the same version."""
        digest = blake2b(f"{VERSION} {self.context} {self.vocabulary}".encode(), digest_size=6)
        for tokens in (self.text, self.long):
            digest.update(repr(tuple(tokens.shape)).encode() + tokens.numpy().tobytes())
        return digest.hexdigest()


def make_probe(corpus: TokenizedCorpus, context: int, vocabulary: int) -> Probe:
    """The probe of a corpus at a training context; fewer windows where the validation split is short.

    Raises ``UserError`` for a text with tokens beyond ``vocabulary``, the model's.
    """
    tokens = corpus.validation
    longest = min(BEYOND * context, len(tokens) - 1)
    text = _windows(tokens, min(context, LONGEST) + 1, WINDOWS, "text")
    long = _windows(tokens, longest + 1, max(2, LONG_TOKENS // longest), "long")
    for windows in (text, long):
        corpus.tokenizer.require_known(windows.numpy(), vocabulary, "data.corpus")
    return Probe(
        text=text,
        long=long,
        context=context,
        vocabulary=min(vocabulary, corpus.vocabulary),
    )


def _windows(tokens: np.ndarray, length: int, count: int, purpose: str) -> Tensor:
    """``(count, length)`` windows at random starts, so that a position is not a document's beginning."""
    places = len(tokens) - length + 1
    starts = _starts(places, max(1, min(count, places)), purpose)
    return torch.from_numpy(np.asarray(tokens)[starts[:, None] + np.arange(length)].astype(np.int64))


@lru_cache(maxsize=16)  # all runs of a study have the same, and a permutation of millions takes 40 ms
def _starts(places: int, count: int, purpose: str) -> np.ndarray:
    """``(count,)`` of the places 0 to ``places - 1``, ascending; nobody changes them."""
    return torch.randperm(places, generator=generator("probe", purpose))[:count].sort().values.numpy()
