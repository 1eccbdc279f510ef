"""The study ``imported``: single models from elsewhere, where other studies have a verdict."""

import pandas as pd
import streamlit as st

from workbench.analysis.fates import above_guess
from workbench.dashboard.literal import grid, literal
from workbench.dashboard.state import View
from workbench.numbers import count, fixed
from workbench.records.training_outcome import UNIFORM, untrained


def is_imported(now: View) -> bool:
    """Whether the open study holds imported models instead of comparisons."""
    return now.records.manifest.get("design") == "import"


def overview(now: View) -> None:
    """The models, and what can be done with them."""
    st.header("Imported models", anchor=False)
    st.markdown("Trained elsewhere; nothing is compared here until a study starts from one of them.")
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
    return now.records.manifest["variants"][0]["model"]["positions"]["name"]


def _table(runs: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for run in runs.to_dict("records"):
        model = run["config"]["model"]
        rows.append(
            {
                "model": run["variant"],
                "parameters": count(run["parameters"]),
                "layers": model["layers"],
                "width": model["width"],
                "context": model["context"],
                "parts": ", ".join(model[part]["name"] for part in ("positions", "norm", "feedforward")),
                "nats per token": fixed(run.get("validation/loss"), 4),
                "bits per byte": fixed(run.get("validation/bits_per_byte"), 4),
                "run": run["run_id"],
                "from": run["provenance"].get("source", ""),
            }
        )
    return pd.DataFrame(rows)
