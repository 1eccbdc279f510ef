"""Which layers see only the nearest keys: sliding windows, in every layer or alternating.

Child et al. 2019 (arXiv 1904.10509) and GPT-3 (arXiv 2005.14165, section 2.1: "alternating dense and locally
banded") use bands; Mistral and Gemma the same under the name of sliding windows. A window of W is W keys, the
query's own among them, as in OpenAI's sparse attention, GPT-Neo and Mistral; some code counts W + 1. A window
as long as the context is no limit within it, yet one for longer texts: a study refuses it as a level, a model
that came with it keeps it.
"""

from typing import Any

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.user_input import require

KINDS = ("global", "local")


def parse_pattern(value: Any) -> str | None:
    """``"global, local"`` or a list of such words as ``"global,local"``; None stays None.

    Raises ``UserError`` for other words.
    """
    if value is None:
        return None
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not words:
        raise UserError(f"attention_pattern: {value!r} is no pattern; write for example 'global,local'")
    words = [str(word).strip() for word in words]
    for word in words:
        if word not in KINDS:
            raise UserError(
                f"attention_pattern: unknown kind of layer {word!r}; write a list of 'global' and 'local', "
                f"which is repeated over the layers"
            )
    return ",".join(words)


def layer_windows(pattern: str | None, window: int | None, layers: int) -> tuple[int | None, ...]:
    """Each layer's window. The pattern is repeated over the layers; without one all layers are alike."""
    kinds = pattern.split(",") if pattern else ["local"]
    return tuple(window if kinds[layer % len(kinds)] == "local" else None for layer in range(layers))


def check_windows(pattern: str | None, window: int | None, layers: int, context: int) -> None:
    """Raise ``UserError`` for a window that no layer has, and a pattern without a window."""
    require(
        window is None or any(layer_windows(pattern, window, layers)),
        f"attention_pattern: {pattern!r} gives no layer the window of {window}; put 'local' into it, or "
        f"remove the window",
    )
    require(
        pattern is None or window is not None,
        f"window: attention_pattern {pattern!r} needs a window (how many keys a local layer sees, itself "
        f"included); give for example {max(1, context // 4)}, or remove the pattern",
    )


def attention_mask(
    queries: int, keys: int, *, window: int | None, bias: Tensor | None, device: torch.device
) -> Tensor | None:
    """What the last ``queries`` of ``keys`` tokens may attend to, and how much it is favoured.

    With a ``bias (H, T, S)``: the bias, minus infinity where a key comes later or lies outside the window.
    Without: ``(T, S)``, True where attention is allowed; None for plain causality over equal lengths.
    """
    if window is not None and window >= keys:
        window = None  # reaches all there is: plain causality, which has faster kernels
    if bias is None and window is None and queries == keys:
        return None
    key = torch.arange(keys, device=device)  # (S,)
    distance = key[keys - queries :, None] - key  # (T, S)
    allowed = (distance >= 0) & (distance < (window or keys))  # (T, S)
    return allowed if bias is None else bias.masked_fill(~allowed, -torch.inf)
