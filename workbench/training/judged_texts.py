"""The fixed texts that a run is judged on, as its configuration names them."""

import json
from functools import lru_cache
from typing import Any

from workbench.data.cache import cache_directory
from workbench.data.evaluation_text import KEY, EvaluationText, evaluation_text
from workbench.errors import UserError

_KEPT = 32  # texts in memory, of 64 kB by default


def judged_texts(data: dict[str, Any]) -> dict[str, EvaluationText]:
    """The evaluation texts of a run's ``config["data"]``, by name and in order; empty where it has none.

    Without them a run is judged on the validation split of what it trains on. Raises ``UserError`` where one
    is another text now than when the study began.
    """
    return {entry["name"]: _unchanged(json.dumps(entry)) for entry in data.get("evaluation", [])}


@lru_cache(maxsize=_KEPT)
def _unchanged(entry: str) -> EvaluationText:
    values = json.loads(entry)
    key = f"{KEY}.{values['name']}"
    text = evaluation_text(values["corpus"], values["max_bytes"], cache_directory(), key=key)
    if text.fingerprint != values["fingerprint"]:
        raise UserError(f"{key}: the text changed since the study began; run the study again")
    return text
