"""Numbers for readers: one way for each kind, wherever it stands."""

import math
from dataclasses import dataclass

import pytest

from workbench.numbers import (
    BYTES,
    MISSING,
    SECONDS,
    byte_size,
    count,
    decimals_for,
    duration,
    fixed,
    number,
    percent,
    plural,
    prefix_for,
    probability,
    rate,
    scale_for,
    scaled,
    span,
    time_left,
    with_interval,
)

DAY = 86_400.0


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.3, "0 s"),
        (8.2, "8 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (600, "10 min"),
        (7500, "2 h 05 min"),
        (47.9 * 3600, "47 h 54 min"),
        (3 * DAY, "3 days"),
        (2.9 * DAY, "3 days"),
        (720 * DAY, "720 days"),
        (1e12, "31,688 years"),
        (math.inf, MISSING),
        (math.nan, MISSING),
        (None, MISSING),
    ],
)
def test_how_long_something_takes_is_rounded_to_what_helps(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(250.4, "about 4 min left"), (0.0, ""), (None, "")])
def test_the_time_left_is_said_where_there_is_some(seconds, text):
    assert time_left(seconds) == text


@pytest.mark.parametrize(
    ("value", "decimals", "sign", "text"),
    [
        (2.42, 4, False, "2.4200"),
        (0.0213, 3, True, "+0.021"),
        (-0.0213, 3, True, "-0.021"),
        (-0.0001, 3, False, "0.000"),
        (0.0001, 3, True, "0.000"),
        (253_094_644.0, 4, False, "2.531e+08"),
        (253_094_644.0, 4, True, "+2.531e+08"),
        (math.nan, 4, False, MISSING),
        (None, 4, True, MISSING),
    ],
)
def test_a_loss_has_its_decimals_and_a_difference_its_sign(value, decimals, sign, text):
    assert fixed(value, decimals, sign=sign) == text


@pytest.mark.parametrize(("margin", "decimals"), [(0.1, 3), (0.01, 4), (0.02, 4), (1e-9, 6), (10, 3), (0, 4)])
def test_decimals_show_a_hundredth_of_the_margin(margin, decimals):
    assert decimals_for(margin) == decimals


def test_measured_values_of_any_size_are_short():
    shown = [number(value) for value in (0.614, 0.0312, 0.00123, 12.3, 1234.5, -0.5, 0.0)]
    assert shown == ["0.61", "0.031", "0.0012", "12.30", "1,234", "-0.50", "0.00"]
    assert number(0.25, sign=True) == "+0.25"
    assert number(math.nan) == "missing"


@pytest.mark.parametrize(
    ("value", "interval", "decimals", "sign", "text"),
    [
        (0.0012, Interval(-0.002, 0.0044), 4, True, "+0.0012 [-0.0020, 0.0044]"),
        (-0.28, Interval(-0.601, 0.029), None, True, "-0.28 [-0.60, 0.03]"),
        (0.37, Interval(-0.0001, 0.75), None, False, "0.37 [0.00, 0.75]"),
        (1234.5, Interval(1000.4, 2000.4), None, False, "1,234 [1,000, 2,000]"),
        (0.37, None, None, False, "0.37"),
        (0.37, None, 3, True, "+0.370"),
    ],
)
def test_an_interval_stands_behind_its_value_with_equally_many_decimals(
    value, interval, decimals, sign, text
):
    assert with_interval(value, interval, decimals, sign=sign) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (percent(0.123), "12 %"),
        (percent(0.0032, 2, sign=True), "+0.32 %"),
        (percent(0.0, 2, sign=True), "+0.00 %"),
        (percent(None), MISSING),
        (probability(0.0404), "0.040"),
        (probability(0.0001), "<0.001"),
        (probability(None), MISSING),
        (rate(3e-5), "3e-05"),
        (rate(0.006), "0.006"),
        (rate(None), MISSING),
        (count(1200.0), "1,200"),
        (count(None), MISSING),
        (plural(1, "run"), "1 run"),
        (plural(0, "run"), "0 runs"),
        (plural(1200, "run"), "1,200 runs"),
        (span([31.2, 28.98], 2), "28.98 to 31.20"),
        (span([28.98, 28.981], 2), "28.98"),
    ],
)
def test_each_kind_has_one_form(text, expected):
    assert text == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.4e12, "2.4 TFLOP"),
        (810_000, "0.81 MFLOP"),  # beside millions in one column
        (100_000, "0.1 MFLOP"),
        (99_999, "99,999 FLOP"),
        (80_216, "80,216 FLOP"),
        (1_000, "1,000 FLOP"),
        (999, "999 FLOP"),
        (0.0123, "0.0123 FLOP"),
        (1e6, "1 MFLOP"),
        (1.03e14, "103 TFLOP"),
        (12, "12 FLOP"),
        (None, MISSING),
    ],
)
def test_large_numbers_have_a_prefix(value, text):
    assert scaled(value, "FLOP") == text


def test_prefixes():
    assert prefix_for(400_000) == (1e3, "k")
    assert prefix_for(12) == (1.0, "")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (12, "12 B"),
        (4096, "4.10 kB"),
        (312_400, "312 kB"),
        (16.9e9, "16.9 GB"),
        (1.2e12, "1,200 GB"),
        (0, "0 B"),
    ],
)
def test_bytes_have_three_digits(size, text):
    assert byte_size(size) == text


def test_a_value_is_written_in_the_unit_of_the_largest_beside_it():
    scale = scale_for(0.9999, SECONDS)
    assert (scale.unit, scale.digits(0.9999), scale.digits(0.25)) == (" s", "1.00", "0.25")
    assert scale_for(0.13, SECONDS).digits(0.0004) == "0"
    assert scale_for(1.5, BYTES).digits(1.5) == "2"
