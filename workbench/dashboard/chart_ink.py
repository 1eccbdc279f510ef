"""Colours of what a chart writes and rules itself, on a light page and on a dark one."""

from dataclasses import dataclass

from workbench.analysis.colours import BASELINE_COLOUR


@dataclass(frozen=True)
class Ink:
    """Colours of a chart's own marks in the present theme; axes and titles follow Streamlit's theme."""

    text: str
    faint: str
    paper: str
    baseline: str = BASELINE_COLOUR

    @classmethod
    def of(cls, dark: bool) -> "Ink":
        """The inks of the dark or the light theme."""
        if dark:
            return cls(text="#E4E9EF", faint="#8A97A6", paper="#12161C", baseline="#DDE3EA")
        return cls(text="#0E1822", faint="#5F6C7A", paper="#FFFFFF")
