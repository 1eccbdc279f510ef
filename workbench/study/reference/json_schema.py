"""The study file as JSON Schema: what an editor completes and checks a study by while it is typed."""

from typing import Any

from workbench.study.schema import StudyFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Numbers as a study has them beside YAML's own: 2e4 and 20_000 are text to YAML.
_NUMBER = r"^-?[0-9][0-9_]*(\.[0-9_]+)?([eE][-+]?[0-9]+)?$"


def json_schema() -> dict[str, Any]:
    """Every key of a study file with its type, meaning and default.

    It knows less than ``check`` does: what levels there are, and which of them go together, only that says.
    """
    found = {"$schema": DIALECT, "title": "A study of the ablation workbench"}
    schema = StudyFile.model_json_schema()
    whole = found | {key: _written(value) for key, value in schema.items() if key != "title"}
    whole["required"] = ["question"]
    return whole


def _written(value: Any) -> Any:
    """``value`` with numbers as they may be written, wherever a type is one.

    No key is required: a file's name names its study, a ladder's rungs have the tokens, a run that is started
    from has the rest.
    """
    if isinstance(value, list):
        return [_written(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: _written(item) for key, item in value.items() if key != "required"}
    if found.get("type") in ("integer", "number"):
        found |= {"type": [found["type"], "string"], "pattern": _NUMBER}
    return found
