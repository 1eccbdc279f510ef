"""The study file as JSON Schema: every study that ships is one by it, and mistakes of a key are found."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from workbench.cli.main import app
from workbench.study.reference.json_schema import json_schema

STUDIES = sorted((Path(__file__).parents[2] / "ablations").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator():
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_that_ships_is_one(validator, path):
    assert [error.message for error in validator.iter_errors(yaml.safe_load(path.read_text()))] == []


@pytest.mark.parametrize("tokens", [400_000, "4e5", "400_000"])
def test_numbers_may_be_written_as_a_study_has_them(validator, tokens):
    assert validator.is_valid({"question": "q?", "training": {"tokens": tokens}})


@pytest.mark.parametrize(
    "wrong",
    [
        {"training": {"tokens": "400,000"}},
        {"training": {"tokns": 400_000}},
        {"factor": {"norm": ["rmsnorm"]}},
        {"design": "factorial"},
    ],
    ids=str,
)
def test_a_mistake_in_a_key_or_a_number_is_found(validator, wrong):
    assert not validator.is_valid({"question": "q?"} | wrong)


def test_every_key_has_its_meaning(validator):
    properties = validator.schema["properties"]
    assert {"question", "factors", "seeds", "margin", "training"} <= set(properties)
    assert all(one.get("description") or "$ref" in str(one) for one in properties.values())


def test_the_command_prints_it_and_nothing_beside_it():
    runner = CliRunner()
    printed = json.loads(runner.invoke(app, ["explain", "--schema"]).output)
    assert printed == json.loads(json.dumps(json_schema()))
    answer = runner.invoke(app, ["explain", "seeds", "--schema"])
    assert answer.exit_code != 0
    assert "--schema" in str(answer.exception)
