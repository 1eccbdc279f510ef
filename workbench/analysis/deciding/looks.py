"""When one looks, and at which level: the part of the rule that is fixed before the first pair."""

from dataclasses import dataclass

from workbench.analysis.deciding.nominal_levels import MOST_PAIRS, nominal_level
from workbench.errors import UserError

DIFFERENCE_ALPHA = 0.05  # two-sided, of all better and worse together
EQUIVALENCE_ALPHA = 0.05  # one-sided, of all equivalent together
FIRST_LOOK = 4
MARGIN_FROM = 8  # pairs from which on a row may be called at the margin
ACROSS_ALPHA = 0.045  # of equivalence where a verdict of the other family passes shares on (see the package)
HOPELESS = 0.20  # the chance of a verdict below which it is


@dataclass(frozen=True)
class Rule:
    """At which numbers of pairs one looks, and for how many declared comparisons the error is shared.

    ``looks`` rises; with ``until_decided`` a comparison gets more pairs as long as it is undecided, and
    without there is one look, at a number of pairs that was fixed beforehand. ``comparisons`` counts all
    that were declared, also those of which nothing is known yet.
    """

    looks: tuple[int, ...]
    comparisons: int
    until_decided: bool

    def __post_init__(self) -> None:
        if self.comparisons < 1:
            raise UserError("comparisons: none is declared; a verdict needs a variant beside the baseline")

    @classmethod
    def fixed(cls, n: int, comparisons: int) -> "Rule":
        """One look, at ``n`` pairs."""
        return cls((max(n, 2),), comparisons, until_decided=False)

    @classmethod
    def until(cls, at_least: int, at_most: int, comparisons: int) -> "Rule":
        """Looks at ``at_least`` pairs, at the powers of two between, and at ``at_most``."""
        return cls(looks_between(at_least, at_most), comparisons, until_decided=True)

    def places(self, own: int, both: int) -> int:
        """Among how many a family's error is shared: it left ``own`` undecided, and both families ``both``.

        With a fixed number of pairs each family keeps to itself, as in Holm's procedure.
        """
        return both if self.until_decided else own

    @property
    def promise(self) -> str:
        """What the words of a study are worth, in one clause for its footer."""
        many = self.comparisons > 1
        looked = f"looks at {', '.join(map(str, self.looks))} pairs"
        if not self.until_decided:
            scope = f"hold jointly for {self.comparisons} comparisons" if many else "hold for one comparison"
            how = "Holm on the margin" if many else "t intervals"
        elif many:
            scope = f"hold jointly for {self.comparisons} comparisons and {looked}"
            how = "group-sequential Holm"
        else:
            scope = f"hold for {looked}"
            how = "each look at a level of its own"
        return (
            f"verdicts {scope}: any false better or worse in at most 5 % of such studies, and any false "
            f"equivalent in at most 5 % ({how})"
        )

    def difference_level(self, places: int) -> float:
        """The two-sided level of one comparison at each look, while ``places`` share the 5 %."""
        return 2 * nominal_level(DIFFERENCE_ALPHA / 2 / places, self.looks)

    def equivalence_level(self, places: int) -> float:
        """The one-sided level of each of the two tests of equivalence, while ``places`` share the 5 %."""
        alpha = ACROSS_ALPHA if self.until_decided and self.comparisons > 1 else EQUIVALENCE_ALPHA
        return nominal_level(alpha / places, self.looks)

    def look_at(self, pairs: int) -> int:
        """The last look that so many seeds reach, those of lost pairs included: 1, 2, …, or 0 for none."""
        return sum(look <= pairs for look in self.looks)

    def next_look(self, pairs: int) -> int | None:
        """The number of pairs at the look after ``pairs``; None after the last."""
        return next((look for look in self.looks if look > pairs), None)


def looks_between(at_least: int, at_most: int) -> tuple[int, ...]:
    """``at_least``, the powers of two from 4 on that lie between, and ``at_most``.

    >>> looks_between(4, 64), looks_between(5, 20), looks_between(8, 8)
    ((4, 8, 16, 32, 64), (5, 8, 16, 20), (8,))
    """
    if at_least < 2:
        raise UserError(f"seeds.at_least: {at_least} gives no sd of a difference; give 2 or more (default 4)")
    if at_most < at_least:
        raise UserError(
            f"seeds.at_most: {at_most} is below seeds.at_least: {at_least}; give {at_least} or more"
        )
    if at_most > MOST_PAIRS:
        raise UserError(
            f"seeds.at_most: {at_most} is beyond {MOST_PAIRS:,} pairs; give {MOST_PAIRS:,} or fewer"
        )
    between = []
    power = FIRST_LOOK
    while power < at_most:
        if power > at_least:
            between.append(power)
        power *= 2
    ends = [at_least] if at_least == at_most else [at_least, at_most]
    return tuple(sorted([*between, *ends]))
