"""Loss by position in the window, and how much context a model uses within its training length."""

import pandas as pd

from workbench.errors import UserError
from workbench.inspection.listed_views import POSITION_LOSS
from workbench.inspection.panels import Lines, Result, Rule, under
from workbench.inspection.position.extrapolation_view import RUN, changes, in_nats
from workbench.inspection.scope import Scope
from workbench.inspection.seed_spread import (
    at_the_end,
    difference_sentences,
    differences,
    mean_in_words,
    run_first,
    spread,
)
from workbench.inspection.views import Option, View, register
from workbench.numbers import plural


@register
class PositionLoss(View):
    """Loss by the tokens seen, the difference of two variants by position, and the benefit of context."""

    listed = POSITION_LOSS
    question = "How much context does the model use within its training length?"
    tables = ("position_loss",)
    more_tables = ("extrapolation",)
    many = True
    options = (
        Option(
            name="epsilon",
            label="Epsilon in nats",
            kind="number",
            default="0.02",
            help="Effective context: the shortest that loses less than this against the training length",
        ),
    )

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of each run's last checkpoint; raises ``UserError`` for an epsilon that is no number."""
        epsilon = in_nats(options["epsilon"], "epsilon")
        table = at_the_end(scope.table("position_loss"))
        benefit = _benefit(scope)
        panels = (
            *under("By position", _by_position(scope, table), _differences(scope, table)),
            *under("Shorter contexts", _benefit_panel(scope, benefit, epsilon)),
        )
        return Result(
            view=self.name,
            title=self.title,
            question=self.question,
            panels=panels,
            source=scope.source(seeds=table, detail=f"{_windows(table)} windows of validation text"),
            answers=tuple(_answers(scope, table, benefit, epsilon)),
            notes=_notes(benefit),
            tables={"loss of every run by position": table[[*RUN, "x", "value", "n"]]},
        )


def _notes(benefit: pd.DataFrame) -> tuple[str, ...]:
    notes = [
        "Position is the number of tokens seen before the target, in windows that begin anywhere in the "
        "text: it is no place in a document. From 8 tokens on positions share bins, four to an octave.",
        "Bands are 95 % t intervals over seeds, thin lines seeds. Other positions have other targets, and "
        "seeds do not cover that: bumps that all curves share are the text's. Compare variants at a "
        "position; what a longer context gains is told by the same targets.",
        "Benefit of context: the same targets read with shorter windows of c tokens, each of which counts "
        "its last half. The effective context is one of the lengths measured, so it is an upper bound.",
    ]
    if benefit.empty:
        notes[2] = "The benefit of context was not measured, or the text is shorter than the context."
    return tuple(notes)


def _windows(table: pd.DataFrame) -> int:
    return int(table["n"].min())


def _benefit(scope: Scope) -> pd.DataFrame:
    """Changes of the loss on the same targets at contexts up to L; empty where they were not measured."""
    try:
        table = at_the_end(scope.table("extrapolation"))
    except UserError:
        return pd.DataFrame(columns=[*RUN, "x", "scale", "value", "change"])
    found = changes(scope, table, "tail")
    return found[found["scale"] <= 1]


def effective_context(benefit: pd.DataFrame, epsilon: float) -> pd.DataFrame:
    """For each run ``value``: the shortest context from which on the loss is within ``epsilon`` of L's."""
    rows = []
    for key, run in benefit.sort_values("x").groupby(RUN, sort=False):
        short = run.loc[run["change"] >= epsilon, "x"]  # of a bumpy curve the last such context counts
        enough = run.loc[run["x"] > short.max(), "x"] if len(short) else run["x"]
        # With an epsilon of 0 not even L itself is below: it is the longest there is.
        value = float(enough.min()) if len(enough) else float(run["x"].max())
        rows.append(dict(zip(RUN, key, strict=True)) | {"value": value, "length": float(run["x"].max())})
    return pd.DataFrame(rows, columns=[*RUN, "value", "length"])


def _by_position(scope: Scope, table: pd.DataFrame) -> Lines:
    own = table.rename(columns={"value": "y"})
    return Lines(
        title="Loss by position",
        data=spread(run_first(scope, own), "y", ["series", "x"]),
        x="tokens seen",
        y="loss (nats)",
        log_x=True,
        colours=scope.colours,
        named_at_ends=True,
        seeds=own[["series", "seed", "x", "y"]],
    )


def _differences(scope: Scope, table: pd.DataFrame) -> Lines | None:
    found = differences(scope, table, "value", by="x")
    if found.rows.empty:
        return None
    single = found.rows.rename(columns={"value": "y"})
    return Lines(
        title="Difference by position, paired by seed",
        data=spread(single.sort_values("x", kind="stable"), "y", ["series", "x"]),
        x="tokens seen",
        y=f"{found.name} (nats)",
        log_x=True,
        colours=found.colours,
        named_at_ends=True,
        rules=(Rule(at=0.0, label="no difference"),),
        seeds=single[["series", "seed", "x", "y"]],
    )


def _benefit_panel(scope: Scope, benefit: pd.DataFrame, epsilon: float) -> Lines | None:
    if benefit.empty:
        return None
    own = benefit.rename(columns={"change": "y"})
    return Lines(
        title="What shorter contexts cost, on the same targets",
        data=spread(run_first(scope, own), "y", ["series", "x"]),
        x="context c in tokens",
        y="loss minus loss at L (nats)",
        log_x=True,
        colours=scope.colours,
        rules=(Rule(at=epsilon, label=f"epsilon {epsilon:g}"),),
        seeds=own[["series", "seed", "x", "y"]],
    )


def _answers(scope: Scope, table: pd.DataFrame, benefit: pd.DataFrame, epsilon: float) -> list[str]:
    late, effective = _second_half(table), effective_context(benefit, epsilon)
    sentences = [_of_variant(table, late, role, scope.series[role]) for role in scope.all_roles]
    sentences += [
        _effective(benefit, effective, role, scope.series[role], epsilon) for role in scope.all_roles
    ]
    sentences += difference_sentences(scope, late, "value", "the loss in the window's second half", " nats")
    return [sentence for sentence in sentences if sentence]


def _second_half(table: pd.DataFrame) -> pd.DataFrame:
    """Per run ``value``, the mean loss of targets in the second half of the window."""
    late = table[table["x"] > table["x"].max() / 2]
    late = late.assign(total=late["value"] * late["n"])
    sums = late.groupby(RUN, sort=False)[["total", "n"]].sum().reset_index()
    return sums.assign(value=sums["total"] / sums["n"])


def _of_variant(table: pd.DataFrame, late: pd.DataFrame, role: str, name: str) -> str:
    own, half = table[table["role"] == role], late.loc[late["role"] == role, "value"]
    first = own.loc[own["x"] == own["x"].min(), "value"]
    return (
        f"{name}: after one token the loss is {mean_in_words(first)} nats, in the second half of the window "
        f"{mean_in_words(half)} ({plural(len(half), 'seed')})."
    )


def _effective(benefit: pd.DataFrame, effective: pd.DataFrame, role: str, name: str, epsilon: float) -> str:
    own, shorter = effective[effective["role"] == role], benefit[benefit["role"] == role]
    if own.empty:
        return ""
    least, middle = shorter["x"].min(), own["value"].median()
    low, high, length = own["value"].min(), own["value"].max(), own["length"].max()
    found = f"{middle:.0f}{' or less' if middle == least else ''}"
    found += "" if low == high else f" (seeds: {low:.0f} to {high:.0f})"
    cost = shorter.loc[shorter["x"] == least, "change"]
    return (
        f"{name}: effective context {found} of {length:.0f} tokens, the shortest measured that loses less "
        f"than {epsilon:g} nats; with {least:.0f} tokens the loss of the same targets changes by "
        f"{mean_in_words(cost, sign=True)} nats ({plural(len(own), 'seed')})."
    )
