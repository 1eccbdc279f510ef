"""How often the gradient jumps, over a study's tuning runs at all learning rates."""

from pathlib import Path
from statistics import mean

import numpy as np
import pandas as pd

from workbench.claims.quantities.quantity import NotMeasurableError
from workbench.claims.quantities.rate_sweep import OfRateSweep, Swept
from workbench.errors import RecordError
from workbench.records.run import RunDirectory

_TIMES = 10
_WINDOW = 50  # recorded steps
_FEWEST = 10  # of them before a step is judged
_NORM, _IS_STEP = "gradient_norm", "learning_rate"


class GradientSpikes(OfRateSweep):
    """The share of training steps whose gradient jumps."""

    name = "gradient_spikes"
    title = "gradient spikes"
    unit = "% of steps"
    page = "curves"
    about = (
        f"The share of recorded training steps whose gradient has more than {_TIMES} times the median norm "
        f"of the {_WINDOW} recorded before it, or none that is a number, before clipping; the mean over the "
        "sweep's learning rates, in percent: variant minus the other side, paired by tuning seed. A study "
        "needs the rates of lr_sensitivity."
    )

    def of_seed(self, swept: Swept) -> float:
        """The percentage of one seed."""
        return 100 * mean(_share(run) for run in swept.runs)


def _share(run: Path) -> float:
    try:
        rows = RunDirectory(run).metrics()
    except RecordError as error:
        raise NotMeasurableError(str(error)) from None
    if _NORM not in rows:
        raise NotMeasurableError("the gradient's norm is not recorded")
    return spike_share(rows.loc[rows[_IS_STEP].notna(), _NORM].to_numpy(dtype=float))


def spike_share(norms: np.ndarray) -> float:
    """The share of spikes among a run's gradient norms (steps,), NaN or infinite where one was no number.

    The first ten steps have nothing to be compared with, and are not judged.
    """
    known = pd.Series(norms).where(np.isfinite(norms))
    before = known.shift().rolling(_WINDOW, min_periods=_FEWEST).median()
    judged = np.arange(len(norms)) >= _FEWEST
    if not judged.any():
        raise NotMeasurableError(f"a run has fewer than {_FEWEST + 1} recorded steps")
    is_spike = known.isna() | (known > _TIMES * before)
    return float(is_spike[judged].mean())
