"""A small model that the tests of this folder change one part of."""

import pytest
import torch

from workbench.model import Decoder, ModelConfig, preset
from workbench.seeds import generator

torch.set_num_threads(1)

SMALL = {"vocabulary": 19, "context": 12, "width": 16, "layers": 2, "heads": 4, "feedforward_width": 24}


@pytest.fixture
def small():
    """``small(norm="layernorm")``: a tiny llama with changes."""

    def build(recipe: str = "llama", **changes) -> ModelConfig:
        return preset(recipe, **(SMALL | changes))

    return build


@pytest.fixture
def decoder(small):
    """``decoder(seed=1, norm="layernorm")``: the initialised decoder of such a config."""

    def build(recipe: str = "llama", seed: int = 1, **changes) -> Decoder:
        model = Decoder(small(recipe, **changes))
        model.initialize(seed)
        return model

    return build


@pytest.fixture
def tokens():
    """``tokens(3)``: a reproducible batch (3, 12) of token ids."""

    def draw(batch: int = 2, length: int = 12) -> torch.Tensor:
        return torch.randint(0, 19, (batch, length), generator=generator("test tokens"))

    return draw
