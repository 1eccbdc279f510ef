"""Figures read back: every panel has marks or words, no two texts meet, and labels that must be there are."""

from itertools import pairwise

import matplotlib as mpl
import pytest

from tests.drawn_figures import Drawn, faults, labels, marks
from tests.odd_panels import LABELS, NOTES, PANELS, WORDS, result
from workbench.analysis.contrast import contrast
from workbench.inspection.drawing import is_empty
from workbench.inspection.panel_figures import figure
from workbench.inspection.panels import Tokens
from workbench.inspection.views import views


def check(drawn, panels):
    """Nothing that a reader could not read, and marks on every plot."""
    for panel, part in zip(panels, drawn.parts, strict=True):
        assert faults(drawn, part) == [], panel.title
        plots = [axes for axes in part.axes if axes.axison and axes.get_label() != "<colorbar>"]
        assert [axes for axes in plots if max(marks(axes), default=0) <= 1] == [], panel.title
        assert plots or isinstance(panel, Tokens) or is_empty(panel)


@pytest.fixture(scope="module")
def odd():
    return Drawn(figure(result()))


def test_odd_values_are_drawn_so_that_they_can_be_read(odd):
    check(odd, result().panels)


@pytest.mark.parametrize("title", [*LABELS, *WORDS, *NOTES])
def test_the_labels_that_must_be_there_are_there(odd, title):
    part = odd.parts[list(PANELS).index(title)]
    seen = [" ".join(text.split()) for text, _ in odd.texts(part)]
    wanted = LABELS.get(title) or [WORDS.get(title) or NOTES[title]]
    assert [text for text in wanted if text not in seen] == []


def test_numbers_in_cells_can_be_read_on_every_colour(odd):
    for title in ("signs", "scores"):
        part = odd.parts[list(PANELS).index(title)]
        for axes in part.axes[: 1 if title == "signs" else 2]:
            (image,) = axes.images
            for text in axes.texts:
                x, y = text.get_position()
                cell = mpl.colors.to_hex(image.cmap(image.norm(image.get_array()[y, x])))
                assert contrast(cell, mpl.colors.to_hex(text.get_color())) >= 4.5


def test_every_row_of_a_heatmap_has_its_label_and_many_are_thinned_by_a_rule(odd):
    rows = {title: labels(odd.parts[list(PANELS).index(title)].axes[0].yaxis) for title in PANELS}
    assert rows["signs"] == ["0", "1"]
    assert rows["scores"] == [str(row) for row in range(8)]
    places = [int(label) for label in rows["positions"]]
    assert places[0] == 0
    assert len({after - before for before, after in pairwise(places)}) == 1


def test_theories_differ_in_dash_and_colour_from_each_other_and_from_the_baseline(odd):
    axes = odd.parts[list(PANELS).index("layers")].axes[0]
    looks = {
        line.get_label(): (line.get_color(), line.get_linestyle(), line._dash_pattern[1])
        for line in axes.lines
    }
    assert len({colour for colour, *_ in looks.values()}) == 4
    assert looks["baseline"][1] == "-"
    dashes = [looks[name][2] for name in ("alibi by itself", "uniform attention")]
    assert dashes[0] != dashes[1]


def test_every_view_of_a_trained_run_can_be_read(trained):
    for view in views():
        if not view.available(trained):
            shown = view.show(trained)
            check(Drawn(figure(shown)), shown.panels)


def test_facets_share_the_title_of_an_axis(odd):
    part = odd.parts[list(PANELS).index("layers")]
    assert [axes.get_xlabel() for axes in part.axes] == [""] * 12
    assert " ".join(part.get_supxlabel().split()) == PANELS["layers"].x
    assert " ".join(part.get_supylabel().split()) == PANELS["layers"].y
