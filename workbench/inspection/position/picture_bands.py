"""One run's rotary bands on windows of its validation text, as a table and in words."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from torch import Tensor

from workbench.analysis.statistics import mean_interval
from workbench.inspection.measuring import probe_of
from workbench.inspection.position.bands import (
    Bands,
    band_table,
    bands_of,
    halves,
    identity_error,
    octaves,
    removal_losses,
)
from workbench.inspection.scope import Scope
from workbench.model.decoder import Decoder
from workbench.numbers import fixed, number, percent, with_interval

TOKENS = 512  # of text on which bands are measured, about; two windows at least
WINDOWS = 8  # of text, at most; the losses without a group of bands take all of them
CHECKED = 32  # tokens on which bands are summed up to whole scores
NAMED = 3  # groups of bands in words
REMOVALS: dict[str, Callable[[Bands], dict[str, list[int]]] | None] = {
    "none": None,
    "halves": halves,
    "octaves": octaves,
}


@dataclass(frozen=True)
class BandReading:
    """One run's bands on the text, computed once. ``remove`` is a key of ``REMOVALS``."""

    scope: Scope
    role: str
    remove: str

    @property
    def name(self) -> str:
        """What legends call the run."""
        return self.scope.series[self.role]

    @cached_property
    def decoder(self) -> Decoder:
        """The run's decoder."""
        return self.scope.subject(self.role).decoder

    @property
    def context(self) -> int:
        """The context that it was made for, in tokens."""
        return self.decoder.config.context

    @cached_property
    def text(self) -> Tensor:
        """Windows of validation text with their last targets, ``(B, T + 1)``."""
        return probe_of(self.scope.subject(self.role)).text[:WINDOWS]  # (B, T + 1)

    @property
    def length(self) -> int:
        """Tokens of a window, T."""
        return self.text.shape[1] - 1

    @property
    def _few(self) -> Tensor:
        return self.text[: max(2, TOKENS // self.length), :-1]  # (b, T)

    @property
    def shown(self) -> str:
        """What was measured, in words."""
        return f"{len(self._few)} windows of {self.length} tokens of validation text"

    @cached_property
    def bands(self) -> Bands:
        """The bands in a text as long as the windows."""
        return bands_of(self.decoder, self.length)

    @cached_property
    def table(self) -> pd.DataFrame:
        """``band_table``, and how many ``turns`` each band completes within the context."""
        found = band_table(self.decoder, self._few).assign(series=self.name)
        return found.assign(turns=self.context / found["wavelength"])

    @cached_property
    def losses(self) -> pd.DataFrame | None:
        """``removal_losses``, or None if nothing is to be removed."""
        groups = REMOVALS[self.remove]
        if groups is None:
            return None
        return removal_losses(self.decoder, self.text, groups(self.bands)).assign(series=self.name)

    @property
    def labels(self) -> list[str]:
        """A name for each band: its wavelength, and whether that is beyond the context."""
        shown = [number(value) for value in self.bands.wavelengths.tolist()]
        if len(set(shown)) < len(shown):
            shown = [f"{band}: {value}" for band, value in enumerate(shown)]
        fast = len(shown) - self.bands.slow(self.context)
        shown = [value if band < fast else f"{value} > L" for band, value in enumerate(shown)]
        return [*shown, "still"] if self.bands.still else shown

    def answers(self) -> list[str]:
        """Turns, norms, contributions, losses; then how exact the split is."""
        sentences = [self.turns(), self._norms(), self._contributions()]
        if self.losses is not None:
            sentences.append(self._removed(self.losses))
        return [*sentences, self._exactness()]

    @property
    def _sizes(self) -> tuple[int, int]:
        return len(self.bands) // 2, len(self.bands)

    def turns(self) -> str:
        """How many bands complete no turn within the context, and how slow the slowest is."""
        slow, count = self.bands.slow(self.context), len(self.bands)
        return (
            f"{self.name}: {slow} of {count} bands never complete a turn within the context of "
            f"{self.context:,} tokens; the slowest turns once in "
            f"{number(float(self.bands.wavelengths[-1]))} tokens."
        )

    def _norms(self) -> str:
        middle, count = self._sizes
        rotating = self.table[self.table["band"] < count]
        slow = rotating["band"] >= middle
        parts = []
        for column, what in (("query_norm", "queries"), ("key_norm", "keys")):
            share = rotating.loc[slow, column].sum() / max(rotating[column].sum(), 1e-30)
            top = rotating.groupby("wavelength")[column].mean().idxmax()
            largest = f"largest at {number(top)} tokens per turn"
            parts.append(f"{percent(share)} of the norm of the {what} ({largest})")
        return (
            f"{self.name}: the slower half of the bands has {' and '.join(parts)}; evenly spread it would be "
            f"{percent((count - middle) / count)}."
        )

    def _contributions(self) -> str:
        mean, middle, count = self.table.groupby("band")["contribution"].mean(), *self._sizes
        parts = {
            "the faster half": mean.iloc[:middle].sum(),
            "the slower half": mean.iloc[middle:count].sum(),
        }
        if self.bands.still:
            parts["the dimensions that do not rotate"] = mean.iloc[count]
        shown = ", ".join(f"{number(float(value), sign=True)} from {name}" for name, value in parts.items())
        return (
            f"{self.name}: what heads attend to scores {number(float(mean.sum()), sign=True)} above the mean "
            f"of the keys in reach (mean over heads): {shown}."
        )

    def _removed(self, losses: pd.DataFrame) -> str:
        groups = dict(list(losses.groupby("group", sort=False)["difference"]))
        top = sorted(groups, key=lambda name: -groups[name].mean())[:NAMED]
        parts = []
        for name in groups:
            if name in top:
                interval = mean_interval(groups[name].tolist())
                parts.append(f"{name} {with_interval(groups[name].mean(), interval, 3, sign=True)}")
        rest = [abs(values.mean()) for name, values in groups.items() if name not in top]
        if rest:
            parts.append(f"each of the other {len(rest)} groups by {fixed(max(rest), 3)} at most")
        return (
            f"{self.name}: without the rotation of these bands the loss changes, in nats per token (mean and "
            f"95 % interval over {len(self.text)} windows): {'; '.join(parts)}."
        )

    def _exactness(self) -> str:
        error = identity_error(self.decoder, self.text[:1, :CHECKED])
        return f"{self.name}: bands sum up to the scores within {error:.0e}."
