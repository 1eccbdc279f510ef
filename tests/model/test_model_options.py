"""Options as a study file gives them: as the type that is asked for, or refused with the option's name."""

import pytest

from workbench.errors import UserError
from workbench.model.options import coerce


@pytest.mark.parametrize(
    ("value", "hint", "found"),
    [
        ("1e2", int, 100),
        (64.0, int | None, 64),
        ("2e4", float, 20_000.0),
        ("12", int | str, "12"),
        ("1e-6", float | str, "1e-6"),
        (True, bool | int, True),
        (None, int | None, None),
    ],
)
def test_a_value_becomes_the_type_that_is_asked_for(value, hint, found):
    converted = coerce(value, hint, "key")
    assert (converted, type(converted)) == (found, type(found))


@pytest.mark.parametrize(
    ("value", "hint"),
    [(True, int), (1.5, int), ("1:30", int), ("010", int), ("20,000", int), (10**400, float), ("nan", float)],
)
def test_what_is_no_number_is_refused_by_name(value, hint):
    with pytest.raises(UserError, match="key: expected a"):
        coerce(value, hint, "key")
