"""The picture of each position code in a scope, by its kind."""

from collections.abc import Callable

from workbench.inspection.position.picture_bias import alibi, t5
from workbench.inspection.position.picture_code import Code, Picture, codes
from workbench.inspection.position.picture_learned import learned, sinusoidal
from workbench.inspection.position.picture_rotary import rotary
from workbench.inspection.scope import Scope
from workbench.model.parts.component import ComponentConfig
from workbench.model.parts.positions import Learned, NoPositions, Sinusoidal
from workbench.model.parts.relative_bias import ALiBi, T5Bias
from workbench.model.parts.rotary import Rotary


def nothing(drawn: list[Code]) -> Picture:
    """A sentence in place of a picture."""
    sentences = [
        f"{code.name}: it has no position code, so there is none to draw; what it knows of order comes "
        f"from the causal mask."
        for code in drawn
    ]
    return Picture(answers=tuple(sentences))


def unknown(drawn: list[Code]) -> Picture:
    """For a code of a user's own."""
    sentences = [
        f"{code.name}: its position code, {code.config.positions.name}, has no picture." for code in drawn
    ]
    return Picture(answers=tuple(sentences))


_PICTURES: dict[type[ComponentConfig], Callable[[list[Code]], Picture]] = {
    Learned.Config: learned,
    Sinusoidal.Config: sinusoidal,
    ALiBi.Config: alibi,
    T5Bias.Config: t5,
    Rotary.Config: rotary,
    NoPositions.Config: nothing,
}


def pictures(scope: Scope) -> Picture:
    """All panels, sentences and notes; codes of one kind share their panels."""
    drawn, missing = codes(scope)
    kinds: dict[Callable[[list[Code]], Picture], list[Code]] = {}
    for code in drawn:
        kinds.setdefault(_PICTURES.get(type(code.config.positions), unknown), []).append(code)
    found = [draw(group) for draw, group in kinds.items()]
    return Picture(
        tuple(panel for picture in found for panel in picture.panels),
        (*(answer for picture in found for answer in picture.answers), *missing),
        tuple(note for picture in found for note in picture.notes),
    )
