"""Which frequencies of rotary positions are used, and what the loss is without them."""

from dataclasses import replace
from typing import Literal

import pandas as pd

from workbench.inspection.listed_views import ROPE_BANDS
from workbench.inspection.panels import Dots, Heatmap, Lines, Panel, Result, Rule, under
from workbench.inspection.position.bands import MEASURES
from workbench.inspection.position.picture_bands import REMOVALS, WINDOWS, BandReading
from workbench.inspection.probe import LONGEST
from workbench.inspection.scope import Scope
from workbench.inspection.seed_spread import spread
from workbench.inspection.views import Option, View, register
from workbench.model.config import ModelConfig
from workbench.model.parts.rotary import Rotary

ALL = "all"
QUANTITIES = {
    "query_norm": "mean norm of the queries",
    "key_norm": "mean norm of the keys",
    "contribution": "contribution to attended scores",
}
CELLS = 4500  # of a map, at most: the dashboard's charts take 5,000 marks
_QUICK = 2e10  # floating-point operations that nobody has to wait for
_PASSES = 4  # for halves: each half, all, none


def _config(scope: Scope, role: str = "run") -> ModelConfig:
    return scope.model(role)


def _rotates(scope: Scope, role: str) -> bool:
    return isinstance(_config(scope, role).positions, Rotary.Config)


def _layers(scope: Scope) -> list[str]:
    return [ALL, *map(str, range(_config(scope).layers))]


def _removal(scope: Scope) -> str:
    """Halves are left out unasked only where that is quick."""
    config = _config(scope)
    tokens = WINDOWS * min(config.context, LONGEST) * len(scope.roles)
    work = 2.0 * config.num_parameters() * tokens * _PASSES
    return "halves" if work <= _QUICK else "none"


@register
class RopeBands(View):
    """Norms and contributions by head and frequency, wavelengths, and the loss without some of them."""

    listed = ROPE_BANDS
    question = "Which frequencies does rotary attention use, and what do they do for the loss?"
    live = True
    many = True
    options = (
        Option(name="layer", label="Layer", choices=_layers, default=ALL, help="One layer shows its heads"),
        Option(
            name="quantity",
            label="Quantity",
            choices=lambda _: list(QUANTITIES),
            default="query_norm",
            words=QUANTITIES,
        ),
        Option(
            name="remove",
            label="Rotation left out",
            choices=lambda _: list(REMOVALS),
            words={"halves": "of each half of the frequencies", "octaves": "octave by octave"},
            default=_removal,
            help="Sets frequencies to 0 and measures the loss. Each group costs a pass over the text: halves "
            "four, octaves about ten; two seconds each for 10 million parameters on a CPU",
        ),
    )

    def available(self, scope: Scope) -> str | None:
        """It needs rotary positions."""
        if _rotates(scope, "run"):
            return None
        name = _config(scope).positions.name
        return f"the run's positions are {name}, which has no frequencies to look at; choose a run with rope"

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of the runs' final weights on windows of validation text."""
        left_out = [] if all(_rotates(scope, role) for role in scope.roles) else [_no_bands(scope)]
        scope = replace(scope, against=None) if left_out else scope
        read = [BandReading(scope, role, options["remove"]) for role in scope.roles]
        beside = [BandReading(scope, role, "none") for role in scope.other_roles]
        layer, quantity = options["layer"], options["quantity"]
        removal = _losses(scope, read)
        drawn = [one for one in read if layer == ALL or int(layer) < one.decoder.config.layers]
        left_out += [f"{one.name} has no layer {layer}." for one in read if one not in drawn]
        return Result(
            view=self.name,
            title=f"{self.title}: {QUANTITIES[quantity]}",
            question=self.question,
            panels=(
                *under("By frequency", *_maps(drawn, layer, quantity)),
                *under(
                    "Wavelengths",
                    _by_wavelength(drawn, layer, quantity),
                    _wavelengths(scope, [*read, *beside]),
                ),
                *under("Without rotation", *removal),
            ),
            source=scope.source(detail=" and ".join(dict.fromkeys(one.shown for one in read))),
            answers=(*_answers(read, beside), *left_out),
            notes=_notes(read, removal),
            tables={"every head and band": pd.concat([one.table for one in read], ignore_index=True)}
            | ({"loss of every window": pd.concat([one.losses for one in read])} if removal else {}),
        )


def _answers(read: list[BandReading], beside: list[BandReading]) -> list[str]:
    """All that is measured of the runs that are looked at; of those beside them how often bands turn."""
    sentences = [sentence for one in read for sentence in one.answers()]
    return sentences + [one.turns() for one in beside]


def _no_bands(scope: Scope) -> str:
    other = _config(scope, "against").positions.name
    return f"{scope.series['against']} is left out: its positions are {other}, which has no frequencies."


def _per_row(one: BandReading, layer: str) -> tuple[pd.DataFrame, str]:
    """The table with ``row``, and what rows are: heads as far as a chart can take them, else layers."""
    table = one.table
    if layer != ALL:
        chosen = table[table["layer"] == int(layer)]
        return chosen.assign(row=[f"head {head}" for head in chosen["head"]]), "head"
    if len(table) <= CELLS:
        rows = [f"{i}.{j}" for i, j in zip(table["layer"], table["head"], strict=True)]
        return table.assign(row=rows), "layer.head"
    return _layer_means(table), "layer (mean over heads)"


def _layer_means(table: pd.DataFrame) -> pd.DataFrame:
    keys = ["series", "layer", "band"]
    columns = [*MEASURES, "wavelength", "turns"]
    found = table.groupby(keys, sort=False)[columns].mean().reset_index()
    return found.assign(row=[f"layer {layer}" for layer in found["layer"]])


def _maps(read: list[BandReading], layer: str, quantity: str) -> list[Heatmap]:
    """A map per run, on one scale: the runs' frequencies may differ."""
    rows = [_per_row(one, layer) for one in read]
    top = max(float(table[quantity].abs().max()) for table, _ in rows) or 1.0
    return [_map(one, table, what, quantity, top) for one, (table, what) in zip(read, rows, strict=True)]


def _map(one: BandReading, table: pd.DataFrame, rows: str, quantity: str, top: float) -> Heatmap:
    signed, labels = quantity == "contribution", one.labels
    data = table.assign(x=[labels[band] for band in table["band"]], y=table["row"], value=table[quantity])
    still = " 'still': dimensions that do not rotate, per pair of them in norms." if one.bands.still else ""
    return Heatmap(
        title=f"{one.name}: {QUANTITIES[quantity]} by frequency",
        data=data[["y", "x", "value", "wavelength", "turns"]],
        x="tokens per turn, from fast to slow",
        y=rows,
        value=QUANTITIES[quantity],
        diverging=signed,
        domain=(-top if signed else 0.0, top),
        note=f"Bands marked '> L' never complete a turn within L = {one.context:,} tokens.{still}",
    )


def _by_wavelength(read: list[BandReading], layer: str, quantity: str) -> Lines:
    """Rotating bands against their wavelength: layers, or the heads of one."""
    frames = [_layer_means(one.table) if layer == ALL else _per_row(one, layer)[0] for one in read]
    data = pd.concat(frames, ignore_index=True).dropna(subset="wavelength")
    data = data.assign(run=data["series"], series=data["row"], x=data["wavelength"], y=data[quantity])
    return Lines(
        title="Mean over the heads of each layer" if layer == ALL else f"Heads of layer {layer}",
        data=data[["x", "y", "series", "run", "turns"]],
        x="tokens per turn",
        y=QUANTITIES[quantity],
        log_x=True,
        ordinal=True,
        rules=_contexts(read, "x"),
        facet="run" if len(read) > 1 else None,
    )


def _wavelengths(scope: Scope, read: list[BandReading]) -> Lines:
    frames = [
        pd.DataFrame({"x": range(len(one.bands)), "y": one.bands.wavelengths.tolist()}).assign(
            series=one.name
        )
        for one in read
    ]
    return Lines(
        title="Wavelength of each band",
        data=pd.concat(frames, ignore_index=True),
        x="band",
        y="tokens per turn",
        log_y=True,
        colours=scope.colours,
        rules=_contexts(read, "y"),
        note="Bands above the line do not complete a turn within the context.",
    )


def _contexts(read: list[BandReading], axis: Literal["x", "y"]) -> tuple[Rule, ...]:
    lengths = dict.fromkeys(one.context for one in read)
    return tuple(Rule(at=float(length), label=f"context {length:,}", axis=axis) for length in lengths)


def _losses(scope: Scope, read: list[BandReading]) -> tuple[Panel, ...]:
    if read[0].losses is None:
        return ()
    single = pd.concat([one.losses for one in read], ignore_index=True)
    single = single.rename(columns={"group": "category", "difference": "value"})
    panel = Dots(
        title="Loss without the rotation of a group of bands",
        data=spread(single, "value", ["category", "series"]).rename(columns={"seeds": "windows"}),
        x="change of the loss (nats per token)",
        colours=scope.colours,
        rules=(Rule(at=0.0, label="no change", axis="x"),),
        note=f"Mean and 95 % t interval over {len(read[0].text)} windows of text, for one run each: not over "
        f"seeds.",
    )
    return (panel,)


def _notes(read: list[BandReading], removal: tuple[Panel, ...]) -> tuple[str, ...]:
    notes = [
        "A norm bounds what a band can add to a score; it does not say that the band adds it. The "
        "contribution does: a band's part of the scores of attended keys minus its part for keys in reach, "
        "evenly weighted.",
        "Layers, heads and bands count from 0. These are single runs, so what two of them differ by includes "
        "their seeds.",
    ]
    if removal:
        notes.append(
            "A group without rotation has frequency 0: its dimensions still count, but not their positions. "
            "The weights were trained with rotation, so a higher loss says that this run relies on it, not "
            "that a model trained without it would be worse."
        )
    if any(one.decoder.config.positions.scaling == "dynamic_ntk" for one in read):
        notes.append("With dynamic_ntk frequencies depend on the length: these are those of the windows.")
    return tuple(notes)
