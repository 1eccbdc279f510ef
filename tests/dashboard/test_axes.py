"""Titles of axes in lines."""

import pytest

from workbench.dashboard.axes import balanced

TITLE = "Difference to baseline in validation/loss, nats/token (left of 0 is better)"


def test_a_long_title_is_cut_into_lines_of_about_one_length():
    assert balanced(TITLE, 66) == [
        "Difference to baseline in validation/loss,",
        "nats/token (left of 0 is better)",
    ]


@pytest.mark.parametrize("most", [20, 33, 48, 66, 200])
def test_no_word_is_lost_and_no_line_is_longer_than_it_may_be(most):
    lines = balanced(TITLE, most)
    assert " ".join(lines) == TITLE
    assert max(map(len, lines)) <= most
    assert balanced("", most) == []
