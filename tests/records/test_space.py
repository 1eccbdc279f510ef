"""The space that tuning tries: what a study file may write, and what its values are."""

import math

import pytest
from pydantic import BaseModel

from workbench.errors import UserError
from workbench.records.space import (
    Range,
    Space,
    contains,
    free,
    has,
    middle,
    point_at,
    points,
    size,
)
from workbench.user_input import read_as


class _Holder(BaseModel):
    space: Space


def space(**dimensions):
    return read_as(_Holder, {"space": dimensions}).space


def test_ends_of_a_range_are_numbers_as_a_user_writes_them():
    (rate,) = space(rate={"low": "1e-3", "high": 1e-2, "log": True}).values()
    assert (rate.low, rate.high, rate.log) == (0.001, 0.01, True)


def test_two_whole_ends_make_a_range_of_whole_numbers():
    heads = Range(low=2, high=8)
    assert heads.is_whole
    assert heads.values() == [2, 3, 4, 5, 6, 7, 8]
    assert Range(low=2, high=8, step=3).values() == [2, 5, 8]
    assert not Range(low=2, high=8, log=True).is_whole
    assert not Range(low=0, high=0.3).is_whole


def test_a_range_with_a_step_has_an_end():
    dropout = Range(low=0.0, high=0.3, step=0.1)
    assert dropout.values() == [0.0, 0.1, 0.2, 0.3]  # and not 0.30000000000000004
    assert Range(low=0.0, high=0.3).size is None


def test_shares_go_by_the_logarithm_where_asked():
    assert Range(low=0.001, high=0.1, log=True).at(0.5) == 0.01
    assert Range(low=0.0, high=0.1).at(0.5) == 0.05


@pytest.mark.parametrize(
    "dimension",
    [Range(low=0.001, high=0.1, log=True), Range(low=0.0, high=2.0), Range(low=2, high=8, step=2)],
)
def test_a_share_leads_back_to_its_value(dimension):
    for share in (0.0, 0.2, 0.6, 1.0):
        value = dimension.at(share)
        assert dimension.has(value)
        assert math.isclose(dimension.at(dimension.share(value)), value)


def test_values_have_three_digits_and_stay_inside():
    rate = Range(low=0.0012345, high=0.0012355)
    assert rate.rounded(0.00123451) == 0.0012345
    assert Range(low=0.001, high=0.01).rounded(0.00345678) == 0.00346


def test_a_size_is_the_product_of_all_dimensions():
    both = space(positions=["rope", "learned"], heads={"low": 2, "high": 4})
    assert size(both) == 6
    assert points(both)[:2] == [
        {"positions": "rope", "heads": 2},
        {"positions": "rope", "heads": 3},
    ]
    assert size(space(rate={"low": 0.1, "high": 0.2}, norm=["rmsnorm"])) is None


def test_a_list_of_one_is_fixed():
    both = space(learning_rate=[0.004], weight_decay=[0, 0.1])
    assert free(both) == ["weight_decay"]
    assert middle(both) == {"learning_rate": 0.004, "weight_decay": 0.1}
    assert point_at(both, [1.0, 0.0]) == {"learning_rate": 0.004, "weight_decay": 0}


def test_a_choice_may_be_a_level_with_options():
    level = {"name": "rope", "base": 500_000}
    own = space(positions=["rope", level])
    assert has(own["positions"], level)
    assert contains(own, {"positions": level})
    assert not contains(own, {"positions": "alibi"})
    assert not contains(own, {})


@pytest.mark.parametrize(
    ("dimension", "key", "says"),
    [
        ({"low": 2, "high": 1}, "space.x", "give a larger one, or [2] for a fixed value"),
        ({"low": 0, "high": 1, "log": True}, "space.x", "log needs a low above 0"),
        ({"low": 0, "high": 1, "step": 0.3}, "space.x", "give a high of 0.9, or another step"),
        ({"low": 1, "high": 2, "log": True, "step": 1}, "space.x", "remove one of them"),
        ({"low": "20,000", "high": 1}, "space.x.low", "write 20_000"),
        ({"low": 1, "top": 2}, "space.x.top", "top"),
        ({"low": float("inf"), "high": 1}, "space.x.low", "finite"),
        ([], "space.x", "at least 1"),
        ([1, 1.0], "space.x", "name each choice once"),
        (3, "space.x", "list"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(dimension, key, says):
    with pytest.raises(UserError) as raised:
        space(x=dimension)
    assert f"{key}: " in str(raised.value)
    assert says in str(raised.value)
