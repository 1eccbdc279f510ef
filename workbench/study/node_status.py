"""``workbench status STUDY --by node``: what each machine has done of a study."""

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.table import Table

from workbench.numbers import duration
from workbench.records.index import load_study
from workbench.records.run import FINISHED, State
from workbench.study.paths import find_results


@dataclass
class NodeWork:
    """What one machine did: ``trials`` that it took up, and what became of them there.

    ``interrupted`` are those that it took up and did not bring to an outcome: it was lost, or its worker was,
    or the study stopped. ``seconds`` are of training, of trials that have an outcome; where several machines
    trained one, each has the share of the steps that it made.
    """

    node: str
    trials: int = 0
    running: int = 0
    done: int = 0
    interrupted: int = 0
    seconds: float = 0.0


def nodes_of(study: str, results: Path) -> dict[str, Any]:
    """The work of each machine by its name; ``unnamed`` are runs of versions that kept no names."""
    records = load_study(find_results(study, results))
    work: dict[str, NodeWork] = {}
    unnamed = 0
    for row in records.runs.to_dict("records"):
        places = row["provenance"].get("machines") or []
        if not places:
            unnamed += row["state"] != State.QUEUED
            continue
        _count(work, row, places, is_live=records.is_live)
    return {
        "name": records.name,
        "nodes": [asdict(work[name]) for name in sorted(work)],
        "unnamed": unnamed,
    }


def _count(
    work: dict[str, NodeWork], row: dict[str, Any], places: list[dict[str, Any]], *, is_live: bool
) -> None:
    for place in places:
        work.setdefault(place["name"], NodeWork(place["name"])).trials += 1
    *before, last = places
    for place in before:
        work[place["name"]].interrupted += 1
    if row["state"] not in FINISHED:
        if is_live:
            work[last["name"]].running += 1
        else:
            work[last["name"]].interrupted += 1
        return
    work[last["name"]].done += 1
    # One that was tried anew from its beginning made its last steps twice; what counts is made once.
    end = max(row["step"] or 0, 1)
    begun = [min(place["step"], end) for place in places] + [end]
    made = [max(0, after - step) for step, after in pairwise(begun)]
    seconds = row.get("seconds", math.nan)
    for place, steps in zip(places, made, strict=True):
        if math.isfinite(seconds):  # a trial that failed at its start has none
            work[place["name"]].seconds += seconds * steps / max(sum(made), 1)


def render_nodes(facts: dict[str, Any]) -> Table:
    """The facts for a terminal."""
    table = Table(title=facts["name"], title_justify="left")
    for heading in ("node", "trials", "running", "done", "interrupted", "training"):
        table.add_column(heading)
    for node in facts["nodes"]:
        counts = [str(node[name]) for name in ("trials", "running", "done", "interrupted")]
        table.add_row(node["node"], *counts, duration(node["seconds"]))
    if facts["unnamed"]:
        table.caption = f"{facts['unnamed']} more runs do not say where they were trained"
    return table
