"""Two recipes taken apart: the parts on which they differ, and each part exchanged alone, at both ends.

*Leave-one-out* is the recipe that one starts from with one part as in the other; *add-one-in* is the other
recipe with one part as in the first. A part is a factor, or several that mean nothing apart: a window and the
pattern of layers that have it, always; and what cannot be, or does nothing, without another part (betas that
only one of two optimizers reads) together with the first part beside which it can be and does something.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from workbench.data.corpora import untreated
from workbench.errors import UserError
from workbench.study.recipe import BATCH_SIZE, CONTEXT, CORPUS, SIZE, TREATMENT, Recipe

# Which layers have a window, and how wide it is; how many windows a step has, and how long they are; how many
# heads there are, and how many share a key head.
_TOGETHER = (("attention_pattern", "window"), (CONTEXT, BATCH_SIZE), (SIZE, "key_value_heads"))

FEEDFORWARD = "feedforward"
Levels = dict[str, Any]
Part = tuple[str, ...]  # factors that are exchanged together
Swap = Callable[[Recipe, Levels, str], Recipe]  # a recipe with levels, for the key that an error names


@dataclass(frozen=True, kw_only=True)
class StackPart:
    """One part: its factors, and the names of the variants that have it exchanged alone.

    ``out`` is the recipe under ``from`` with the part as under ``to``, ``into`` the one under ``to`` with the
    part as under ``from``. Where the two differ in two parts, leaving out the one is adding the other: one
    variant serves for both. Where they differ in one, both are the ends themselves.
    """

    factors: Part
    out: str
    into: str


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What lies between two recipes: the name of the first, the variant that is the other, and the parts."""

    origin: str
    whole: str
    parts: tuple[StackPart, ...]
    recipes: tuple[tuple[str, Recipe], ...]  # of all variants but the baseline, by name


def take_apart(ends: "Ends", differing: Mapping[str, tuple[str, str]], *, baseline: str) -> Stack:
    """The variants between two recipes, which differ in ``differing``: both labels by factor.

    ``baseline`` is the variant that the first is. Raises ``UserError`` where nothing differs, and for a part
    that cannot be exchanged with whatever other.
    """
    factors = ends.parts(differing)
    whole = ends.name
    if not factors:
        raise UserError(f"to: does what {ends.origin} does, which stands under from; name another recipe")
    outs = [_changed(part, differing, new=1) for part in factors]
    intos = [f"{whole}+{_changed(part, differing, new=0)}" for part in factors]
    left_out = [(name, ends.out(part)) for name, part in zip(outs, factors, strict=True)]
    added = [(name, ends.into(part)) for name, part in zip(intos, factors, strict=True)]
    if len(factors) == 1:
        outs, intos = [whole], [baseline]
        left_out, added = [], []
    elif len(factors) == 2:
        intos = outs[::-1]
        added = []
    return Stack(
        origin=ends.origin,
        whole=whole,
        parts=tuple(
            StackPart(factors=part, out=out, into=into)
            for part, out, into in zip(factors, outs, intos, strict=True)
        ),
        recipes=(*left_out, (whole, ends.whole), *added),
    )


def _changed(part: Part, differing: Mapping[str, tuple[str, str]], *, new: int) -> str:
    """``norm=layernorm``, as every design names a level; ``new`` says at which of the two ends."""
    return ",".join(f"{factor}={differing[factor][new]}" for factor in part)


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Two recipes, how they are called, and what exchanging parts makes of each."""

    baseline: Recipe
    whole: Recipe
    swap: Swap
    origin: str
    name: str

    def out(self, *parts: Part) -> Recipe:
        """The recipe under ``from`` with these parts as under ``to``."""
        return self._exchanged(self.baseline, self.whole, parts, "to")

    def into(self, *parts: Part) -> Recipe:
        """The recipe under ``to`` with these parts as under ``from``."""
        return self._exchanged(self.whole, self.baseline, parts, "from")

    def parts(self, differing: Iterable[str]) -> list[Part]:
        """The factors that differ, grouped into what can be exchanged alone, in their order."""
        found = _together(list(differing))
        place = 0
        while place < len(found):
            part = found[place]
            if self._stands_alone(part):
                place += 1
                continue
            partner = next((other for other in found if other != part and self._needs(part, other)), None)
            if partner is not None:
                found = _joined(found, part, partner)
                place = 0
                continue
            self._require_idle(part)
            found.pop(place)  # it is spelled otherwise, and does nothing at either end
        return found

    def _stands_alone(self, part: Part) -> bool:
        """Whether it can be exchanged at both ends, and does something at both."""
        return self._problem(part) is None and all(self._effective(part))

    def _effective(self, part: Part) -> list[bool]:
        """Whether exchanging it does something, at either end."""
        ends = ((self.out, self.baseline), (self.into, self.whole))
        return [exchange(part).behaviour() != recipe.behaviour() for exchange, recipe in ends]

    def _require_idle(self, part: Part) -> None:
        """Raise ``UserError`` for a part that has no partner, and is needed at one of the ends."""
        problem = self._problem(part)
        if problem is not None:
            raise problem
        if any(self._effective(part)):
            raise UserError(
                f"to: {', '.join(part)}: changes one of the two recipes and does nothing in the other, "
                "whatever part is exchanged with it; give both the same, or list the variants under the "
                "design explicit"
            )

    def _needs(self, part: Part, other: Part) -> bool:
        """Whether ``part``, where alone it cannot be or does nothing, needs ``other`` exchanged too."""
        for exchange, recipe in ((self.out, self.baseline), (self.into, self.whole)):
            both = _behaviour(exchange, other, part)
            if both is None:
                return False
            by_itself = _behaviour(exchange, part) not in (None, recipe.behaviour())
            if not by_itself and both == _behaviour(exchange, other):
                return False
        return True

    def _problem(self, part: Part) -> UserError | None:
        """Why it cannot be exchanged at one of the ends."""
        try:
            self.out(part)
            self.into(part)
        except UserError as error:
            return error
        return None

    def _exchanged(self, recipe: Recipe, other: Recipe, parts: tuple[Part, ...], key: str) -> Recipe:
        factors = [factor for part in parts for factor in part]
        levels: Levels = {factor: other.level(factor) for factor in factors}
        if CORPUS in levels:
            # A corpus brings its treatment along, which is a part of its own.
            levels[CORPUS] = untreated(levels[CORPUS])
            levels.setdefault(TREATMENT, recipe.level(TREATMENT))
        changed = self.swap(recipe, levels, f"{key}.{','.join(factors)}")
        if FEEDFORWARD in levels and changed.model.width == other.model.width:
            # Where sizes are not matched, a feed-forward network comes with the width that it has there.
            width = other.model.feedforward_width
            changed = replace(changed, model=changed.model.with_levels(feedforward_width=width))
        return changed


def _behaviour(exchange: Callable[..., Recipe], *parts: Part) -> str | None:
    """What the recipe with these parts exchanged computes; None where it cannot be."""
    try:
        return exchange(*parts).behaviour()
    except UserError:
        return None


def _together(factors: list[str]) -> list[Part]:
    """Each factor by itself, but those that are one part whatever their levels are."""
    found: list[Part] = [(factor,) for factor in factors]
    for first, second in _TOGETHER:
        if first in factors and second in factors:
            found = _joined(found, (first,), (second,))
    return found


def _joined(parts: list[Part], one: Part, other: Part) -> list[Part]:
    """``parts`` with two of them as one, at the place of the earlier."""
    first, second = sorted((one, other), key=parts.index)
    return [(*first, *second) if part == first else part for part in parts if part != second]
