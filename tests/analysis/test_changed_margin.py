"""A margin that was changed: both margins and both verdicts of every row, where results were there."""

import pytest

from tests.analysis.synthetic_studies import full_study
from workbench.analysis.effects import study_report


def notes(path, *amendments, **changes):
    study = full_study(path, amendments=list(amendments), **changes)
    return [note for note in study_report(study.load()).notes if note.startswith("amended")]


def amended(before, after, complete=12, keys=("margin",)):
    values = {"margin": [before, after], "complete": complete}
    return {"time": "2026-01-01", "from": "a", "to": "b", "keys": list(keys)} | values


def test_both_margins_and_both_verdicts_are_named(tmp_path):
    (note,) = notes(tmp_path, amended(0.0005, 0.02))
    assert note == (
        "amended 2026-01-01: margin ±0.0005 → ±0.02 when 12 runs had a result, so that the verdicts by the "
        "new margin are exploratory (by ±0.0005 → by ±0.02: positions=learned: worse → worse; "
        "norm=layernorm: inconclusive → equivalent; feedforward=relu: inconclusive → inconclusive)"
    )


def test_every_earlier_margin_has_its_say(tmp_path):
    first, second = notes(tmp_path, amended(0.0005, 0.5), amended({"default": 0.5, "norm": 1.0}, 0.02))
    assert "margin ±0.0005 → ±0.5" in first
    assert "by ±0.0005 → by ±0.02: positions=learned: worse → worse" in first
    assert "by ±0.5 (norm ±1) → by ±0.02: positions=learned: equivalent → worse" in second


def test_what_was_changed_with_it_is_said_too(tmp_path):
    found = notes(tmp_path, amended(0.0005, 0.02, keys=["margin", "seeds"]))
    assert [note.partition(": ")[2][:20] for note in found] == [
        "margin ±0.0005 → ±0.",
        "seeds changed; compa",
    ]


def test_a_margin_that_was_changed_before_there_was_a_result_is_no_ground_for_doubt(tmp_path):
    assert notes(tmp_path, amended(0.01, 0.02, complete=0)) == [
        "amended 2026-01-01: margin ±0.01 → ±0.02, before any run was complete"
    ]


@pytest.mark.parametrize("keys", [["margin"], ["margin", "seeds"]])
def test_of_an_early_amendment_the_margins_are_not_known(tmp_path, keys):
    (note,) = notes(tmp_path, {"time": "2026-01-01", "keys": keys})
    assert f"{', '.join(keys)} changed; comparisons added then are exploratory" in note
