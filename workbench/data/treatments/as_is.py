"""No treatment: what every other is compared with."""

from collections.abc import Iterator, Sequence

from workbench.data.treatments.treatment import NOTHING_ELSE, Outcome, Resources, Treatment


class AsIs(Treatment):
    """Every document stays as it is."""

    name = "as_is"
    formula = "text := text"
    paper = "what every treatment is compared with"

    def apply(self, documents: Sequence[str], resources: Resources = NOTHING_ELSE) -> Iterator[Outcome]:
        """The same documents."""
        return map(Outcome, documents)
