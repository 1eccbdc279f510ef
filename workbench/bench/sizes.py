"""The sizes that are measured: LLaMA recipes from a hundred thousand to 350 million parameters.

The small ones read bytes, like the workbench's own studies; the two large ones have GPT-2's sizes and
vocabulary (up to a multiple of 64, as in nanoGPT) and a tied head, which gives them GPT-2's counts.
"""

from dataclasses import dataclass, replace

import numpy as np

from workbench.model.config import ModelConfig
from workbench.model.presets import preset

_BYTES = 257
_WORDS = 50_304
_CORPUS = 1_000_000  # random tokens: more than a benchmark reads, and little memory


@dataclass(frozen=True, kw_only=True)
class Size:
    """A model's size and the batch that it is trained with."""

    name: str
    layers: int
    width: int
    heads: int
    vocabulary: int = _BYTES
    context: int = 128
    batch_size: int = 8

    @property
    def model(self) -> ModelConfig:
        """The workbench's model."""
        return preset(
            "llama",
            vocabulary=self.vocabulary,
            context=self.context,
            layers=self.layers,
            width=self.width,
            heads=self.heads,
            tied_embeddings=self.vocabulary == _WORDS,
        )

    @property
    def tokens_per_step(self) -> int:
        """Tokens in a batch."""
        return self.batch_size * self.context


TINY = Size(name="tiny", layers=1, width=16, heads=2, context=16, batch_size=2)
SIZES = (
    Size(name="nano", layers=2, width=64, heads=4),
    Size(name="1M", layers=4, width=128, heads=4),
    Size(name="3M", layers=6, width=192, heads=6),
    Size(name="10M", layers=8, width=320, heads=8),
    Size(name="124M", layers=12, width=768, heads=12, vocabulary=_WORDS),
    Size(name="350M", layers=24, width=1024, heads=16, vocabulary=_WORDS),
)
# Context and batch size. A GPU needs tens of thousands of tokens per step before anything but launching
# kernels takes time.
_ON_GPU = {"124M": (1024, 32), "350M": (1024, 16)}
_SMALL_ON_GPU = (256, 64)


def sizes(device: str, *names: str) -> list[Size]:
    """The sizes called ``names``, all for none, with the batches that suit the device."""
    wanted = [size for size in SIZES if not names or size.name in names]
    if device == "cpu":
        return wanted
    found = []
    for size in wanted:
        context, batch_size = _ON_GPU.get(size.name, _SMALL_ON_GPU)
        found.append(replace(size, context=context, batch_size=batch_size))
    return found


def random_tokens(vocabulary: int, count: int = _CORPUS) -> np.ndarray:
    """Tokens ``(count,)`` that mean nothing: how fast a model trains does not depend on the text."""
    return np.random.default_rng(0).integers(0, vocabulary, count).astype(np.uint16)
