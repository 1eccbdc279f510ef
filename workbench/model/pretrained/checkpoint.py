"""A checkpoint as the rest of the workbench sees it, and which layout a folder has."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from workbench.errors import UserError, printable, suggestion
from workbench.files import replacing_folder
from workbench.model.config import ModelConfig
from workbench.model.decoder import Decoder
from workbench.model.pretrained import huggingface, meta
from workbench.model.pretrained.special_tokens import write_special_tokens
from workbench.model.weights import load_weights
from workbench.special_tokens import SpecialTokens

LAYOUTS = ("huggingface", "meta")
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a folder holds: the config, the parameters under the decoder's names, and where they came from.

    ``tensors`` keep the type in which they are stored and, wherever that needs no rearranging, lie in the
    memory-mapped file: they take memory when they are used. ``dtype`` is the type of most values.
    ``tokenizer`` is the folder's ``tokenizer.json``, None where there is none.
    """

    config: ModelConfig
    tensors: dict[str, Tensor]
    layout: str
    dtype: torch.dtype
    tokenizer: Path | None


def read_checkpoint(path: str | Path, *, context: int | None = None) -> Checkpoint:
    """The checkpoint in the folder ``path``: ``load_weights(Decoder(config), tensors)`` makes it a model.

    ``config.dropout`` is 0: it belongs to a training, not to weights. ``context`` is for Meta's layout, which
    does not say how long a context the model was trained for; without it the rule of ``meta.context_of``.
    Raises ``UserError``, naming file and key, for a folder of neither layout, for options of a model that the
    decoder does not have, and for damaged, missing, surplus, misshapen, quantised or infinite weights.
    """
    folder = Path(path)
    layout = _layout(folder)
    if layout == "huggingface":
        if context is not None:
            raise UserError(f"context: {folder / huggingface.CONFIG} says it itself; leave it out")
        config, tensors = huggingface.read(folder)
    else:
        config, tensors = meta.read(folder, context)
    tokenizer = folder / TOKENIZER
    return Checkpoint(
        config=config,
        tensors=tensors,
        layout=layout,
        dtype=_most_common_type(tensors),
        tokenizer=tokenizer if tokenizer.is_file() else None,
    )


def write_checkpoint(
    config: ModelConfig,
    tensors: Mapping[str, Tensor],
    path: str | Path,
    *,
    layout: str = "huggingface",
    dtype: torch.dtype | None = None,
    tokenizer: Path | None = None,
    special_tokens: SpecialTokens | None = None,
) -> None:
    """Write a decoder's parameters so that transformers' ``from_pretrained``, or Meta's code, loads them.

    ``dtype`` None keeps each tensor's type. ``tokenizer`` is a ``tokenizer.json`` to put beside the weights;
    with ``special_tokens`` transformers' ``generate`` stops where a text ends, and its tokenizer begins a
    text as the model's own did.
    The Hugging Face model type follows from the config's parts. Raises ``UserError`` for a config that the
    layout has no words for, naming the part and what would fit; for tensors that are not the config's; and
    for a ``path`` that exists and is not an empty folder. The folder appears complete or not at all.
    """
    if layout not in LAYOUTS:
        raise UserError(f"layout: unknown {layout!r}; {suggestion(layout, LAYOUTS)}")
    target = Path(path).absolute()
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise UserError(f"{target}: exists already; name a new or an empty folder")
    if tokenizer is not None and not Path(tokenizer).is_file():
        raise UserError(f"{tokenizer}: there is no such file; give the path of a {TOKENIZER}")
    _check_own(config, tensors)
    with replacing_folder(target) as partial:
        tokens = write_special_tokens(special_tokens or SpecialTokens(), partial, tokenizer)
        if layout == "huggingface":
            huggingface.write(config, tensors, partial, dtype, tokens)
        else:
            meta.write(config, tensors, partial, dtype)


def _layout(folder: Path) -> str:
    if not folder.is_dir():
        raise UserError(f"{folder}: is not a folder; give the folder that holds {huggingface.CONFIG}")
    if printable(str(folder)) != str(folder):
        raise UserError(f"{folder}: the path is not UTF-8, and safetensors takes no other; rename the folder")
    for name, layout in ((huggingface.CONFIG, "huggingface"), (meta.PARAMS, "meta")):
        if (folder / name).is_file():
            return layout
    raise UserError(
        f"{folder}: holds neither {huggingface.CONFIG} (Hugging Face) nor {meta.PARAMS} (Meta's original); "
        f"give the folder that holds one of them and the weights"
    )


def _most_common_type(tensors: Mapping[str, Tensor]) -> torch.dtype:
    values: Counter[torch.dtype] = Counter()
    for tensor in tensors.values():
        values[tensor.dtype] += tensor.numel()
    return values.most_common(1)[0][0]


def _check_own(config: ModelConfig, tensors: Mapping[str, Tensor]) -> None:
    """The decoder's own check of names and shapes; on the meta device the copy itself does nothing."""
    with torch.device("meta"):
        load_weights(Decoder(config), tensors)
