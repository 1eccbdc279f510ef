"""What was measured in the browser as tables and findings, against the goals of the dashboard."""

from collections.abc import Sequence

from workbench.bench.formats import Form, shown
from workbench.bench.in_browser.rounds import (
    LOAD,
    PART,
    SWITCH,
    Taken,
    change_case,
    percentile,
    percentile_of,
)
from workbench.bench.in_browser.visits import Tour
from workbench.bench.outcome import Column, Finding, Outcome, Table
from workbench.bench.timing.goals import Bound, Goal, together
from workbench.bench.timing.seconds import Rounds

SOON = Goal(
    "each page is there within 2 s, from a server and a browser that have just started", Bound.AT_MOST, 2.0
)
INTERACTIONS = Goal("95 % of all changes, of pages and on pages, are drawn within 300 ms", Bound.AT_MOST, 0.3)
CHANGED = Goal("95 % of changes on a page are drawn within 300 ms", Bound.AT_MOST, 0.3)
SWITCHED = Goal("95 % of changes from page to page are drawn within 300 ms", Bound.AT_MOST, 0.3)

_PAGES = (
    Column("page", "page"),
    Column("load", "first load", Form.SECONDS),
    Column("first", "for the very first time", Form.SECONDS),
    Column("switch", "from another page", Form.SECONDS),
    Column("switch_part", f"{PART} % within", Form.SECONDS),
)
_CHANGES = (
    Column("page", "page"),
    Column("change", "what is changed"),
    Column("seconds", "until it is drawn", Form.SECONDS),
    Column("part", f"{PART} % within", Form.SECONDS),
)


def outcome_of(taken: Taken, tours: Sequence[Tour]) -> Outcome:
    """A table of pages and one of changes for each tour, and whether the goals are met."""
    tables = [table for tour in tours for table in (_pages(taken, tour), _changes(taken, tour))]
    findings = [
        *_least(taken.least),
        *_loads(taken.loads),
        *_within(_interactions(taken.switches, taken.changes), "Any change", INTERACTIONS),
        *_within(taken.changes, "A change on a page", CHANGED),
        *_within(taken.switches, "Another page", SWITCHED),
    ]
    return Outcome(tables=tables, findings=findings, notes=list(taken.notes))


def _pages(taken: Taken, tour: Tour) -> Table:
    rows = []
    for visit in tour.visits:
        case = tour.case(visit)
        rows.append(
            {
                "page": visit.title,
                "load": taken.loads.spread(case),
                "first": taken.firsts.spread(case),
                "switch": taken.switches.spread(case),
                "switch_part": percentile_of(taken.switches, case),
            }
        )
    return Table(f"In a browser, {tour.what}: pages", _PAGES, rows)


def _changes(taken: Taken, tour: Tour) -> Table:
    rows = []
    for visit in tour.visits:
        for change in visit.changes:
            case = change_case(tour, visit, change)
            rows.append(
                {
                    "page": visit.title,
                    "change": change.words,
                    "seconds": taken.changes.spread(case),
                    "part": percentile_of(taken.changes, case),
                }
            )
    return Table(f"In a browser, {tour.what}: changes on a page", _CHANGES, rows)


def _least(least: Rounds) -> list[Finding]:
    load, switch = least.spread(LOAD), least.spread(SWITCH)
    if load is None or switch is None:
        return []
    text = (
        "Of all this Streamlit takes for itself: a page of one heading and one sentence is there after "
        f"{shown(load, Form.SECONDS)} from its own server, and after {shown(switch, Form.SECONDS)} "
        "from another page."
    )
    return [Finding(text)]


def _loads(loads: Rounds) -> list[Finding]:
    if not loads.values:
        return []
    spreads = {case: spread for case in loads.values if (spread := loads.spread(case)) is not None}
    verdicts = [SOON.verdict(spread) for spread in spreads.values()]
    slowest = max(spreads, key=lambda case: spreads[case].median)
    soon = sum(spread.median <= SOON.limit for spread in spreads.values())
    text = (
        f"{soon} of {len(spreads)} first loads took 2 s or less in the median; the slowest is "
        f"{slowest}, {shown(spreads[slowest], Form.SECONDS)}."
    )
    return [Finding(text, SOON, together(verdicts))]


def _interactions(switches: Rounds, changes: Rounds) -> Rounds:
    """Both in one: what a reader waits for, of whatever kind."""
    both = Rounds()
    both.values = switches.values | changes.values
    return both


def _within(rounds: Rounds, what: str, goal: Goal) -> list[Finding]:
    found = percentile(rounds)
    if found is None:
        return []
    slowest = max(rounds.values, key=rounds.median)
    text = (
        f"{what} is drawn within {shown(found, Form.SECONDS)} in {PART} % of the cases of a round; the "
        f"slowest is {slowest}, {shown(rounds.spread(slowest), Form.SECONDS)}."
    )
    return [Finding.judged(text, goal, found)]
