"""What norms remove and keep, how the residual stream grows, which channels and values stand out."""

import pandas as pd

from workbench.errors import UserError
from workbench.inspection.activations.layer_lines import (
    at_last_layer,
    factor_in_words,
    lines_by_layer,
    of_metric,
    sentences_by_layer,
)
from workbench.inspection.activations.residual_words import EMBEDDING, FIRST, QUANTITIES, Quantity
from workbench.inspection.listed_views import RESIDUAL
from workbench.inspection.panels import Panel, Result, Rule, under
from workbench.inspection.scope import Scope
from workbench.inspection.seed_spread import at_the_end, percent_in_words
from workbench.inspection.views import Option, View, register
from workbench.numbers import number, plural

MASSIVE = 1000.0  # times the median of its layer, and above 100: Sun et al. 2024
LARGE = 100.0
_INPUTS = ("attention_norm_input_mean_share", "feedforward_norm_input_mean_share")


def _growth(scope: Scope, role: str, table: pd.DataFrame) -> str:
    own = of_metric(table[table["role"] == role], "rms")
    ends = [own[own["layer"] == EMBEDDING], at_last_layer(own)]
    start, end = (rows.set_index("run_id")["value"] for rows in ends)
    return (
        f"{scope.series[role]}: from the embedding ({factor_in_words(start)}) to the last layer the stream "
        f"changes its size {factor_in_words(end / start)} times (geometric mean, {plural(len(end), 'seed')})."
    )


def _removed(scope: Scope, role: str, table: pd.DataFrame) -> str:
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


def _outliers(scope: Scope, role: str, table: pd.DataFrame) -> str:
    own = of_metric(table[table["role"] == role], "kurtosis")
    means = own.groupby("layer")["value"].mean()
    width = scope.record(role).config["model"]["width"]
    return (
        f"{scope.series[role]}: channels differ most in size at {_layer(means.idxmax())}, with a kurtosis of "
        f"{number(means.max())} (1: all equal; {width}: one channel has everything)."
    )


def _massive(scope: Scope, role: str, table: pd.DataFrame) -> str:
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


# What is said of some of them in more words, of each series.
_ANSWERS = {
    "size of the stream": _growth,
    "mean component": _removed,
    "outlier channels": _outliers,
    "massive activations": _massive,
}


@register
class Residual(View):
    """Lines by layer over all seeds, the windows' first tokens apart."""

    listed = RESIDUAL
    question = "What does each norm see, remove and keep, and do a few channels or values stand out?"
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
            answers=tuple(_answers(scope, table, quantity, options["quantity"])),
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


def _answers(scope: Scope, table: pd.DataFrame, quantity: Quantity, name: str) -> list[str]:
    own = _ANSWERS.get(name)
    answers = [own(scope, role, table) for role in scope.all_roles] if own else []
    return answers + sentences_by_layer(scope, table, quantity.leading, quantity.what)
