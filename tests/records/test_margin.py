"""One margin, or one by factor: which holds for a change, how it is said, and what a manifest may hold."""

import pytest

from workbench.errors import RecordError
from workbench.files import write_yaml
from workbench.records.manifest import read_manifest
from workbench.records.margin import margin_for, margin_text, smallest_margin

BY_FACTOR = {"default": 0.02, "norm": 0.04, "positions": 0.01}


@pytest.mark.parametrize(
    ("factors", "margin"),
    [
        ((), 0.02),
        (("norm",), 0.04),
        (("feedforward",), 0.02),
        (("norm", "feedforward"), 0.02),
        (("norm", "positions"), 0.01),
    ],
)
def test_a_change_has_the_smallest_margin_of_its_factors(factors, margin):
    assert margin_for(BY_FACTOR, factors) == margin
    assert margin_for(0.5, factors) == 0.5


def test_how_margins_are_said():
    assert margin_text(0.02) == "±0.02"
    assert margin_text(BY_FACTOR) == "±0.02 (norm ±0.04, positions ±0.01)"
    assert margin_text({"default": 0.02}) == "±0.02"
    assert (smallest_margin(0.02), smallest_margin(BY_FACTOR)) == (0.02, 0.01)


def written(folder, margin):
    variants = [
        {"name": "baseline"},
        {"name": "both", "change": {"norm": ["a", "b"], "positions": ["c", "d"]}},
        {"name": "norm=b", "change": {"norm": ["a", "b"]}},
    ]
    body = {"name": "s", "metric": "validation/loss", "margin": margin, "baseline": "baseline"}
    write_yaml(folder / "study.yaml", body | {"variants": variants})
    return read_manifest(folder)


def test_a_manifest_keeps_margins_as_they_were_given(tmp_path):
    manifest = written(tmp_path, BY_FACTOR)
    assert manifest.to_dict()["margin"] == BY_FACTOR
    assert [manifest.margin_of(name) for name in manifest.names] == [0.02, 0.01, 0.04]
    assert (manifest.smallest_margin, manifest.incomparable) == (0.01, None)
    assert written(tmp_path, 1).to_dict()["margin"] == 1.0


@pytest.mark.parametrize(
    ("margin", "said"),
    [
        ({"norm": 0.04}, "margin: should have a key 'default'"),
        ({"default": 0.02, "norm": 0}, "margin: of norm should be greater than 0"),
        ({"default": "0.02"}, "margin: of default should be a valid number"),
        ({"default": float("nan")}, "margin: of default should be a finite number"),
        (0, "margin: should be greater than 0"),
        (True, "margin: should be a valid number"),
        (10**400, "margin: should be a finite number"),
        ([0.01], "margin: should be a valid number"),
    ],
)
def test_a_damaged_margin_is_named(tmp_path, margin, said):
    with pytest.raises(RecordError, match=said):
        written(tmp_path, margin)
