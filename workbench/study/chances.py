"""What a number of seeds can decide, given the noise that is known: for ``workbench check`` and ``plan``.

All comparisons of a study share one error of 5 %, so that the more there are, the more seeds each needs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from workbench.analysis.power import (
    POWER,
    detectable_effect,
    equivalence_power,
    margin_for_equivalence,
    seeds_for_equivalence,
    seeds_text,
)
from workbench.numbers import MISSING, decimals_for, fixed, percent, plural
from workbench.records.manifest import Manifest
from workbench.study.known_noise import Noise, known_noise
from workbench.visible import one_line

EVEN = 0.5  # a study less likely than this to say what is true cannot answer its question


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A variant against the baseline: its margin, and the noise of their difference where it is known.

    ``family`` counts the comparisons that share the error of 5 %.
    """

    variant: str
    margin: float
    noise: Noise | None
    family: int

    def chances(self, seeds: int, power: float = POWER) -> dict[str, Any]:
        """What ``seeds`` pairs decide by the likely noise and by the safe one; None without any.

        The smallest effect that is called better or worse is the one that is so with a chance of ``power``.
        """
        known = {} if self.noise is None else {"likely": self.noise.sd, "safe": self.noise.safe}
        return {
            "variant": self.variant,
            "margin": self.margin,
            "seeds": seeds,
            "power": power,
            "noise": self.noise.to_dict() if self.noise else None,
            "equivalent_if_equal": {key: self._if_equal(sd, seeds) for key, sd in known.items()} or None,
            "smallest_effect": {key: self._smallest(sd, seeds, power) for key, sd in known.items()} or None,
        }

    def _if_equal(self, sd: float, seeds: int) -> float:
        return equivalence_power(self.margin, sd, seeds, comparisons=self.family)

    def _smallest(self, sd: float, seeds: int, power: float) -> float | None:
        beyond = detectable_effect(sd, seeds, comparisons=self.family, power=power)
        return None if beyond is None else self.margin + beyond

    def warning(self, seeds: int) -> str | None:
        """That equals will hardly be called equivalent, and what would mend it; None where they will."""
        if self.noise is None:
            return None
        sd = self.noise.sd
        if_equal = self._if_equal(sd, seeds)
        if if_equal >= EVEN:
            return None
        even = seeds_for_equivalence(self.margin, sd, comparisons=self.family, power=EVEN)
        good = seeds_for_equivalence(self.margin, sd, comparisons=self.family)
        wider = margin_for_equivalence(sd, seeds, comparisons=self.family, power=EVEN)
        remedy = f"seeds.confirm: {seeds_text(even)} reach 50 %, {seeds_text(good)} reach {percent(POWER)}"
        if wider is not None:
            remedy += f"; or margin: {wider:.2g} reaches 50 % with {seeds}"
        return (
            f"an effect of zero would be called equivalent within ±{self.margin:g} in "
            f"{chance(if_equal)} of such studies; {remedy}"
        )


def comparisons_of(manifest: Manifest, results: Path) -> list[Comparison]:
    """Those of a study, with what finished studies in ``results`` know of their noise."""
    noises = known_noise(manifest, results)
    names = [name for name in manifest.names if name != manifest.baseline]
    return [
        Comparison(variant=name, margin=manifest.margin_of(name), noise=noises.get(name), family=len(names))
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


def chances_table(chances: list[dict[str, Any]], *, looks: bool = False) -> Table:
    """A row for each comparison: what the seeds can decide.

    ``looks``: those are the most that a study until all is decided may take, at the levels of a single look.
    """
    seeds, family = chances[0]["seeds"], plural(len(chances), "comparison")
    all_of_them = ", the most that it may take, looked at once," if looks else ""
    share = f" ({family} share an error of 5 %)" if len(chances) > 1 else ""
    title = (
        f"What {plural(seeds, 'seed')}{all_of_them} can decide, by the likely noise / by the safe one{share}"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("variant", overflow="fold")
    headings = (
        "margin",
        "noise (95 % range)",
        f"better or worse\nin {percent(chances[0]['power'])} from",
        "equivalent,\nif equal",
    )
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in chances:
        decimals = decimals_for(row["margin"])
        smallest, equal = row["smallest_effect"] or {}, row["equivalent_if_equal"] or {}
        table.add_row(
            one_line(row["variant"]),
            f"±{row['margin']:g}",
            noise_cell(row["noise"], decimals),
            both(*(f"±{fixed(value, decimals)}" for value in smallest.values() if value is not None)),
            both(*(chance(value) for value in equal.values())),
        )
    return table


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
