"""What lies between two recipes, in sentences: the gap, its parts, whether they add up, and what may go."""

from workbench.analysis.deciding.decisions import level_text
from workbench.analysis.dismantling import ADD_UP, DO_NOT_ADD_UP, Dismantled, LeftOver, Part
from workbench.numbers import decimals_for, fixed, percent, plural


def dismantling_sentences(found: Dismantled, unit: str) -> list[str]:
    """The gap with its largest parts; whether parts add up; which interact, and which may be removed.

    Each is said where it is known. ``unit`` is that of the metric.
    """
    places = decimals_for(found.margin) - 1
    return [
        *_gap(found, unit, places),
        *_additivity(found, unit, places),
        *_interactions(found, unit, places),
        *_removable(found, unit, places),
    ]


def _gap(found: Dismantled, unit: str, places: int) -> list[str]:
    gap = found.gap
    if gap.mean is None or gap.interval is None:
        return []
    ends = f"{fixed(gap.interval.low, places, sign=True)} to {fixed(gap.interval.high, places, sign=True)}"
    size = (
        f"The gap from {found.origin} to {found.whole} is {fixed(gap.mean, places, sign=True)} {unit} "
        f"({level_text(gap.interval)} CI {ends}, {plural(len(gap.by_seed), 'paired seed')})"
    )
    if len(found.parts) == 1:
        return [f"{size}; it is all of one part, {found.parts[0].change_text}."]
    if found.no_shares:
        return [f"{size}; no shares, as {found.no_shares}."]
    largest = sorted(found.parts, key=lambda part: -_largest_share(part))
    shares = [text for part in largest if (text := _share(part))]
    if not shares:
        return [f"{size}."]
    return [
        f"{size}; shares of it, left out of {found.origin} and added to {found.whole}: {', '.join(shares)}."
    ]


def _largest_share(part: Part) -> float:
    return max((abs(share.value) for share in (part.out_share, part.into_share) if share), default=0.0)


def _share(part: Part) -> str:
    """``positions 62 % and 58 %``; empty where neither end has one."""
    known = [part.out_share, part.into_share]
    if not any(known):
        return ""
    values = [percent(round(share.value, 2) + 0.0) if share else "unknown" for share in known]  # no "-0 %"
    return f"{part.name} {' and '.join(values)}"


def _additivity(found: Dismantled, unit: str, places: int) -> list[str]:
    """From each end; with two parts from one, as the other says the same."""
    ends = {found.origin: found.out.left_over, found.whole: found.into.left_over}
    if len(found.parts) == 2:
        ends.pop(found.whole)
    known = {name: one for name, one in ends.items() if one is not None and one.measured.mean is not None}
    if not known:
        return []
    said = [f"from {name} {_left_over(one, found.margin, unit, places)}" for name, one in known.items()]
    return [f"Whether the parts add up to the gap: {'; '.join(said)}."]


def _left_over(one: LeftOver, margin: float, unit: str, places: int) -> str:
    assert one.measured.mean is not None  # who asks looks first
    mean: float = one.measured.mean
    size = f"{fixed(mean, places, sign=True)} {unit}"
    interval = one.equivalence_interval if one.word == ADD_UP else one.interval
    evidence = ""
    if interval is not None:
        low, high = (fixed(end, places, sign=True) for end in (interval.low, interval.high))
        evidence = f" ({level_text(interval)} CI {low} to {high})"
    if one.word == ADD_UP:
        return f"they add up within ±{margin:g}, {size} left over{evidence}"
    if one.word == DO_NOT_ADD_UP:
        more = "more" if mean > 0 else "less"
        by = f"{fixed(abs(mean), places)} {unit}"
        return f"they do not add up: the gap is {more} than their sum by {by}{evidence}"
    return f"that is open, {size} left over{evidence}"


def _interactions(found: Dismantled, unit: str, places: int) -> list[str]:
    said = []
    for part in found.interacting:
        assert part.out.mean is not None  # an interaction has both
        assert part.into.mean is not None
        said.append(
            f"{part.name} ({fixed(part.out.mean, places, sign=True)} left out of {found.origin}, "
            f"{fixed(part.into.mean, places, sign=True)} added to {found.whole})"
        )
    if not said:
        return []
    if len(found.parts) == 2:
        first, second = found.parts
        return [f"{first.name} and {second.name} interact: {said[0]}, in {unit}."]
    verb = "interacts" if len(said) == 1 else "interact"
    return [
        f"{', '.join(said)} {verb} with the rest: what is contributed, in {unit}, depends on the other parts."
    ]


def _removable(found: Dismantled, unit: str, places: int) -> list[str]:
    return [
        f"{part.change_text}: changes nothing within ±{part.margin:g} {unit} at either end "
        f"({fixed(part.out.mean, places, sign=True)} left out, {fixed(part.into.mean, places, sign=True)} "
        "added): may be removed."
        for part in found.removable
    ]
