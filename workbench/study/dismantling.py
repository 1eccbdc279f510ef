"""Two recipes taken apart: the parts on which they differ, and each part exchanged alone, at both ends.

*Leave-one-out* is the recipe that one starts from with one part as in the other; *add-one-in* is the other
recipe with one part as in the first. A part is a factor, or several that mean nothing apart: a window and the
pattern of layers that have it, always; and what cannot be, or does nothing, without another part (betas that
only one of two optimizers reads) together with the first part beside which it can be and does something.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.data.corpora import untreated
from workbench.errors import UserError
from workbench.study.recipe import BATCH_SIZE, CONTEXT, CORPUS, SIZE, TREATMENT, Recipe

# Which layers have a window, and how wide it is; how many windows a step has, and how long they are; how many
# heads there are, and how many share a key head.
_TOGETHER = (("attention_pattern", "window"), (CONTEXT, BATCH_SIZE), (SIZE, "key_value_heads"))

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


def take_apart(
    baseline: Recipe,
    whole: Recipe,
    differing: Mapping[str, tuple[str, str]],
    swap: Swap,
    names: dict[str, str],
) -> Stack:
    """The variants between ``baseline`` and ``whole``, which differ in ``differing``: both labels by factor.

    ``names`` has how ``baseline`` and ``whole`` are called, under ``from``, ``to`` and ``baseline``. Raises
    ``UserError`` where nothing differs, and for a part that cannot be exchanged with whatever other.
    """
    ends = _Ends(baseline, whole, swap)
    parts = ends.parts(differing)
    if not parts:
        raise UserError(f"to: {names['to']} is the recipe that stands under from; name another")
    if len(parts) == 1:
        only = StackPart(factors=parts[0], out=names["to"], into=names["baseline"])
        return Stack(origin=names["from"], whole=names["to"], parts=(only,), recipes=((names["to"], whole),))
    out_names = [_changed(part, differing, new=1) for part in parts]
    out_recipes = [ends.out(part) for part in parts]
    if len(parts) == 2:
        into_names = out_names[::-1]
        into: list[tuple[str, Recipe]] = []
    else:
        into_names = [f"{names['to']}+{_changed(part, differing, new=0)}" for part in parts]
        into = [(name, ends.into(part)) for name, part in zip(into_names, parts, strict=True)]
    return Stack(
        origin=names["from"],
        whole=names["to"],
        parts=tuple(
            StackPart(factors=part, out=out, into=name)
            for part, out, name in zip(parts, out_names, into_names, strict=True)
        ),
        recipes=(*zip(out_names, out_recipes, strict=True), (names["to"], whole), *into),
    )


def _changed(part: Part, differing: Mapping[str, tuple[str, str]], *, new: int) -> str:
    """``norm=layernorm``, as every design names a level; ``new`` says at which of the two ends."""
    return ",".join(f"{factor}={differing[factor][new]}" for factor in part)


class _Ends:
    """Both recipes, and what exchanging parts makes of each."""

    def __init__(self, baseline: Recipe, whole: Recipe, swap: Swap) -> None:
        self._baseline = baseline
        self._whole = whole
        self._swap = swap

    def out(self, *parts: Part) -> Recipe:
        """The recipe under ``from`` with these parts as under ``to``."""
        return self._exchanged(self._baseline, self._whole, parts, "to")

    def into(self, *parts: Part) -> Recipe:
        """The recipe under ``to`` with these parts as under ``from``."""
        return self._exchanged(self._whole, self._baseline, parts, "from")

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
        ends = ((self.out, self._baseline), (self.into, self._whole))
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
        for exchange, recipe in ((self.out, self._baseline), (self.into, self._whole)):
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
        return self._swap(recipe, levels, f"{key}.{','.join(factors)}")


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
