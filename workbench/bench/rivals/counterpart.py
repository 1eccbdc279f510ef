"""The hand-written counterpart of a LLaMA of the workbench: its sizes, and its weights under other names."""

from torch import Tensor

from workbench.bench.rivals.plain import PlainConfig
from workbench.model.config import ModelConfig
from workbench.model.decoder import Decoder

_RENAMED = {"token_embedding.": "embedding.", "final_norm.": "norm.", ".feedforward.": "."}


def plain_config_of(model: ModelConfig) -> PlainConfig:
    """The sizes of a LLaMA ``model`` as ``PlainDecoder`` takes them."""
    return PlainConfig(
        vocabulary=model.vocabulary,
        context=model.context,
        width=model.width,
        layers=model.layers,
        heads=model.heads,
        hidden=model.feedforward_width,
        tied=model.tied_embeddings,
    )


def plain_weights_of(decoder: Decoder) -> dict[str, Tensor]:
    """The weights of a LLaMA ``decoder`` under the names of ``PlainDecoder``."""
    weights = {}
    for name, tensor in decoder.state_dict().items():
        for old, new in _RENAMED.items():
            name = name.replace(old, new)
        weights[name] = tensor
    if "head.weight" not in weights:  # a tied head has a name of its own there
        weights["head.weight"] = weights["embedding.weight"]
    return weights
