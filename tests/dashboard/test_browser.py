"""The real server in a real browser: what is seen, what a click does to the URL, and whom the page asks."""

import csv
import json
import os
from pathlib import Path
from time import monotonic
from urllib.parse import parse_qs, urlparse
from urllib.request import urlopen

import pytest

from tests.dashboard.drawn_charts import read_charts
from tests.dashboard.page_steps import PATIENT, choose, settle
from tests.dashboard.text_studies import UNIQUE, write_text_study
from workbench.analysis.contrast import TEXT, contrast
from workbench.dashboard import ahead
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.server.preloading import scripts_of
from workbench.records.index import MANIFEST, load_study

pytestmark = pytest.mark.browser
DRAWN = "[data-testid=stVegaLiteChart] svg"
TOKEN = "a-token-for-tests-0123456789abcdef"


@pytest.fixture(scope="module")
def address(results, serve, tmp_path_factory):
    """A dashboard of the finished study, and of one of which only its texts are known yet."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "quickstart").symlink_to(results / "quickstart")
    texts = write_text_study(folder, unique_tokens=UNIQUE)
    os.utime(texts / MANIFEST, (0, 0))  # what is newest is opened first
    return serve(folder, token=TOKEN)


def parameters(page):
    return {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items()}


def go_to(page, title):
    page.get_by_role("link", name=title, exact=True).click()


def wait_for_parameter(page, name, value):
    page.wait_for_function(
        "([name, value]) => new URL(location).searchParams.get(name) === value", arg=[name, value]
    )


def test_every_page_shows_its_numbers_and_nothing_leaves_the_machine(page, address):
    page.goto(address)
    page.get_by_text("Learned positions instead of RoPE: worse by 0.2").wait_for()
    page.get_by_text("Difference to baseline").first.wait_for(state="attached")
    wait_for_parameter(page, "study", "quickstart")
    go_to(page, "Runs")
    page.get_by_text("55 runs shown of 55").wait_for()
    go_to(page, "Curves")
    page.get_by_text("15 runs, ").wait_for()
    page.locator("[data-testid=stEchartsChart] canvas, .st-key-curves canvas").first.wait_for()
    go_to(page, "Effects")
    page.get_by_role("tab", name="Tuning").click()
    page.get_by_text("Ring: the chosen rate").wait_for()
    assert page.errors == []
    hosts = {urlparse(url).hostname for url in page.asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {"127.0.0.1"}


def test_the_first_page_is_found_by_its_name_too(page, address):
    page.goto(f"{address}/overview/?study=quickstart&baseline=norm%3Dlayernorm")
    page.get_by_text("exploratory: compared with norm=layernorm").first.wait_for()
    assert urlparse(page.url).path == "/"
    assert parse_qs(urlparse(page.url).query)["study"] == ["quickstart"]


def test_no_site_may_steer_a_page_that_it_embeds(address):
    with urlopen(f"{address}/_stcore/host-config") as answer:
        assert json.load(answer)["allowedOrigins"] == ["https://nobody.invalid"]


def test_the_scripts_of_a_page_are_asked_for_with_the_page(page, address):
    """Not one after the other, each when what was drawn before it turns out to need it."""
    answer = page.goto(address)
    page.locator("[data-testid=stVegaLiteChart] svg").first.wait_for()
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for()
    used = {Path(urlparse(url).path).name for url in page.asked if urlparse(url).path.endswith(".js")}
    announced = answer.text() + answer.headers["link"]
    assert len(used) > 100
    late = {name.partition(".")[0] for name in used if name not in announced}
    of_curves = {ahead.PART, "debounce", "now"}  # once the page is there, and nobody waits for it
    late -= of_curves
    assert late <= {"StreamlitSyntaxHighlighter", "hastscript"}  # the damaged record's path is shown as code


def test_the_script_of_curves_is_read_before_there_are_any(page, address):
    """By a page that draws no curves, once a reader has had it for a while; nothing of it is seen."""
    (name,) = scripts_of(ahead.PART)
    with page.expect_response(lambda answer: answer.url.endswith(name)) as answer:
        page.goto(f"{address}/runs?study=quickstart")
        page.get_by_text("55 runs shown of 55").wait_for()
    assert answer.value.ok
    assert page.locator("[data-testid=stEchartsChart]").count() == 0
    asks = page.locator("[data-testid=stSidebar] [data-testid=stHtml]")
    assert asks.evaluate("element => element.getBoundingClientRect().height") == 0
    assert page.errors == []


@pytest.fixture(scope="module")
def narrow(browser):
    """A tab of a narrow window with a dark theme; the sidebar leaves it half of its width."""
    window = browser.new_context(viewport={"width": 800, "height": 1000}, color_scheme="dark")
    tab = window.new_page()
    tab.set_default_timeout(PATIENT)
    yield tab
    window.close()


def test_a_narrow_page_shows_all_of_its_charts(narrow, address):
    narrow.goto(f"{address}/effects?study=quickstart")
    charts = {}
    for part, said in (("Tuning", "Ring: the chosen"), ("Pairs", "One dot per"), ("Effects", "Large dot")):
        narrow.get_by_role("tab", name=part).click()
        narrow.get_by_text(said).wait_for()
        narrow.wait_for_function("path => document.querySelectorAll(path).length === 1", arg=DRAWN)
        settle(narrow)
        charts |= {chart.name: chart for chart in read_charts(narrow)}
    assert len(charts) == 3
    assert {name: chart.faults() for name, chart in charts.items() if chart.faults()} == {}
    forest = charts["Paired differences to the baseline"]
    (band,) = [mark for mark in forest.marks if mark.kind == "mark-rect"]
    left, _, right, _ = forest.box
    assert right - left > 350
    assert left < band.box[0] < band.box[2] < right
    intervals = [mark for mark in forest.marks if mark.kind == "mark-rule"]
    widest = max(box[2] for box in (mark.box for mark in intervals)) - left
    assert widest > 0.6 * (right - left)  # names and numbers take nothing from the plot's width
    texts = [text for text, _, _ in forest.texts]
    assert "positions: rope → learned" in texts
    assert [text for text in texts if text.startswith("worse") and "[0." in text]


def test_the_button_of_an_open_menu_can_be_read_in_the_dark(narrow, address):
    narrow.goto(f"{address}/?study=quickstart&token={TOKEN}")
    menu = narrow.get_by_role("button", name="Add a note or tags")
    menu.click()
    narrow.get_by_role("textbox", name="Note").wait_for()
    menu.evaluate("one => Promise.all(one.getAnimations({subtree: true}).map(change => change.finished))")
    letters = menu.locator("p").evaluate("one => getComputedStyle(one).color.match(/[0-9]+/g).map(Number)")
    colour = "#" + "".join(f"{channel:02X}" for channel in letters[:3])
    assert contrast(colour, Ink.of(True).paper) > TEXT
    narrow.keyboard.press("Escape")
    narrow.context.clear_cookies()


# What of a page a keyboard or a pointer can use, and of which a screen reader could say nothing.
NAMELESS = """
() => [...document.querySelector("[data-testid=stMain]")
  .querySelectorAll("a[href], button, input, textarea, [role=tab], [role=img]")
].filter(one => one.offsetParent !== null && one.type !== "file")
  .filter(one => ![one.innerText, one.ariaLabel, one.title, one.labels?.[0]?.innerText,
    document.getElementById(one.getAttribute("aria-labelledby"))?.innerText].some(text => text?.trim()))
  .map(one => one.outerHTML.slice(0, 200))
"""
NEWER = {  # by address: what is there once all of the page is
    "new_study": "Save and start",
    "watch": "This study was started in a terminal",
    "compare": "nothing is pooled",
    "run": "values logged",
    "claims": "has no claim card in it",
}


@pytest.mark.parametrize("path", NEWER)
def test_a_newer_page_fits_a_narrow_window_and_names_all_that_can_be_used(narrow, address, path):
    narrow.goto(f"{address}/{path}?study=quickstart&token={TOKEN}")
    narrow.get_by_text(NEWER[path]).first.wait_for()
    settle(narrow)
    wide, room = narrow.locator("[data-testid=stMain]").evaluate("one => [one.scrollWidth, one.clientWidth]")
    assert wide <= room
    assert narrow.evaluate(NAMELESS) == []
    faults = [fault for chart in read_charts(narrow) for fault in chart.faults()]
    # A text's name is cut on purpose, before how many pairs there are.
    assert [fault for fault in faults if not fault.endswith(", 5 pairs' is cut")] == []
    assert narrow.locator("[data-testid=stException]").count() == 0
    narrow.context.clear_cookies()


def test_the_page_of_data_shows_texts_their_fates_and_examples(page, address, tmp_path):
    page.add_init_script("delete window.showSaveFilePicker")  # which asks a user for a place
    page.goto(f"{address}/data?study=texts")
    page.get_by_text("What became of the documents").first.wait_for()
    settle(page)
    # Cells are painted, and what they say is in the file that the grid's menu gives.
    # The menu is shown while the pointer is over the grid, which charts that are drawn later push down:
    # a key finds it wherever the grid is.
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV: Texts that variants train on").press("Enter")
    download.value.save_as(tmp_path / "texts.csv")
    first = next(csv.DictReader((tmp_path / "texts.csv").open(encoding="utf-8-sig")))
    assert (first["text"], first["tokens"], first["unique tokens"]) == ("as_is", "1,980,000", "1,500,000")
    page.wait_for_function("path => document.querySelectorAll(path).length === 1", arg=DRAWN)
    charts = read_charts(page)
    page.get_by_role("tab", name="Text").click()
    choose(page, "Text", "near_dedup")
    wait_for_parameter(page, "text", "near_dedup")
    page.get_by_text("arXiv 2406.17557").wait_for()
    page.wait_for_function("path => document.querySelectorAll(path).length === 1", arg=DRAWN)
    settle(page)
    charts += read_charts(page)
    assert len({chart.name for chart in charts}) == 2
    assert {chart.name: chart.faults() for chart in charts if chart.faults()} == {}
    page.get_by_role("tab", name="Examples").click()
    page.get_by_text("dropped by near_copy 0", exact=True).wait_for()
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.errors == []


def test_a_click_is_in_the_url_and_the_url_restores_it(page, browser, address):
    page.goto(f"{address}/curves?study=quickstart")
    page.get_by_role("radio", name="values").or_(page.get_by_text("values", exact=True)).first.click()
    wait_for_parameter(page, "show", "values")
    page.get_by_text("20 runs, ").wait_for()
    other = browser.new_page()
    other.set_default_timeout(PATIENT)
    other.goto(page.url)
    other.get_by_text("20 runs, ").wait_for()
    other.close()


def test_figures_and_tables_are_built_when_asked_for(page, address, tmp_path):
    page.goto(f"{address}/?study=quickstart")
    for button, name, content in (
        ("SVG", "quickstart-forest.svg", "<svg"),
        ("LaTeX", "quickstart.tex", "toprule"),
    ):
        with page.expect_download() as download:
            page.get_by_role("button", name=button).click()
        assert download.value.suggested_filename == name
        download.value.save_as(tmp_path / name)
        assert content in (tmp_path / name).read_text()


def test_ticked_rows_are_in_the_url_by_run_id_and_stay_on_other_pages(page, address, study):
    page.goto(f"{address}/runs?study=quickstart&phase=confirm")
    page.get_by_text("20 runs shown of 55").wait_for()
    grid = page.locator("[data-testid=stDataFrame] canvas").first
    grid.wait_for()
    _tick(page, grid, row=0)
    page.get_by_text("Selected runs").wait_for()
    runs = load_study(study).runs.set_index("run_id")
    chosen = parameters(page)["runs"]
    assert runs.loc[chosen, ["variant", "seed"]].tolist() == ["baseline", 201]
    go_to(page, "Overview")
    page.get_by_text("How large are the effects?").wait_for()
    wait_for_parameter(page, "runs", chosen)


def _tick(page, grid, *, row):
    """Click a row's checkbox: cells are painted, so only their place is known."""
    settle(page)
    until = monotonic() + PATIENT / 1000
    box, aside = grid.bounding_box(), 0
    # The grid listens a moment after it is painted; then it shows by the pointer that there is a checkbox.
    while grid.evaluate("one => getComputedStyle(one).cursor") != "pointer":
        aside = 1 - aside
        page.mouse.move(box["x"] + 17 + aside, box["y"] + 50 + 35 * row)
        assert monotonic() < until, "the grid does not listen"
    page.mouse.down()
    page.mouse.up()


@pytest.fixture
def admitted(new_tab, address):
    """A tab that was opened with the token; the cookie goes with it."""
    tab = new_tab()
    tab.goto(f"{address}/new_study?study=quickstart&token={TOKEN}")
    yield tab
    tab.context.clear_cookies()
    tab.close()


def test_nothing_of_a_page_holds_the_token(admitted, page, address, tmp_path):
    go_to(admitted, "Overview")
    admitted.get_by_text("How large are the effects?").wait_for()
    held = [admitted.url, admitted.content(), admitted.evaluate("document.cookie")]
    held += admitted.evaluate("[...document.querySelectorAll('a')].map(one => one.href)")
    for button in ("SVG", "LaTeX"):
        with admitted.expect_download() as download:
            admitted.get_by_role("button", name=button, exact=True).click()
        download.value.save_as(tmp_path / button)
        held += [(tmp_path / button).read_text(), download.value.url]
    assert not [text for text in held if TOKEN in text or "token=" in text]
    # Who has that address without having had the token reads, and no more.
    admitted.context.clear_cookies()
    page.goto(f"{address}/new_study?token=wrong")
    page.get_by_text("This page only reads").wait_for()
    assert "token" not in page.url
