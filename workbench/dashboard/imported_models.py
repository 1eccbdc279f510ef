"""The study ``imported``: single models from elsewhere, where other studies have a verdict."""

from typing import Any

import pandas as pd
import streamlit as st

from workbench.analysis.without_result import above_guess
from workbench.dashboard import empty_pages
from workbench.dashboard.literal_text import grid, literal
from workbench.dashboard.state import View
from workbench.numbers import MISSING, count, fixed
from workbench.records.training_outcome import UNIFORM, untrained


def is_imported(now: View) -> bool:
    """Whether the open study holds imported models instead of comparisons."""
    return now.records.manifest.is_import


def overview(now: View) -> None:
    """The models, and what can be done with them."""
    st.header("Imported models", anchor=False)
    st.markdown("Trained elsewhere; nothing is compared here until a study starts from one of them.")
    empty_pages.problems([problem.message for problem in now.records.problems])
    if now.records.runs.empty:
        return
    grid(_table(now.records.runs), hide_index=True, alt="Imported models", key="imported")
    for run in now.records.runs[untrained(now.records.runs)].to_dict("records"):
        losses = above_guess(run["validation/loss"], run[UNIFORM])
        asked = "Is its tokenizer the one that it was trained with?"
        st.warning(literal(f"{run['variant']}: {losses}. {asked}"))
    name = f"imported/{now.records.runs['variant'].iloc[0]}"
    st.markdown("Measure one, let it write, or swap a part of it and see what that costs:")
    st.code(f'workbench evaluate {name}\nworkbench generate {name} "def main():"', language="bash")
    st.code(f"start: {name}\nfactors: {{positions: [{_own_positions(now)}, none]}}", language="yaml")


def nothing_compared() -> None:
    """A page about comparisons, in a study without any."""
    st.info(
        "Imported models are not compared with one another: start a study from one, with the key `start`."
    )


def _own_positions(now: View) -> str:
    return _part(now.records.manifest.variants[0].model, "positions")


def _part(model: dict[str, Any], name: str) -> str:
    """The level of a part of a model; a dash where its record does not say."""
    part = model.get(name)
    return str(part.get("name", MISSING)) if isinstance(part, dict) else MISSING


def _table(runs: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for run in runs.to_dict("records"):
        model = run["config"].get("model", {})
        parameters = run.get("parameters")
        rows.append(
            {
                "model": run["variant"],
                "parameters": count(parameters),
                "layers": model.get("layers"),
                "width": model.get("width"),
                "context": model.get("context"),
                "parts": ", ".join(_part(model, part) for part in ("positions", "norm", "feedforward")),
                "nats per token": fixed(run.get("validation/loss"), 4),
                "bits per byte": fixed(run.get("validation/bits_per_byte"), 4),
                "run": run["run_id"],
                "from": run["provenance"].get("source", ""),
            }
        )
    return pd.DataFrame(rows)
