"""All views in the order of the pages, by what stands before one is opened: a page, a link, a command.

What one is computed by stays out of it: a list of views needs no torch.
"""

from dataclasses import dataclass
from typing import Literal

Page = Literal["attention", "position", "activations"]


@dataclass(frozen=True)
class ListedView:
    """The ``name`` that a command takes, the ``title`` that its ``page`` shows and the page's address has.

    The package of the page's name has it in ``module``, whose file ends in ``_view``.
    """

    name: str
    title: str
    page: Page
    module: str


PROMPT_ATTENTION = ListedView("prompt_attention", "Attention on a text", "attention", "prompt_attention")
HEAD_SCORES = ListedView("head_scores", "Head scores", "attention", "head_scores")
FORMATION = ListedView("formation", "Formation", "attention", "formation")
EXTRAPOLATION = ListedView("extrapolation", "Length extrapolation", "position", "extrapolation")
LENGTH_MAPS = ListedView("length_maps", "Maps at a length", "position", "length_maps")
POSITION_LOSS = ListedView("position_loss", "Loss by position", "position", "loss")
DISTANCE_PROFILES = ListedView("distance_profiles", "Distance profiles", "position", "distance_profiles")
ROPE_BANDS = ListedView("rope_bands", "Rotary bands", "position", "rope_bands")
POSITIONAL_SHARE = ListedView(
    "positional_share", "Positional share and the code itself", "position", "positional_share"
)
POSITION_SHIFT = ListedView("position_shift", "Shift of positions", "position", "shift_recall")
RECALL = ListedView("recall", "Recall", "position", "shift_recall")
ANSWERS = ListedView("answers", "Answers", "position", "answers")
RESIDUAL = ListedView("residual", "Norms and the residual stream", "activations", "residual")
FEEDFORWARD = ListedView("feedforward", "Feed-forward units", "activations", "feedforward")
LOGIT_LENS = ListedView("logit_lens", "Prediction by depth", "activations", "prediction")
HEAD_ABLATION = ListedView("head_ablation", "What each head does", "activations", "ablation")

LISTED = (
    PROMPT_ATTENTION,
    HEAD_SCORES,
    FORMATION,
    EXTRAPOLATION,
    LENGTH_MAPS,
    POSITION_LOSS,
    DISTANCE_PROFILES,
    ROPE_BANDS,
    POSITIONAL_SHARE,
    POSITION_SHIFT,
    RECALL,
    ANSWERS,
    RESIDUAL,
    FEEDFORWARD,
    LOGIT_LENS,
    HEAD_ABLATION,
)


def listed(page: Page) -> list[ListedView]:
    """The views of a page, in its order."""
    return [view for view in LISTED if view.page == page]
