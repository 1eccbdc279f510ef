"""YAML is read by the quick parser, and a mistake in it is still shown with its line."""

import pytest

from workbench.errors import RecordError
from workbench.records.files import read_yaml, write_yaml


def test_yaml_comes_back_as_it_was_written_and_in_its_order(tmp_path):
    value = {
        "name": "größe",
        "rates": [0.001, 1e-05, 3],
        "margin": 1.0,
        "flags": {"b": True, "a": None},
        "text": "yes: it's 'no' # not a comment\nsecond line",
        "digits": "0123",
    }
    write_yaml(tmp_path / "study.yaml", value)
    assert read_yaml(tmp_path / "study.yaml") == value
    assert list(read_yaml(tmp_path / "study.yaml")) == list(value)


def test_a_mistake_in_yaml_is_shown_with_its_line(tmp_path):
    (tmp_path / "study.yaml").write_text("name: s\nrates: [0.1, 0.2\nmargin: 0.01\n")
    with pytest.raises(RecordError, match=r"(?s)cannot be read as YAML.*line 3.*margin: 0\.01"):
        read_yaml(tmp_path / "study.yaml")


def test_a_list_is_no_study(tmp_path):
    (tmp_path / "study.yaml").write_text("- a\n- b\n")
    with pytest.raises(RecordError, match="holds no mapping"):
        read_yaml(tmp_path / "study.yaml")
