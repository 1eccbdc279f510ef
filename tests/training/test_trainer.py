"""What Lightning would make of a part's StopIteration; the rest of the trainer shows in every trial."""

import pytest

from workbench.training.trainer import stop_iteration_is_an_error


def test_a_stop_iteration_is_an_error_and_all_else_passes():
    @stop_iteration_is_an_error
    def step(raised=None):
        """A step."""
        if raised is not None:
            raise raised
        return 3

    assert step() == 3
    assert step.__doc__ == "A step."
    with pytest.raises(RuntimeError, match="a part raised StopIteration: the end") as error:
        step(StopIteration("the end"))
    assert isinstance(error.value.__cause__, StopIteration)
    with pytest.raises(KeyError):
        step(raised=KeyError("other"))
