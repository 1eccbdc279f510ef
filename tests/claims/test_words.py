"""The rule of the words: from intervals to predictions, from predictions to cards."""

from itertools import product

import pytest

from workbench.analysis.statistics import Interval
from workbench.claims.words import CardWord, Found, Word, card_word, word_of

HOLDS, FAILS, OPEN = Word
EVERY = [(0.02, 0.03), (0.005, 0.03), (0.002, 0.006), (-0.004, 0.004), (-0.02, 0.02), (-0.03, -0.02)]


def words(direction, margin=0.01):
    """The word at each of the intervals, of which the second is as wide as the first."""
    intervals = [Interval(low, high, 0.95) for low, high in EVERY]
    return [word_of(direction, margin, one, one) for one in intervals]


def test_a_prediction_holds_beyond_its_border_and_fails_beyond_the_other_or_where_it_is_equal():
    assert words("higher") == [HOLDS, OPEN, FAILS, FAILS, OPEN, FAILS]
    assert words("lower") == [FAILS, OPEN, FAILS, FAILS, OPEN, HOLDS]
    assert words("equal") == [FAILS, OPEN, HOLDS, HOLDS, OPEN, FAILS]
    assert words("not_worse") == [FAILS, OPEN, HOLDS, HOLDS, OPEN, HOLDS]


def test_without_a_margin_the_sign_decides_and_nothing_is_equal():
    assert words("higher", 0.0) == [HOLDS, HOLDS, HOLDS, OPEN, OPEN, FAILS]
    assert words("lower", 0.0) == [FAILS, FAILS, FAILS, OPEN, OPEN, HOLDS]


def test_equality_is_read_off_the_interval_of_two_one_sided_tests():
    wide, narrow = Interval(-0.012, 0.004, 0.95), Interval(-0.009, 0.001, 0.9)
    assert word_of("equal", 0.01, wide, narrow) is HOLDS
    assert word_of("lower", 0.01, wide, narrow) is FAILS
    assert word_of("equal", 0.01, None, None) is OPEN


@pytest.mark.parametrize("three", list(product(Word, repeat=3)), ids=str)
def test_a_card_is_refuted_by_one_that_fails_supported_by_all_that_hold_and_undecided_else(three):
    found = [Found(word, firm=word is FAILS) for word in three]
    wanted = CardWord.UNDECIDED
    if FAILS in three:
        wanted = CardWord.REFUTED
    elif set(three) == {HOLDS}:
        wanted = CardWord.SUPPORTED
    assert card_word(found) is wanted


@pytest.mark.parametrize("three", list(product(Word, repeat=3)), ids=str)
def test_nothing_unsound_makes_a_word(three):
    found = [Found(word, firm=word is FAILS, sound=False) for word in three]
    assert card_word(found) is CardWord.UNDECIDED
    # One sound failure decides, whatever the others are.
    assert card_word([*found, Found(FAILS, firm=True)]) is CardWord.REFUTED
    assert card_word([*found, Found(HOLDS)]) is CardWord.UNDECIDED


def test_a_failure_that_the_shared_error_does_not_allow_decides_nothing():
    assert card_word([Found(FAILS, firm=False), Found(HOLDS)]) is CardWord.UNDECIDED
    assert card_word([]) is CardWord.UNDECIDED
