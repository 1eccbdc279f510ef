"""The themes' colours: text can be read where Streamlit makes it paler."""

import tomllib

import pytest

from workbench.analysis.contrast import contrast
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.launch import SETTINGS

THEMES = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))["theme"]
CAPTION, CHOSEN = (
    0.6,
    0.1,
)  # how strong Streamlit makes the text of captions, and the ground of what is chosen


def mixed(colour, ground, part):
    channels = [
        round(part * int(colour[place : place + 2], 16) + (1 - part) * int(ground[place : place + 2], 16))
        for place in (1, 3, 5)
    ]
    return "#" + "".join(f"{channel:02X}" for channel in channels)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_captions_and_what_is_chosen_can_be_read(name):
    theme = THEMES[name]
    for ground in (theme["backgroundColor"], theme["sidebar"]["backgroundColor"]):
        assert contrast(mixed(theme["textColor"], ground, CAPTION), ground) >= 4.5
    chosen = mixed(theme["primaryColor"], theme["backgroundColor"], CHOSEN)
    assert contrast(theme["primaryColor"], chosen) >= 4.5


@pytest.mark.parametrize("dark", [False, True])
def test_words_of_charts_can_be_read(dark):
    ink = Ink.of(dark)
    assert ink.paper == THEMES["dark" if dark else "light"]["backgroundColor"]
    assert min(contrast(ink.text, ink.paper), contrast(ink.faint, ink.paper)) >= 4.5
