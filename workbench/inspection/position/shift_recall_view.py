"""Two live tests of position: what a shift changes, and what can be recalled over how far."""

import math
from collections.abc import Iterable
from typing import cast

import pandas as pd
from torch import Tensor

from workbench.errors import UserError
from workbench.inspection.attention.repeats import usual_tokens
from workbench.inspection.listed_views import POSITION_SHIFT, RECALL
from workbench.inspection.measuring import probe_of
from workbench.inspection.panels import Heatmap, Lines, Panel, Result, Rule
from workbench.inspection.position.recall import PAIRS, SHORTEST, Test, cells, recall_table
from workbench.inspection.position.shift_invariance import (
    ROUNDING,
    id_shifts,
    shift_texts,
    text_shifts,
    window_length,
)
from workbench.inspection.scope import Scope
from workbench.inspection.views import Option, View, register
from workbench.model.config import ModelConfig
from workbench.numbers import number, percent

SMALLEST = 8  # tokens of context below which neither test has room
DRAWN_FROM = 1e-10  # nats: a logarithmic axis has no 0
TESTS: dict[Test, str] = {"pairs": "several pairs, asked at the end", "needle": "one pair in filler"}
QUANTITIES = {"accuracy": "share of right values", "loss": "loss of the value (nats)"}
RELIABLE = 0.9  # share of right values
_USUAL_LONGEST = 256
_USUAL, _MOST = 16, 256  # texts of a kind, at most: unless asked for, and at all
_OPERATIONS = 5e10  # about a second of one core
_FORWARDS = 16  # of a window's length, that the shifts of one window take together


def _config(scope: Scope, role: str) -> ModelConfig:
    return scope.model(role)


def _too_short(scope: Scope) -> str | None:
    for role in scope.roles:
        context = _config(scope, role).context
        if context < SMALLEST:
            return f"{scope.series[role]} has a context of {context} tokens; it takes {SMALLEST} or more"
    return None


def _count(scope: Scope, name: str, given: str, tokens: int) -> int:
    """How many texts; ``auto``: what takes about a second, if one of each makes ``tokens`` tokens."""
    if given == "auto":
        parameters = sum(_config(scope, role).num_parameters() for role in scope.all_roles)
        return max(1, min(_USUAL, int(_OPERATIONS / (2 * parameters * tokens))))
    if not given.isdigit() or not 1 <= int(given) <= _MOST:
        raise UserError(
            f"{name}: {given!r} is no whole number from 1 to {_MOST}; write for example 4, or auto"
        )
    return int(given)


@register
class PositionShift(View):
    """Divergence of the predictions by the shift of all position ids; loss behind unrelated text."""

    listed = POSITION_SHIFT
    question = "Does the model depend on absolute positions?"
    live = True
    many = True
    options = (
        Option(
            name="windows",
            label="Windows of text",
            kind="number",
            default="auto",
            help="auto: as many as take about a second on one core, 16 at most",
        ),
    )

    def available(self, scope: Scope) -> str | None:
        """It needs room for a shift."""
        return _too_short(scope)

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of the runs' final weights; raises ``UserError`` for a bad number of windows."""
        # As many tokens for each run, so that all lines are about the same text where they share it.
        length = min(window_length(_config(scope, role).context) for role in scope.all_roles)
        count = _count(scope, "windows", options["windows"], _FORWARDS * length)
        ids, texts = [], []
        for role, series in scope.series.items():
            subject = scope.subject(role)
            windows, unrelated = shift_texts(probe_of(subject), length, count)
            ids.append(id_shifts(subject.decoder, windows).assign(series=series))
            texts.append(text_shifts(subject.decoder, windows, unrelated).assign(series=series))
        by_id, by_text = pd.concat(ids, ignore_index=True), pd.concat(texts, ignore_index=True)
        panels = (_ids_panel(scope, by_id), _texts_panel(scope, by_text))
        return Result(
            view=self.name,
            title=self.title,
            question=self.question,
            panels=tuple(panel for panel in panels if panel is not None),
            source=scope.source(detail=f"{len(windows)} windows of {length} tokens of validation text"),
            answers=tuple(_shift_answers(scope, by_id, by_text)),
            notes=(
                "Ids 0 to n - 1 against k to k + n - 1 on the same text: relative codes give 0 but for "
                "rounding, though a relative code too may fail when it reads distances beyond training. A "
                "learned table ends the shift: the last k is what fits.",
                "Unrelated text: other validation text is put before each window, within the context. It is "
                "one run on little text, without an interval: read the size, not the last digit.",
            ),
        )


def _ids_panel(scope: Scope, by_id: pd.DataFrame) -> Lines:
    return Lines(
        title="How much a shift of all position ids changes the predictions",
        data=by_id.assign(y=by_id["divergence"].clip(lower=DRAWN_FROM)),
        x="shift k in tokens",
        y="KL(p || p shifted), nats",
        log_x=True,
        log_y=True,
        colours=scope.colours,
        rules=(Rule(at=ROUNDING, label="below: rounding"),),
        note=f"Smaller values are drawn at {DRAWN_FROM:g}.",
    )


def _texts_panel(scope: Scope, by_text: pd.DataFrame) -> Lines | None:
    if by_text.empty:
        return None
    return Lines(
        title="How much unrelated text in front costs, on the same targets",
        data=by_text,
        x="tokens of unrelated text in front",
        y="change of the loss (nats)",
        log_x=True,
        colours=scope.colours,
        rules=(Rule(at=0.0, label="no change"),),
    )


def _shift_answers(scope: Scope, by_id: pd.DataFrame, by_text: pd.DataFrame) -> Iterable[str]:
    for role, name in scope.series.items():
        own, code = by_id[by_id["series"] == name], _config(scope, role).positions.name
        if own["divergence"].max() <= ROUNDING:
            far = own["x"].max()
            yield f"{name} ({code}) does not see absolute positions: no shift up to {far:,} changes it."
        else:
            parts = ", ".join(f"{_nats(row.divergence)} at {row.x:,}" for row in own.itertuples())
            yield f"{name} ({code}) depends on absolute positions: shifts change it by {parts} nats."
    for name in scope.series.values():
        own = by_text[by_text["series"] == name]
        if len(own):
            last = own.iloc[-1]
            yield (
                f"{name}: behind {last['x']:.0f} tokens of unrelated text the loss changes by "
                f"{number(float(last['y']), sign=True)} nats."
            )


def _nats(value: float) -> str:
    return number(value) if value >= 1e-4 else f"{value:.0e}"


def _lengths(scope: Scope) -> list[str]:
    """What may be the longest: the context and its halves, and twice the context where a run can."""
    configs = [_config(scope, role) for role in scope.roles]
    context = max(config.context for config in configs)
    limits = [config.positions.build(config).limit for config in configs]
    longest = 2 * context if None in limits else context
    found = [longest]
    while found[-1] // 2 >= 2 * SHORTEST and len(found) < 8:
        found.append(found[-1] // 2)
    return [str(length) for length in reversed(found)]


def _usual_length(scope: Scope) -> str:
    known = _lengths(scope)
    return next((length for length in reversed(known) if int(length) <= _USUAL_LONGEST), known[0])


@register
class RecallView(View):
    """Accuracy, or loss, of the value after a repeated key, by pairs or depth and by length."""

    listed = RECALL
    question = "What can the model look up in its context, and over how far?"
    live = True
    options = (
        Option(
            name="test",
            label="Test",
            choices=lambda _: list(TESTS),
            default="pairs",
            words={str(name): words for name, words in TESTS.items()},
        ),
        Option(
            name="quantity",
            label="Quantity",
            choices=lambda _: list(QUANTITIES),
            default="accuracy",
            words=QUANTITIES,
        ),
        Option(
            name="longest",
            label="Longest text in tokens",
            choices=_lengths,
            default=_usual_length,
            help="Time grows with it. Up to twice the context, where positions allow",
        ),
        Option(
            name="sequences",
            label="Sequences per cell",
            kind="number",
            default="auto",
            help="auto: as many as take about a second on one core, 16 at most",
        ),
    )

    def available(self, scope: Scope) -> str | None:
        """It needs room for pairs."""
        return _too_short(scope)

    def compute(self, scope: Scope, **options: str) -> Result:
        """The view of the runs' final weights; raises ``UserError`` for a bad number of sequences."""
        test = cast(Test, options["test"])  # the option's choices are no others
        quantity = options["quantity"]
        longest = int(options["longest"])
        pools = {role: _pool(scope, role) for role in scope.roles}
        wanted = cells(test, longest, min(pools.values(), key=len))
        if not wanted:
            raise UserError("longest: no pair fits; choose a longer text")
        count = _count(scope, "sequences", options["sequences"], sum(length for _, length in wanted))
        parts = [
            recall_table(scope.subject(role).decoder, test, pools[role], wanted, count).assign(series=series)
            for role, series in scope.series.items()
        ]
        table = pd.concat(parts, ignore_index=True)
        return Result(
            view=self.name,
            title=f"{self.title}: {TESTS[test]}",
            question=self.question,
            panels=(_recall_panel(scope, table, test, quantity),),
            source=scope.source(detail=f"random tokens, {count} sequences per cell"),
            answers=tuple(_recall_answers(scope, table, pools, test)),
            notes=_recall_notes(test, scope),
            tables={"recall": table},
        )


def _recall_notes(test: Test, scope: Scope) -> tuple[str, ...]:
    contexts = sorted({_config(scope, role).context for role in scope.roles})
    trained = " and ".join(f"{context:,}" for context in contexts)
    what = (
        "The pairs stand first, then filler; every key is asked once at the end, in another order."
        if test == "pairs"
        else "Depth 0: the pair begins the text; depth 1: it is just before the question."
    )
    return (
        f"{what} Tokens are random ones that the validation text has; keys occur nowhere else. Trained with "
        f"{trained} tokens: longer texts test positions, too. Cells where a run has no positions are empty.",
        "Random tokens are not text: a model that fails here may still copy in text, and the reverse. One "
        "run each and few sequences: no interval.",
    )


def _pool(scope: Scope, role: str) -> Tensor:
    return usual_tokens(probe_of(scope.subject(role)), least=2 * PAIRS[-1])


def _recall_panel(scope: Scope, table: pd.DataFrame, test: Test, quantity: str) -> Panel:
    order = table.sort_values(["y", "x"], kind="stable").assign(value=table[quantity])
    order["y"] = [f"{level:g}" for level in order["y"]]
    order["text"] = [number(value) for value in order["value"]]
    return Heatmap(
        title=f"{TESTS[test][0].upper()}{TESTS[test][1:]}: {QUANTITIES[quantity]}",
        data=order,
        x="length in tokens",
        y="pairs" if test == "pairs" else "depth of the pair",
        value=QUANTITIES[quantity],
        domain=(0.0, 1.0) if quantity == "accuracy" else None,
        facet="series" if len(scope.roles) > 1 else None,
    )


def _recall_answers(scope: Scope, table: pd.DataFrame, pools: dict[str, Tensor], test: Test) -> Iterable[str]:
    for role, name in scope.series.items():
        own, pool = table[table["series"] == name], len(pools[role])
        if own.empty:
            yield f"{name}: its table of positions is shorter than every text of this test."
            continue
        guess = f"guessing among the {pool} tokens: {number(1 / pool)}, {number(math.log(pool))} nats"
        mean = f"mean over the cells {number(own['accuracy'].mean())}, {number(own['loss'].mean())} nats"
        yield f"{name}: {_limit(own, test)}; {mean} ({guess}{_among_pairs(own, test)})."
    if scope.against is not None:
        yield "One run each: whether the difference is more than that of two seeds is not known from this."


def _limit(own: pd.DataFrame, test: Test) -> str:
    reliable = own[own["accuracy"] >= RELIABLE]
    if reliable.empty:
        best = own.loc[own["accuracy"].idxmax()]
        level = f"{best['y']:g} pairs" if test == "pairs" else f"depth {best['y']:g}"
        where = f"{level} in {best['x']} tokens"
        return f"nowhere {percent(RELIABLE)} right; best {number(best['accuracy'])} with {where}"
    if test == "pairs":
        most = reliable.loc[reliable["y"].idxmax()]
        return f"{percent(RELIABLE)} right with up to {most['y']:g} pairs (in {most['x']} tokens)"
    distance = reliable["x"] - 2 - (reliable["y"] * (reliable["x"] - 4)).round()
    far = reliable.assign(distance=distance).sort_values("distance").iloc[-1]
    return f"{percent(RELIABLE)} right up to {far['distance']:.0f} tokens back (in {far['x']} tokens)"


def _among_pairs(own: pd.DataFrame, test: Test) -> str:
    if test == "needle":
        return ""
    fewest, most = own["y"].min(), own["y"].max()
    shown = f"{number(1 / fewest)} with {fewest:g} pairs, {number(1 / most)} with {most:g}"
    return f"; among the values shown: {shown}"
