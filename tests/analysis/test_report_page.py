"""A study as a page that needs no other: everything said, nothing that acts, every figure within it."""

import re
from html.parser import HTMLParser

import pytest

from tests.analysis.ladder_studies import ladder_study
from tests.analysis.search_studies import write_search
from tests.analysis.synthetic_studies import Study, full_study, manifest, one_at_a_time, shifted
from workbench.analysis.answer_sentences import answers
from workbench.analysis.any_report import report_of
from workbench.analysis.colours import PALETTE
from workbench.analysis.contrast import MARK, contrast
from workbench.analysis.effects import study_report
from workbench.analysis.report_page import report_page
from workbench.analysis.report_tables import report_tables

_EMPTY = {"meta", "br", "use", "path", "rect"}
POISON = '<script>alert(1)</script> <img src="http://leak.example/x"> " onload="x \x1b[2J &amp; $x$'


class Page(HTMLParser):
    """Elements with their attributes, the text of each kind, and whether every element is closed."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.texts = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in _EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def text(self, *tags):
        return " ".join(text for tag, text in self.texts if not tags or tag in tags)

    def count(self, tag):
        return sum(name == tag for name, _ in self.elements)


def page_of(study):
    text = report_page(study)
    page = Page(text)
    assert not page.open
    assert page.count("script") == page.count("link") == page.count("img") == 0
    for _, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            is_name = name.startswith("xmlns")
            assert is_name or not re.search(r"(https?:)?//", value or ""), (name, value)
    assert not re.search(r"url\((?!#)|@import", text)
    return page, text


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return full_study(tmp_path_factory.mktemp("study")).load()


@pytest.fixture(scope="module")
def page(study):
    return page_of(study)


def test_the_page_says_what_the_report_says(study, page):
    report = study_report(study)
    shown = page[0].text()
    for sentence in answers(report):
        assert sentence in page[0].text("li")
    for table in report_tables(report):
        assert table.title in page[0].text("p")
        for row in table.rows:
            for cell in row:
                assert cell in shown
    assert page[0].count("table") == len(report_tables(report))


def test_every_figure_is_in_the_page_with_a_name(page):
    figures = [attributes for tag, attributes in page[0].elements if tag == "svg"]
    assert len(figures) == page[0].count("figcaption") == 3
    names = [one["aria-label"] for one in figures]
    assert len(set(names)) == 3
    assert all(name in page[0].text("figcaption") for name in names)


def test_a_cell_has_the_colour_of_its_verdict_alone(study, page):
    words = [attributes["class"] for tag, attributes in page[0].elements if tag == "span"]
    verdicts = [str(row.verdict) for row in study_report(study).comparisons]
    assert verdicts == ["worse", "equivalent", "inconclusive"]
    assert words == ["word worse", "word equivalent", "word open"]


def test_the_colours_of_words_can_be_read_on_light_and_dark_paper(page):
    for block in re.findall(r":root \{[^}]*--paper[^}]*\}", page[1]):
        colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", block))
        for name in ("ink", "faint", "better", "worse", "equivalent", "open", "lost"):
            assert contrast(colours[name], colours["paper"]) >= 4.5, name


def test_colours_of_levels_are_seen_on_dark_paper(tmp_path):
    study = full_study(tmp_path).load()
    _, text = page_of(study)
    own = set(re.findall(r"var\(--of-([0-9a-f]{6}), #\1\)", text))
    assert own
    dark = dict(re.findall(r"--of-([0-9a-f]{6}): (#[0-9A-F]{6});", text))
    for colour in own & {one[1:].lower() for one in PALETTE}:
        assert contrast(dark.get(colour, f"#{colour}"), "#14181d") >= MARK


def test_the_users_text_is_text(tmp_path):
    variants = one_at_a_time()
    name = f"norm={POISON}"
    variants[2] = variants[2] | {"name": name, "change": {"norm": ["rmsnorm", POISON]}}
    study = Study(tmp_path, manifest(variants, question=POISON))
    study.confirm("baseline", shifted(0.0), curve=True).confirm(name, shifted(0.1), curve=True)
    page, _ = page_of(study.load())
    written = POISON.replace("\x1b", r"\x1b")
    assert page.text("p").count(written) >= 1
    assert f"norm: rmsnorm → {written}" in page.text("th")
    assert "script" in page.text("text", "tspan")  # of the figures too


def test_a_study_of_which_nothing_ran_has_a_page(tmp_path):
    page, _ = page_of(Study(tmp_path, manifest()).load())
    assert "not started" in page.text()


def test_a_ladder_has_the_figures_of_each_rung_beside_its_tables(tmp_path):
    study = ladder_study(tmp_path).load()
    page, _ = page_of(study)
    rungs = len(report_of(study).rungs)
    assert page.count("h2") == rungs
    captions = page.text("figcaption")
    assert captions.count("Paired differences") == rungs
    assert "Each change's effect by the compute of a run" in captions


def test_a_search_has_its_points_and_no_verdict(tmp_path):
    page, _ = page_of(write_search(tmp_path))
    assert "exploratory: a search gives no verdict" in page.text("strong")
    assert "the Pareto front, with flops per token" in page.text("figcaption")
