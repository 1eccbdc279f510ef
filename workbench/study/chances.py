"""What a number of seeds can decide, given the noise that is known: for ``workbench check`` and ``plan``.

All comparisons of a study share one error of 5 %, so that the more there are, the more seeds each needs.
Where seeds are fixed the chances are those of the t tests; where a study runs until all is decided they come
from the rule itself, by simulated studies.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from workbench.analysis.deciding.design_chances import (
    STUDIES,
    margin_for_equivalent,
    smallest_different,
    word_chances,
)
from workbench.analysis.deciding.looks import Rule
from workbench.analysis.deciding.nominal_levels import MOST_PAIRS
from workbench.analysis.power import (
    POWER,
    detectable_effect,
    equivalence_power,
    margin_for_equivalence,
    seeds_for_equivalence,
    seeds_text,
)
from workbench.analysis.report_tables import TextTable
from workbench.numbers import MISSING, decimals_for, fixed, percent, plural
from workbench.records.manifest import Manifest
from workbench.study.known_noise import Noise, known_noise
from workbench.visible import one_line

EVEN = 0.5  # a study less likely than this to say what is true cannot answer its question


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A variant against the baseline: its margin, and the noise of their difference where it is known.

    ``family`` counts the comparisons that share the error of 5 %. ``looks`` are the numbers of pairs at which
    a study looks that runs until all is decided; empty where the number of seeds is fixed.
    """

    variant: str
    margin: float
    noise: Noise | None
    family: int
    looks: tuple[int, ...] = ()

    def chances(self, seeds: int, power: float = POWER) -> dict[str, Any]:
        """What ``seeds`` pairs decide by the likely noise and by the safe one; None without any.

        The smallest effect that is called better or worse is the one that is so with a chance of ``power``.
        With looks ``seeds`` are the most that are taken, and how many it takes where the two are equal is
        said too: in half of such studies at most, and in nine of ten.
        """
        known = self._known
        found = {
            "variant": self.variant,
            "margin": self.margin,
            "seeds": seeds,
            "family": self.family,
            "looks": list(self._looks_until(seeds)),
            "power": power,
            "noise": self.noise.to_dict() if self.noise else None,
            "equivalent_if_equal": {key: self._if_equal(sd, seeds) for key, sd in known.items()} or None,
            "smallest_effect": {key: self._smallest(sd, seeds, power) for key, sd in known.items()} or None,
        }
        if self._looks_until(seeds):
            found["if_equal"] = {key: self._words(sd, seeds, 0.0) for key, sd in known.items()} or None
        return found

    def words(self, differences: list[float]) -> list[dict[str, Any]]:
        """The chance of each word at each true difference (in units of the metric), and the pairs it takes.

        Of a study that runs until all is decided, by the likely noise and by the safe one.
        """
        return [
            {"difference": difference, "margins": difference / self.margin}
            | {key: self._words(sd, self.looks[-1], difference) for key, sd in self._known.items()}
            for difference in differences
        ]

    @property
    def _known(self) -> dict[str, float]:
        return {} if self.noise is None else {"likely": self.noise.sd, "safe": self.noise.safe}

    def _looks_until(self, seeds: int) -> tuple[int, ...]:
        """The looks of a study that may take so many; none of one that has none, or where all come later."""
        earlier = tuple(look for look in self.looks if look < seeds)
        return (*earlier, seeds) if self.looks and seeds >= self.looks[0] else ()

    def _rule(self, seeds: int) -> Rule:
        return Rule(self._looks_until(seeds), self.family, until_decided=True)

    def _words(self, sd: float, seeds: int, difference: float) -> dict[str, Any]:
        return asdict(word_chances(self._rule(seeds), self.margin / sd, difference / sd))

    def _if_equal(self, sd: float, seeds: int) -> float:
        if not self.looks:
            return equivalence_power(self.margin, sd, seeds, comparisons=self.family)
        if not self._looks_until(seeds):
            return 0.0
        return word_chances(self._rule(seeds), self.margin / sd, 0.0).equivalent

    def _smallest(self, sd: float, seeds: int, power: float) -> float | None:
        if not self.looks:
            beyond = detectable_effect(sd, seeds, comparisons=self.family, power=power)
            return None if beyond is None else self.margin + beyond
        if not self._looks_until(seeds):
            return None
        return sd * smallest_different(self._rule(seeds), self.margin / sd, power)

    def warning(self, seeds: int) -> str | None:
        """That equals will hardly be called equivalent, and what would mend it; None where they will."""
        if self.noise is None:
            return None
        sd = self.noise.sd
        if_equal = self._if_equal(sd, seeds)
        if if_equal >= EVEN:
            return None
        remedy = self._more_pairs(sd, seeds) if self.looks else self._more_seeds(sd, seeds)
        return (
            f"an effect of zero would be called equivalent within ±{self.margin:g} in "
            f"{chance(if_equal)} of such studies; {remedy}"
        )

    def _more_seeds(self, sd: float, seeds: int) -> str:
        """How many seeds, or which margin, would do where their number is fixed."""
        even = seeds_for_equivalence(self.margin, sd, comparisons=self.family, power=EVEN)
        good = seeds_for_equivalence(self.margin, sd, comparisons=self.family)
        wider = margin_for_equivalence(sd, seeds, comparisons=self.family, power=EVEN)
        remedy = f"seeds.confirm: {seeds_text(even)} reach 50 %, {seeds_text(good)} reach {percent(POWER)}"
        if wider is not None:
            remedy += f"; or margin: {wider:.2g} reaches 50 % with {seeds}"
        return remedy

    def _more_pairs(self, sd: float, seeds: int) -> str:
        """Which ``at_most``, or which margin, would do where a study runs until all is decided."""
        wider = sd * margin_for_equivalent(self._rule(seeds), EVEN)
        remedy = f"margin: {wider:.2g} reaches 50 % with at most {seeds}"
        # One look at all of them needs no more pairs than several, so that none below need be tried.
        fewest = seeds_for_equivalence(self.margin, sd, comparisons=self.family, power=EVEN)
        more = 2 * seeds
        while more < fewest:
            more *= 2
        if more <= MOST_PAIRS:
            reached = self._if_equal(sd, more)
            remedy = f"seeds.at_most: {more} reaches {chance(reached)}; or {remedy}"
        return remedy


def comparisons_of(manifest: Manifest, results: Path) -> list[Comparison]:
    """Those of a study, with what finished studies in ``results`` know of their noise.

    Of a ladder those of all rungs, each of them a family of its own.
    """
    if manifest.is_ladder:
        return [one for rung in manifest.compared for one in comparisons_of(rung, results)]
    noises = known_noise(manifest, results)
    names = [name for name in manifest.names if name != manifest.baseline]
    return [
        Comparison(
            variant=name,
            margin=manifest.margin_of(name),
            noise=noises.get(name),
            family=len(names),
            looks=tuple(manifest.looks),
        )
        for name in names
    ]


def power_warnings(comparisons: list[Comparison], seeds: int) -> list[str]:
    """One line for each thing to mend, with the variants that it is true of."""
    named: dict[str, list[str]] = {}
    for one in comparisons:
        text = one.warning(seeds)
        if text is not None:
            named.setdefault(text, []).append(one.variant)
    return [f"{', '.join(names)}: {text}" for text, names in named.items()]


def chances_table(chances: list[dict[str, Any]]) -> Table:
    """A row for each comparison: what the seeds can decide; of a study with looks also how many it takes."""
    text = chances_text(chances)
    table = Table(title=text.title, title_justify="left")
    table.add_column(text.headings[0], overflow="fold")
    for heading in text.headings[1:]:
        table.add_column(heading, justify="right")
    for row in text.rows:
        table.add_row(*row)
    return table


def chances_text(chances: list[dict[str, Any]]) -> TextTable:
    """What ``chances_table`` shows, as text."""
    looks = chances[0]["looks"]
    headings = [
        "variant",
        "margin",
        "noise (95 % range)",
        f"better or worse\nin {percent(chances[0]['power'])} from",
        "equivalent,\nif equal",
    ]
    if looks:
        headings.append("pairs, if equal\n(90 % at most)")
    rows = []
    for row in chances:
        decimals = decimals_for(row["margin"])
        smallest, equal = row["smallest_effect"] or {}, row["equivalent_if_equal"] or {}
        cells = [
            one_line(row["variant"]),
            f"±{row['margin']:g}",
            noise_cell(row["noise"], decimals),
            both(*(f"±{fixed(value, decimals)}" for value in smallest.values() if value is not None)),
            both(*(chance(value) for value in equal.values())),
        ]
        if looks:
            cells.append(both(*map(pairs_cell, (row["if_equal"] or {}).values())))
        rows.append(tuple(cells))
    return TextTable(_title(chances), tuple(headings), tuple(rows))


def _title(chances: list[dict[str, Any]]) -> str:
    seeds, looks = chances[0]["seeds"], chances[0]["looks"]
    shared = []
    family = chances[0]["family"]
    if family > 1:
        at_each = " at each rung" if family < len(chances) else ""
        shared.append(f"{plural(family, 'comparison')}{at_each} share an error of 5 %")
    if not looks:
        share = f" ({shared[0]})" if shared else ""
        return f"What {plural(seeds, 'seed')} can decide, by the likely noise / by the safe one{share}"
    shared.append(f"simulated {STUDIES} times")
    return (
        f"What looks at {', '.join(map(str, looks))} pairs can decide, by the likely noise / by the safe one "
        f"({'; '.join(shared)})"
    )


def words_table(words: list[dict[str, Any]]) -> Table:
    """How often each word is said by true difference, for each comparison of a study with looks."""
    title = (
        "How often each word is said, and after how many pairs, by what is true (likely noise / safe one; "
        "the other comparisons held open)"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("variant", overflow="fold")
    inconclusive = any(
        at[key]["inconclusive"] > 0 for row in words for at in row["words"] for key in ("likely", "safe")
    )
    names = ["different", "equivalent", "at_the_margin"]
    headings = ["true\ndifference", "better\nor worse", "equivalent", "at the\nmargin"]
    if inconclusive:
        names.append("inconclusive")
        headings.append("incon-\nclusive")
    for heading in (*headings, "pairs\n(90 % at most)"):
        table.add_column(heading, justify="right")
    for row in words:
        name = one_line(row["variant"])
        for at in row["words"]:
            cells = [both(*(chance(at[key][word]) for key in ("likely", "safe"))) for word in names]
            pairs = both(*(pairs_cell(at[key]) for key in ("likely", "safe")))
            table.add_row(name, _true(at, decimals_for(row["margin"])), *cells, pairs)
            name = ""  # once for all of its rows
        table.add_section()
    return table


def _true(at: dict[str, Any], decimals: int) -> str:
    """``none``, or ``0.0300 = 1.5 margins``."""
    if not at["difference"]:
        return "none"
    margins = f"{at['margins']:.3g} margin{'' if at['margins'] == 1 else 's'}"
    return f"{fixed(at['difference'], decimals)} = {margins}"


def pairs_cell(words: dict[str, Any]) -> str:
    """``32 (64)``: in half of the studies at most, and in nine of ten; once where they are the same."""
    usual, most = words["pairs"], words["most_pairs"]
    return str(usual) if usual == most else f"{usual} ({most})"


def noise_cell(noise: dict[str, Any] | None, decimals: int) -> str:
    """``0.0239 (0.0158 to 0.0486)``; of an sd that was assumed without a range."""
    if noise is None:
        return MISSING
    if noise["sd_low"] is None:
        return fixed(noise["sd"], decimals)
    ends = f"{fixed(noise['sd_low'], decimals)} to {fixed(noise['sd_high'], decimals)}"
    return f"{fixed(noise['sd'], decimals)} ({ends})"


def noise_lines(chances: list[dict[str, Any]]) -> list[str]:
    """Where the noise is from, each source once with the variants whose it is."""
    sources: dict[str, list[str]] = {}
    for row in chances:
        if row["noise"] is not None:
            sources.setdefault(row["noise"]["source"], []).append(row["variant"])
    if len(sources) == 1:
        return [f"noise:    {one_line(source)}" for source in sources]
    return [
        f"noise:    {one_line(', '.join(names))}: {one_line(source)}" for source, names in sources.items()
    ]


def chance(value: float) -> str:
    """``14 %``; ``<1 %`` and ``>99 %`` where a percentage would say never or always."""
    if value < 0.01:
        return "<1 %"
    return ">99 %" if value > 0.99 else percent(value)


def both(*texts: str) -> str:
    """``14 / 33``: likely and safe, once where they are the same."""
    return " / ".join(dict.fromkeys(texts)) or MISSING
