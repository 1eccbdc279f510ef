"""The pages Attention, Position and Activations, run by Streamlit's own test harness."""

import base64
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.dashboard.inspection_pages import texts, to_page, to_view, views_of
from tests.dashboard.inspection_studies import CHANGED, runs_of
from tests.dashboard.unfolded import unfolded
from workbench.dashboard import attention_maps
from workbench.dashboard.chart_ink import Ink
from workbench.dashboard.panel_charts import chart
from workbench.inspection import drawing
from workbench.inspection.panels import Maps, TokenMaps, Tokens
from workbench.inspection.position.extrapolation_view import MEASURES
from workbench.inspection.scope import Scope
from workbench.inspection.views import find_view
from workbench.records.probes import read_probes

PAGES = ("attention", "position", "activations")


def sent(app, component):
    """What a component of the page is given to draw."""
    found = [one.proto for one in app.get("bidi_component") if one.proto.component_name == component]
    return json.loads(found[0].json or found[0].mixed.json)


def numbers(text, kind):
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def scope_of(folder, run, against=None):
    made = runs_of(folder / "inside")
    return Scope(made[run], made[against] if against else None)


@pytest.mark.parametrize("page", PAGES)
def test_every_view_says_what_it_computes(opened, inspected, page):
    app = opened(inspected, page)
    scope = scope_of(inspected, (CHANGED, 201), ("baseline", 201))
    assert app.segmented_control(key=f"{page}_view").options == [view.title for view in views_of(page)]
    for view in views_of(page):
        app = to_view(app, view.name)
        shown = texts(app)
        assert not app.exception, view.name
        assert view.question in shown
        if view.available(scope):
            continue
        result = view.show(scope)
        for tab, panels in result.tabs().items():
            if len(result.tabs()) > 1:
                assert tab in [one.label for one in app.tabs]
                app.session_state[f"{view.name}.part"] = tab
                app = app.run()
            titles = [panel.title for _, panel in panels]
            wanted = [*result.answers, *result.notes, result.source, *titles]
            assert [text for text in wanted if text not in texts(app)] == [], (view.name, tab)
            labels = [button.label for button in app.get("download_button")]
            each = ["SVG", "PDF", "CSV"] * len(panels)  # other tabs are not drawn
            assert labels == [*each, "SVG", "PDF", *(f"{name} (CSV)" for name in result.tables)]
            # A browser takes 40 to 80 ms for each.
            assert len(app.get("vega_lite_chart")) <= 2, (view.name, tab)
        drawn = [panel for panel in result.panels if not isinstance(panel, Maps | TokenMaps | Tokens)]
        assert all(chart(panel, Ink.of(dark=False)).to_dict(validate=True) for panel in drawn)


def test_a_view_that_does_not_apply_says_why(opened, inspected, runs):
    app = to_view(opened(inspected, "position"), "rope_bands")
    assert "The run's positions are learned, which has no frequencies to look at" in app.info[0].value
    assert not app.get("download_button")
    app.selectbox(key="inspect").set_value(runs["baseline", 202]).run()
    assert not app.info
    assert "bands" in texts(app)


def test_runs_without_tables_are_measured_by_a_button(opened, unmeasured):
    app = to_view(opened(unmeasured, "attention"), "head_scores")
    assert app.info[0].value == (
        "Not yet measured for this view: 6 runs of this comparison. It takes seconds for each."
    )
    app.button(key="measure").click().run()
    assert not app.exception
    assert not app.info
    assert "strongest induction head" in texts(app)
    tables = {key: set(read_probes(run.path)["table"]) for key, run in runs_of(unmeasured / "inside").items()}
    assert list(tables.values()) == [{"heads"}] * 6


def test_formation_asks_for_no_measuring_that_would_not_help(opened, unmeasured):
    app = to_view(opened(unmeasured, "attention"), "formation")
    assert app.info[0].value.startswith("These runs were not measured; only runs measured while they train")
    assert not [button for button in app.button if button.label == "Measure them"]


def test_other_runs_are_picked_and_a_run_is_not_compared_with_itself(opened, inspected, runs):
    app = opened(inspected, "attention")
    assert app.selectbox(key="inspect").value == runs[CHANGED, 201]
    assert app.selectbox(key="against").value == runs["baseline", 201]
    app.selectbox(key="against").set_value("—").run()
    assert f"inside/{CHANGED} seed 201 (run {runs[CHANGED, 201]}) · step 195" in texts(app)
    assert [map["series"] for map in sent(app, "attention_thumbnails")["maps"]] == [CHANGED] * 8
    app.selectbox(key="inspect").set_value(runs["baseline", 203]).run()
    assert app.query_params["inspect"] == runs["baseline", 203]
    others = app.selectbox(key="against").options
    assert len(others) == 6
    assert not [label for label in others if label.startswith("baseline · confirm · seed 203")]


def test_runs_come_from_the_url_and_stay_on_other_pages(opened, inspected, runs):
    wanted = {"inspect": runs["baseline", 203], "against": runs[CHANGED, 202]}
    app = opened(inspected, "attention", **wanted)
    source = f"inside/baseline seed 203 (run {wanted['inspect']}) against inside/{CHANGED} seed 202"
    assert source in texts(app)
    for page in ("position", "runs", "activations"):
        for name in wanted:  # as a browser does when another page is opened
            app.query_params.pop(name, None)
        app = to_page(app, page)
        assert not app.exception
    assert {name: app.query_params[name] for name in wanted} == wanted
    app.query_params["inspect"] = runs["baseline", 201]  # a link that is opened in the same tab
    assert app.run().selectbox(key="inspect").value == runs["baseline", 201]


@pytest.mark.parametrize("asked", [{"inspect": "gone"}, {"against": "gone"}, {"inspect": "", "against": ""}])
def test_unknown_runs_in_the_url_fall_back(opened, inspected, runs, asked):
    app = opened(inspected, "attention", **asked)
    assert not app.exception
    assert app.query_params["inspect"] == runs[CHANGED, 201]
    assert app.query_params["against"] == runs["baseline", 201]


def test_a_run_against_itself_in_the_url_falls_back(opened, inspected, runs):
    one = runs["baseline", 201]
    app = opened(inspected, "attention", inspect=one, against=one)
    assert not app.exception
    assert app.selectbox(key="against").value == "—"


def test_runs_selected_elsewhere_are_looked_at_first(opened, inspected, runs):
    chosen = [runs["baseline", 202], runs[CHANGED, 203]]
    app = opened(inspected, "position", runs=",".join(chosen))
    assert [app.selectbox(key=key).value for key in ("inspect", "against")] == chosen


def test_a_changed_option_changes_what_is_shown(opened, inspected):
    app = opened(inspected, "attention")
    before = sent(app, "attention_token_maps")
    app.selectbox(key="prompt_attention.show").set_value("attention minus uniform").run()
    after = sent(app, "attention_token_maps")
    assert [map["diverging"] for map in before["maps"]] == [False, False, True]
    assert [map["diverging"] for map in after["maps"]] == [True] * 3
    app.text_area(key="prompt_attention.text").set_value("def f(x):").run()
    assert sent(app, "attention_token_maps")["keys"] == list("def␣f(x):")
    to_view(app, "head_scores")
    app.selectbox(key="head_scores.score").set_value("previous_token").run()
    assert "strongest previous-token head" in texts(app)


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [("first", "64", "first: '64' is no"), ("text", "", "text: it has no tokens")],
)
def test_an_option_that_cannot_be_used_is_explained(opened, inspected, option, text, message):
    app = opened(inspected, "attention")
    kind = app.text_area if option == "text" else app.text_input
    kind(key=f"prompt_attention.{option}").set_value(text).run()
    assert not app.exception
    assert message in app.warning[0].value
    assert app.selectbox(key="prompt_attention.layer")  # the options stay, so that it can be mended


def test_painted_text_is_text_whatever_it_says(opened, inspected):
    app = opened(inspected, "attention", **{"prompt_attention.text": "<b>&\n'"})
    painted = app.get("html")[0].proto.body
    assert [piece.partition("</span>")[0] for piece in painted.split('px 0">')[1:]] == [
        "&lt;", "b", "&gt;", "&amp;", "⏎", "&#x27;"
    ]  # fmt: skip
    assert "⏎</span><br>" in painted
    app.text_area(key="prompt_attention.text").set_value("a").run()
    assert not app.exception
    assert "(nats): no token has one." in texts(app)


def test_options_come_from_the_url(opened, inspected):
    url = {"attention_view": "Head scores", "head_scores.score": "sink", "head_scores.threshold": "0.01"}
    app = opened(inspected, "attention", **url)
    assert "strongest sink is layer" in texts(app)
    assert "reach 0.01" in texts(app)


def test_maps_are_sent_as_levels_that_give_their_numbers_back(opened, inspected):
    app = opened(inspected, "attention")
    result = find_view("prompt_attention").show(scope_of(inspected, (CHANGED, 201), ("baseline", 201)))
    small, full = result.panels[:2]
    data = sent(app, "attention_thumbnails")
    levels = numbers(data["levels"], "u1").reshape(small.maps.shape)
    assert np.abs((levels / 255.0) ** 2 - small.maps).max() < 1 / 255
    assert data["maps"] == small.data.to_dict("records")
    assert (data["side"], data["columns"], data["chosen"]) == (small.maps.shape[-1], 4, [0, 0])
    data = sent(app, "attention_token_maps")
    assert [map["name"] for map in data["maps"]] == full.names
    for map in data["maps"]:
        _same(map, full.grid(map["name"]))


def _same(map, wanted):
    """The levels of a sent map give ``wanted`` back, and 0 where there is nothing."""
    levels = numbers(map["levels"], "<u2").reshape(wanted.shape).astype(float)
    step = (map["high"] - map["low"]) / 65534
    given = np.where(levels == 0, np.nan, map["low"] + (levels - 1) * step)
    np.testing.assert_allclose(given, wanted, atol=0.51 * step + 1e-7)


@pytest.mark.parametrize(
    ("values", "diverging", "low", "high"),
    [
        ([0.0, 0.25, 1.0], False, 0.0, 1.0),
        ([0.5, 0.5, 0.5], False, 0.0, 0.5),
        ([-0.5, 0.0, 0.125], True, -0.5, 0.125),
        ([0.0, 0.0, 0.0], True, 0.0, 0.0),
    ],
)
def test_levels_of_a_map_span_its_numbers(values, diverging, low, high):
    data = pd.DataFrame({"query": [0, 1, 1], "key": [0, 0, 1], "one": values})
    panel = TokenMaps(title="", data=data, queries=["a", "b"], keys=["a", "b"], first=(0, 0), value="weight")
    if diverging:
        panel = replace(panel, diverging=frozenset({"one"}))
    map = attention_maps._encoded(panel, "one")
    assert (map["low"], map["high"], map["diverging"]) == (low, high, diverging)
    _same(map, np.array([[values[0], np.nan], values[1:]]))


def test_variants_beside_are_shown_left_out_and_kept_in_the_address(opened, inspected, runs):
    app = opened(inspected, "position", inspect=runs[CHANGED, 201], against="—")
    beside = app.multiselect[0]
    assert (beside.options, beside.value) == (["baseline"], ["baseline"])
    assert "The 1 variant beside them, in words" in [one.label for one in app.expander]
    assert "beside inside/baseline, seeds 201-203" in texts(app)
    assert "\nbaseline: " not in texts(app)  # made once a reader opens its panel
    assert "\nbaseline: " in texts(unfolded(app))
    assert "without" not in app.query_params
    beside.set_value([]).run()
    assert app.query_params["without"] == "baseline"
    assert "beside inside/baseline" not in texts(app)
    app = opened(inspected, "position", inspect=runs[CHANGED, 201], against="—", without="baseline")
    assert app.multiselect[0].value == []
    assert "beside inside/baseline" not in texts(app)
    app.multiselect[0].set_value(["baseline"]).run()
    assert "without" not in app.query_params


@pytest.mark.parametrize(
    ("page", "view", "opened_view", "wanted"),
    [
        ("attention", "head_scores", "prompt_attention", {"layer": "1", "head": "2"}),
        ("position", "extrapolation", "length_maps", {"length": "64"}),
    ],
)
def test_a_mark_of_a_chart_opens_the_maps_behind_it(opened, inspected, runs, page, view, opened_view, wanted):
    app = to_view(opened(inspected, page, inspect=runs[CHANGED, 201], against=runs["baseline", 201]), view)
    result = find_view(view).show(scope_of(inspected, (CHANGED, 201), ("baseline", 201)))
    rows = drawing.named(result.panels[0]).leads.rows
    row = rows[rows["inspect"] == runs["baseline", 201]]
    for name, value in wanted.items():
        row = row[row[name].astype(str) == value]
    (place,) = row.index
    app.selectbox(key=f"{view}_0_lead").set_value(place).run()
    app.button(key=f"{view}_0_open").click().run()
    assert not app.exception
    assert app.selectbox(key="inspect").value == runs["baseline", 201]
    assert app.selectbox(key="against").value == runs[CHANGED, 201]
    assert app.segmented_control(key=f"{page}_view").value == opened_view
    for name, value in wanted.items():
        key = f"{opened_view}.{name}"
        assert (app.selectbox(key=key).value, app.query_params[key]) == (value, value)


def test_views_of_maps_leave_variants_beside_alone(opened, inspected, runs):
    app = opened(inspected, "attention", inspect=runs[CHANGED, 201], against="—")
    assert {map["series"] for map in sent(app, "attention_thumbnails")["maps"]} == {CHANGED}


def test_a_choice_is_shown_in_words_and_keeps_its_short_name(opened, inspected):
    app = opened(inspected, "position", position_view="Length extrapolation")
    assert not app.exception
    measure = app.selectbox(key="extrapolation.measure")
    assert measure.value == "tail"
    assert measure.options == list(MEASURES.values())
    app = opened(
        inspected, "position", position_view="Length extrapolation", **{"extrapolation.measure": "full"}
    )
    assert app.selectbox(key="extrapolation.measure").value == "full"
    assert "which is not here" not in texts(app)


def test_an_example_takes_the_texts_place_and_the_one_that_is_read_is_marked(opened, inspected, runs):
    app = opened(inspected, "attention", inspect=runs["baseline", 201])
    key = "prompt_attention.text"
    assert app.pills(key=f"{key}.example").value == "validation text"
    app.pills(key=f"{key}.example").set_value("letters in random order, twice").run()
    assert not app.exception
    text = app.text_area(key=key).value
    half = len(text) // 2
    assert text[:half] == text[half:]
    assert len(set(text)) == half  # or a letter would have two followers
    assert not app.warning
    app.text_area(key=key).set_value("my own").run()
    assert app.pills(key=f"{key}.example").value is None
    assert app.text_area(key=key).value == "my own"
