"""What a study's runs say of one prediction: estimate, intervals, word, and why not to rest on it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from scipy.special import stdtrit

from workbench.analysis.deciding.decisions import decide_study
from workbench.analysis.deciding.foresight import PairsNeeded, pairs_for_fixed
from workbench.analysis.statistics import Interval
from workbench.analysis.tuned_rates import ALL_LOST, AT_EDGE, ONE_SIDE_LOST, unequal_tuning
from workbench.claims.card import PRIMARY, Card, Placed, Prediction, study_file
from workbench.claims.facts import Compared, StudyFacts, facts_of_study
from workbench.claims.quantities.quantity import ConfirmedStudy, Measured, NotMeasurableError, Quantity
from workbench.claims.words import Found, Word, word_of
from workbench.errors import UserError
from workbench.numbers import plural, rate
from workbench.records.cells import Cell
from workbench.records.index import StudyRecords, load_study
from workbench.records.manifest import SECONDS
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
    """The studies of a results folder, each read once.

    ``load`` reads one and ``confirm`` makes of it what quantities read; both may keep what they have made.
    """

    def __init__(
        self,
        results: Path,
        load: Callable[[Path], StudyRecords] = load_study,
        confirm: Callable[[StudyRecords], ConfirmedStudy] = ConfirmedStudy,
    ) -> None:
        self.results = results
        self._load = load
        self._confirm = confirm
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

    def open(self, name: str, *, as_ladder: bool = False) -> ConfirmedStudy:
        """The study; raises ``NotMeasurableError`` where it has no results, or none that can be compared.

        ``as_ladder``: a ladder as a whole, whose rungs are compared one by one.
        """
        if name not in self._known:
            path = self.path(name)
            if path is None:
                raise NotMeasurableError(f"{name} has not run")
            try:
                records = self._load(path)
                for one in records.compared if as_ladder else [records]:
                    one.require_comparable()
            except UserError as error:
                raise NotMeasurableError(str(error)) from None
            self._known[name] = self._confirm(records)
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
        study = studies.open(placed.study, as_ladder=prediction.measured.over_rungs)
        measured = prediction.measured.measure(study, prediction.sides)
        compared = _compared(study, prediction)
    except NotMeasurableError as error:
        has_run = prediction.measured.of_trials and studies.path(placed.study) is not None
        return replace(nothing, missing=str(error), has_run=has_run)
    facts = facts_of_study(study, compared, prediction.measured, measured)
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
        reservations=tuple(_reservations(compared, prediction, measured, numbers.n)),
        facts=facts,
    )
    if numbers.interval is None:
        return replace(found, missing=_why_no_interval(prediction, measured, numbers.n))
    seconds = measured.seconds or _seconds_a_pair(compared)
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


def _compared(study: ConfirmedStudy, prediction: Prediction) -> list[Compared]:
    """The variant, and what it is compared with unless the prediction is of it alone; of a ladder by rung."""
    measured, sides = prediction.measured, prediction.sides
    if measured.over_rungs:
        return [
            Compared(study=rung, sides=rung.pair(own), rung=name) for name, rung, own in study.at_rungs(sides)
        ]
    if measured.alone and prediction.against is None:
        return [Compared(study=study, sides=(study.variant(prediction.variant),))]
    return [Compared(study=study, sides=study.pair(sides))]


def _reservations(
    compared: list[Compared], prediction: Prediction, measured: Measured, n: int
) -> Iterator[str]:
    """Why no card's word may rest on a prediction, whatever its interval says."""
    quantity = prediction.measured
    if n < quantity.fewest:
        yield f"{plural(n, quantity.counted)}, and at least {quantity.fewest} are needed"
    if quantity.of_trials:
        yield from _reservations_of_trials(compared, quantity, measured)
    yield from measured.reservations


def _reservations_of_trials(
    compared: list[Compared], quantity: Quantity, measured: Measured
) -> Iterator[str]:
    if measured.lost:
        yield f"lost pairs: {'; '.join(measured.lost)}"
    if measured.due:
        yield f"{plural(measured.due, 'planned seed')} still to come"
    for one in compared:
        manifest = one.study.records.manifest
        if manifest.step_times is not None and SECONDS in map(manifest.budget_unit, one.sides):
            yield from (f"equal seconds: {doubt}" for doubt in manifest.step_times.doubts)
        tuned = [one.study.tuned[side.name] for side in one.sides]
        if len(tuned) > 1 and (unequal := unequal_tuning(tuned[0], tuned[1])):
            yield f"{one.rung}: {unequal}" if one.rung else unequal
        for variant, chosen in zip(one.sides, tuned, strict=True):
            if chosen is None:
                yield f"{variant.name}: no learning rate was tuned"
            elif quantity.at_tuned_rate and chosen.place in _EDGES:
                yield f"{variant.name}: learning rate {rate(chosen.learning_rate)}, {_EDGES[chosen.place]}"


def _needed(prediction: Prediction, numbers: _Numbers, seconds: float | None) -> Needed | None:
    """How many pairs would decide an open prediction; None where it is decided, or nothing says it."""
    sd = numbers.sd or _sd_of_interval(numbers)
    if _word(prediction, numbers) is not Word.OPEN or not sd or numbers.mean is None:
        return None
    pairs = _pairs(prediction, numbers.n, numbers.mean, sd)
    more = max(pairs.likely, prediction.measured.fewest) - numbers.n
    known = None if seconds is None or pairs.likely > pairs.limit else max(more, 0) * seconds
    return Needed(pairs=pairs, seconds=known, source="its own pairs")


def _sd_of_interval(numbers: _Numbers) -> float | None:
    """Of a quantity that is no mean of pairs: the sd at which a mean of as many would have its interval.

    As if all of its noise were that of the pairs; what a ladder of budgets adds goes by its own seeds.
    """
    if numbers.interval is None or numbers.n < 2 or not math.isfinite(numbers.interval.half_width):
        return None
    quantile = float(stdtrit(numbers.n - 1, (1 + numbers.interval.level) / 2))
    return numbers.interval.half_width * math.sqrt(numbers.n) / quantile


def _pairs(prediction: Prediction, n: int, mean: float, sd: float) -> PairsNeeded:
    """How many pairs would decide a prediction of which ``n`` have this mean and sd."""
    margin = prediction.margin
    if prediction.direction == "not_worse":  # which has one border, and asks on which side of it the mean is
        mean, margin = mean - margin, 0.0
    return pairs_for_fixed(n, mean, sd, margin, 1)


def _seconds_a_pair(compared: list[Compared]) -> float | None:
    """What the trials of both sides took at one seed, on the average; of a ladder at all of its rungs."""
    total = 0.0
    for one in compared:
        runs = one.study.records.runs
        complete = runs[(runs["state"] == State.COMPLETE) & (runs["phase"] == Phase.CONFIRM)]
        if "seconds" not in complete:
            return None
        means = complete.groupby("variant")["seconds"].mean()
        total += sum(float(means.get(side.name, math.nan)) for side in one.sides)
    return None if math.isnan(total) else total


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
