"""Views that other pages link to, by what a link needs: a page that links to one does without its torch."""

from dataclasses import dataclass
from typing import Literal

Page = Literal["attention", "position", "activations"]


@dataclass(frozen=True)
class LinkedView:
    """The ``name`` that a command takes, the ``title`` that its ``page`` shows and the page's address has."""

    name: str
    title: str
    page: Page


HEAD_SCORES = LinkedView("head_scores", "Head scores", "attention")
EXTRAPOLATION = LinkedView("extrapolation", "Length extrapolation", "position")
DISTANCE_PROFILES = LinkedView("distance_profiles", "Distance profiles", "position")
RESIDUAL = LinkedView("residual", "Norms and the residual stream", "activations")
FEEDFORWARD = LinkedView("feedforward", "Feed-forward units", "activations")
