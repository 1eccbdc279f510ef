"""How many units of the feed-forward networks act, and what their activations see."""

import pandas as pd

from workbench.inspection.activations.feedforward_activity import SILENT
from workbench.inspection.activations.feedforward_words import LINES, PARTS, VALUES
from workbench.inspection.activations.layer_lines import lines_by_layer, of_metric, sentences_by_layer
from workbench.inspection.listed_views import FEEDFORWARD
from workbench.inspection.panels import Lines, Panel, Result, under
from workbench.inspection.scope import Scope
from workbench.inspection.seed_spread import (
    at_the_end,
    difference_sentences,
    percent_in_words,
    run_first,
    spread,
)
from workbench.inspection.views import Option, View, register
from workbench.model.config import ModelConfig
from workbench.model.parts.feedforward import GatedFeedForward, PlainFeedForward
from workbench.numbers import number, plural

HISTOGRAMS = {
    "before": "before the activation (of a gated network: the gate)",
    "after": "after the activation (of a gated network: the gate's)",
}


@register
class FeedForwardUnits(View):
    """Shares by layer over all seeds; histograms by layer, the curve over thresholds."""

    listed = FEEDFORWARD
    question = "How many units act on a token, does any never act, and what does a gate change?"
    tables = ("feedforward",)
    many = True
    options = (
        Option(
            name="histogram",
            label="Histogram",
            choices=lambda _: list(HISTOGRAMS),
            words=HISTOGRAMS,
            default="before",
            help="Of the values before the activation, or after it; of a gated network its gate's",
        ),
    )

    def available(self, scope: Scope) -> str | None:
        """A network of one's own may have no units that could be counted."""
        for role in scope.roles:
            network = _network(scope, role).feedforward
            if not issubclass(network.component, GatedFeedForward | PlainFeedForward):
                return f"the network {network.name} is neither gated nor plain: it has no known units"
        return None

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of each run's last checkpoint."""
        table = at_the_end(scope.table("feedforward"))
        tokens = int(table.loc[table["metric"] == "silent", "n"].max())
        return Result(
            view=self.name,
            title=self.title,
            question=self.question,
            panels=(
                *_shares(scope, table),
                *under(VALUES, _histogram(scope, table, options["histogram"])),
                *under("Thresholds", _thresholds(scope, table)),
            ),
            source=scope.source(seeds=table, detail=f"{tokens:,} tokens of validation text"),
            answers=tuple(_answers(scope, table, tokens)),
            notes=tuple(_notes(scope, tokens)),
            tables={
                "every run": table[["series", "seed", "run_id", "layer", "x", "metric", "value", "n"]],
            },
        )


def _network(scope: Scope, role: str) -> ModelConfig:
    return scope.model(role)


def _histogram(scope: Scope, table: pd.DataFrame, which: str) -> Lines:
    return _by_x(
        scope,
        of_metric(table, which),
        title=f"Values {HISTOGRAMS[which]}",
        x="value, in root mean squares of the layer",
        y="share of the values",
        note="The outermost bins hold everything beyond them.",
    )


def _thresholds(scope: Scope, table: pd.DataFrame) -> Lines:
    """Percent on a logarithmic axis: each network's values stand at their own scale."""
    rows = of_metric(table, "below")
    return _by_x(
        scope,
        rows.assign(x=100 * rows["x"], value=1 - rows["value"]),
        title="Active by threshold",
        x="threshold (% of the layer's largest hidden value)",
        y="share of values that reach it",
        log_x=True,
    )


def _by_x(
    scope: Scope, rows: pd.DataFrame, *, title: str, x: str, y: str, note: str = "", log_x: bool = False
) -> Lines:
    """An axes per layer."""
    rows = run_first(scope, rows.sort_values(["layer", "x"])).rename(columns={"value": "y"})
    data = spread(rows, "y", ["layer", "series", "x"]).sort_values("layer", kind="stable")
    return Lines(
        title=title,
        data=data.assign(layer=[f"layer {layer}" for layer in data["layer"]]),
        x=x,
        y=y,
        log_x=log_x,
        colours=scope.colours,
        facet="layer",
        note=note,
    )


def _shares(scope: Scope, table: pd.DataFrame) -> list[Panel]:
    panels: list[Panel] = []
    for metric, (title, y, note) in LINES.items():
        if (table["metric"] == metric).any():
            panel = lines_by_layer(scope, table, metric, title=title, y=y, note=note, log=False)
            panels += under(PARTS[metric], panel)
    return panels


def _notes(scope: Scope, tokens: int) -> list[str]:
    notes = [
        f"Measured on {tokens:,} tokens: a unit that no token of these woke may act on rarer ones, so that "
        "dead "
        f"and silent units are upper bounds. Reference values (largest, root mean square) are each layer's "
        "own.",
        "Layers count from 0. Bands are 95 % t intervals over seeds.",
    ]
    configs = [_network(scope, role) for role in scope.all_roles]
    if len({config.feedforward.name for config in configs}) > 1:
        widths = " and ".join(
            dict.fromkeys(
                f"{config.feedforward.name} {config.feedforward_width:,} units" for config in configs
            )
        )
        notes.insert(
            0,
            f"Different networks ({widths}): compare shares, not numbers. A gated network's hidden value "
            "is a product, so that a threshold on it does not mean what it means for a plain one.",
        )
    return notes


def _answers(scope: Scope, table: pd.DataFrame, tokens: int) -> list[str]:
    sentences = [_activity(scope, role, table, tokens) for role in scope.all_roles]
    sentences += sentences_by_layer(scope, table, "effective_rank_share", "the effective rank's share")
    return sentences + _compared(scope, table)


def _activity(scope: Scope, role: str, table: pd.DataFrame, tokens: int) -> str:
    own = table[table["role"] == role]
    reach = own[(own["metric"] == "below") & (own["x"] == SILENT)]
    shares = 1 - reach.groupby("run_id")["value"].mean()
    parts = [
        f"{scope.series[role]} ({_network(scope, role).feedforward.name}): {percent_in_words(shares)} of the "
        f"hidden values reach 1 % of their layer's largest (mean over layers, {plural(len(shares), 'seed')})"
    ]
    active = of_metric(own, "active").groupby("run_id")["value"].mean()
    if len(active):
        parts.append(f"a token activates {percent_in_words(active)} of the units")
    parts.append(_never(own, tokens))
    return "; ".join(parts) + "."


def _never(own: pd.DataFrame, tokens: int) -> str:
    exact = bool((own["metric"] == "dead").any())
    means = of_metric(own, "dead" if exact else "silent").groupby("layer")["value"].mean()
    least = "above 0" if exact else "above that 1 %"
    if means.max() == 0:
        return f"every unit is {least} on some of the {tokens:,} tokens"
    return (
        f"units that are never {least} on the {tokens:,} tokens are most frequent in layer {means.idxmax()}: "
        f"{number(100 * means.max())} % of its units (mean over seeds)"
    )


def _compared(scope: Scope, table: pd.DataFrame) -> list[str]:
    """The paired difference in active values, by the rule that every network has."""
    below = of_metric(table, "below")
    reach = below[below["x"] == SILENT].assign(value=lambda rows: 100 * (1 - rows["value"]))
    runs = reach.groupby(["role", "seed", "run_id"])["value"].mean().reset_index()
    what = "the share of values that reach 1 % (mean over layers)"
    return difference_sentences(scope, runs, "value", what, " percentage points")
