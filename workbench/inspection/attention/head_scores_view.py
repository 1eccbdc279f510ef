"""Which kinds of heads a run has, and how far that depends on the seed."""

import pandas as pd

from workbench.inspection.attention.head_kinds import (
    ATTENDED,
    KINDS,
    TEXT_IN_CELLS,
    Kind,
    chance_of,
    of_run,
    reference_lines,
    run_statistics,
    scores_of,
    threshold,
    usual_score,
)
from workbench.inspection.listed_views import HEAD_SCORES, PROMPT_ATTENTION
from workbench.inspection.panels import Dots, Heatmap, Leads, Lines, Panel, Result, Rule, under
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
from workbench.numbers import number, plural


@register
class HeadScores(View):
    """Scores by layer and head; the sorted scores of all seeds; one number per run, paired by seed."""

    listed = HEAD_SCORES
    question = "Which kinds of heads are there, and is that stable over seeds?"
    tables = ("heads",)
    many = True
    options = (
        Option(
            name="score",
            label="Score",
            choices=lambda _: list(KINDS),
            default=usual_score,
            help="Kind of head; first the induction heads, or where there are none, what differs most",
        ),
        Option(
            name="threshold",
            label="Threshold",
            kind="number",
            default="0.3",
            help="Heads above it are counted",
        ),
    )

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of each run's last checkpoint; raises ``UserError`` for a threshold that is no number."""
        kind, least = KINDS[options["score"]], threshold(options["threshold"])
        table = at_the_end(scope.table("heads"))
        heads = scores_of(table, options["score"])
        rules = reference_lines(table, options["score"], least)
        runs = run_statistics(heads, least)
        return Result(
            view=self.name,
            title=f"{self.title}: {kind.label}",
            question=self.question,
            panels=(
                *under("Sorted scores", _sorted(scope, heads, kind, rules)),
                *under("Every head", _map(scope, heads, kind, least)),
                *_statistics(scope, runs, kind, rules, least),
            ),
            source=scope.source(seeds=heads, detail=f"{int(heads['n'].max())} sequences per head"),
            answers=tuple(_answers(scope, table, heads, runs, kind, least, options["score"])),
            notes=(
                f"Measured as {kind.measured}. Chance is what uniform attention gives on the same tokens.",
                "Layers and heads count from 0. A head has no identity across runs: compare sorted scores or "
                "one number per run. Intervals: 95 %, Student's t over runs.",
            ),
            tables={"scores of every head and seed": heads, "statistics of every run": runs},
        )


def _map(scope: Scope, heads: pd.DataFrame, kind: Kind, least: float) -> Heatmap:
    data = pd.concat([of_run(scope, role, heads) for role in scope.roles], ignore_index=True)
    data = data.rename(columns={"layer": "y", "head": "x"})[["series", "seed", "y", "x", "value"]]
    if data["x"].max() < TEXT_IN_CELLS:
        data["text"] = [number(value) if pd.notna(value) else "" for value in data["value"]]
    top = max(float(data["value"].max()), least)
    return Heatmap(
        title="Every head of the chosen run" + "s" * (len(scope.roles) - 1),
        data=data,
        x="head",
        y="layer",
        value=kind.label,
        domain=(0.0, top) if data["value"].min() >= 0 and top > 0 else None,
        facet="series" if len(scope.roles) > 1 else None,
        leads=_to_maps(scope, heads, scope.roles, ("series", "y", "x")),
    )


def _to_maps(scope: Scope, heads: pd.DataFrame, roles: tuple[str, ...], by: tuple[str, ...]) -> Leads | None:
    """From the heads of the roles' own runs, as far as these have weights, to their maps: by ``x`` and ``y``.

    In a map a head is its number ``x`` in the layer ``y``, in sorted scores its rank ``x`` in the run.
    """
    parts = []
    for role in roles:
        run = scope.directory(role)
        if not run.weights.exists():
            continue
        own = heads[(heads["role"] == role) & (heads["run_id"] == run.run_id)]
        own = own.dropna(subset="value").sort_values("value", ascending=False)
        names = [f"layer {row.layer} head {row.head}, {number(row.value)}" for row in own.itertuples()]
        rows = own[["series", "layer", "head"]].assign(label=names, **scope.opened_on(role))
        rows["x"] = own["head"] if "y" in by else range(1, len(own) + 1)
        rows["y"] = own["layer"]
        parts.append(rows)
    if not parts:
        return None
    rows = pd.concat(parts, ignore_index=True)
    return Leads(view=PROMPT_ATTENTION, what="head", by=by, options=("layer", "head"), rows=rows)


def _sorted(scope: Scope, heads: pd.DataFrame, kind: Kind, rules: tuple[Rule, ...]) -> Lines:
    ranked = heads.dropna(subset="value").sort_values("value", ascending=False)
    ranked = ranked.assign(x=ranked.groupby(["role", "run_id"]).cumcount() + 1).rename(columns={"value": "y"})
    data = spread(run_first(scope, ranked.sort_values("x")), "y", ["series", "x"])
    return Lines(
        title="Heads sorted by their score: mean over seeds, each seed thin",
        data=data,
        x="rank of the head",
        y=kind.label,
        colours=scope.colours,
        rules=rules,
        seeds=ranked[["x", "y", "series", "seed", "layer", "head"]],
        leads=_to_maps(scope, heads, scope.all_roles, ("series", "x")),
    )


def _statistics(
    scope: Scope, runs: pd.DataFrame, kind: Kind, rules: tuple[Rule, ...], least: float
) -> list[Panel]:
    scores = {"strongest": "strongest head", "three": "mean of the three strongest"}
    title = "One number per run"
    dots = _dots(scope, runs, scores, title=title, x=kind.label, rules=rules)
    return [
        *under(title, dots, _counts(scope, runs, least)),
        *under("Differences", _differences(scope, runs, scores, kind)),
    ]


def _dots(
    scope: Scope, runs: pd.DataFrame, names: dict[str, str], *, title: str, x: str, rules: tuple[Rule, ...]
) -> Dots:
    single = runs.melt(["series", "seed"], list(names), "category", "value").replace({"category": names})
    return Dots(
        title=title,
        data=spread(single, "value", ["category", "series"]),
        x=x,
        colours=scope.colours,
        rules=tuple(Rule(at=rule.at, label=rule.label, axis="x") for rule in rules),
        seeds=single[["category", "value", "series", "seed"]],
    )


def _counts(scope: Scope, runs: pd.DataFrame, least: float) -> Dots:
    """Means without intervals: a few small whole numbers are nothing for a t interval."""
    single = runs.assign(category=f"heads from {least:g} on").rename(columns={"above": "value"})
    return Dots(
        title="How many heads",
        data=spread(single, "value", ["category", "series"])[["category", "series", "value", "seeds"]],
        x="number of heads",
        colours=scope.colours,
        seeds=single[["category", "value", "series", "seed"]],
    )


def _differences(scope: Scope, runs: pd.DataFrame, names: dict[str, str], kind: Kind) -> Dots | None:
    found = [differences(scope, runs, name) for name in names]
    single = pd.concat(
        [one.rows.assign(category=label) for one, label in zip(found, names.values(), strict=True)],
        ignore_index=True,
    )
    if single.empty:
        return None
    return Dots(
        title="Difference, paired by seed",
        data=spread(single, "value", ["category", "series"]),
        x=f"{found[0].name}: {kind.label}" if scope.others else f"difference of the {kind.label}",
        colours=found[0].colours,
        rules=(Rule(at=0.0, label="no difference", axis="x"),),
        seeds=single,
    )


def _answers(
    scope: Scope,
    table: pd.DataFrame,
    heads: pd.DataFrame,
    runs: pd.DataFrame,
    kind: Kind,
    least: float,
    score: str,
) -> list[str]:
    chance = chance_of(table, score)
    sentences = [_strongest(scope, role, heads, runs, kind, least, chance) for role in scope.all_roles]
    if score in ATTENDED and chance is not None and runs["strongest"].max() <= 2 * chance:
        sentences.append(
            "No head of any run has twice what uniform attention gives: there are none of this kind."
        )
    sentences += difference_sentences(scope, runs, "strongest", f"the {kind.most}'s score")
    return sentences + (_fixed_offset(scope, table) if score in ("induction", "induction_fixed") else [])


def _strongest(
    scope: Scope,
    role: str,
    heads: pd.DataFrame,
    runs: pd.DataFrame,
    kind: Kind,
    least: float,
    chance: float | None,
) -> str:
    own, mine = of_run(scope, role, heads).dropna(subset="value"), runs[runs["role"] == role]
    if own.empty:
        return f"{scope.series[role]}: no head's window reaches what is scored."
    best = own.loc[own["value"].idxmax()]
    beside = f" (chance {number(chance)})" if chance is not None else ""
    return (
        f"{scope.series[role]}: {kind.most} is layer {best['layer']} head {best['head']} with "
        f"{number(best['value'])}{beside}. Over {plural(len(mine), 'seed')} the strongest of a run has "
        f"{mean_in_words(mine['strongest'])}; {_counted(mine['above'])} {least:g}."
    )


def _counted(above: pd.Series) -> str:
    low, high = int(above.min()), int(above.max())
    if low < high:
        return f"{low} to {high} heads reach"
    return "1 head reaches" if low == 1 else f"{low} heads reach"


def _fixed_offset(scope: Scope, table: pd.DataFrame) -> list[str]:
    """What the fixed period says beside the random ones: it cannot tell induction from a fixed offset."""
    sentences = []
    for role in scope.all_roles:
        own = table[table["role"] == role]
        best = [
            scores_of(own, score).groupby("run_id")["value"].max().mean()
            for score in ("induction", "induction_fixed")
        ]
        if best[1] > 0.2 and best[0] < best[1] / 2:
            sentences.append(
                f"{scope.series[role]}: at one fixed period the strongest head scores {number(best[1])}, at "
                f"random periods {number(best[0])}: it looks a fixed number of tokens back, not for an "
                f"earlier copy."
            )
    return sentences
