"""Options as a study file gives them: as the type that is asked for, or refused with the option's name."""

import pytest

from workbench.errors import UserError
from workbench.user_values import coerce


@pytest.mark.parametrize(
    ("value", "hint", "found"),
    [
        ("1e2", int, 100),
        (64.0, int | None, 64),
        ("64.0", int, 64),
        ("20.000", float, 20.0),
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
    ("value", "hint", "told"),
    [
        (True, int, "expected a whole number"),
        (1.5, int, "expected a whole number"),
        (10**400, float, "expected a number"),
        ("nan", float, "expected a number"),
        ("1:30", int, "1:30 is no number here.*without colons"),
        ("1:30", float | None, "1:30 is no number here.*without colons"),
        ("010", int, "010 may be octal"),
        ("20,000", int, "20,000 is text, for its comma; write 20_000"),
        ("20.000", int, "20.000 may be 20 or a thousand times as much; write 20 or 20_000"),
        ("20.000", int | None, "20.000 may be 20"),
        ("1.000.000", int, "1.000.000 is text; write 1_000_000"),
        ("20 000", float, "20 000 is text; write 20_000"),
        ("20'000", int, "20'000 is text; write 20_000"),
    ],
)
def test_what_is_no_number_is_refused_by_name(value, hint, told):
    with pytest.raises(UserError, match=f"^key: {told}"):
        coerce(value, hint, "key")
