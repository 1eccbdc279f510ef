"""A chart is written out once for the same arguments, and as Streamlit would."""

import json
from dataclasses import dataclass
from functools import partial

import altair as alt
import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from workbench.dashboard.drawn_chart import _same, spec_of


@dataclass(frozen=True)
class Own:
    """Arguments of a chart."""

    name: str
    table: pd.DataFrame


@pytest.fixture
def counted():
    """A builder of a chart that counts how often it is asked, in ``calls``."""

    def build(own, colour="red"):
        build.calls += 1
        return alt.Chart(own.table).mark_point(color=colour).encode(x="a", y="b").properties(title=own.name)

    build.calls = 0
    return build


def own(*values, name="one"):
    return Own(name, pd.DataFrame({"a": values, "b": [float("nan"), *values[1:]]}))


def test_the_same_arguments_build_once_and_others_again(counted):
    first = spec_of(partial(counted, own(1, 2)), "chart")
    assert spec_of(partial(counted, own(1, 2)), "chart") is first
    assert counted.calls == 1
    others = [
        spec_of(partial(counted, own(1, 3)), "chart"),
        spec_of(partial(counted, own(1, 2, name="two")), "chart"),
        spec_of(partial(counted, own(1, 2), colour="blue"), "chart"),
    ]
    assert counted.calls == 4
    assert all(other != first for other in others)
    assert spec_of(partial(counted, own(1, 2)), "chart") is first  # and forgets none of the last few


def test_only_the_last_few_of_a_chart_are_kept(counted):
    first = spec_of(partial(counted, own(0, 0)), "chart")
    for number in range(1, 9):
        spec_of(partial(counted, own(0, number)), "chart")
    assert spec_of(partial(counted, own(0, 0)), "chart") is not first


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([1.5, "".join("ab")], [3 / 2, "".join(["a", "b"])], True),
        ([10**6, float("nan")], [int("1000000"), float("nan")], True),
        (1.5, 2.5, False),
        ([1], (1,), False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
        (np.arange(3), np.arange(3), True),
        (np.arange(3), np.arange(3.0), False),
        (own(1, 2), own(1, 2), True),
        (own(1, 2).table, own(1, 2).table.rename(columns={"a": "c"}), False),
        (object(), object(), False),
        (1, 1.0, False),
    ],
)
def test_what_is_the_same(one, other, same):
    assert _same(one, other) is same


def script():
    from functools import partial

    import altair as alt
    import pandas as pd
    import streamlit as st

    from workbench.dashboard.drawn_chart import show_chart

    table = pd.DataFrame({"a": [1, 2], "b": [0.5, float("nan")], "c": ["x", "y"]})

    def build(table):
        points = alt.Chart(table).mark_point().encode(x="a:Q", y="b:Q", color="c:N")
        rules = alt.Chart(table.assign(a=3)).mark_rule().encode(x="a:Q")
        return alt.layer(points, rules).properties(height=200)

    st.altair_chart(build(table), alt="what it shows", key="by Streamlit")
    for number in range(2):
        show_chart(partial(build, table), alt="what it shows", key=f"ours {number}")


def test_it_is_what_streamlit_would_make_of_it():
    app = AppTest.from_function(script).run()
    assert not app.exception
    theirs, *ours = [one.proto for one in app.get("vega_lite_chart")]
    for own_ in ours:
        assert _content(own_) == _content(theirs)
        assert (own_.alt, own_.theme) == (theirs.alt, theirs.theme)


def _content(proto):
    """The specification with each data set's bytes in the place of its name, without the room below."""
    spec = {key: value for key, value in json.loads(proto.spec).items() if key != "padding"}
    text = json.dumps(spec, sort_keys=True)
    for dataset in proto.datasets:
        text = text.replace(dataset.name, dataset.data.data.hex())
    return text


def test_a_chart_leaves_no_room_below_itself_before_the_gap_of_the_page(counted):
    # A number, or Streamlit would set its own 20 pixels.
    assert spec_of(partial(counted, own(1, 2)), "chart")["padding"] == {"bottom": 2}
