"""What share of a generated task's answers is right, by distance, by length, and on every set.

The counts stand in each run's record, of its last validation, so that nothing is computed and no weights are
needed. The unit is the run: bands are over seeds.
"""

from collections.abc import Iterator

import pandas as pd

from workbench.data.tasks.registry import task_of
from workbench.data.tasks.task import GeneratedTask
from workbench.inspection.listed_views import ANSWERS
from workbench.inspection.panels import Dots, Lines, Panel, Result, Rule
from workbench.inspection.scope import Scope
from workbench.inspection.seed_spread import (
    difference_sentences,
    mean_in_words,
    run_first,
    spread,
)
from workbench.inspection.views import Option, View, register
from workbench.numbers import number

_RUN = ["role", "series", "seed", "run_id"]
_SHARE = "share of right answers"


@register
class AnswersView(View):
    """Accuracy of a generated task by what its answers and its sequences differ in, over seeds."""

    listed = ANSWERS
    question = "Which answers of a generated task are right: over how far, and how long?"
    many = True
    options = (
        Option(
            name="set",
            label="Task",
            choices=lambda scope: list(_tasks(scope)),
            default=lambda scope: next(iter(_tasks(scope)), ""),
            help="An evaluation set of the run's study that a task generated",
        ),
    )

    def available(self, scope: Scope) -> str | None:
        """It needs a study that is judged on a generated task, and the counts of its runs."""
        if not _tasks(scope):
            return "the run is judged on no generated task; name one under data.evaluation"
        if not any(_answers(scope, "run")):
            return "no run of the variant has counted its answers: its last validation is not there"
        return None

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of every complete run of the variants, at the end of training."""
        name = options["set"]
        task = _tasks(scope)[name]
        rows = pd.DataFrame([row for role in scope.all_roles for row in _answers(scope, role)])
        own = rows[rows["set"] == name]
        whole = _whole(rows)
        panels = (
            _by(scope, own[own["table"] == "along"], f"Right answers by {task.axis}", task.axis, task),
            _by(scope, own[own["table"] == "length"], "Right answers by length", task.length_axis, task),
            _all_sets(scope, whole),
        )
        n = int(own.loc[own["table"] == "along"].groupby("run_id")["answers"].sum().max())
        return Result(
            view=self.name,
            title=f"{self.title}: {name}",
            question=self.question,
            panels=tuple(panel for panel in panels if panel is not None),
            source=scope.source(seeds=own, detail=f"{n:,} answers of {task.title}"),
            answers=tuple(_sentences(scope, whole[whole["set"] == name], name, task)),
            notes=(
                "An answer is right if it has the highest logit of the whole vocabulary, the sequence before "
                "it being given. Exact: the share of sequences of which every answer is right. Of many "
                "distances neighbours are joined, at their mean. Sequences are the same for all runs: "
                "intervals (95 %, Student's t) cover seeds, and are drawn as far as a share can be.",
                f"Chance, {number(task.chance)}: who knows the task's rules and guesses. Defined in "
                f"{task.paper}.",
            ),
            tables={"answers of every run": rows[[*_RUN, "set", "table", "x", "answers", "right"]]},
        )


def _tasks(scope: Scope) -> dict[str, GeneratedTask]:
    """The evaluation sets of the run that tasks generated, by name."""
    sets = scope.record().config["data"].get("evaluation", [])
    found = {one["name"]: task_of(one["corpus"]) for one in sets}
    return {name: task for name, task in found.items() if task is not None}


def _answers(scope: Scope, role: str) -> Iterator[dict[str, object]]:
    """A row for each run of the role, set, table and group: ``x``, ``answers``, how many are ``right``."""
    ids = set(scope.seeds(role)["run_id"])
    runs = scope.study(role).runs
    for run in runs[runs["run_id"].isin(ids)].sort_values("seed").itertuples():
        counted = getattr(run, "answers", None)
        if not isinstance(counted, dict):
            continue
        shared = {"role": role, "series": scope.series[role], "seed": run.seed, "run_id": run.run_id}
        for name, tables in counted.items():
            for table, columns in tables.items():
                frame = pd.DataFrame(columns)
                for row in frame.to_dict("records"):
                    yield shared | {"set": name, "table": table, **row}


def _whole(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy and exact matches of each run on each set."""
    by_length = rows[rows["table"] == "length"]
    sums = by_length.groupby([*_RUN, "set"], sort=False)[["answers", "right", "sequences", "exact"]].sum()
    found = sums.reset_index()
    return found.assign(accuracy=found["right"] / found["answers"], exact=found["exact"] / found["sequences"])


def _by(scope: Scope, rows: pd.DataFrame, title: str, x: str, task: GeneratedTask) -> Lines | None:
    """Accuracy along one axis; None where all answers stand at one place of it."""
    if rows["x"].nunique() < 2:
        return None
    shown = rows.assign(y=rows["right"] / rows["answers"])
    return Lines(
        title=title,
        data=_within(spread(run_first(scope, shown), "y", ["series", "x"])),
        x=x,
        y=_SHARE,
        colours=scope.colours,
        rules=(Rule(at=task.chance, label="chance"),),
        seeds=shown[["series", "seed", "x", "y"]],
    )


def _all_sets(scope: Scope, whole: pd.DataFrame) -> Panel:
    """Accuracy and exact matches on every set: one row each."""
    parts = []
    for column, words in (("accuracy", ""), ("exact", ", exact")):
        parts.append(whole.assign(category=whole["set"] + words, value=whole[column]))
    shown = run_first(scope, pd.concat(parts, ignore_index=True))
    return Dots(
        title="Every task",
        data=_within(spread(shown, "value", ["category", "series"])),
        x=_SHARE,
        colours=scope.colours,
        seeds=shown[["category", "value", "series", "seed"]],
    )


def _within(shares: pd.DataFrame) -> pd.DataFrame:
    """Intervals of shares, drawn from 0 to 1: with two seeds they reach far beyond."""
    ends = [name for name in ("low", "high") if name in shares]
    return shares.assign(**{name: shares[name].clip(0, 1) for name in ends})


def _sentences(scope: Scope, own: pd.DataFrame, name: str, task: GeneratedTask) -> Iterator[str]:
    for series in scope.series.values():
        mine = own[own["series"] == series]
        if mine.empty:
            yield f"{series}: no run has counted its answers of {name}."
            continue
        yield (
            f"{series}: {mean_in_words(mine['accuracy'])} of the answers of {name} are right (chance "
            f"{number(task.chance)}), and {mean_in_words(mine['exact'])} of its sequences as a whole."
        )
    yield from difference_sentences(scope, own, "accuracy", "the share of right ones")
