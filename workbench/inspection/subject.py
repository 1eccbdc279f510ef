"""A trained decoder with its text: what live views run."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.inspection.capture import kernel_error
from workbench.inspection.run_text import RunText
from workbench.model.decoder import Decoder
from workbench.records.run import RunDirectory, RunRecord
from workbench.records.weights_at_hand import require_weights
from workbench.seeds import generator
from workbench.training.trained_decoder import load_decoder

_KEPT = 12  # decoders in memory: one for each variant of a chart
_SIGNS = {" ": "␣", "\n": "⏎", "\t": "⇥"}
_CHECKED = 64  # tokens on which both attention kernels are compared


@dataclass(frozen=True, eq=False)
class Subject(RunText):
    """A run's decoder (fp32, evaluation mode), its record, tokenizer and corpus."""

    record: RunRecord
    decoder: Decoder

    @property
    def splits(self) -> object:
        """How it splits text: equal for two runs that give every text the same tokens."""
        spec = self.tokenizer.spec
        return spec.get("sha256") or str(spec) if isinstance(spec, dict) else spec

    @cached_property
    def kernel_error(self) -> float:
        """Largest difference of a logit between explicit and fused attention, on random tokens."""
        config = self.decoder.config
        draw = generator("kernel error")
        tokens = torch.randint(config.vocabulary, (1, min(_CHECKED, config.context)), generator=draw)
        return kernel_error(self.decoder, tokens.to(self.decoder.device))

    def encode(self, text: str) -> Tensor:
        """``(1, T)`` ids of ``text``; ``UserError`` for an empty one, and for ids beyond the model's."""
        ids = self.tokenizer.encode(text)
        if len(ids) == 0:
            raise UserError("text: it has no tokens; give at least one character")
        self.tokenizer.require_known(ids, self.decoder.config.vocabulary, "text")
        return torch.as_tensor(ids.astype("int64"))[None]  # (1, T)

    def pieces(self, ids: Tensor) -> list[str]:
        """What each token of ``ids (T,)`` stands for inside a text, with white space made visible.

        What stands for nothing is ``∅``.
        """
        return [_visible(self.tokenizer.piece(token)) for token in ids.tolist()]


def open_subject(directory: RunDirectory) -> Subject:
    """The run's subject, kept in memory until its weights change; raises ``UserError`` without weights."""
    require_weights(directory)
    return _open(str(directory.path), directory.weights.stat().st_mtime_ns)


@lru_cache(maxsize=_KEPT)
def _open(path: str, version: int) -> Subject:
    directory = RunDirectory(Path(path))
    return Subject(directory, directory.read(), load_decoder(directory))


def _visible(piece: str) -> str:
    """White space as signs, and what cannot be printed (or breaks an SVG file) as its code."""
    return "".join(_SIGNS.get(one) or _printable(one) for one in piece) or "∅"


def _printable(one: str) -> str:
    return one if one.isprintable() else one.encode("unicode_escape").decode("ascii")
