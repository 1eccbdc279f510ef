"""pydantic's errors, retold: file, key, what is wrong, what to do."""

from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from workbench.errors import suggestion


def explain(error: ValidationError, model: type[BaseModel], source: str) -> str:
    """One line per mistake: ``file: key: what is wrong; remedy``."""
    lines = []
    for item in error.errors():
        key = _key(item["loc"])
        line = f"{source}: {key + ': ' if key else ''}{_say(item, model)}"
        if line not in lines:
            lines.append(line)
    return "\n".join(lines)


def _key(location: tuple[Any, ...]) -> str:
    # pydantic names the branch of a union ("str", "list[int]"); a reader of the file does not know it.
    parts = [str(part) for part in location if not _is_branch(part)]
    return ".".join(parts)


def _is_branch(part: Any) -> bool:
    return isinstance(part, str) and (part in {"str", "int", "bool", "float"} or "[" in part)


def _say(item: dict[str, Any], model: type[BaseModel]) -> str:
    kind, message = item["type"], item["msg"]
    if kind == "extra_forbidden":
        return f"unknown key; {suggestion(item['loc'][-1], _fields_at(model, item['loc'][:-1]))}"
    if kind == "missing":
        return "this key is needed and missing"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    shown = repr(item["input"])
    return f"{message[0].lower()}{message[1:]}, got {shown[:60]}"


def _fields_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:
            break
        candidates = [field.annotation, *get_args(field.annotation)]
        inner = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if inner is None:
            break
        model = inner
    return list(model.model_fields)
