"""No treatment: what every other is compared with."""

from collections.abc import Iterator, Sequence

from workbench.data.treatments.treatment import Treatment


class AsIs(Treatment):
    """Every document stays as it is."""

    name = "as_is"
    formula = "text := text"
    paper = "what every treatment is compared with"

    def apply(self, documents: Sequence[str]) -> Iterator[str]:
        """The same documents."""
        return iter(documents)
