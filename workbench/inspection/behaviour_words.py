"""Numbers of a run's behaviour (``behaviour_columns``) in words, and the view that shows what each is of."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from workbench.inspection.activations.feedforward_words import LINES, PARTS
from workbench.inspection.activations.residual_words import QUANTITIES
from workbench.inspection.attention.head_kinds import KINDS
from workbench.inspection.listed_views import (
    DISTANCE_PROFILES,
    EXTRAPOLATION,
    FEEDFORWARD,
    HEAD_SCORES,
    RESIDUAL,
    ListedView,
)

_OF_THE_MODEL = {
    "icl score": "the loss late in the window over that early in it",
    "copy loss gap": "what the second copy of random tokens saves",
}
_PLACES = {"mean": "mean over layers", "last layer": "last layer"}
_ENTROPY_AND_DISTANCE = ("entropy", "distance")  # their titles in views stand below "attention"


@dataclass(frozen=True)
class Told:
    """A number in ``words``, its ``unit`` if it has one, and the ``view`` to look at.

    That view's ``options``, and the ``part`` of it that shows the number where it has several.
    """

    words: str
    unit: str = ""
    view: ListedView = HEAD_SCORES
    options: Mapping[str, str] = field(default_factory=dict)
    part: str = ""


def told(name: str) -> Told:
    """The number called ``name``; a name without words of its own stands for itself."""
    if name in _OF_THE_MODEL:
        return Told(_OF_THE_MODEL[name], "nats")
    if length := re.fullmatch(r"ΔCE at (.+)×", name):
        return Told(f"the loss at {length[1]}× the trained context over that at 1×", "nats", EXTRAPOLATION)
    table, sign, rest = name.partition(": ")
    if sign:
        metric, _, place = rest.rpartition(", ")
        return _of_layers(table, metric, _PLACES.get(place, place))
    return _of_heads(name)


def _of_heads(name: str) -> Told:
    reduced, _, metric = name.partition(" ")
    key = metric.replace(" ", "_")
    if key not in KINDS:
        return Told(name)
    words = KINDS[key].label
    if key in _ENTROPY_AND_DISTANCE:
        words = f"attention {words}"
    over = "mean over heads" if reduced == "mean" else "largest head"
    if key == "distance":
        return Told(f"{words}, {over}", view=DISTANCE_PROFILES)
    return Told(f"{words}, {over}", options={"score": key})


def _of_layers(table: str, metric: str, place: str) -> Told:
    if table == "feedforward":
        key = metric.replace(" ", "_")
        title = LINES.get(key, (metric, "", ""))[0]
        return Told(f"{_lower(title)}, {place}", view=FEEDFORWARD, part=PARTS.get(key, ""))
    of_first = metric.endswith(" first")
    key = metric.removesuffix(" first").replace(" ", "_")
    for quantity, shown in QUANTITIES.items():
        if key in shown.metrics:
            words = f"{_lower(shown.metrics[key][0])}, {place}"
            first = ", first token" if of_first else ""
            options = {"quantity": quantity}
            return Told(words + first, view=RESIDUAL, options=options, part=shown.part_of(key))
    return Told(f"{table} {metric}, {place}", view=RESIDUAL)


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]
