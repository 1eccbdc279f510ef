"""A user's text in files: Markdown, LaTeX, CSV and figures show it as it was typed."""

import csv
import io
import re
import warnings
from html import unescape
from xml.etree import ElementTree

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from tests.analysis.synthetic_studies import BASELINE_LOSSES, Study, manifest, shifted, variant
from workbench.analysis.effects import study_report
from workbench.analysis.paper_figures import to_bytes
from workbench.analysis.report import render
from workbench.analysis.study_figures import study_figures
from workbench.analysis.text_escapes import escape_formula, escape_latex, escape_markdown, to_csv

HOSTILE = (
    r"$x$ *b* _i_ ~~d~~ ![](http://127.0.0.1:9/leak) <img src=x> [a](javascript:x) [c][d] `e` |f| &copy; \ "
    "{} % # ^ ~"
)
NAMES = [HOSTILE, "=cmd|' /C calc'!A0", "_under", '[d], "quoted"']


def shown(markdown):
    """What a reader of Markdown sees, and the elements that were made of it."""
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)
    elements = set(re.findall(r"<(\w+)", page)) - {"p"}
    return unescape(re.sub(r"<[^>]+>", "", page)).strip(), elements


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "# heading",
        "###### six",
        "- item",
        "+ item",
        "--- rule",
        "---",
        "- - -",
        "===",
        "> quote",
        "1. one",
        "17) one",
        "[x]: http://evil.example",
        "[x][y] [x] ![x]",
        "<http://evil.example>",
        "<script>alert(1)</script>",
        "```code```",
        "    indented",
        "**bold** __bold__ *i* _i_",
        r"a\*b",
        "AT&amp;T",
        "-0.5 and +0.3 [-0.02, 0.4]",
        "norm: rmsnorm → layernorm(eps=1e-06)",
    ],
)
def test_markdown_shows_what_was_typed_and_makes_nothing_of_it(text):
    assert shown(escape_markdown(text)) == (text.strip(), set())


def test_markdown_keeps_numbers_and_intervals_readable():
    assert escape_markdown("+0.0012 [-0.0020, 0.0044]") == "+0.0012 [-0.0020, 0.0044]"
    assert escape_markdown("3.003 ± 0.018") == "3.003 ± 0.018"


def test_text_that_would_act_is_written_out():
    assert escape_markdown("a\x1b[2Jb\nc") == r"a\\x1b\[2Jb c"
    assert escape_latex("a\x1bb\u202e") == r"a\textbackslash{}x1bb\textbackslash{}u202e"


def test_a_row_of_latex_does_not_begin_with_an_argument():
    assert escape_latex("[2cm] a") == "{[}2cm] a"
    assert escape_latex("*") == "{*}"
    assert escape_latex("+0.1 [0.0, 0.2]") == "+0.1 [0.0, 0.2]"


@pytest.mark.parametrize(
    "text", ["=cmd|' /C calc'!A0", "=1+1", '@SUM(A1)|"x"', "+x", "-x", "\t=x", '=HYPERLINK("http://e","c")']
)
def test_what_a_spreadsheet_would_compute_is_text(text):
    assert escape_formula(text) == f"'{text}"
    frame = pd.DataFrame({text: [text], "n": [1.5]}, index=[text])
    rows = list(csv.reader(io.StringIO(to_csv(frame))))
    assert rows == [["", f"'{text}", "n"], [f"'{text}", f"'{text}", "1.5"]]


@pytest.mark.parametrize(
    "value", ["-0.5", "+1e-6", "==", "->", "-", "a=b", "201=-0.1; 202=3", -0.5, None, True]
)
def test_numbers_and_operators_are_no_formulas(value):
    assert escape_formula(value) == value


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study whose question and variants are hostile."""
    variants = [
        variant("baseline"),
        *(variant(name, norm="layernorm", positions="learned") for name in NAMES),
    ]
    body = manifest(variants, question=HOSTILE, design="explicit", command=HOSTILE)
    made = (
        Study(tmp_path_factory.mktemp("study"), body).tune().confirm("baseline", BASELINE_LOSSES, curve=True)
    )
    for place, name in enumerate(NAMES):
        made.confirm(name, shifted(0.1 * place), curve=True)
    return made.load()


def test_a_report_in_markdown_shows_every_name_and_makes_nothing_of_it(study):
    text, elements = shown(render(study_report(study), "md"))
    folded = {"details", "summary"}
    assert elements <= {"h2", "strong", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", *folded}
    assert all(name in text for name in NAMES)
    assert text.count("](http://127.0.0.1:9/leak)") >= 4  # question, answer, tables, command


def test_a_report_in_csv_has_no_formula(study):
    rows = list(csv.DictReader(io.StringIO(render(study_report(study), "csv"))))
    assert [row["variant"] for row in rows[1:]] == [HOSTILE, "'=cmd|' /C calc'!A0", *NAMES[2:]]
    assert float(rows[1]["difference"]) == study_report(study).rows[1].difference


def test_a_report_in_latex_escapes_every_name(study):
    body = [line for line in render(study_report(study), "latex").splitlines() if not line.startswith("%")]
    rows = [line for line in body if line.endswith("\\\\")]
    assert all(escape_latex(name) in "\n".join(rows) for name in NAMES)
    assert not [row for row in rows if row.lstrip().startswith("[")]
    unescaped = re.sub(r"\\[&%$#_{}]|\$[^$]+\$", "", "\n".join(rows).replace(" & ", ""))
    assert not set("&%$#_^~") & set(unescaped)


def test_figures_show_names_as_text(study):
    for name, figure in study_figures(study).items():
        root = ElementTree.fromstring(to_bytes(figure, "svg"))
        # A long name is wrapped: its lines are texts of their own, one after the other.
        lines = ["".join(item.itertext()) for item in root.iter("{http://www.w3.org/2000/svg}text")]
        shown = " ".join(" ".join(lines).split())
        for variant_name in NAMES:
            assert " ".join(variant_name.split()) in shown, (name, variant_name, shown)
        assert not list(root.iter("{http://www.w3.org/2000/svg}a"))


def test_a_figure_of_a_name_with_control_characters_is_still_a_file(study):
    figure = study_figures(study)["forest"]
    figure.axes[0].set_title("a\x1b[2Jb")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a font without the sign is no news for the terminal
        text = to_bytes(figure, "svg")
    ElementTree.fromstring(text)
    assert rb"a\x1b[2Jb" in text
