"""How a family of Hugging Face models is read and written: its configuration and its tensors."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.model.config import ModelConfig
from workbench.model.pretrained.mapping import Entry
from workbench.model.pretrained.published_options import Options, Rule


@dataclass(frozen=True, kw_only=True)
class Family:
    """One or several ``model_type`` that share their tensors' names.

    ``prefix`` is what the names begin with unless only the model under the head was saved; ``embedding`` the
    token table's name after it; ``ignored`` matches buffers that old files hold. ``entries`` takes our
    config, the values of ``config.json`` and the prefix. ``rules`` says for each model type what a config of
    ours must be to be written as one.
    """

    model_types: tuple[str, ...]
    prefix: str
    embedding: str
    tied_default: bool
    ignored: re.Pattern[str]
    read_config: Callable[[Options, bool], ModelConfig]
    entries: Callable[[ModelConfig, Mapping[str, Any], str], list[Entry]]
    rules: Callable[[ModelConfig], dict[str, list[Rule]]]
    write_config: Callable[[ModelConfig, str], dict[str, Any]]


def inverse(table: Mapping[str, str]) -> dict[str, str]:
    """Our word to theirs: the first of those that mean the same."""
    words: dict[str, str] = {}
    for theirs, ours in table.items():
        words.setdefault(ours, theirs)
    return words
