"""Damage with a dose: characters that are replaced by others, as scanning or transmission would."""

import math
import random
from collections.abc import Iterator, Sequence
from io import StringIO

from pydantic import Field

from workbench.data.treatments.treatment import NOTHING_ELSE, Outcome, Resources, Treatment
from workbench.number_types import Number
from workbench.seeds import stable_hash

_PRINTABLE = "".join(map(chr, range(32, 127)))


class ByteNoise(Treatment):
    """Replaces a share of all characters by random printable ones of ASCII."""

    name = "byte_noise"
    formula = "character := random printable character, with probability share for each"
    paper = "Belinkov and Bisk 2017, arXiv 1711.02173"

    share: Number = Field(0.01, gt=0, le=1, description="Share of the characters that are replaced.")

    def apply(self, documents: Sequence[str], resources: Resources = NOTHING_ELSE) -> Iterator[Outcome]:
        """Each document with noise that follows from its content."""
        for text in documents:
            noisy = self._noisy(text, random.Random(stable_hash(self.name, text)))
            yield Outcome(noisy, "noise") if noisy != text else Outcome(text)

    def _noisy(self, text: str, draw: random.Random) -> str:
        noisy = StringIO()  # a list of the characters of a long text would take many times its size
        start = 0
        place = self._gap(draw)
        while place < len(text):
            noisy.write(text[start:place])
            noisy.write(draw.choice(_PRINTABLE))
            start = place + 1
            place = start + self._gap(draw)
        noisy.write(text[start:])
        return noisy.getvalue()

    def _gap(self, draw: random.Random) -> int:
        """How many characters stay up to the next that is replaced: geometric, one draw in place of many."""
        if self.share == 1:
            return 0
        return int(math.log(1 - draw.random()) / math.log(1 - self.share))
