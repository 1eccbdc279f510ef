"""Charts read back from a browser: what is seen of odd values, on a wide light page and a narrow dark one."""

import re
from pathlib import Path

import matplotlib as mpl
import pytest

from tests.dashboard.drawn_charts import read_charts
from tests.dashboard.page_steps import PATIENT, settle
from tests.odd_panels import LABELS, NOTES, PANELS, WORDS
from workbench.analysis.contrast import contrast

pytestmark = pytest.mark.browser
DRAWN = [title for title in PANELS if title not in WORDS]
SIZES = {"wide": (1440, "light"), "narrow": (500, "dark")}  # 500: what 800 pixels leave beside the sidebar


@pytest.fixture(scope="module")
def gallery(serve_script):
    return serve_script(Path(__file__).with_name("chart_gallery.py"))


@pytest.fixture(scope="module", params=SIZES)
def drawn(request, browser, gallery):
    """Every chart by its title."""
    width, scheme = SIZES[request.param]
    window = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)
    page = window.new_page()
    page.set_default_timeout(PATIENT)
    page.goto(gallery)
    page.get_by_text("all drawn").wait_for()
    charts = "[data-testid=stVegaLiteChart] svg, [data-testid=stVegaLiteChart] canvas"
    page.wait_for_function(
        "([path, count]) => document.querySelectorAll(path).length === count", arg=[charts, len(DRAWN)]
    )
    settle(page)
    page.words = page.locator("[data-testid=stCaptionContainer]").all_inner_texts()
    yield dict(zip(DRAWN, read_charts(page), strict=True)) | {"words": page.words}
    window.close()


def shown(chart):
    return [text for text, _, _ in chart.texts]


def test_odd_values_can_be_read(drawn):
    faults = {title: drawn[title].faults() for title in DRAWN}
    assert {title: found for title, found in faults.items() if found} == {}
    assert [drawn[title].name for title in DRAWN] == DRAWN


def test_what_cannot_be_drawn_is_said(drawn):
    assert drawn["words"] == [*WORDS.values(), *NOTES.values()]


@pytest.mark.parametrize("title", LABELS)
def test_the_labels_that_must_be_there_are_there(drawn, title):
    wanted = LABELS[title]
    if title == "tokens in order":  # upright; where room lacks even so, every other
        wanted = [label for label in wanted if "return" not in label or int(label.split()[0]) % 2 == 0]
    assert [text for text in wanted if text not in shown(drawn[title])] == []


def test_every_row_of_a_heatmap_has_its_label(drawn):
    for title, rows in (("signs", 2), ("scores", 8)):
        left = [labels for labels in drawn[title].axes if labels == [str(row) for row in range(rows)]]
        assert left


def test_numbers_in_cells_can_be_read_on_the_colour_beneath_them(drawn):
    chart = drawn["signs"]
    cells = [mark for mark in chart.marks if mark.kind == "mark-rect"]
    assert len(cells) == 8
    read = 0
    for text, (x0, y0, x1, y1), ink in chart.texts:
        if not re.fullmatch(r"[+-]0\.\d\d", text):
            continue
        middle = ((x0 + x1) / 2, (y0 + y1) / 2)
        (cell,) = (one for one in cells if _holds(one.box, middle))
        assert contrast(_hex(ink), _hex(cell.fill)) >= 4.5
        read += 1
    assert read == 8


def _holds(box, point):
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def _hex(css):
    return mpl.colors.to_hex([int(channel) / 255 for channel in re.findall(r"\d+", css)[:3]])


def test_heads_on_a_logarithmic_axis_are_dots_in_their_order(drawn):
    dots = [mark for mark in drawn["half-lives"].marks if mark.kind == "mark-symbol"]
    heights = [mark.box[1] for mark in dots]
    assert len(dots) == 4
    assert heights == sorted(heights, reverse=True)
    assert not [mark for mark in drawn["half-lives"].marks if mark.kind == "mark-line"]


def test_theories_differ_in_dash_and_colour(drawn):
    lines = [mark for mark in drawn["layers"].marks if mark.kind == "mark-line" and mark.size > 1]
    looks = {(mark.stroke, mark.dash) for mark in lines}
    assert len(looks) == 4
    assert len({stroke for stroke, _ in looks}) == 4
    assert len({dash for _, dash in looks}) == 3  # solid, and two kinds of dashes


def test_facets_fill_the_page_and_share_a_title(drawn):
    chart = drawn["layers"]
    rights = [box[2] for text, box, _ in chart.texts if text.startswith("layer")]
    assert max(rights) > chart.box[0] + 0.75 * (chart.box[2] - chart.box[0])
    assert shown(chart).count(PANELS["layers"].x) == 1
    assert shown(chart).count(PANELS["layers"].y) == 1
