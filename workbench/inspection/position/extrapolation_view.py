"""Whether a model generalises beyond its training length, by a rule that is stated, with its foils beside it.

After Press et al. 2022 (arXiv 2108.12409). The unit is the run: the change of its loss against its own loss
at the training length L, on the same targets.
"""

import math

import pandas as pd

from workbench.analysis.statistics import mean_interval
from workbench.errors import UserError
from workbench.inspection.listed_views import EXTRAPOLATION, LENGTH_MAPS
from workbench.inspection.panels import Dots, Leads, Lines, Panel, Result, Rule, under
from workbench.inspection.scope import Scope
from workbench.inspection.seed_spread import (
    at_the_end,
    difference_sentence,
    differences,
    mean_in_words,
    one_variant,
    paired_difference,
    run_first,
    spread,
)
from workbench.inspection.views import Option, View, register
from workbench.numbers import plural

MEASURES = {
    "tail": "loss of the same targets",
    "full": "mean loss over the whole window",
    "nonoverlapping": "mean loss over non-overlapping windows",
}
LENGTHS = ("1.25", "1.5", "2", "4", "8")
SUPPORTED, REFUTED, OPEN = "supported", "refuted", "not enough seeds"
RUN = ["role", "series", "seed", "run_id"]
_FOIL = (
    "This measure is a foil. In longer windows a smaller part of the tokens has little context, so it falls "
    "with length even for a model that ignores what is far away{}. Claims are judged on the same targets "
    "('tail')."
)
_OTHER_TARGETS = {"full": ", and it scores other tokens at each length"}


@register
class Extrapolation(View):
    """Change of the loss against c / L over seeds, the claims' verdicts, and the losses themselves."""

    listed = EXTRAPOLATION
    question = "Does the model generalise beyond its training length, and does it use more context?"
    tables = ("extrapolation",)
    many = True
    options = (
        Option(
            name="measure",
            label="Measure",
            choices=lambda _: list(MEASURES),
            words=MEASURES,
            default="tail",
            help="Claims are judged by the loss of the same targets at every length (tail); the other two "
            "show what usual measures suggest",
        ),
        Option(
            name="length",
            label="Claim at",
            choices=lambda _: list(LENGTHS),
            default="2",
            help="Times the training length at which the claims are judged",
        ),
        Option(
            name="margin",
            label="Margin in nats",
            kind="number",
            default="0.02",
            help="A loss that rises by less still counts as generalising",
        ),
    )

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of each run's last checkpoint; raises ``UserError`` for a margin that is no number."""
        measure, scale, margin = options["measure"], float(options["length"]), in_nats(options["margin"])
        table = at_the_end(scope.table("extrapolation"))
        if not (table["metric"] == measure).any():
            raise UserError(f"measure: the text is too short for {measure!r} of these runs; choose another")
        tail, shown = changes(scope, table, "tail"), changes(scope, table, measure)
        panels = (
            *under("Change of the loss", _change_panel(scope, shown, measure, margin)),
            *under("Differences", _difference_panel(scope, shown, measure)),
            *under("Losses", _losses_panel(scope, table, measure)),
        )
        return Result(
            view=self.name,
            title=f"{self.title}: {MEASURES[measure]}",
            question=self.question,
            panels=panels,
            source=scope.source(seeds=table, detail=f"{_targets(table, measure)} targets of validation text"),
            answers=tuple(_answers(scope, tail, shown, measure, scale, margin)),
            notes=_notes(margin),
            tables={"loss of every run": table[[*RUN, "metric", "x", "value", "n"]]},
        )


def _notes(margin: float) -> tuple[str, ...]:
    return (
        "Same targets: the last L/2 tokens of each text are scored with contexts of c tokens that end there, "
        "so that nothing but the length of the context differs. Text is the same for all runs: intervals "
        "(95 %, Student's t) cover seeds, not the choice of text.",
        f"'Generalises to s x' is supported if the upper end of the interval of the change is below "
        f"{margin:g} nats, refuted if the lower end is not. 'Uses longer context' takes 0 instead. Anything "
        f"between, and a single seed: {OPEN}.",
    )


def in_nats(text: str, name: str = "margin") -> float:
    """The number in ``text``; raises ``UserError`` if it is none from 0 on."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise UserError(f"{name}: {text!r} is no number of nats from 0 on; write for example 0.02")
    return value


def training_length(scope: Scope, role: str) -> int:
    """The context L that the run was trained with."""
    return int(scope.record(role).config["model"]["context"])


def changes(scope: Scope, table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Columns ``role, series, seed, run_id, x, scale, value, change``; ``scale`` is c / L, ``value`` a loss.

    ``change`` is the loss minus that of the same run at L. Runs without a value at L are left out.
    """
    own = table[table["metric"] == metric]
    lengths = {role: float(training_length(scope, role)) for role in scope.all_roles}
    own = own.assign(length=own["role"].map(lengths).astype(float))  # also of a table without rows
    base = own[own["x"] == own["length"]][["role", "run_id", "value"]]
    found = own.merge(base, on=["role", "run_id"], suffixes=("", "_base"))
    found = found.assign(scale=found["x"] / found["length"], change=found["value"] - found["value_base"])
    return found[[*RUN, "x", "scale", "value", "change"]].sort_values("x", kind="stable")


def verdict(values: list[float], limit: float) -> str:
    """What the seeds' ``values`` say of the claim that their mean is below ``limit``."""
    interval = mean_interval(values)
    if interval is None:
        return OPEN
    if interval.high < limit:
        return SUPPORTED
    return REFUTED if interval.low >= limit else OPEN


def reach(own: pd.DataFrame, margin: float) -> float:
    """The largest c / L up to which every measured context is ``SUPPORTED``; 1 if the next one is not."""
    found = 1.0
    for scale, group in own[own["scale"] > 1].groupby("scale"):
        if verdict(group["change"].tolist(), margin) != SUPPORTED:
            break
        found = float(scale)
    return found


def _targets(table: pd.DataFrame, measure: str) -> str:
    counts = table.loc[table["metric"] == measure, "n"]
    least, most = int(counts.min()), int(counts.max())
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _change_panel(scope: Scope, shown: pd.DataFrame, measure: str, margin: float) -> Lines | None:
    if not (shown["scale"] >= 1).any():
        return None
    own = shown.rename(columns={"change": "y"}).drop(columns=["x", "value"]).rename(columns={"scale": "x"})
    return Lines(
        title="Change of the loss with the length of the context",
        data=spread(run_first(scope, own), "y", ["series", "x"]),
        x="context / training length L",
        y="loss minus loss at L (nats)",
        log_x=True,
        colours=scope.colours,
        named_at_ends=True,
        rules=(*_limits(margin), *_trained(scope, 1.0)),
        seeds=own[["series", "seed", "x", "y"]],
        note="" if measure == "tail" else "A foil: see above.",
        leads=_to_maps(scope, shown.assign(length=shown["x"], x=shown["scale"])),
    )


def _to_maps(scope: Scope, points: pd.DataFrame) -> Leads | None:
    """From the points of each variant, at ``x`` of ``length`` tokens, to what a run of it reads there."""
    from workbench.inspection.position.length_maps_view import has_maps  # with torch

    parts = []
    for role in scope.all_roles:
        if not scope.directory(role).weights.exists():
            continue
        own = points.loc[points["role"] == role, ["series", "x", "length"]].drop_duplicates()
        own = own[[has_maps(scope.model(role), int(length)) for length in own["length"]]]
        own = own.sort_values("length", ascending=False)
        lengths = [f"{length:.0f}" for length in own["length"]]
        names = [f"{int(length):,} tokens" for length in lengths]
        parts.append(own.assign(length=lengths, label=names, **scope.opened_on(role)))
    if not parts:
        return None
    rows = pd.concat(parts, ignore_index=True)
    return Leads(view=LENGTH_MAPS, what="context", by=("series", "x"), options=("length",), rows=rows)


def _trained(scope: Scope, at: float | None = None) -> tuple[Rule, ...]:
    """Where training ended, in tokens or ``at``; one line, if all were trained with one length."""
    lengths = {training_length(scope, role) for role in scope.all_roles}
    if len(lengths) > 1:
        return (Rule(at=at, label="training length", axis="x"),) if at is not None else ()
    (length,) = lengths
    where = float(length) if at is None else at
    return (Rule(at=where, label=f"training length, {length:,} tokens", axis="x"),)


def _limits(margin: float) -> tuple[Rule, ...]:
    """What the two claims are judged by; one line if they are judged by the same."""
    if margin == 0:
        return (Rule(at=0.0, label="no change, and margin"),)
    return (Rule(at=0.0, label=""), Rule(at=margin, label=f"margin {margin:g}"))


def _difference_panel(scope: Scope, shown: pd.DataFrame, measure: str) -> Dots | None:
    """The changes of the runs against each other, paired by seed, at every length that both have."""
    found = differences(scope, shown[shown["scale"] > 1], "change", by="scale")
    if found.rows.empty:
        return None
    single = found.rows.sort_values("scale", kind="stable")
    single = single.assign(category=[f"{scale:g} x L" for scale in single["scale"]]).drop(columns="scale")
    return Dots(
        title="Difference of the changes, paired by seed",
        data=spread(single, "value", ["category", "series"]),
        x=f"{found.name}: change of the loss (nats)",
        colours=found.colours,
        rules=(Rule(at=0.0, label="no difference", axis="x"),),
        seeds=single,
    )


def _losses_panel(scope: Scope, table: pd.DataFrame, measure: str) -> Panel:
    own = table[table["metric"] == measure].rename(columns={"value": "y"}).sort_values("x", kind="stable")
    return Lines(
        title="Loss at each context",
        data=spread(run_first(scope, own), "y", ["series", "x"]),
        x="context in tokens",
        y=f"{MEASURES[measure]} (nats)",
        log_x=True,
        colours=scope.colours,
        named_at_ends=True,
        rules=_trained(scope),
        seeds=own[["series", "seed", "x", "y"]],
        leads=_to_maps(scope, own.assign(length=own["x"])),
    )


def _answers(
    scope: Scope, tail: pd.DataFrame, shown: pd.DataFrame, measure: str, scale: float, margin: float
) -> list[str]:
    sentences = [] if measure == "tail" else [_FOIL.format(_OTHER_TARGETS.get(measure, ""))]
    for role in scope.all_roles:
        sentences.append(_of_variant(scope, role, tail, scale, margin))
        if measure != "tail":
            sentences.append(_beside(scope, role, tail, shown, scale))
    sentences += [_paired(scope, tail, scale, role) for role in scope.compared]
    return [sentence for sentence in sentences if sentence]


def _of_variant(scope: Scope, role: str, tail: pd.DataFrame, scale: float, margin: float) -> str:
    own, name = tail[tail["role"] == role], scope.series[role]
    if not (own["scale"] > 1).any():
        return _undefined(scope, role)
    at = _at(own, scale)
    claims = f"no text is long enough to judge {scale:g} x"
    if at:
        claims = (
            f"'generalises to {scale:g} x': {verdict(at, margin)}; 'uses longer context' ({scale:g} x): "
            f"{verdict(at, 0.0)} (change {mean_in_words(at, sign=True)} nats, {plural(len(at), 'seed')})"
        )
    return f"{name}: {_how_far(own, training_length(scope, role), margin)}; {claims}."


def _how_far(own: pd.DataFrame, length: int, margin: float) -> str:
    """How far each measured context is within the margin, and what the next one is."""
    if own.groupby("scale").size().max() < 2:
        return "one seed has no interval, so how far it generalises stays open"
    far = reach(own, margin)
    trained = f"its training length of {length:,} tokens"
    claim = f"generalises to {far:g} x {trained} ({mean_in_words(_at(own, far), sign=True)} nats)"
    if far == 1:
        claim = f"is not shown to generalise beyond {trained}"
    further = own.loc[own["scale"] > far, "scale"]
    if further.empty:
        return f"{claim}, the longest context measured"
    change = mean_in_words(_at(own, further.min()), sign=True)
    return f"{claim}; at {further.min():g} x the loss changes by {change}"


def _undefined(scope: Scope, role: str) -> str:
    name, config = scope.series[role], scope.model(role)
    limit = config.positions.build(config).limit
    if limit is None:
        return f"{name}: the validation text is too short for contexts beyond the training length."
    return (
        f"{name}: positions beyond the training length are not defined ({config.positions.name} has a table "
        f"of {limit:,}), so neither claim has a value."
    )


def _beside(scope: Scope, role: str, tail: pd.DataFrame, shown: pd.DataFrame, scale: float) -> str:
    foil, honest = (_at(table[table["role"] == role], scale) for table in (shown, tail))
    if not foil or not honest:
        return ""
    return (
        f"{scope.series[role]} at {scale:g} x: by this measure the loss changes by "
        f"{mean_in_words(foil, sign=True)} nats, on the same targets by {mean_in_words(honest, sign=True)}."
    )


def _paired(scope: Scope, tail: pd.DataFrame, scale: float, role: str) -> str:
    at = tail[tail["scale"] == scale]
    lacking = [scope.series[one] for one in (role, "against") if one not in set(at["role"])]
    if lacking and not (role == "run" and one_variant(scope)):
        if role != "run":
            return ""  # that it has none is said already
        return f"There is no difference at {scale:g} x: {' and '.join(lacking)} has no value there."
    comparison = paired_difference(scope, at, "change", role) if len(at) else None
    return difference_sentence(scope, comparison, f"the change of the loss at {scale:g} x", " nats", role)


def _at(own: pd.DataFrame, scale: float) -> list[float]:
    return own.loc[own["scale"] == scale, "change"].dropna().tolist()
