"""What a user wrote: as the type that is asked for, or refused in one line with the key and what to do."""

from typing import Literal

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, Field

from workbench.errors import UserError
from workbench.number_types import Whole
from workbench.user_input import coerce, read_as


class Shared(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    size: Whole | None = Field(None, gt=0)


class Inner(Shared):
    path: str = Field(min_length=1)
    level: str | bool | dict[str, int] = "a"


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    inner: Inner
    names: list[str] = []


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
        (np.int64(3), int, 3),
        (3, float | None, 3.0),
        ([1, 2.5], tuple[float, ...] | None, (1, 2.5)),  # as it was written, for configurations are hashed
        ("b", Literal["a", "b"] | None, "b"),
    ],
)
def test_a_value_becomes_the_type_that_is_asked_for(value, hint, found):
    converted = coerce(value, hint, "key")
    assert (converted, type(converted)) == (found, type(found))


@pytest.mark.parametrize(
    ("value", "hint", "message"),
    [
        (True, int, "expected a whole number"),
        (True, float | None, "expected a number or null"),
        (1, bool, "expected true or false, got 1"),
        ("c", Literal["a", "b"] | None, "expected one of 'a', 'b' or null, got 'c'"),
        (3, tuple[float, ...], r"expected a list, got 3 \(int\); change its value"),
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
def test_what_is_no_number_is_refused_by_name(value, hint, message):
    with pytest.raises(UserError, match=f"^key: {message}"):
        coerce(value, hint, "key")


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (
            {"inner": {"path": "x", "pth": 1}},
            r"inner\.pth: unknown key; did you mean 'path'\? Known: path, level, size",
        ),
        ({"inner": {}}, "inner.path: this key is needed and missing"),
        ({"inner": None}, "inner: stands without a value; give it one"),
        (
            {"inner": {"path": 3}},
            r"inner\.path: input should be a valid string, got 3; YAML reads it so: put it in quotes",
        ),
        ({"inner": {"path": "x", "size": "2,000"}}, "inner.size: 2,000 is text, for its comma; write 2_000"),
        (
            {"inner": {"path": "x", "size": 0}},
            "inner.size: input should be greater than 0, got 0; change its value",
        ),
        (
            {"inner": {"path": "x", "level": 1.5}},
            "inner.level: input should be a valid string, valid boolean or valid dictionary, got 1.5.*",
        ),
        ({"inner": {"path": "caf\udce9"}}, r"inner\.path: 'caf\\udce9' is not UTF-8 text; rename it.*"),
        (5, "input should be a valid dictionary or instance of Outer, got 5; change its value"),
    ],
)
def test_a_mistake_in_a_file_is_one_line_with_the_key_and_what_to_do(values, line):
    with pytest.raises(UserError, match=f"^study.yaml: {line}$"):
        read_as(Outer, values, file="study.yaml")


def test_values_under_a_key_are_named_with_it():
    with pytest.raises(UserError, match=r"^data\.corpus\.path: this key is needed and missing$"):
        read_as(Inner, {}, under="data.corpus")


def test_of_very_many_mistakes_the_first_are_said():
    with pytest.raises(UserError) as caught:
        read_as(Outer, {"inner": {"path": "x"}, "names": list(range(100))}, file="study.yaml")
    lines = str(caught.value).splitlines()
    assert len(lines) == 13
    assert lines[-1] == "study.yaml: and 88 more"


def test_what_is_sound_is_a_model():
    assert read_as(Outer, {"inner": {"path": "x", "size": "2e4"}}).inner.size == 20_000
