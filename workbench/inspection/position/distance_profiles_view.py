"""How far heads look, beside what the position code alone would have them do."""

import math

import pandas as pd
import torch
from torch import Tensor

from workbench.analysis.colours import BASELINE_COLOUR
from workbench.analysis.contrast import paler
from workbench.inspection.attention.head_kinds import TEXT_IN_CELLS, of_run, scores_of
from workbench.inspection.attention.shape import relative_distance
from workbench.inspection.listed_views import DISTANCE_PROFILES
from workbench.inspection.panels import Heatmap, Lines, Panel, Result
from workbench.inspection.position.distance import attention_of_bias, binned, profile_of_bias, score_of_bias
from workbench.inspection.scope import Scope
from workbench.inspection.seed_spread import (
    at_the_end,
    difference_sentences,
    mean_in_words,
    run_first,
    spread,
)
from workbench.inspection.views import Option, View, register
from workbench.model.config import ModelConfig
from workbench.numbers import number, plural

ALL = "all"
QUANTITIES = {
    "probability": "mean attention",
    "score": "mean score before the softmax",
}
UNIFORM = "uniform attention"
_PALE = 0.35  # how far the colour of theory is from its run's to white
_KEYS = ["role", "series", "seed", "run_id"]
_NO_THEORY = pd.DataFrame(
    {"role": "", "layer": 0, "head": 0, "ghost": "", "x": 0.0, "value": 0.0}, index=range(0)
)


def _layers(scope: Scope) -> list[str]:
    return [ALL, *map(str, range(_config(scope, "run").layers))]


@register
class DistanceProfiles(View):
    """Mean attention, or score, by distance: per layer over seeds, or per head of the chosen runs."""

    listed = DISTANCE_PROFILES
    question = "How far does each head look, and is it the position code or learned?"
    tables = ("profiles", "heads")
    many = True
    options = (
        Option(name="layer", label="Layer", choices=_layers, default=ALL, help="One layer shows its heads"),
        Option(
            name="quantity",
            label="Quantity",
            choices=lambda _: list(QUANTITIES),
            default="probability",
            words=QUANTITIES,
        ),
    )

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of each run's last checkpoint."""
        quantity, layer = options["quantity"], options["layer"]
        table = at_the_end(scope.table("profiles"))
        table = table[table["metric"] == quantity].astype({"layer": int, "head": int})
        theory = pd.concat(
            [_theory(scope, role, table, quantity) for role in scope.all_roles], ignore_index=True
        )
        distances = scores_of(at_the_end(scope.table("heads")), "distance")
        if layer == ALL:
            profiles: list[Panel] = [_by_layer(scope, table, theory, quantity)]
        else:
            profiles = [_by_head(scope, role, table, theory, quantity, int(layer)) for role in scope.roles]
        return Result(
            view=self.name,
            title=self.title,
            question=self.question,
            panels=(*(panel for panel in profiles if len(panel.data)), _distances(scope, distances)),
            source=scope.source(seeds=table, detail="windows of validation text"),
            answers=tuple(_answers(scope, distances)),
            notes=_notes(quantity, theory),
            tables={"profile of every head and seed": table[[*_KEYS, "layer", "head", "x", "value", "n"]]},
        )


def _config(scope: Scope, role: str) -> ModelConfig:
    return scope.model(role)


def _notes(quantity: str, theory: pd.DataFrame) -> tuple[str, ...]:
    notes = [
        "Each value is a mean over the queries that reach the distance. Beyond 64 tokens distances share "
        "bins, four to an octave. Distance 0, the token itself, has no place on a logarithmic axis: it is in "
        "the table.",
        "Layers and heads count from 0. Bands are 95 % t intervals over seeds.",
    ]
    if (theory["ghost"] != UNIFORM).any():
        shifted = ", shifted to the same mean: the softmax sees no constant" if quantity == "score" else ""
        notes.append(f"Dashed: what the position code's bias would do by itself{shifted}.")
    elif quantity == "probability":
        notes.append("Dashed: attention spread evenly over all keys in reach.")
    return tuple(notes)


def _by_layer(scope: Scope, table: pd.DataFrame, theory: pd.DataFrame, quantity: str) -> Lines:
    """One axes per layer: the mean over its heads does not depend on their order."""
    runs = table.groupby([*_KEYS, "layer", "x"], sort=False)["value"].mean().reset_index()
    data = spread(run_first(scope, runs), "value", ["layer", "series", "x"])
    ghosts = theory.groupby(["role", "layer", "ghost", "x"], sort=False)["value"].mean().reset_index()
    # Uniform attention is the same for all runs wherever their windows are.
    ghosts = ghosts.drop_duplicates(["layer", "ghost", "x"]).rename(columns={"ghost": "series"})
    return _lines(
        pd.concat([data, ghosts[["layer", "series", "x", "value"]]], ignore_index=True),
        facet="layer",
        title="Mean over the heads of each layer",
        quantity=quantity,
        colours=scope.colours | _theory_colours(scope, theory),
        ghosts=frozenset(ghosts["series"]),
    )


def _theory_colours(scope: Scope, theory: pd.DataFrame) -> dict[str, str]:
    """What a code would do by itself in the colour of its run, paler; uniform attention is nobody's."""
    found = {}
    for role, ghost in theory[["role", "ghost"]].drop_duplicates().itertuples(index=False):
        colour = scope.colours[scope.series[role]]
        if ghost != UNIFORM and colour != BASELINE_COLOUR:
            found[ghost] = paler(colour, _PALE)
    return found


def _by_head(
    scope: Scope, role: str, table: pd.DataFrame, theory: pd.DataFrame, quantity: str, layer: int
) -> Lines:
    """One axes per head of one run."""
    own = table[(table["run_id"] == scope.directory(role).run_id) & (table["role"] == role)]
    own = own[own["layer"] == layer]
    ghosts = theory[(theory["role"] == role) & (theory["layer"] == layer)]
    data = pd.concat([own, ghosts.assign(series=ghosts["ghost"])], ignore_index=True)
    return _lines(
        data[["head", "series", "x", "value"]],
        facet="head",
        title=f"Heads of layer {layer}: {scope.series[role]}, seed {scope.record(role).seed}",
        quantity=quantity,
        colours=scope.colours | _theory_colours(scope, ghosts),
        ghosts=frozenset(ghosts["ghost"]),
    )


def _lines(
    data: pd.DataFrame,
    *,
    facet: str,
    title: str,
    quantity: str,
    colours: dict[str, str],
    ghosts: frozenset[str],
) -> Lines:
    data = data[data["x"] > 0].rename(columns={"value": "y"}).sort_values([facet, "x"], kind="stable")
    data[facet] = [f"{facet} {number:.0f}" for number in data[facet]]
    return Lines(
        title=title,
        data=data,
        x="distance in tokens",
        y=QUANTITIES[quantity],
        log_x=True,
        colours=colours,
        ghosts=ghosts,
        facet=facet,
    )


def _distances(scope: Scope, distances: pd.DataFrame) -> Heatmap:
    chosen = [of_run(scope, role, distances) for role in scope.roles]
    data = pd.concat(chosen, ignore_index=True).rename(columns={"layer": "y", "head": "x"})
    data = data[["series", "seed", "y", "x", "value"]]
    if data["x"].max() < TEXT_IN_CELLS:
        data = data.assign(text=[number(value) if pd.notna(value) else "" for value in data["value"]])
    return Heatmap(
        title="Mean distance of every head, 1 for uniform attention",
        data=data,
        x="head",
        y="layer",
        value="distance / uniform",
        domain=(0.0, max(1.0, float(data["value"].max()))),
        facet="series" if len(scope.roles) > 1 else None,
    )


def _theory(scope: Scope, role: str, table: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Columns ``role, layer, head, ghost, x, value``; uniform attention where the code adds no bias."""
    config, own = _config(scope, role), of_run(scope, role, table)
    length = _length(own, config.context)
    bias = _bias(scope, role, length)
    if bias is None and quantity == "score":
        return _NO_THEORY
    ghost = UNIFORM if bias is None else f"{config.positions.name} by itself{_whose(scope, role)}"
    if bias is None:
        bias = torch.zeros(config.heads, length, length)
    frames = []
    for layer, window in enumerate(config.layer_windows):
        expected = profile_of_bias(bias, window) if quantity == "probability" else score_of_bias(bias, window)
        frames.append(_curves(expected, window).assign(layer=layer))
    found = pd.concat(frames, ignore_index=True).assign(role=role, ghost=ghost)
    return found if quantity == "probability" else _shifted(found, own)


def _whose(scope: Scope, role: str) -> str:
    names = [_config(scope, one).positions.name for one in scope.all_roles]
    return f" ({scope.series[role]})" if names.count(_config(scope, role).positions.name) > 1 else ""


def _curves(by_distance: Tensor, window: int | None) -> pd.DataFrame:
    x, values, _ = binned(by_distance, window)  # (K,), (H, K)
    heads = range(len(values))
    return pd.concat(
        [pd.DataFrame({"head": head, "x": x.numpy(), "value": values[head].numpy()}) for head in heads]
    )


def _shifted(theory: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    """Theory with each head's measured mean score."""
    both = own[["layer", "head", "x", "value", "n"]].merge(theory, on=["layer", "head", "x"])
    both["gap"] = (both["value_x"] - both["value_y"]) * both["n"]
    sums = both.groupby(["layer", "head"])[["gap", "n"]].sum()
    shift = (sums["gap"] / sums["n"]).rename("shift").reset_index()
    theory = theory.merge(shift, on=["layer", "head"], how="left")
    return theory.assign(value=theory["value"] + theory["shift"]).drop(columns="shift")


def _length(own: pd.DataFrame, context: int) -> int:
    """Tokens of the windows that were measured: one query less of each reaches distance 1 than distance 0."""
    pairs = own.drop_duplicates("x").set_index("x")["n"]
    if not {0.0, 1.0} <= set(pairs.index):
        return context
    return round(pairs[0.0] / (pairs[0.0] - pairs[1.0]))


def _bias(scope: Scope, role: str, length: int) -> Tensor | None:
    """The position code's own ``(H, T, T)``; None if it has none, or a learned one without weights."""
    config, place = _config(scope, role), torch.arange(length)
    positions = config.positions.build(config)
    with torch.no_grad():
        if positions.bias(place, place) is None or not any(True for _ in positions.parameters()):
            return positions.bias(place, place)
        if not scope.directory(role).weights.exists():
            return None
        return scope.subject(role).decoder.positions.bias(place, place)


def _answers(scope: Scope, distances: pd.DataFrame) -> list[str]:
    runs = distances.groupby(_KEYS, sort=False)["value"].mean().reset_index()
    sentences = [_how_far(scope, role, distances, runs) for role in scope.all_roles]
    return sentences + difference_sentences(scope, runs, "value", "the mean relative distance")


def _how_far(scope: Scope, role: str, distances: pd.DataFrame, runs: pd.DataFrame) -> str:
    mine, own = runs[runs["role"] == role], of_run(scope, role, distances).dropna(subset="value")
    if own.empty:
        return f"{scope.series[role]}: every head sees its own token only."
    near, far = own.loc[own["value"].idxmin()], own.loc[own["value"].idxmax()]
    return (
        f"{scope.series[role]}: heads look {mean_in_words(mine['value'])} times as far as uniform attention "
        f"(mean over heads, {plural(len(mine), 'seed')}); in the chosen run from {number(near['value'])} "
        f"(layer {near['layer']} head {near['head']}) to {number(far['value'])} (layer {far['layer']} head "
        f"{far['head']}){_by_itself(scope, role)}."
    )


def _by_itself(scope: Scope, role: str) -> str:
    config = _config(scope, role)
    bias = _bias(scope, role, config.context)
    if bias is None:
        return ""
    values = [
        float(relative_distance(attention_of_bias(bias, window), window).mean())
        for window in config.layer_windows
    ]
    known = [value for value in values if math.isfinite(value)]
    return f"; {config.positions.name} by itself gives {number(sum(known) / len(known))}" if known else ""
