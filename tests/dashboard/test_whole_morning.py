"""A user's whole morning in a real browser, from the empty dashboard to a figure for a paper."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest

from tests.dashboard.drawn_charts import read_charts
from tests.dashboard.page_steps import settle
from workbench.records.driver_state import read_driver_state
from workbench.records.index import load_study
from workbench.records.run import State
from workbench.records.study_notes import read_notes

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TOKEN = "a-token-for-tests-0123456789abcdef"
PUBLISHED = Path(__file__).parents[2] / "results" / "published" / "quickstart"
QUESTION = "What of a very small LLaMA can be exchanged?"
# Without positions nothing changes in so short a run, which two pairs say; ReLU gains about its margin. So
# much evaluating, which changes neither, has a trial take long enough to be seen and stopped while it runs.
STUDY = """\
question: To be asked
size: {{layers: 1, width: 16, heads: 2}}
context: 32
factors:
  positions: [rope, none]
  feedforward: [swiglu, relu]
data: {{corpus: {{path: {path}}}}}
training: {{tokens: 16_384, batch_size: 8, evaluations: 16, evaluation_tokens: 16_384, probes: 0}}
learning_rates: [0.003]
seeds: {{tune: 0, confirm: until_decided, at_least: 2, at_most: 8}}
margin: 0.05
"""
READY = """label => [...document.querySelectorAll("button")]
    .some(one => one.innerText.includes(label) && !one.disabled)"""
WORDS = ("morning", "published/quickstart", "ReLU instead of SwiGLU")  # of the figure of both studies
# Whether a text field has such a line.
WRITTEN = r"""line => [...document.querySelectorAll("textarea")]
    .some(one => one.value.split("\n").includes(line))"""
DRAWN = "[data-testid=stVegaLiteChart] svg"
TRAINED = 180_000  # milliseconds that training may take on a busy machine


@pytest.fixture
def results(tmp_path):
    """A folder for results, of which there are none yet."""
    return tmp_path / "results"


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "text.txt"
    path.write_text("".join(f"{number} bottles of beer on the wall\n" for number in range(8000)))
    return path


def go_to(page, title):
    page.get_by_role("link", name=title, exact=True).click()
    page.get_by_role("heading", name=title).or_(page.get_by_text(QUESTION)).first.wait_for()


def asked(page):
    return {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items()}


def line_of(page, change):
    """The line of one comparison, in the list of what is decided and what is not."""
    return page.get_by_role("listitem").filter(has_text=change)


def test_a_users_whole_morning(new_tab, serve, results, text, tmp_path):
    page = new_tab()
    address = serve(results, token=TOKEN)

    # Nothing is there: the way on is a new study.
    page.goto(f"{address}/?token={TOKEN}")
    page.get_by_text("No studies yet").wait_for()
    assert "token" not in page.url
    page.get_by_role("link", name="Ask a new study").click()
    _ask(page, text)

    # The first row is decided while the other is still open; the study stops, and goes on where it was.
    page.get_by_role("button", name="Save and start").click()
    page.wait_for_url(re.compile("/watch.*study=morning"))
    page.get_by_text("Running trials").wait_for(timeout=TRAINED)
    decided, still_open = line_of(page, "positions: rope → none"), line_of(page, "feedforward: swiglu → relu")
    decided.get_by_text("equivalent", exact=True).wait_for(timeout=TRAINED)
    assert still_open.get_by_text("open", exact=True).count() == 1
    page.get_by_role("button", name="Stop the study").press("Enter")  # as who has no mouse
    page.get_by_role("button", name="Resume").wait_for(timeout=TRAINED)
    study = results / "morning"
    assert read_driver_state(study).state == "stopped"
    before = load_study(study).runs.query("state == @State.COMPLETE").set_index("run_id")["finished"]
    assert 4 <= len(before) < 18
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("morning is done").wait_for(timeout=TRAINED)
    still_open.get_by_text("after 8 pairs").wait_for()
    after = load_study(study).runs.set_index("run_id")
    assert after["state"].tolist() == [State.COMPLETE] * 18
    assert after.loc[before.index, "finished"].tolist() == before.tolist()  # nothing was trained again

    _compare(page, results, tmp_path)
    _look_inside(page, results)
    _write_a_note(page, study)
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.errors == []
    hosts = {urlparse(url).hostname for url in page.asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {"127.0.0.1"}


def _ask(page, text):
    """The study as YAML, and its question in the form, which is a key of the same."""
    box = page.get_by_role("textbox", name="YAML")
    box.fill(STUDY.format(path=text))
    box.press("Control+Enter")
    name = page.get_by_role("textbox", name="Name of the file")
    name.fill("morning")
    name.press("Enter")
    page.wait_for_function(WRITTEN, arg="To be asked")  # the form has read the YAML
    question = page.get_by_role("textbox", name="Question")
    question.fill(QUESTION)
    question.press("Control+Enter")
    page.wait_for_function(WRITTEN, arg=f"question: {QUESTION}")
    page.get_by_role("spinbutton", name="Trials at once").fill("1")
    page.get_by_role("spinbutton", name="Trials at once").press("Enter")
    page.wait_for_function(READY, arg="Save and start", timeout=TRAINED)


def _compare(page, results, folder):
    """A published study comes, as with a clone of the repository: what both exchange is in one figure."""
    (results / "published").mkdir()
    (results / "published" / "quickstart").symlink_to(PUBLISHED)
    go_to(page, "Compare")
    page.get_by_text("published/quickstart").first.wait_for()
    page.locator(DRAWN).first.wait_for()
    settle(page)
    (chart,) = read_charts(page)
    assert chart.faults() == []
    drawn = " ".join(text for text, _, _ in chart.texts)
    assert [word for word in WORDS if word not in drawn] == []
    for ending in ("svg", "pdf"):
        with page.expect_download() as download:
            page.get_by_role("button", name=ending.upper(), exact=True).click()
        download.value.save_as(folder / f"compared.{ending}")
    drawing = ElementTree.parse(folder / "compared.svg").getroot()
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    written = " ".join(drawing.itertext())
    assert [word for word in WORDS if word not in written] == []
    paper = (folder / "compared.pdf").read_bytes()
    assert paper.startswith(b"%PDF-")
    assert paper.rstrip().endswith(b"%%EOF")


def _look_inside(page, results):
    """From an answer to the attention of a run that was trained a moment ago."""
    go_to(page, "Overview")
    page.get_by_role("link", name="Look inside").first.click()
    page.get_by_role("heading", name="Attention").wait_for()
    page.locator("canvas[role=img]").first.wait_for()
    runs = load_study(results / "morning").runs
    assert asked(page)["inspect"] in runs["run_id"].tolist()


def _write_a_note(page, study):
    go_to(page, "Overview")
    page.get_by_role("button", name="Add a note or tags").click()
    page.get_by_role("textbox", name="Note", exact=True).fill("ReLU: try a longer run")
    page.get_by_role("textbox", name="Tags").fill("todo, relu")
    page.get_by_role("button", name="Save").press("Enter")
    page.get_by_role("button", name="Change the note").wait_for()
    page.locator("[data-testid=stPopoverBody]").wait_for(state="hidden")  # it hides nothing of the page
    page.get_by_text("ReLU: try a longer run").wait_for()
    assert read_notes(study).of().note == "ReLU: try a longer run"
    assert read_notes(study).of().tags == ["todo", "relu"]
