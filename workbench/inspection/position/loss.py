"""Loss by position: how much each further token of context helps.

Olsson et al. 2022 (arXiv 2209.11895) compare two positions; here are all of them. Windows begin anywhere in
the text, so that a position is the number of tokens seen and not a place in a document.
"""

import pandas as pd
import torch
from torch import Tensor

from workbench.inspection.capture import reading
from workbench.inspection.position.extrapolation import window_losses
from workbench.inspection.probe import Probe
from workbench.inspection.tables import measured_rows, register_table
from workbench.model.decoder import Decoder

PER_OCTAVE = 4  # bins between a position and its double


def position_bins(length: int) -> Tensor:
    """``(T,)``: the bin of each position 1 to T; one each up to 8, then four per octave.

    Coarser than bins of distances: a position has one target per window, a distance many pairs.
    """
    return (PER_OCTAVE * torch.arange(1, length + 1).double().log2()).long()


@register_table("position_loss", tokens=lambda probe: len(probe.text) * probe.length / 2)
def position_loss_table(decoder: Decoder, probe: Probe) -> pd.DataFrame:
    """Mean ``loss`` by ``x``, the tokens seen before the target, over all windows of text; ``n``: targets.

    Positions that share a bin have their mean as ``x``. Costs one forward of all of ``probe.text``, up to
    512 T tokens.
    """
    with reading(decoder) as plain:
        losses = window_losses(plain, probe.text).double()  # (N, T)
    length = losses.shape[1]
    by_position = pd.DataFrame(
        {
            "bin": position_bins(length).numpy(),
            "x": torch.arange(1, length + 1).double().numpy(),
            "value": losses.mean(0).numpy(),
            "n": len(losses),
        }
    )
    rows = by_position.groupby("bin").agg(x=("x", "mean"), value=("value", "mean"), n=("n", "sum"))
    return measured_rows(rows.reset_index(drop=True).assign(metric="loss"))
