"""What a section of the benchmark is: a question, a time budget, and a function that measures."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from workbench.bench.outcome import Outcome
from workbench.progress import Progress


class Effort(StrEnum):
    """How long measuring may take."""

    QUICK = "quick"
    FULL = "full"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Under what a section measures.

    ``seconds`` is its budget: what does not fit is left out and named. ``folder`` is empty and its own;
    ``progress`` hears what is measured and the part that is done.
    """

    effort: Effort
    device: str
    seconds: float
    folder: Path
    progress: Progress = lambda text, part: None

    @property
    def is_quick(self) -> bool:
        """Whether a few minutes must do."""
        return self.effort is Effort.QUICK


@dataclass(frozen=True, kw_only=True)
class Section:
    """``about`` says in a sentence or two what the numbers mean; ``seconds`` is the budget of each effort."""

    name: str
    title: str
    about: str
    seconds: dict[Effort, float]
    measure: Callable[[Setting], Outcome]
