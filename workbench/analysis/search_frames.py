"""What pages and figures draw of a search: a front of two objectives, the best so far, the baseline."""

import numpy as np
import pandas as pd

from workbench.analysis.best_of_k import best_so_far as lowest_so_far
from workbench.analysis.search import COMPLETE, Search, pareto_front
from workbench.records.manifest import Manifest


def front_between(search: Search, x: str, y: str) -> pd.DataFrame:
    """The complete points that no other beats in the two objectives, from the lowest ``x`` on."""
    done = search.trials[search.trials["state"] == COMPLETE].dropna(subset=[x, y])
    found = done[pareto_front(done[[x, y]].to_numpy(float))]
    return found.sort_values([x, "number"], kind="stable")


def best_so_far(search: Search, objective: str) -> pd.DataFrame:
    """A row for each complete point in order: ``number``, ``value``, and ``best``, the lowest until then."""
    done = search.trials[search.trials["state"] == COMPLETE].sort_values("number")
    values = done[objective].to_numpy(float)
    return pd.DataFrame({"number": done["number"].to_numpy(), "value": values, "best": lowest_so_far(values)})


def architecture(search: Search) -> list[str]:
    """The dimensions that are levels or sizes: what makes two points different models."""
    return [name for name in search.dimensions if name not in search.plan.hyperparameters]


def baseline_points(search: Search, manifest: Manifest) -> list[int]:
    """Numbers of the points whose architecture is the baseline's; they may differ in hyperparameters."""
    baseline = manifest.baseline_variant
    own = {name: baseline.model.get(name) for name in search.plan.sizes}
    own |= {name: baseline.levels.get(name) for name in architecture(search) if name not in own}
    if not own:
        return []
    same = np.logical_and.reduce(
        [(search.trials[name].map(str) == str(value)).to_numpy() for name, value in own.items()]
    )
    return [int(number) for number in search.trials.loc[same, "number"]]
