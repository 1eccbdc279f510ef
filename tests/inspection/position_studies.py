"""Decoders whose losses are known, and made-up studies for the views of the page on positions.

``study`` writes real runs with the changes of the loss that a test wants at each context.
"""

from pathlib import Path

import pandas as pd
import torch
from torch.nn import functional as F

from tests.inspection.head_studies import CONTEXT, STEPS, Made, probe, write_study
from workbench.inspection.probe import Probe
from workbench.model import Decoder, preset
from workbench.records.probes import append_probes
from workbench.records.run import RunDirectory
from workbench.seeds import generator

VOCABULARY = 17
LOSS = {"tail": 2.0, "full": 2.1, "nonoverlapping": 2.1}


def decoder(positions="rope", cls=Decoder, context=16, **options):
    sizes = {"vocabulary": VOCABULARY, "context": context, "width": 16, "layers": 2, "heads": 2}
    made = cls(preset("llama", **sizes | {"positions": positions} | options))
    made.initialize(1)
    return made


def made_probe(context=16, longest=8, windows=6, tokens=VOCABULARY - 1):
    draw = generator("position studies")
    text = torch.randint(tokens, (windows, context + 1), generator=draw)
    long = torch.randint(tokens, (windows, round(longest * context) + 1), generator=draw)
    return Probe(text=text, long=long, context=context, vocabulary=VOCABULARY)


class Bigrams(Decoder):
    """Predicts from the last token alone."""

    def forward(self, tokens, position_ids=None, cache=None):
        return self.table()[tokens]

    def table(self):
        return torch.randn(VOCABULARY, VOCABULARY, generator=generator("bigrams")) * 2


class Counting(Decoder):
    """Gives token 0, all that a text of zeros has, a loss of as many nats as there are tokens read so far."""

    def forward(self, tokens, position_ids=None, cache=None):
        nats = torch.arange(1, tokens.shape[1] + 1).double()  # of token 0; the rest shares what is left
        others = torch.log1p(-torch.exp(-nats)) - torch.log(torch.tensor(VOCABULARY - 1.0))
        logits = others[:, None].repeat(1, VOCABULARY)
        logits[:, 0] = -nats
        return logits.expand(len(tokens), -1, -1)


class Lookup(Decoder):
    """Predicts what followed the last earlier occurrence of the token, within ``reach`` tokens."""

    reach = 10**6

    def forward(self, tokens, position_ids=None, cache=None):
        place = torch.arange(tokens.shape[1])
        back = place[:, None] - place
        same = (tokens[:, :, None] == tokens[:, None]) & (back > 0) & (back <= self.reach)
        last = torch.where(same, place, -1).amax(-1)  # (B, T), -1 where there is none
        after = tokens.gather(1, (last.clamp(min=0) + 1).clamp(max=len(place) - 1))
        return 50.0 * F.one_hot(after, self.config.vocabulary).float() * (last >= 0)[..., None]


class Uniform(Decoder):
    """Knows nothing: the same logits for all tokens, but for a guess that is drawn anew at each place."""

    def forward(self, tokens, position_ids=None, cache=None):
        shape = (*tokens.shape, self.config.vocabulary)
        return 1e-6 * torch.rand(shape, generator=generator("uniform", int(tokens.sum())))


def study(folder: Path, variants: dict[str, tuple[str, dict[int, dict]]], later=None, weights=False) -> Path:
    """Variants by name: position code, and for each seed the change of the loss at each multiple of L.

    A change is a number for every measure, or one for each (``{"tail": ..., "full": ...}``). ``later``: what
    a variant's loss has more than others beyond the first position.
    """
    scores = {"induction": [0.1]}
    made = {name: Made(code, dict.fromkeys(by, scores)) for name, (code, by) in variants.items()}
    written = write_study(folder, made, weights=weights)
    for path in sorted((written / "runs").iterdir()):
        record = RunDirectory(path).read()
        more = (later or {}).get(record.variant, 0.0)
        rows = _rows(variants[record.variant][1][record.seed], record.seed, more)
        append_probes(path, rows.assign(step=STEPS[-1], probe_hash=probe().hash, layer=None, head=None))
    return written


def _rows(changes: dict[float, float | dict[str, float]], seed: int, more: float) -> pd.DataFrame:
    rows = []
    for scale, change in ({1.0: 0.0} | changes).items():
        for metric, loss in LOSS.items():
            own = change.get(metric) if isinstance(change, dict) else change
            if own is not None and (scale >= 1 or metric == "tail"):
                value = loss + 0.1 * seed + own
                rows.append(("extrapolation", scale * CONTEXT, metric, value, 512))
    for position in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0):
        value = 3 - 0.1 * position**0.5 + 0.1 * seed + more * (position > 1)
        rows.append(("position_loss", position, "loss", value, 64))
    return pd.DataFrame(rows, columns=["table", "x", "metric", "value", "n"])
