"""Looking into runs in a real browser: every view is drawn, maps and texts show numbers under the pointer."""

import io
import math
import re
from urllib.parse import parse_qs, quote_plus, urlparse

import numpy as np
import pandas as pd
import pytest

from tests.dashboard.drawn_charts import read_charts
from tests.dashboard.inspection_pages import views_of
from tests.dashboard.inspection_studies import CHANGED, runs_of
from tests.dashboard.page_steps import PATIENT, choose, settle
from workbench.inspection.panels import Maps, TokenMaps, Tokens
from workbench.inspection.scope import Scope
from workbench.inspection.views import find_view

pytestmark = pytest.mark.browser


def _see(panels, page):
    for panel in panels:
        page.locator("strong").get_by_text(panel.title, exact=True).wait_for()
    charts = [one.title for one in panels if not isinstance(one, Maps | TokenMaps | Tokens)]
    # Those of the tab before are there until the page has heard of this one.
    page.wait_for_function(THESE, arg=charts)
    settle(page)


TEXT = "def alpha(beta):\n  return beta"
DRAWN = "[data-testid=stVegaLiteChart] svg"
THESE = """(names) => {
  const charts = [...document.querySelectorAll('[data-testid=stVegaLiteChart]')]
  const drawn = charts.filter((chart) => chart.querySelector('svg') && chart.offsetParent !== null)
  return charts.length === names.length && drawn.length === names.length
    && drawn.every((chart, place) => chart.getAttribute('aria-label') === names[place])
}"""
PIXEL = "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data]"


@pytest.fixture(scope="module")
def address(inspected, serve):
    """A dashboard of the study whose runs can be looked into."""
    return serve(inspected)


@pytest.fixture
def scope(inspected):
    """The rotary baseline against learned positions: every view applies to it."""
    made = runs_of(inspected / "inside")
    return Scope(made["baseline", 201], made[CHANGED, 201])


@pytest.fixture
def at(address, scope):
    """A function that gives the URL of a page on the two runs of ``scope``, and more parameters."""

    def url(page, **more):
        given = {"study": "inside", "inspect": scope.run.run_id, "against": scope.against.run_id} | more
        return f"{address}/{page}?" + "&".join(f"{name}={quote_plus(text)}" for name, text in given.items())

    return url


@pytest.fixture(scope="module")
def tab(new_tab):
    """A tab that tests share: loading a page takes most of their time."""
    return new_tab()


@pytest.fixture
def seen(tab, at, scope):
    """The page Attention on ``TEXT``, at layer 1 and head 2, in ``tab``; the result that it shows."""
    given = {"text": TEXT, "layer": "1", "head": "2"}
    result = find_view("prompt_attention").show(scope, given)
    url = at("attention", **{f"prompt_attention.{name}": value for name, value in given.items()})
    if _place(tab.url) != _place(url):  # no test came before, or it went elsewhere
        tab.goto(url)
    wait_for_source(tab, result)
    tab.locator("canvas[role=img]").last.wait_for()
    tab.locator("#prompt_attention_2 > span").last.wait_for()
    settle(tab)
    return result


def _place(url):
    parts = urlparse(url)
    return parts.path, parse_qs(parts.query)


def wait_for_source(page, result):
    page.get_by_text(result.source).first.wait_for()


@pytest.mark.parametrize("name", ["attention", "position", "activations"])
def test_every_view_is_drawn_and_nothing_leaves_the_machine(page, at, scope, name):
    page.goto(at(name))
    for view in views_of(name):
        if view.available(scope):
            continue
        result = view.show(scope)
        settle(page)  # a click on what is drawn anew meanwhile may be lost
        page.get_by_role("radio", name=view.title).click()
        page.get_by_text(view.question).wait_for()
        wait_for_source(page, result)
        for tab, panels in result.tabs().items():
            if len(result.tabs()) > 1:
                page.get_by_role("tab", name=tab, exact=True).click()
            _see([panel for _, panel in panels], page)
            assert page.locator("[data-testid=stException]").count() == 0, view.name
            assert [(chart.name, chart.faults()) for chart in read_charts(page) if chart.faults()] == []
    assert page.errors == []
    hosts = {urlparse(url).hostname for url in page.asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {"127.0.0.1"}


def test_the_pointer_reads_a_map_and_the_text_takes_its_colours(tab, seen):
    for place in range(3):
        for row, column in ((20, 4), (9, 9)):
            _read(tab, seen.panels[1], place, row, column)
    _point(tab, 0, row=0, column=29, cells=30)
    assert tab.locator("p.readout").inner_text().endswith(": later")


def _point(page, place, *, row, column, cells):
    canvas = page.locator("canvas[role=img]").nth(place)
    cell = canvas.bounding_box()["width"] / cells
    canvas.hover(position={"x": (column + 0.5) * cell, "y": (row + 0.5) * cell})
    return canvas


def _read(page, panel, place, row, column):
    name, grid = panel.names[place], panel.grid(panel.names[place])
    canvas = _point(page, place, row=row, column=column, cells=len(panel.keys))
    start = f"{name}: query {row} {panel.queries[row]} → key {column} {panel.keys[column]}: "
    readout, value = page.locator("p.readout").inner_text(), float(grid[row, column])
    assert readout.startswith(start)
    assert float(readout.removeprefix(start)) == pytest.approx(value, abs=1e-4)
    level = math.sqrt(abs(value) / np.nanmax(np.abs(grid)))  # the root: weak ones can be seen
    assert canvas.evaluate(PIXEL, [column, row])[3] == pytest.approx(255 * level, abs=1.5)
    assert canvas.evaluate(PIXEL, [row + 1, row]) == [0, 0, 0, 0]  # later than the query
    spans = page.locator("p.text span")
    assert spans.all_inner_texts() == panel.keys
    colour = spans.nth(column).evaluate("span => span.style.background")
    *channels, opacity = map(float, re.findall(r"[\d.]+", colour))
    assert channels == ([213, 94, 0] if name == "difference" and value > 0 else [0, 114, 178])
    assert opacity == pytest.approx(0.75 * level, abs=0.005)
    assert spans.nth(row).get_attribute("class") == "query"


def test_a_click_keeps_the_numbers_until_another_click_or_escape(tab, seen):
    panel = seen.panels[1]
    grid = panel.grid(panel.names[0])

    def read():
        return tab.locator("p.readout").inner_text()

    canvas = _point(tab, 0, row=20, column=4, cells=len(panel.keys))
    kept = read()
    tab.mouse.down()
    tab.mouse.up()
    tab.get_by_text("Kept. Click another cell or token, or press Escape.").wait_for()
    _point(tab, 1, row=12, column=9, cells=len(panel.keys))
    assert read() == kept
    marks = tab.locator("figure > div > i")
    assert [one.is_visible() for one in marks.all()] == [True] * len(panel.names)
    cell, whole = marks.first.bounding_box(), canvas.bounding_box()
    assert (cell["y"] - whole["y"]) / whole["height"] == pytest.approx(20 / len(panel.queries), abs=0.01)
    tab.locator("p.text span").nth(15).click()  # a query: what it reads most
    most = int(np.nanargmax(grid[15]))
    assert read().startswith(f"{panel.names[0]}: query 15 {panel.queries[15]} → key {most} ")
    tab.keyboard.press("Escape")
    assert not any(one.is_visible() for one in marks.all())
    _point(tab, 1, row=12, column=9, cells=len(panel.keys))
    assert read().startswith(f"{panel.names[1]}: query 12 ")


def test_each_token_tells_its_loss(tab, seen):
    data = seen.panels[2].data
    spans = tab.locator("#prompt_attention_2 > span")
    spans.last.wait_for()
    assert spans.all_inner_texts() == data["token"].tolist()
    for row in (1, len(data) - 1):
        numbers = [f"{name} {data.loc[row, name]:+.3f}" for name in data.columns[2:]]
        title = f"{seen.panels[2].value} {data.loc[row, 'value']:+.3f}, {', '.join(numbers)}"
        assert spans.nth(row).get_attribute("title") == title
    assert spans.first.get_attribute("title").endswith("none")


def test_a_thumbnail_chooses_its_head(tab, seen):
    chosen = tab.locator("button.chosen")
    assert chosen.first.get_attribute("title") == "layer 1 head 2"
    tab.locator("figure", has_text=CHANGED).locator("button").nth(3).click()  # the match of layer 0, head 3
    tab.wait_for_url(re.compile(r"prompt_attention\.head=3"))
    assert "prompt_attention.layer" not in tab.url  # 0 is the default
    tab.locator("figcaption", has_text="baseline: head 3").wait_for()
    tab.locator("button.chosen[title='layer 0 head 3']").first.wait_for()
    settle(tab)
    assert [tab.get_by_role("combobox", name=name).input_value() for name in ("Layer", "Head")] == ["0", "3"]
    assert chosen.first.get_attribute("title") == "layer 0 head 3"


def test_what_is_seen_is_in_the_address(tab, browser, seen):
    choose(tab, "Show", "attention minus uniform")
    tab.wait_for_url(re.compile(r"prompt_attention\.show=attention\+minus"))
    tab.get_by_text("Point at a map for its numbers (weight minus uniform)").wait_for()
    settle(tab)
    other = browser.new_context().new_page()
    other.set_default_timeout(PATIENT)
    other.goto(tab.url)
    other.get_by_text("Point at a map for its numbers (weight minus uniform)").wait_for()
    wait_for_source(other, seen)
    other.locator("canvas[role=img]").last.wait_for()
    other.locator("#prompt_attention_2 > span").last.wait_for()
    settle(other)
    for path in ("figcaption", "p.text", "textarea"):
        assert other.locator(path).all_inner_texts() == tab.locator(path).all_inner_texts()
    assert other.locator("button.chosen").first.get_attribute("title") == "layer 1 head 2"
    other.context.close()


def test_downloads_hold_the_numbers_that_are_shown(tab, seen, tmp_path):
    for number, (name, table) in enumerate(seen.all_tables().items()):
        label = f"{name} (CSV)"
        if number < len(seen.panels):  # a chart's own are in its menu
            label = "CSV"
            tab.locator("[data-testid=stMain] [data-testid=stPopover] button").nth(number).click()
        found = pd.read_csv(io.StringIO(_download(tab, label, f"prompt_attention-{number}.csv", tmp_path)))
        pd.testing.assert_frame_equal(found, table, check_dtype=False, rtol=1e-5)
        tab.keyboard.press("Escape")
        tab.locator("[data-testid=stPopoverBody]").wait_for(state="hidden")
    drawing = _download(tab, "SVG", "prompt_attention.svg", tmp_path)
    assert drawing.startswith("<?xml")
    assert [name for name in ("layer 1, head 2", *seen.panels[1].names) if name not in drawing] == []


def _download(page, label, name, folder):
    with page.expect_download() as download:
        page.get_by_role("button", name=label, exact=True).click()
    assert download.value.suggested_filename == name
    download.value.save_as(folder / name)
    return (folder / name).read_text(encoding="utf-8")


def test_the_arrow_keys_read_a_map(tab, seen):
    panel = seen.panels[1]
    grid = panel.grid(panel.names[0])
    canvas = tab.locator("canvas[role=img]").first
    canvas.focus()
    last = len(panel.queries) - 1
    for key, (row, column) in (("ArrowUp", (last - 1, 0)), ("ArrowRight", (last - 1, 1))):
        tab.keyboard.press(key)
        readout = tab.locator("p.readout").inner_text()
        assert readout.startswith(f"{panel.names[0]}: query {row} {panel.queries[row]} → key {column} ")
        assert float(readout.rpartition(": ")[2]) == pytest.approx(float(grid[row, column]), abs=1e-4)
    assert tab.locator("p.readout").get_attribute("role") == "status"


@pytest.mark.parametrize(
    ("place", "more", "mark", "wanted"),
    [
        (
            "attention",
            {"attention_view": "Head scores", "head_scores.part": "Every head"},
            "layer: 1; head: 3; .*series: learned positions|series: learned positions; .*layer: 1; head: 3",
            {"prompt_attention.layer": "1", "prompt_attention.head": "3"},
        ),
        ("position", {}, "x: 4; .*series: RoPE", {"length_maps.length": "128"}),
    ],
)
def test_a_click_on_a_mark_opens_its_maps(page, at, runs, place, more, mark, wanted):
    page.goto(at(place, **more))
    page.locator(DRAWN).first.wait_for()
    settle(page)
    marks = page.locator(f"{DRAWN} .role-mark path:visible")
    names = marks.evaluate_all("(all) => all.map((one) => one.getAttribute('aria-label'))")
    (number,) = [number for number, name in enumerate(names) if re.search(mark, name or "")]
    marks.nth(number).scroll_into_view_if_needed()
    settle(page)
    box = marks.nth(number).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)  # whatever lies on top of it
    for name, value in wanted.items():
        page.wait_for_url(re.compile(re.escape(f"{name}={value}")))
    page.wait_for_url(re.compile(f"inspect={runs['baseline' if place == 'position' else CHANGED, 201]}"))
    page.get_by_text("Layer and head in full").wait_for()
    assert page.errors == []


def test_an_answer_leads_to_its_runs(page, address, runs):
    page.set_viewport_size({"width": 800, "height": 1000})
    page.goto(f"{address}/?study=inside")
    link = page.get_by_role("link", name="Look inside")
    link.wait_for()
    box = link.bounding_box()
    assert box["x"] + box["width"] <= 800
    assert link.locator("p").evaluate("text => text.scrollWidth <= text.clientWidth")
    link.click()
    page.set_viewport_size({"width": 1440, "height": 1000})
    page.get_by_role("heading", name="Attention").wait_for()
    page.wait_for_url(re.compile("against="))
    asked = {name: value for name, (value,) in parse_qs(urlparse(page.url).query).items()}
    assert asked["inspect"] == runs[CHANGED, 201]
    assert asked["against"] == runs["baseline", 201]
    page.locator("figcaption", has_text="baseline: head").wait_for()
    page.get_by_role("link", name="Position", exact=True).click()
    page.get_by_role("heading", name="Position").wait_for()
    page.wait_for_url(re.compile(f"inspect={runs[CHANGED, 201]}"))
    page.get_by_text(f"inside/{CHANGED}, seeds 201-203 against inside/baseline").first.wait_for()
    assert page.errors == []
