"""When a kind of head forms: the strongest head's score at each checkpoint, and from when on it stays high.

A run whose heads never form is censored at its last checkpoint: it is counted and shown, and no mean is taken
over the others as if it were not there. After Olsson et al. 2022 (arXiv 2209.11895), who look for an abrupt
change by eye; here it is a threshold passed for good.
"""

import pandas as pd

from workbench.inspection.attention.head_kinds import scores_of

RUN = ["role", "series", "seed", "run_id"]


def strongest(table: pd.DataFrame, score: str) -> pd.DataFrame:
    """The strongest head's score at each checkpoint: ``role, series, seed, run_id, step, value``."""
    groups = scores_of(table, score).groupby([*RUN, "step"], sort=False)
    return groups["value"].max().reset_index().sort_values([*RUN, "step"], ignore_index=True)


def formation(values: pd.DataFrame, least: float) -> pd.DataFrame:
    """For each run ``step``, the first checkpoint from which ``value`` stays at ``least`` or above.

    ``last`` is its last checkpoint; ``step`` is missing for runs that have not formed by then.
    """
    rows = []
    for key, run in values.sort_values("step").groupby(RUN, sort=False):
        below = run.loc[~(run["value"] >= least), "step"]  # a missing value is below, too
        formed = run.loc[run["step"] > below.max(), "step"] if len(below) else run["step"]
        first = float(formed.min()) if len(formed) else float("nan")
        rows.append(dict(zip(RUN, key, strict=True)) | {"step": first, "last": int(run["step"].max())})
    return pd.DataFrame(rows)
