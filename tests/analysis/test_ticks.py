"""Ticks: exact, in one notation, none twice, whatever the values."""

import math

import pytest

from tests.readable import faults_of_axis
from workbench.analysis.ticks import FEW, Ticks, decades, doublings, every, exact, linear

ODD = [
    [0.0, 0.3],
    [0.0, 0.0],
    [409.6],
    [1e-7, 3e-7],
    [2.0, 253_094_644.0],
    [-0.0034, 0.0004],
    [0.5, 0.5 + 1e-15],
    [123_456.789, 123_456.790],
    [-1e300, 1e300],
    [0.0, 1e-300],
    [999.0, 1001.0],
    [math.nan],
    [math.inf, 1.0, 2.0],
    [],
]


@pytest.mark.parametrize("values", ODD, ids=str)
@pytest.mark.parametrize("make", [linear, doublings, decades])
def test_labels_are_exact_and_of_one_notation(make, values):
    ticks = make(values)
    assert faults_of_axis(list(ticks.labels)) == []
    assert len(ticks.values) == len(ticks.labels)
    assert ticks.low < ticks.high
    assert all(ticks.low <= value <= ticks.high for value in ticks.values)
    for value, label in zip(ticks.values, ticks.labels, strict=True):
        assert float(label.replace(",", "").replace("−", "-")) == pytest.approx(value, rel=2e-4)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.013, 0.3], ["0", "0.05", "0.10", "0.15", "0.20", "0.25", "0.30"]),
        ([-0.0021, 0.0004], ["−0.0025", "−0.0020", "−0.0015", "−0.0010", "−0.0005", "0", "0.0005"]),
        ([1e-7, 3e-7], ["1e-7", "1.5e-7", "2e-7", "2.5e-7", "3e-7"]),
        ([0, 0], ["0"]),
        ([409.6], ["409.6"]),
        ([2.0, 253_094_644.0], ["0", "5e7", "1e8", "1.5e8", "2e8", "2.5e8", "3e8"]),
    ],
)
def test_round_steps(values, labels):
    assert list(linear(values).labels) == labels


def test_whole_numbers_have_whole_ticks_from_the_first_to_the_last():
    assert linear([0, 3], whole=True).labels == ("0", "1", "2", "3")
    assert linear([-1, 3], whole=True).labels == ("−1", "0", "1", "2", "3")
    assert linear([0, 1], whole=True).labels == ("0", "1")
    assert linear(range(48), whole=True).labels == tuple(str(number) for number in range(0, 48, 5))
    assert linear([1, 16], whole=True).low == 1
    assert linear([7], whole=True).labels == ("7",)


def test_an_axis_from_0_has_0():
    assert linear([0.2, 0.7], zero=True).low == 0
    assert linear([-0.2, -0.7], zero=True).high == 0
    assert "0" in linear([3.0], zero=True).labels


@pytest.mark.parametrize(
    ("places", "labels"),
    [
        ([8, 32, 128, 512, 2048], ["8", "32", "128", "512", "2,048"]),
        ([8, 32, 128, 192], ["8", "32", "128", "192"]),
        (range(1, 257), ["1", "2", "4", "8", "16", "32", "64", "128", "256"]),
        ([1, 1.25, 1.5, 2, 4, 8], ["1", "1.25", "1.5", "2", "4", "8"]),
        ([102.4, 204.8, 409.6], ["102.4", "204.8", "409.6"]),
        ([100, 101, 102], ["100", "101", "102"]),
        ([3], ["3"]),
        ([0, 0], []),
    ],
)
def test_tokens_are_shown_exactly(places, labels):
    assert list(doublings(places).labels) == labels


def test_where_room_lacks_powers_of_two_are_thinned_evenly():
    assert doublings(range(1, 100_000), count=FEW).values == (1, 8, 64, 512, 4096, 32768)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([1e-10, 1e-6], ["1e-10", "1e-9", "1e-8", "1e-7", "1e-6"]),
        ([0.001, 1000], ["0.001", "0.01", "0.1", "1", "10", "100", "1,000"]),
        ([2.8, 256], ["5", "10", "20", "50", "100", "200"]),
        ([0.5, 0.58], ["0.50", "0.52", "0.54", "0.56", "0.58"]),
        ([1e-7], ["1e-7"]),
        ([0.0, -1.0], []),
    ],
)
def test_decades(values, labels):
    assert list(decades(values).labels) == labels


def test_values_that_stand_where_they_stand():
    assert exact([0.0003, 0.0015, 0.003]) == ("3e-4", "1.5e-3", "3e-3")
    assert exact([0.0015, 0.003, 0.006]) == ("0.0015", "0.003", "0.006")
    assert exact([1.00001, 1.00002]) == ("1.00001", "1.00002")  # more digits where four would make two alike


def test_places_on_an_axis():
    assert Ticks((), (), 0.0, 4.0).place(1.0) == 0.25
    assert Ticks((), (), 1.0, 256.0).place(16.0, log=True) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("count", "room", "step"), [(4, 30, 1), (64, 40, 2), (64, 10, 10), (16, 5, 4), (3, 0, 4)]
)
def test_every_nth_label(count, room, step):
    assert every(count, room) == step
