import pytest

from workbench.analysis.hyperband import bracket, brackets, rungs_of, sweep

# Li et al. 2018, table 1: R = 81, a third goes on. By bracket the points and tokens of each rung.
TABLE = [
    ([81, 27, 9, 3, 1], [1, 3, 9, 27, 81]),
    ([34, 11, 3, 1], [3, 9, 27, 81]),
    ([15, 5, 1], [9, 27, 81]),
    ([8, 2], [27, 81]),
    ([5], [81]),
]


def test_brackets_are_those_of_the_papers_table():
    rungs = rungs_of(81, 1)
    assert rungs == [1, 3, 9, 27, 81]
    assert sweep(rungs) == 81 + 34 + 15 + 8 + 5
    found = brackets(rungs, sweep(rungs))
    assert [(one.sizes, list(one.rungs)) for one in found] == TABLE
    assert found[0].tokens == 5 * 81


def test_after_the_last_bracket_the_first_comes_again_and_the_last_takes_what_is_left():
    rungs = rungs_of(300_000, 33_334)
    assert rungs == [33_334, 100_000, 300_000]
    assert [one.points for one in brackets(rungs, 60)] == [9, 5, 3, 9, 5, 3, 9, 5, 3, 9]
    assert [one.sizes for one in brackets(rungs, 19)][-1] == [2, 1, 1]
    assert bracket(4, rungs, left=100) == bracket(1, rungs, left=100)


@pytest.mark.parametrize(
    ("tokens", "least", "rungs"),
    [
        (900, 100, [100, 300, 900]),
        (900, 101, [300, 900]),
        (900, 301, [900]),
        (1000, 112, [112, 334, 1000]),
        (2, 1, [1, 2]),
    ],
)
def test_rungs_are_thirds_of_the_budget_down_to_the_least(tokens, least, rungs):
    assert rungs_of(tokens, least) == rungs
