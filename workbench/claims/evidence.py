"""What a study's runs say of one prediction: estimate, intervals, word, and why not to rest on it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pandas as pd

from workbench.analysis.deciding.decisions import decide_study
from workbench.analysis.deciding.foresight import PairsNeeded, pairs_for_fixed
from workbench.analysis.report_footer import describe_data, hardware_of
from workbench.analysis.statistics import Interval
from workbench.analysis.tuned_rates import ALL_LOST, AT_EDGE, ONE_SIDE_LOST, TunedRate, unequal_tuning
from workbench.claims.card import PRIMARY, Card, Placed, Prediction, study_file
from workbench.claims.quantities.quantity import ConfirmedStudy, Measured, NotMeasurableError
from workbench.claims.words import Found, Word, word_of
from workbench.errors import UserError
from workbench.numbers import plural, rate
from workbench.records.cells import Cell
from workbench.records.index import StudyRecords, load_study
from workbench.records.manifest import SECONDS, ManifestVariant, TextData
from workbench.records.run import Phase, State
from workbench.records.step_times import read_step_times
from workbench.study.paths import find_results

_EDGES = {
    AT_EDGE: "at the edge of what was tried",
    ONE_SIDE_LOST: "beside a rate that gave no result",
    ALL_LOST: "none of those tried gave a result",
}


@dataclass(frozen=True, kw_only=True)
class Needed:
    """The pairs that would likely decide an open prediction, and how long those to come train.

    ``seconds`` is of one trial at a time, None where nobody knows; ``source`` says whose noise it is.
    """

    pairs: PairsNeeded
    seconds: float | None
    source: str


@dataclass(frozen=True, kw_only=True)
class StudyFacts:
    """What a reader must know of a study beside a number of it; of both sides where they differ.

    ``details`` say how step times were measured, which have neither tokens nor rates.
    """

    title: str
    path: Path
    parameters: tuple[int, ...]
    tokens: tuple[int, ...]
    corpus: str
    hardware: tuple[str, ...]
    rates: tuple[str, ...]
    details: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One prediction at one rung, and what is known of it.

    ``n`` pairs are in the word. ``firm`` says that it fails at its share of the card's error too.
    ``reservations`` say why no card's word may rest on it, ``missing`` why there is no number, and
    ``command`` what would bring one; ``has_run`` is false where the study has no results at all, or its step
    times were not measured.
    """

    placed: Placed
    is_primary: bool
    word: Word = Word.OPEN
    firm: bool = False
    estimate: float | None = None
    interval: Interval | None = None
    equivalence_interval: Interval | None = None
    n: int = 0
    sd: float | None = None
    is_exact: bool = False
    reservations: tuple[str, ...] = ()
    missing: str | None = None
    command: str | None = None
    has_run: bool = True
    needed: Needed | None = None
    facts: StudyFacts | None = None

    @property
    def found(self) -> Found:
        """What a card's word takes of it."""
        return Found(self.word, self.firm, not self.reservations)


class Studies:
    """The studies of a results folder, each read once. ``load`` reads one; it may keep what it has read."""

    def __init__(self, results: Path, load: Callable[[Path], StudyRecords] = load_study) -> None:
        self.results = results
        self._load = load
        self._known: dict[str, ConfirmedStudy] = {}

    def path(self, name: str) -> Path | None:
        """Where the results of a study lie; None where there are none."""
        try:
            return find_results(name, self.results)
        except UserError:
            return None

    def is_published_whole(self, name: str) -> bool:
        """Whether its results are a published copy, and every run that was due has ended."""
        try:
            study = self.open(name)
        except NotMeasurableError:
            return False
        ended = all(outcomes.status == "done" for outcomes in study.outcomes.values())
        return study.records.is_published and ended

    def has_step_times(self, name: str, cell: Cell) -> bool:
        """Whether step times of the study were measured in ``cell``, and nothing forbids to rest on them."""
        path = self.path(name)
        known = [] if path is None else read_step_times(path)
        return any(one.cell == cell and not one.doubts for one in known)

    def open(self, name: str) -> ConfirmedStudy:
        """The study; raises ``NotMeasurableError`` where it has no results, or none that can be compared."""
        if name not in self._known:
            path = self.path(name)
            if path is None:
                raise NotMeasurableError(f"{name} has not run")
            try:
                records = self._load(path)
                records.require_comparable()
            except UserError as error:
                raise NotMeasurableError(str(error)) from None
            self._known[name] = ConfirmedStudy(records)
        return self._known[name]


def evidence_of(card: Card, size: str, studies: Studies) -> tuple[Evidence, ...]:
    """The evidence on every prediction of one form of the card, in its order."""
    placed = card.placed(size)
    family = sum(map(card.is_primary, placed))
    found = [_evidence(card, one, studies, max(family, 1)) for one in placed]
    return tuple(_with_noise_of_another_rung(one, found) for one in found)


def _evidence(card: Card, placed: Placed, studies: Studies, family: int) -> Evidence:
    prediction = placed.prediction
    nothing = Evidence(placed=placed, is_primary=card.is_primary(placed), command=_command(card, placed))
    try:
        study = studies.open(placed.study)
        measured = prediction.measured.measure(study, prediction.sides)
        sides = _sides(study, prediction)
    except NotMeasurableError as error:
        has_run = prediction.measured.of_trials and studies.path(placed.study) is not None
        return replace(nothing, missing=str(error), has_run=has_run)
    facts = _facts(study, sides, prediction, measured)
    if measured.impossible is not None:
        word = Word.OPEN if prediction.direction == "higher" else Word.FAILS
        return replace(nothing, word=word, firm=word is Word.FAILS, missing=measured.impossible, facts=facts)
    if measured.exact is not None:
        point = Interval(measured.exact, measured.exact, 1.0)
        word = word_of(prediction.direction, prediction.margin, point, point)
        return replace(
            nothing,
            word=word,
            firm=word is Word.FAILS,
            estimate=measured.exact,
            is_exact=True,
            facts=facts,
        )

    # The word by the prediction's own interval, and whether it fails at its share of the card's error too.
    numbers = _numbers(measured, prediction.margin, 1)
    word = _word(prediction, numbers)
    firm = word is Word.FAILS and _word(prediction, _numbers(measured, prediction.margin, family)) is word
    found = replace(
        nothing,
        word=word,
        firm=firm,
        estimate=numbers.mean,
        interval=numbers.interval,
        equivalence_interval=numbers.equivalence_interval,
        n=numbers.n,
        sd=numbers.sd,
        reservations=tuple(_reservations(study, prediction, measured, numbers.n)),
        facts=facts,
    )
    if numbers.interval is None:
        return replace(found, missing=_why_no_interval(prediction, measured, numbers.n))
    seconds = measured.seconds or _seconds_a_pair(study, sides)
    return replace(found, needed=_needed(prediction, numbers, seconds))


@dataclass(frozen=True, kw_only=True)
class _Numbers:
    """An estimate with both intervals; ``sd`` is of one pair, None where the quantity is no mean of pairs."""

    n: int
    mean: float | None
    sd: float | None
    interval: Interval | None
    equivalence_interval: Interval | None


def _numbers(measured: Measured, margin: float, family: int) -> _Numbers:
    """By the rule of the study's looks, for a prediction that shares the error with ``family`` in all."""
    assert measured.rule is not None, "values that have noise come with the rule of their study"
    rule = replace(measured.rule, comparisons=family)
    if measured.at_level is None:
        decision = decide_study({"prediction": measured.values}, margin, rule)["prediction"]
        return _Numbers(
            n=decision.n,
            mean=decision.mean,
            sd=decision.sd,
            interval=decision.interval,
            equivalence_interval=decision.equivalence_interval,
        )
    outer = measured.at_level(1 - rule.difference_level(family))
    inner = measured.at_level(1 - 2 * rule.equivalence_level(family))
    n = len(measured.values)
    if outer is None or inner is None:
        return _Numbers(n=n, mean=None, sd=None, interval=None, equivalence_interval=None)
    return _Numbers(
        n=n,
        mean=outer.value,
        sd=None,
        interval=outer.interval,
        equivalence_interval=inner.interval,
    )


def _why_no_interval(prediction: Prediction, measured: Measured, n: int) -> str:
    if measured.at_level is not None and n > 1:
        return "beyond what the study's budgets reach, or too noisy for an interval"
    counted = prediction.measured.counted
    return f"{plural(n, counted)} so far" if measured.values else f"no {counted} is complete"


def _word(prediction: Prediction, numbers: _Numbers) -> Word:
    return word_of(prediction.direction, prediction.margin, numbers.interval, numbers.equivalence_interval)


def _sides(study: ConfirmedStudy, prediction: Prediction) -> tuple[ManifestVariant, ...]:
    """The variant, and what it is compared with unless the prediction is of it alone."""
    if prediction.measured.alone and prediction.against is None:
        return (study.variant(prediction.variant),)
    return study.pair(prediction.sides)


def _reservations(study: ConfirmedStudy, prediction: Prediction, measured: Measured, n: int) -> Iterator[str]:
    """Why no card's word may rest on a prediction, whatever its interval says."""
    quantity = prediction.measured
    if n < quantity.fewest:
        yield f"{plural(n, quantity.counted)}, and at least {quantity.fewest} are needed"
    if quantity.of_trials:
        yield from _reservations_of_trials(study, prediction, measured)
    yield from measured.reservations


def _reservations_of_trials(
    study: ConfirmedStudy, prediction: Prediction, measured: Measured
) -> Iterator[str]:
    sides = _sides(study, prediction)
    tuned = [study.tuned[one.name] for one in sides]
    if measured.lost:
        yield f"lost pairs: {'; '.join(measured.lost)}"
    if measured.due:
        yield f"{plural(measured.due, 'planned seed')} still to come"
    manifest = study.records.manifest
    if manifest.step_times is not None and SECONDS in map(manifest.budget_unit, sides):
        yield from (f"equal seconds: {doubt}" for doubt in manifest.step_times.doubts)
    if len(tuned) > 1 and (unequal := unequal_tuning(tuned[0], tuned[1])):
        yield unequal
    for variant, chosen in zip(sides, tuned, strict=True):
        if chosen is None:
            yield f"{variant.name}: no learning rate was tuned"
        elif prediction.measured.at_tuned_rate and chosen.place in _EDGES:
            yield f"{variant.name}: learning rate {rate(chosen.learning_rate)}, {_EDGES[chosen.place]}"


def _needed(prediction: Prediction, numbers: _Numbers, seconds: float | None) -> Needed | None:
    """How many pairs would decide an open prediction; None where it is decided, or nothing says it."""
    if _word(prediction, numbers) is not Word.OPEN or not numbers.sd or numbers.mean is None:
        return None
    pairs = _pairs(prediction, numbers.n, numbers.mean, numbers.sd)
    more = max(pairs.likely, prediction.measured.fewest) - numbers.n
    known = None if seconds is None or pairs.likely > pairs.limit else max(more, 0) * seconds
    return Needed(pairs=pairs, seconds=known, source="its own pairs")


def _pairs(prediction: Prediction, n: int, mean: float, sd: float) -> PairsNeeded:
    """How many pairs would decide a prediction of which ``n`` have this mean and sd."""
    margin = prediction.margin
    if prediction.direction == "not_worse":  # which has one border, and asks on which side of it the mean is
        mean, margin = mean - margin, 0.0
    return pairs_for_fixed(n, mean, sd, margin, 1)


def _seconds_a_pair(study: ConfirmedStudy, sides: tuple[ManifestVariant, ...]) -> float | None:
    """What the trials of both sides took at one seed, on the average."""
    runs = study.records.runs
    complete = runs[(runs["state"] == State.COMPLETE) & (runs["phase"] == Phase.CONFIRM)]
    if "seconds" not in complete:
        return None
    means = complete.groupby("variant")["seconds"].mean()
    known = [float(means.get(one.name, math.nan)) for one in sides]
    return None if any(math.isnan(value) for value in known) else sum(known)


def _with_noise_of_another_rung(one: Evidence, found: list[Evidence]) -> Evidence:
    """Of a prediction without a number: the pairs it would take if it were as at a rung that has one."""
    if one.estimate is not None or one.needed is not None or one.word is not Word.OPEN:
        return one
    for other in found:
        same = _asked(other) == _asked(one)
        if same and other.sd and other.estimate is not None:
            pairs = _pairs(one.placed.prediction, other.n, other.estimate, other.sd)
            source = f"the {other.placed.prediction.measured.counted}s at {other.placed.rung}"
            return replace(one, needed=Needed(pairs=pairs, seconds=None, source=source))
    return one


def _asked(one: Evidence) -> dict[str, object]:
    """What a prediction asks, whatever it is called and wherever it is asked."""
    return one.placed.prediction.model_dump(exclude={"id", "study", "rung", "role"})


def _command(card: Card, placed: Placed) -> str | None:
    """What would decide the prediction: the card's own command, where the study's file is at hand."""
    file = study_file(placed.study)
    if file is None:
        return None
    if card.rungs[placed.rung].role != PRIMARY:
        return f"workbench run {file}"
    size = card.rungs[placed.rung].size
    return f"workbench claims run {card.id}" + ("" if size == "nano" else f" --size {size}")


def _facts(
    study: ConfirmedStudy, sides: tuple[ManifestVariant, ...], prediction: Prediction, measured: Measured
) -> StudyFacts:
    records, manifest = study.records, study.records.manifest
    texts = dict.fromkeys(
        describe_data(cast(TextData, manifest.text_of(one))) or "not recorded" for one in sides
    )
    of_trials = prediction.measured.of_trials
    return StudyFacts(
        title=records.title,
        path=records.path,
        parameters=_distinct(one.parameters for one in sides),
        tokens=_distinct(manifest.tokens_of(one) for one in sides) if of_trials else (),
        corpus="; ".join(texts),
        hardware=tuple(hardware_of(_confirmed(records.runs))) if of_trials else measured.hardware,
        rates=tuple(_rate(one.name, study.tuned[one.name]) for one in sides) if of_trials else (),
        details=measured.details,
    )


def _confirmed(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[runs["phase"] == Phase.CONFIRM]


def _distinct(values: Iterator[int | None]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(value for value in values if value is not None))


def _rate(name: str, chosen: TunedRate | None) -> str:
    if chosen is None:
        return f"{name} not tuned"
    return f"{name} {rate(chosen.learning_rate)} {chosen.place}"
