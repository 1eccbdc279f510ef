"""Text of records on pages: shown as it was typed, wherever it stands, and nothing is made of it."""

import re

import pytest

from tests.dashboard.dashboard_studies import beat
from tests.dashboard.hostile_studies import (
    poison,
    write_hostile,
    write_hostile_cards,
    write_hostile_search,
)
from tests.dashboard.inspection_pages import to_page, to_view, views_of
from tests.dashboard.unfolded import unfolded
from workbench.dashboard.literal_text import code_span, heading, literal
from workbench.files import write_json
from workbench.records.index import load_study
from workbench.records.study_notes import NOTES

HOST = "127.0.0.1:9"
# What of that text would do something were it read as Markdown: none of it may stand there unescaped.
ACTING = ["$x^2$", "*b*", "_c_", "~~d~~", ":red[", ":material/home:", ":smile:", ":streamlit:", " -> ", "`e`"]
ACTING += ["![](", "<img", "[a](", "[r]:", "&copy;", "http://", "www.leak", "m@leak", "<script", "|t|"]
# Fields that Streamlit takes as they are; what it does with them in a browser is another test's (…_browser).
PLAIN = {
    "bidi_component:arrow_data",
    "bidi_component:json",
    "bidi_component:mixed.json",
    "code:code_text",
    "echarts_chart:alt",
    "echarts_chart:spec",
    "html:body",  # the dashboard's own HTML, in which text is escaped
    "json:body",
    "multiselect:id",
    "multiselect:options",
    "page_link:query_string",
    "multiselect:raw_values",
    "selectbox:options",
    "selectbox:raw_value",
    "text_area:default",
    "text_area:value",
    "text_input:default",
    "text_input:value",
    "vega_lite_chart:alt",
    "vega_lite_chart:spec",
}


def strings(message, name=""):
    """Every text in a message of Streamlit's, with the field that it stands in."""
    for field, value in message.ListFields() if message is not None else ():
        place = f"{name}.{field.name}" if name else field.name
        for item in value if field.is_repeated else [value]:
            if isinstance(item, str):
                yield place, item
            elif hasattr(item, "ListFields"):
                yield from strings(item, place)


def unescaped(text):
    """What of ``text`` would do something, as far as Markdown is concerned."""
    left = re.sub(r"\\.", " ", text, flags=re.DOTALL)
    return [part for part in ACTING if part in left]


def acting(app):
    """Where on the page text of the study would do something, among all fields of all elements."""
    found = {}
    for part in (app.main, app.sidebar):
        for node in part:
            for place, text in strings(node.proto):
                field = f"{node.type}:{place}"
                if field not in PLAIN and unescaped(text):
                    found[field] = (unescaped(text), text)
    for table in app.table:  # whose cells are Markdown
        for text in [*table.value.index, *table.value.to_numpy().ravel(), *table.value.columns]:
            if unescaped(str(text)):
                found["table"] = (unescaped(str(text)), text)
    for frame in app.dataframe:  # whose headings are, in a menu of them: no image
        if [name for name in frame.value.columns if "![" in str(name)]:
            found["dataframe"] = list(frame.value.columns)
    return found


def texts_of(app):
    return "\n".join(
        text for part in (app.main, app.sidebar) for node in part for _, text in strings(node.proto)
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("norm: rmsnorm → layernorm(eps=1e-06)", "norm: rmsnorm → layernorm(eps=1e-06)"),
        ("Learned positions: worse by 0.21 [0.18, 0.24]", "Learned positions: worse by 0.21 [0.18, 0.24]"),
        ("feedforward=relu_squared, 50 %", "feedforward=relu_squared, 50 %"),
        ("results/a b/run.json: no, at 10:30", "results/a b/run.json: no, at 10:30"),
        ("[a](b) [1](c) [ ] d", r"\[a\](b) \[1\](c) \[ \] d"),
        ("_a_ __b__ c_d", r"\_a\_ \_\_b\_\_ c_d"),
        ("# a\n- b\n1. c\n---\n   > d", "\\# a  \n\\- b  \n1\\. c  \n\\---  \n\\> d"),
        (":red[x] :smile: http://h", ":color[:]red\\[x\\] :color[:]smile: http:color[:]//h"),
        (
            "a -> b, -- <- <-> >= <= ~=",
            "a -:color[>] b, -:color[-] \\<:color[-] \\<:color[-]> >:color[=] \\<:color[=] \\~:color[=]",
        ),
        ("a\x1b[2J\u202eb", r"a\\x1b\[2J\\u202eb"),
    ],
)
def test_what_markdown_would_read_is_escaped_and_all_else_stays(text, wanted):
    assert literal(text) == wanted


def test_code_within_a_line_is_code_where_code_shows_it():
    assert code_span("workbench probe inside") == "`workbench probe inside`"
    assert code_span("a`b") == r"a\`b"
    assert code_span("a/:material/home:") == "a/:color[:]material/home:"


def test_a_heading_makes_no_image():
    assert heading("a ![](http://h/x)") == "a !\u2060[](http://h/x)"
    assert heading("variant") == "variant"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A results folder with a study whose every text is hostile, its notes too."""
    results = write_hostile(tmp_path_factory.mktemp("hostile"), HOST)
    remark = {"note": poison(HOST), "tags": [poison(HOST)]}
    runs = load_study(results / "hostile").runs["run_id"]
    write_json(results / "hostile" / NOTES, {"study": remark, "runs": dict.fromkeys(runs, remark)})
    return results


@pytest.mark.parametrize(
    "page", ["overview", "runs", "curves", "effects", "compare", "data", "search", "run", "watch"]
)
def test_no_page_reads_the_text_of_a_record(opened, hostile, page):
    runs = load_study(hostile / "hostile").runs
    chosen = [*runs.loc[runs["state"].isin(["failed", "diverged"]), "run_id"], *runs["run_id"][-2:]]
    pins = [f"hostile:{chosen[-1]}", f"hostile:{poison(HOST)}", f"{poison(HOST)}:1"]
    asked = {"runs": ",".join(chosen), "variant": f"gone{poison(HOST)}", "all_keys": "true", "pin": pins}
    app = opened(hostile, page, **asked)
    if page in ("overview", "compare"):
        app = unfolded(app)
    assert not app.exception
    assert acting(app) == {}
    assert literal(poison(HOST)) in texts_of(app)


@pytest.mark.parametrize("part", ["Pairs", "Compute", "Tuning", "Table"])
def test_no_part_of_effects_reads_the_text_of_a_record(opened, hostile, part):
    app = unfolded(opened(hostile, "effects", part=part, explain=poison(HOST)))
    assert not app.exception
    assert part in [tab.label for tab in app.tabs if tab.children]
    assert acting(app) == {}
    assert literal(poison(HOST)) in texts_of(app)


@pytest.fixture(scope="module")
def hostile_search(tmp_path_factory):
    """A results folder with a search whose every text is hostile."""
    return write_hostile_search(tmp_path_factory.mktemp("hostile_search"), HOST)


@pytest.mark.parametrize(
    "part", ["Pareto front", "Trials", "Importances", "Slices", "Parallel coordinates", "Best so far"]
)
def test_no_part_of_a_search_reads_the_text_of_a_record(opened, hostile_search, part):
    app = opened(hostile_search, "search", objective=poison(HOST), front_x=poison(HOST), part=part)
    if part == "Slices":
        app = unfolded(app)
    assert not app.exception
    assert acting(app) == {}
    assert literal(poison(HOST)) in texts_of(app)


@pytest.mark.parametrize("page", ["overview", "runs", "curves"])
def test_no_page_of_a_search_reads_the_text_of_a_record(opened, hostile_search, page):
    app = opened(hostile_search, page, objective=poison(HOST), front_x=poison(HOST))
    assert not app.exception
    assert acting(app) == {}
    if page == "overview":  # the others show no more of it than numbers
        assert literal(poison(HOST)) in texts_of(app)


def test_no_page_reads_the_text_of_a_claim_card(opened, hostile, tmp_path, monkeypatch):
    write_hostile_cards(tmp_path, HOST)
    monkeypatch.chdir(tmp_path)
    app = unfolded(opened(hostile, "claims", size=poison(HOST)))
    assert not app.exception
    assert acting(app) == {}
    assert "gone has not run" in texts_of(app)
    assert literal(poison(HOST).replace("\x1b", "").replace("\u202e", "")) in texts_of(app)


def test_no_page_reads_a_link(opened, hostile):
    app = opened(hostile, study=poison(HOST), baseline=poison(HOST), runs=poison(HOST))
    assert not app.exception
    assert acting(app) == {}
    assert f"There is no study {literal(poison(HOST))} here; this is hostile." in texts_of(app)


def test_no_page_reads_what_a_driver_says(opened, tmp_path):
    results = write_hostile(tmp_path, HOST, live=True)
    beat(results / "hostile")
    app = opened(results)
    assert not app.exception
    assert acting(app) == {}
    assert "Live · confirm" in texts_of(app)


def test_no_view_reads_the_text_of_a_record(opened, inspected, tmp_path):
    results = write_hostile(tmp_path, HOST, model=inspected / "inside")
    app = opened(results, "attention")
    seen = 0
    for page in ("attention", "position", "activations"):
        app = to_page(app, page)
        for view in views_of(page):
            app = to_view(app, view.name)
            assert not app.exception, view.name
            assert acting(app) == {}, view.name
            seen += literal(poison(HOST)) in texts_of(app)
    assert seen > 5


def test_no_page_reads_the_error_of_a_manifest(opened, tmp_path):
    results = write_hostile(tmp_path, HOST)
    (results / "hostile" / "study.yaml").write_text(f"name: [\n{poison(HOST)}".replace("\x1b", ""))
    app = opened(results)
    assert not app.exception
    assert app.title[0].value == "This study cannot be read"
    assert acting(app) == {}
