"""What was proposed is on the disk before it runs, and made anew where the file is damaged."""

import json

import pytest

from workbench.errors import RecordError
from workbench.records.proposals import PROPOSALS, Proposals, read_proposals

POINTS = [{"learning_rate": 0.001}, {"learning_rate": 0.002}]


def nothing():
    return {}


def test_rounds_are_read_back_in_their_order(tmp_path):
    proposals = Proposals(tmp_path, nothing)
    proposals.add({"llama": POINTS[:1], "relu": POINTS[1:]})
    proposals.add({"llama": POINTS[1:]})

    again = Proposals(tmp_path, lambda: pytest.fail("the file is there"))
    assert again.rounds_of("llama") == [POINTS[:1], POINTS[1:]]
    assert again.rounds_of("relu") == [POINTS[1:]]
    assert again.rounds_of("gelu") == []
    assert again.note is None
    assert read_proposals(tmp_path)["relu"] == [POINTS[1:]]


def test_nothing_is_proposed_where_there_is_no_file(tmp_path):
    assert read_proposals(tmp_path) == {}
    assert Proposals(tmp_path, lambda: {"llama": [POINTS]}).rounds_of("llama") == [POINTS]


@pytest.mark.parametrize(
    ("content", "says"),
    [("{", "cannot be read as JSON"), ('{"rounds": {"llama": [3]}}', "rounds.llama"), ("{}", "rounds")],
)
def test_a_damaged_file_is_set_aside_and_made_anew(tmp_path, content, says):
    (tmp_path / PROPOSALS).write_text(content)
    with pytest.raises(RecordError, match=says):
        read_proposals(tmp_path)

    proposals = Proposals(tmp_path, lambda: {"llama": [POINTS[:1]]})
    assert proposals.note is not None
    assert "kept as proposals.json.damaged" in proposals.note
    assert (tmp_path / "proposals.json.damaged").read_text() == content
    proposals.add({"llama": POINTS[1:]})
    assert json.loads((tmp_path / PROPOSALS).read_text()) == {"rounds": {"llama": [POINTS[:1], POINTS[1:]]}}
