"""Which layers have a window: a list with one word per layer there, a repeated pattern here."""

from typing import Any

from workbench.model.config import ModelConfig


def window_and_pattern(kinds: list[str], window: int | None) -> dict[str, Any]:
    """The config's ``window`` and ``attention_pattern`` for ``global`` and ``local`` layers.

    A window as long as the context is kept: it limits what texts beyond the context may attend to. The
    pattern is the shortest that repeats.
    """
    if window is None or "local" not in kinds:
        return {"window": None, "attention_pattern": None}
    if "global" not in kinds:
        return {"window": window, "attention_pattern": None}
    repeats = (n for n in range(1, len(kinds) + 1) if _repeated(kinds[:n], len(kinds)) == kinds)
    return {"window": window, "attention_pattern": ",".join(kinds[: next(repeats)])}


def kinds_of(config: ModelConfig) -> list[str]:
    """``global`` or ``local`` for each layer."""
    return ["global" if window is None else "local" for window in config.layer_windows]


def _repeated(kinds: list[str], layers: int) -> list[str]:
    return [kinds[layer % len(kinds)] for layer in range(layers)]
