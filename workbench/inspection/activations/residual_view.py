"""What norms remove and keep, how the residual stream grows, which channels and values stand out."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from workbench.errors import UserError
from workbench.inspection.activations.layer_lines import (
    at_last_layer,
    factor_in_words,
    lines_by_layer,
    of_metric,
    sentences_by_layer,
)
from workbench.inspection.activations.residual import EMBEDDING, FIRST
from workbench.inspection.panels import Panel, Result, Rule, under
from workbench.inspection.scope import Scope
from workbench.inspection.seed_spread import at_the_end, percent_in_words
from workbench.inspection.views import Option, View, register
from workbench.numbers import number, plural

MASSIVE = 1000.0  # times the median of its layer, and above 100: Sun et al. 2024
LARGE = 100.0
_FEW = 2  # panels that a page shows below each other
_INPUTS = ("attention_norm_input_mean_share", "feedforward_norm_input_mean_share")


@dataclass(frozen=True)
class Quantity:
    """Metrics that are shown together (each with its title and axis), and how they are measured."""

    metrics: dict[str, tuple[str, str]]
    leading: str  # the metric that is described in words
    what: str  # and what it is called there
    note: str
    extra: Callable[[Scope, str, pd.DataFrame], str | None] = lambda scope, role, table: None
    first: bool = True  # whether first tokens are measured apart

    def part_of(self, metric: str) -> str:
        """Where a page shows a metric: where there are many by itself, under what tells it from others."""
        if len(self.metrics) <= _FEW:
            return ""
        title, _ = self.metrics[metric]
        return title.rpartition(": ")[2].capitalize() if ": " in title else title


def _sides(ending: str, title: str, y: str) -> dict[str, tuple[str, str]]:
    names = {"attention": "attention norm", "feedforward": "feed-forward norm"}
    return {
        f"{part}_norm_{side}_{ending}": (f"{title}: {side} of the {name}", y)
        for side in ("input", "output")
        for part, name in names.items()
    }


def _growth(scope: Scope, role: str, table: pd.DataFrame) -> str | None:
    own = of_metric(table[table["role"] == role], "rms")
    ends = [own[own["layer"] == EMBEDDING], at_last_layer(own)]
    start, end = (rows.set_index("run_id")["value"] for rows in ends)
    return (
        f"{scope.series[role]}: from the embedding ({factor_in_words(start)}) to the last layer the stream "
        f"changes its size {factor_in_words(end / start)} times (geometric mean, {plural(len(end), 'seed')})."
    )


def _removed(scope: Scope, role: str, table: pd.DataFrame) -> str | None:
    own = table[(table["role"] == role) & table["metric"].isin(_INPUTS)]
    runs = own.groupby("run_id")["value"].mean()
    config = scope.model(role)
    does = {"layernorm": "its LayerNorms take that away", "rmsnorm": "its RMSNorms keep it"}
    verdict = does.get(config.norm.name, f"its norm ({config.norm.name}) takes no mean away")
    return (
        f"{scope.series[role]}: what reaches the norms has {percent_in_words(runs)} of its squared size "
        f"along the vector of ones (mean over layers, {plural(len(runs), 'seed')}; a random direction "
        f"{number(100 / config.width)} %). {_sentence(verdict)}: apart from its bias, all that LayerNorm "
        f"does beyond RMSNorm is to remove this part."
    )


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _outliers(scope: Scope, role: str, table: pd.DataFrame) -> str | None:
    own = of_metric(table[table["role"] == role], "kurtosis")
    means = own.groupby("layer")["value"].mean()
    width = scope.record(role).config["model"]["width"]
    return (
        f"{scope.series[role]}: channels differ most in size at {_layer(means.idxmax())}, with a kurtosis of "
        f"{number(means.max())} (1: all equal; {width}: one channel has everything)."
    )


def _massive(scope: Scope, role: str, table: pd.DataFrame) -> str | None:
    parts = []
    for name, ending in (("the first tokens", FIRST), ("the others", "")):
        means = of_metric(table[table["role"] == role], f"massive_ratio{ending}").groupby("layer")["value"]
        if len(means):
            top = means.mean()
            parts.append(
                f"{number(top.max())} times the median in {name} "
                f"({_layer(top.idxmax())}){_flag(table, role, ending)}"
            )
    return f"{scope.series[role]}: the largest value of a window is up to {' and '.join(parts)}."


def _flag(table: pd.DataFrame, role: str, ending: str) -> str:
    wide = table[table["role"] == role].pivot_table(index="layer", columns="metric", values="value")
    massive = (wide[f"massive_ratio{ending}"] >= MASSIVE) & (wide[f"largest_1{ending}"] > LARGE)
    return ", massive by Sun et al.'s rule" if massive.any() else ""


def _layer(layer: int) -> str:
    return "the embedding" if layer == EMBEDDING else f"layer {layer}"


def _sizes(names: dict[str, str], title: str, y: str) -> dict[str, tuple[str, str]]:
    return {metric: (f"{title}: {name}", y) for metric, name in names.items()}


QUANTITIES = {
    "size of the stream": Quantity(
        {"rms": ("Size of the residual stream after each layer", "root mean square")},
        leading="rms",
        what="the stream's root mean square",
        note="Root mean square over channels, mean over tokens.",
        extra=_growth,
    ),
    "mean component": Quantity(
        _sides("mean_share", "Mean component", "share of the squared size"),
        leading="feedforward_norm_input_mean_share",
        what="the mean component before the feed-forward norm",
        note="The share of a vector's squared size that lies along the vector of ones: D mean(x)^2 / |x|^2, "
        "mean over tokens. LayerNorm removes it from its input, then its bias may put some back; RMSNorm "
        "keeps it.",
        extra=_removed,
    ),
    "size at the norms": Quantity(
        _sides("rms", "Size", "root mean square"),
        leading="feedforward_norm_input_rms",
        what="the root mean square before the feed-forward norm",
        note="Root mean square over channels, mean over tokens.",
    ),
    "mean at the norms": Quantity(
        _sides("mean", "Mean", "mean over channels"),
        leading="feedforward_norm_input_mean",
        what="the mean before the feed-forward norm",
        note="Mean over channels and tokens; means of opposite sign cancel, so see the mean component as "
        "well.",
    ),
    "size of the updates": Quantity(
        _sizes(
            {"attention_update": "attention", "feedforward_update": "feed-forward"},
            "Update relative to the stream",
            "size over that of the stream",
        ),
        leading="feedforward_update",
        what="the feed-forward update relative to the stream",
        note="Root mean square of what a part adds (after its output norm, where it has one) over that of "
        "the "
        "stream that it is added to.",
    ),
    "outlier channels": Quantity(
        {
            "kurtosis": ("Kurtosis of the channels' sizes", "kurtosis (1: all equal)"),
            "channel_ratio": ("Largest channel over the median channel", "ratio"),
        },
        leading="kurtosis",
        what="the kurtosis of the channels' sizes",
        note="A channel's size is its root mean square over tokens.",
        extra=_outliers,
    ),
    "massive activations": Quantity(
        {"massive_ratio": ("Largest value over the median of a window", "largest |x| over median |x|")}
        | _sizes(
            {
                "largest_1": "largest",
                "largest_2": "second largest",
                "largest_3": "third largest",
                "median": "median",
            },
            "Values of the stream in a window",
            "|x|",
        ),
        leading="massive_ratio",
        what="the largest value over the median",
        note="Over tokens and channels of a window, mean over windows. Sun et al. 2024 call a value massive "
        "if "
        "it exceeds 100 and about 1,000 times the median of its layer; small models rarely reach either.",
        extra=_massive,
    ),
    "norm weights": Quantity(
        {
            f"{part}_norm_gain_{key}": (f"{word} of the {name} norm's weights", f"{word.lower()} of |weight|")
            for part, name in (("attention", "attention"), ("feedforward", "feed-forward"))
            for key, word in (("mean", "Mean"), ("sd", "Spread"))
        },
        leading="feedforward_norm_gain_mean",
        what="the mean absolute weight of the feed-forward norm",
        note="Over the channels of each norm; a norm without weights has no line.",
        first=False,
    ),
}


@register
class Residual(View):
    """Lines by layer over all seeds, the windows' first tokens apart."""

    name = "residual"
    title = "Norms and the residual stream"
    question = "What does each norm see, remove and keep, and do a few channels or values stand out?"
    page = "activations"
    tables = ("residual",)
    many = True
    options = (
        Option(
            name="quantity",
            label="Quantity",
            choices=lambda _: list(QUANTITIES),
            default=next(iter(QUANTITIES)),
            help="Mean component: what LayerNorm removes and RMSNorm keeps",
        ),
    )

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of each run's last checkpoint."""
        quantity = QUANTITIES[options["quantity"]]
        table = at_the_end(scope.table("residual"))
        shown = table[table["metric"].isin([*quantity.metrics, *_firsts(quantity)])]
        if shown.empty:
            raise UserError(f"quantity: these runs have no {options['quantity']}; choose another quantity")
        panels = tuple(_panels(scope, shown, quantity, options["quantity"]))
        return Result(
            view=self.name,
            title=f"{self.title}: {options['quantity']}",
            question=self.question,
            panels=panels,
            source=scope.source(seeds=shown, detail=f"n up to {int(shown['n'].max()):,}"),
            answers=tuple(_answers(scope, table, quantity)),
            notes=(
                f"{quantity.note} Measured on windows of validation text.",
                *(
                    ["Each window's first token is drawn apart, paler: many models use it as a sink."]
                    * quantity.first
                ),
                "Bands are 95 % t intervals over seeds, on logarithmic axes of logarithms. Layers count from "
                "0.",
            ),
            tables={
                "every run": shown[["series", "seed", "run_id", "layer", "metric", "value", "n"]],
            },
        )


def _firsts(quantity: Quantity) -> list[str]:
    return [f"{metric}{FIRST}" for metric in quantity.metrics] if quantity.first else []


def _panels(scope: Scope, table: pd.DataFrame, quantity: Quantity, name: str) -> list[Panel]:
    rules = _chance(scope) if name == "mean component" else ()
    found: list[Panel] = []
    for metric, (title, y) in quantity.metrics.items():
        first = f"{metric}{FIRST}" if quantity.first else None
        if (table["metric"] == metric).any():
            panel = lines_by_layer(scope, table, metric, title=title, y=y, first=first, rules=rules)
            found += under(quantity.part_of(metric), panel)
    return found


def _chance(scope: Scope) -> tuple[Rule, ...]:
    widths = sorted({scope.record(role).config["model"]["width"] for role in scope.all_roles})
    return tuple(Rule(at=1 / width, label=f"random direction, width {width}") for width in widths)


def _answers(scope: Scope, table: pd.DataFrame, quantity: Quantity) -> list[str]:
    extra = [quantity.extra(scope, role, table) for role in scope.all_roles]
    sentences = sentences_by_layer(scope, table, quantity.leading, quantity.what)
    return [sentence for sentence in extra if sentence] + sentences
