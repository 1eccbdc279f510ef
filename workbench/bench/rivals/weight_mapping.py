"""The workbench's decoder and the hand-written one are the same function: how their weights correspond."""

from torch import Tensor

from workbench.model.decoder import Decoder

_RENAMED = {"token_embedding.": "embedding.", "final_norm.": "norm.", ".feedforward.": "."}


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
