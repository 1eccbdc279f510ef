"""Which views have nothing to show of a published copy, because no run in it was measured for them."""

from collections.abc import Sequence

from workbench.analysis.text_escapes import escape_markdown
from workbench.errors import RecordError
from workbench.inspection.measured import measurements
from workbench.inspection.views import View, views
from workbench.records.run import RunDirectory


def views_without(runs: Sequence[RunDirectory]) -> tuple[str, ...]:
    """Titles of the views over seeds for which none of ``runs`` has what they read.

    A view of checkpoints needs a run that was measured at several steps. Views that compute a decoder when
    they are asked are not among them: they need weights, and no table.
    """
    measured = [_steps(run) for run in runs]
    over_seeds = [view for view in views() if view.tables]
    return tuple(view.title for view in over_seeds if not any(_shows(view, own) for own in measured))


def sentence(titles: Sequence[str]) -> str:
    """What the copy's report says of them, as Markdown with a line break at its end."""
    names = ", ".join(escape_markdown(title) for title in titles)
    return f"- views: no run here was measured for {names}: nothing of this study is shown there\n"


def _steps(run: RunDirectory) -> dict[str, set[int]]:
    """The steps at which each table of the run was measured."""
    found: dict[str, set[int]] = {}
    try:
        known = measurements(run)
    except RecordError:  # a file that cannot be read shows nothing; who reads the run hears of it
        return found
    for step, table, _ in known:
        found.setdefault(table, set()).add(step)
    return found


def _shows(view: View, steps: dict[str, set[int]]) -> bool:
    least = 2 if view.checkpoints else 1
    return all(len(steps.get(table, ())) >= least for table in view.tables)
